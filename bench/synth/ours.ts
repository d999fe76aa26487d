// The sites, made with this library's constructs.
import { NullProvider } from "@cdktf/provider-null/lib/provider";
import { App, LocalBackend, TerraformStack } from "cdktf";
import { DualTunnelVpn, HostKey } from "cdktf-alicloud-dual-tunnel-vpn";
import { AlicloudProvider } from "cdktf-alicloud-dual-tunnel-vpn/alicloud/provider";
import { Vpc } from "cdktf-alicloud-dual-tunnel-vpn/alicloud/vpc";
import { Vswitch } from "cdktf-alicloud-dual-tunnel-vpn/alicloud/vswitch";
import { benchSites, HOST_KEY, VPC_CIDR } from "./sites";

/** The app with a stack of so many sites, not yet synthesized. */
export function build(count: number): App {
  const app = new App();
  const stack = new TerraformStack(app, "bench");
  new LocalBackend(stack, { path: "terraform.tfstate" });
  new AlicloudProvider(stack, "alicloud", { region: "ap-southeast-1" });
  new NullProvider(stack, "null");
  const vpc = new Vpc(stack, "vpc", { vpcName: "bench", cidrBlock: VPC_CIDR });
  const vswitch = (id: string, number: number) =>
    new Vswitch(stack, `vswitch_${id}`, {
      vpcId: vpc.id,
      cidrBlock: `192.168.${number}.0/24`,
      zoneId: `ap-southeast-1${id}`,
    });
  const vswitches = [vswitch("a", 10), vswitch("b", 20)] as const;
  for (const site of benchSites(count)) {
    new DualTunnelVpn(stack, site.name, {
      name: site.name,
      gateway: { vpc, vswitches },
      dataCenterCidrs: [site.dataCenterCidr],
      uplinks: [
        { address: "172.16.1.93/24", gateway: "172.16.1.253", egressIp: site.egressIps[0] },
        { address: "172.16.2.57/24", gateway: "172.16.2.253", egressIp: site.egressIps[1] },
      ],
      ssh: { host: site.box, hostKey: HostKey.ecdsa(HOST_KEY) },
    });
  }
  return app;
}
