// Alibaba's SDK for the VPC API in one module of its own: it is large, and loaded only when the API is called.
import Client from "@alicloud/vpc20160428";
import * as models from "@alicloud/vpc20160428";

export { Client, models };
