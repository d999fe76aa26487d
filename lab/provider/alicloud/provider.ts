// The stand-in for aliyun/alicloud: the real provider's schema, eight of its types, and only ever an emulated API.
import schemas from "../../../packages/provider-alicloud/schema.json";
import type { Provider } from "../provider";
import type { ProviderSchema } from "../schema";
import { Reader } from "../values";
import { Api } from "./api";
import { vpc } from "./vpc";
import { vpnConnection } from "./vpn-connection";
import { vpnCustomerGateway } from "./vpn-customer-gateway";
import { vpnGateway } from "./vpn-gateway";
import { vpnGatewayZones } from "./vpn-gateway-zones";
import { vpnPbrRouteEntry, vpnRouteEntry } from "./vpn-route-entries";
import { vswitch } from "./vswitch";

export const alicloud: Provider<Api> = {
  name: "alicloud",
  schema: schemas.provider_schemas["registry.terraform.io/aliyun/alicloud"] as unknown as ProviderSchema,
  resources: {
    alicloud_vpc: vpc,
    alicloud_vswitch: vswitch,
    alicloud_vpn_gateway: vpnGateway,
    alicloud_vpn_customer_gateway: vpnCustomerGateway,
    alicloud_vpn_connection: vpnConnection,
    alicloud_vpn_route_entry: vpnRouteEntry,
    alicloud_vpn_pbr_route_entry: vpnPbrRouteEntry,
  },
  dataSources: { alicloud_vpn_gateway_zones: vpnGatewayZones },
  configure(config, stopped) {
    const value = new Reader(config);
    const endpoint = value.block("endpoints")?.string("vpc") ?? "";
    const [region, accessKey, secretKey] = ["region", "access_key", "secret_key"].map((name) => value.string(name));
    if (!/^127\.0\.0\.1:\d+$/.test(endpoint) || value.string("protocol") !== "HTTP")
      throw new Error(
        "The stand-in for provider alicloud talks to an emulated API only: " +
          'its block needs endpoints { vpc = "127.0.0.1:PORT" } and protocol = "HTTP". For a real account use the real provider.',
      );
    if (!region || !accessKey || !secretKey)
      throw new Error("The provider block of alicloud needs region, access_key and secret_key.");
    return new Api({
      region,
      accessKey,
      secretKey,
      endpoint,
      stopped,
      readTimeout: value.number("client_read_timeout"),
      connectTimeout: value.number("client_connect_timeout"),
    });
  },
};
