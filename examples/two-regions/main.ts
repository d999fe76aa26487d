// One box with a connection to a VPC in Singapore and another to a VPC in Frankfurt, one provider for each region.
import { NullProvider } from "@cdktf/provider-null/lib/provider";
import { App, LocalBackend, TerraformStack, TerraformVariable } from "cdktf";
import { DualTunnelVpn, HostKey, synth } from "cdktf-alicloud-dual-tunnel-vpn";
import { AlicloudProvider } from "cdktf-alicloud-dual-tunnel-vpn/alicloud/provider";
import { Vpc } from "cdktf-alicloud-dual-tunnel-vpn/alicloud/vpc";
import { Vswitch } from "cdktf-alicloud-dual-tunnel-vpn/alicloud/vswitch";

const REGIONS = [
  { name: "asia", region: "ap-southeast-1", zones: ["ap-southeast-1a", "ap-southeast-1b"], block: "192.168" },
  { name: "europe", region: "eu-central-1", zones: ["eu-central-1a", "eu-central-1b"], block: "10.64" },
] as const;

const app = new App();
const stack = new TerraformStack(app, "two-regions");
new LocalBackend(stack, { path: "../../../terraform.two-regions.tfstate" });
new NullProvider(stack, "null");
const hostKey = new TerraformVariable(stack, "box_host_key", { type: "string" });

for (const { name, region, zones, block } of REGIONS) {
  const provider = new AlicloudProvider(stack, name, { alias: name, region });
  const vpc = new Vpc(stack, `${name}-vpc`, { provider, vpcName: name, cidrBlock: `${block}.0.0/16` });
  const vswitch = (zoneId: string, number: number) =>
    new Vswitch(stack, `${name}-vswitch-${number}`, {
      provider,
      vpcId: vpc.id,
      cidrBlock: `${block}.${number}.0/24`,
      zoneId,
    });
  new DualTunnelVpn(stack, `${name}-vpn`, {
    name,
    provider,
    gateway: { vpc, vswitches: [vswitch(zones[0], 1), vswitch(zones[1], 2)] },
    dataCenterCidrs: ["172.16.0.0/16"],
    uplinks: [
      { address: "172.16.1.93/24", gateway: "172.16.1.253", egressIp: "198.51.100.198" },
      { address: "172.16.2.57/24", gateway: "172.16.2.253", egressIp: "203.0.113.181" },
    ],
    ssh: { host: "box.example.com", hostKey: HostKey.ecdsa(hostKey.stringValue) },
  });
}

synth(app);
