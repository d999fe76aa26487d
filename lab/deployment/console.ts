// What a person does by hand in Alibaba's console during the page's drill, done with Alibaba's own SDK.
import VpcClient, { ModifyVpnConnectionAttributeRequest, DescribeVpnConnectionsRequest } from "@alicloud/vpc20160428";
import { Config } from "@alicloud/openapi-client";
import { DUMMY_KEYS } from "../terraform/terraform";

const REGION = "ap-southeast-1";

export class Console {
  private readonly client: VpcClient;

  constructor(endpoint: string) {
    this.client = new VpcClient(
      new Config({
        accessKeyId: DUMMY_KEYS.accessKey,
        accessKeySecret: DUMMY_KEYS.secretKey,
        endpoint,
        protocol: "HTTP",
        regionId: REGION,
      }),
    );
  }

  /** Changes the active tunnel's PSK of the only connection; waits until the API says that it is done. */
  async changeActivePsk(psk: string): Promise<void> {
    const { body } = await this.client.describeVpnConnections(new DescribeVpnConnectionsRequest({ regionId: REGION }));
    const id = body?.vpnConnections?.vpnConnection?.[0]?.vpnConnectionId;
    if (!id) throw new Error("the emulated cloud holds no IPsec connection to change");
    await this.client.modifyVpnConnectionAttribute(
      new ModifyVpnConnectionAttributeRequest({
        regionId: REGION,
        vpnConnectionId: id,
        tunnelOptionsSpecification: [{ role: "master", tunnelIkeConfig: { psk } }],
      }),
    );
  }
}
