// The stack of test/graph/landed: one site with everything in the stack, a gateway with sites whose order in the code is
// not that of their names, and a pair of customer gateways used alone.
import { Vpc } from "@cdktf/provider-alicloud/lib/vpc";
import { Vswitch } from "@cdktf/provider-alicloud/lib/vswitch";
import { TerraformStack } from "cdktf";
import { CustomerGatewayPair, DualTunnelVpn, DualTunnelVpnGateway, type SshOptions } from "../../lib";
import { REGION } from "./deployment";

export const VARIABLES = Object.fromEntries(
  ["one", "alpha", "beta", "gamma"].flatMap((name) =>
    ["active", "standby"].map((role) => [`${name}_psk_${role}`, `key-of-${name}-${role}`]),
  ),
);

export function network(stack: TerraformStack, name: string): ConstructorParameters<typeof DualTunnelVpnGateway>[2] {
  const vpc = new Vpc(stack, `${name}-vpc`, { vpcName: name, cidrBlock: "192.168.0.0/16" });
  const vswitch = (zone: "a" | "b", cidrBlock: string) =>
    new Vswitch(stack, `${name}-${zone}`, { vpcId: vpc.id, cidrBlock, zoneId: `${REGION}${zone}` });
  return { vpc, vswitches: [vswitch("a", "192.168.10.0/24"), vswitch("b", "192.168.20.0/24")] };
}

const uplinks = (third: number) =>
  [
    { address: "172.16.1.93/24", gateway: "172.16.1.253", egressIp: `198.51.100.${third}` },
    { address: "172.16.2.57/24", gateway: "172.16.2.253", egressIp: `203.0.113.${third}` },
  ] as const;

/** @param ssh how each site's box is reached */
export function landedStack(stack: TerraformStack, ssh: (site: number) => SshOptions): void {
  new DualTunnelVpn(stack, "one", {
    name: "one",
    gateway: network(stack, "one"),
    dataCenterCidrs: ["10.2.0.0/16", "10.1.0.0/16"],
    uplinks: uplinks(1),
    ssh: ssh(0),
  });
  const gateway = new DualTunnelVpnGateway(stack, "shared", network(stack, "shared"));
  ["gamma", "alpha", "beta"].forEach((name, index) => {
    new DualTunnelVpn(stack, name, {
      name,
      gateway,
      dataCenterCidrs: [`10.3${index}.0.0/16`],
      uplinks: uplinks(30 + index),
      ssh: ssh(1 + index),
    });
  });
  new CustomerGatewayPair(stack, "alone", { egressIps: ["198.51.100.9", "203.0.113.9"] });
}
