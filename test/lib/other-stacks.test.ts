// What a site tells other stacks: its facts as references that Terraform carries from one state to the other.
import * as fs from "node:fs";
import * as path from "node:path";
import { App, TerraformOutput, TerraformStack } from "cdktf";
import { DualTunnelVpn } from "../../lib";
import { newStack, SITE } from "./site";

describe("the facts of a site", () => {
  it("are attributes that another stack can use", () => {
    const stack = newStack();
    const { gateway, customerGateways, connection } = new DualTunnelVpn(stack, "vpn", SITE);
    const other = new TerraformStack(stack.node.root, "other");
    const facts = {
      gateway: gateway.vpnGatewayId,
      active: gateway.activeIpsecAddress,
      standby: gateway.standbyIpsecAddress,
      connection: connection.vpnConnectionId,
      customer_gateway: customerGateways.standbyCustomerGatewayId,
      active_id: connection.tunnels[0].cloudId,
    };
    for (const [id, value] of Object.entries(facts)) new TerraformOutput(other, id, { value }).overrideLogicalId(id);

    const app = stack.node.root as App;
    app.synth();
    const [made, read] = [stack, other].map(({ node }) => {
      const file = path.join(app.outdir, "stacks", node.id, "cdk.tf.json");
      return (JSON.parse(fs.readFileSync(file, "utf8")) as { output: Record<string, { value: string }> }).output;
    });
    const attribute = (name: string) =>
      `\${data.terraform_remote_state.cross-stack-reference-input-test.outputs.cross-stack-output-${name}}`;
    expect(Object.fromEntries(Object.entries(read).map(([id, { value }]) => [id, value]))).toEqual({
      gateway: attribute("alicloud_vpn_gatewaysingapore_gatewayid"),
      active: attribute("alicloud_vpn_gatewaysingapore_gatewayinternet_ip"),
      standby: attribute("alicloud_vpn_gatewaysingapore_gatewaydisaster_recovery_internet_ip"),
      connection: attribute("alicloud_vpn_connectionsingapore_connectionid"),
      customer_gateway: attribute("alicloud_vpn_customer_gatewaycustomer_gateway_203_0_113_181id"),
      active_id: attribute("alicloud_vpn_gatewaysingapore_gatewayinternet_ip"),
    });
    expect(made["cross-stack-output-alicloud_vpn_gatewaysingapore_gatewayid"].value).toBe(
      "${alicloud_vpn_gateway.singapore_gateway.id}",
    );
  });
});
