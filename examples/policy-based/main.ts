// Several blocks on both sides, routed by policy: the tunnels carry only the pairs of blocks that are listed.
// The active tunnel has shorter lifetimes than the standby tunnel, and the agent proves the path with a host in the VPC.
import { NullProvider } from "@cdktf/provider-null/lib/provider";
import { App, LocalBackend, TerraformStack, TerraformVariable } from "cdktf";
import { DhGroup, DualTunnelVpn, Encryption, HostKey, Pfs, RoutingMode, synth } from "cdktf-alicloud-dual-tunnel-vpn";
import { AlicloudProvider } from "cdktf-alicloud-dual-tunnel-vpn/alicloud/provider";

const app = new App();
const stack = new TerraformStack(app, "policy-based");
new LocalBackend(stack, { path: "../../../terraform.policy-based.tfstate" });
new AlicloudProvider(stack, "alicloud", { region: "ap-southeast-1" });
new NullProvider(stack, "null");
const hostKey = new TerraformVariable(stack, "box_host_key", { type: "string" });

new DualTunnelVpn(stack, "vpn", {
  name: "plant",
  gateway: {
    vpc: { id: "vpc-t4nfa6ce3t5ag9c1hd3p0", cidrBlock: "192.168.0.0/16" },
    vswitches: [
      { id: "vsw-t4nzw8dn3u5yc0mx7k2aq", zoneId: "ap-southeast-1a" },
      { id: "vsw-t4n5vj1r9s2hb6ep4w8lf", zoneId: "ap-southeast-1b" },
    ],
    bandwidth: 100,
    protect: true,
  },
  vpcCidrs: ["192.168.10.0/24", "192.168.20.0/24"],
  dataCenterCidrs: ["172.16.0.0/16", "10.40.0.0/16"],
  routing: RoutingMode.POLICY,
  uplinks: [
    { address: "172.16.1.93/24", gateway: "172.16.1.253", egressIp: "198.51.100.198" },
    { address: "172.16.2.57/24", gateway: "172.16.2.253", egressIp: "203.0.113.181" },
  ],
  tunnels: { ike: { encryption: Encryption.AES_192, dhGroup: DhGroup.GROUP_14 }, esp: { pfs: Pfs.GROUP_14 } },
  activeTunnel: { ike: { lifetimeSeconds: 28800 }, esp: { lifetimeSeconds: 3600 } },
  agent: { vpcProbeAddresses: ["192.168.10.10"] },
  tags: { site: "plant" },
  ssh: { host: "172.16.1.93", hostKey: HostKey.ecdsa(hostKey.stringValue) },
});

synth(app);
