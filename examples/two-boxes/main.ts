// Two boxes for one connection: each has an uplink and a tunnel, and the data center's hosts send what is for the VPC to an
// address that one of the two has. With BGP the box that has the traffic tells the cloud so.
import { NullProvider } from "@cdktf/provider-null/lib/provider";
import { App, LocalBackend, TerraformStack, TerraformVariable } from "cdktf";
import { DualTunnelVpn, HostKey, Routing, synth } from "cdktf-alicloud-dual-tunnel-vpn";
import { AlicloudProvider } from "cdktf-alicloud-dual-tunnel-vpn/alicloud/provider";

const app = new App();
const stack = new TerraformStack(app, "two-boxes");
new LocalBackend(stack, { path: "../../../terraform.two-boxes.tfstate" });
new AlicloudProvider(stack, "alicloud", { region: "ap-southeast-1" });
new NullProvider(stack, "null");

/** How each box is reached: its name, and a variable for its host key. */
const ssh = (number: 1 | 2) => ({
  host: `vpn-${number}.example.com`,
  user: "admin",
  privateKeyPath: "~/.ssh/id_ed25519",
  hostKey: HostKey.ecdsa(new TerraformVariable(stack, `box_${number}_host_key`, { type: "string" }).stringValue),
});

new DualTunnelVpn(stack, "vpn", {
  name: "factory",
  gateway: {
    vpc: { id: "vpc-t4nfa6ce3t5ag9c1hd3p0", cidrBlock: "192.168.0.0/16" },
    vswitches: [
      { id: "vsw-t4nzw8dn3u5yc0mx7k2aq", zoneId: "ap-southeast-1a" },
      { id: "vsw-t4n5vj1r9s2hb6ep4w8lf", zoneId: "ap-southeast-1b" },
    ],
  },
  dataCenterCidrs: ["172.16.0.0/16"],
  asn: 65010,
  routing: Routing.bgp({ tunnelCidrs: ["169.254.11.0/30", "169.254.12.0/30"] }),
  boxes: [
    {
      ssh: ssh(1),
      uplink: { address: "172.16.1.93/24", gateway: "172.16.1.253", egressIp: "198.51.100.198" },
      lan: { address: "172.16.3.2/24" },
    },
    {
      ssh: ssh(2),
      uplink: { address: "172.16.2.57/24", gateway: "172.16.2.253", egressIp: "203.0.113.181" },
      lan: { address: "172.16.3.3/24" },
    },
  ],
  virtualGateway: "172.16.3.1",
});

synth(app);
