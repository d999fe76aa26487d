// The smallest site: one uplink with one egress IP. Both tunnels leave by it, towards the gateway's two IPsec addresses.
import { NullProvider } from "@cdktf/provider-null/lib/provider";
import { App, LocalBackend, TerraformOutput, TerraformStack, TerraformVariable } from "cdktf";
import { DualTunnelVpn, HostKey, synth } from "cdktf-alicloud-dual-tunnel-vpn";
import { AlicloudProvider } from "cdktf-alicloud-dual-tunnel-vpn/alicloud/provider";
import { Vpc } from "cdktf-alicloud-dual-tunnel-vpn/alicloud/vpc";
import { Vswitch } from "cdktf-alicloud-dual-tunnel-vpn/alicloud/vswitch";

const app = new App();
const stack = new TerraformStack(app, "one-uplink");
new LocalBackend(stack, { path: "../../../terraform.one-uplink.tfstate" });
new AlicloudProvider(stack, "alicloud", { region: "ap-southeast-1" });
new NullProvider(stack, "null");
const hostKey = new TerraformVariable(stack, "box_host_key", { type: "string" });

const vpc = new Vpc(stack, "vpc", { vpcName: "shop", cidrBlock: "192.168.0.0/16" });
const vpn = new DualTunnelVpn(stack, "vpn", {
  name: "shop",
  gateway: {
    vpc,
    vswitches: [
      new Vswitch(stack, "a", { vpcId: vpc.id, cidrBlock: "192.168.10.0/24", zoneId: "ap-southeast-1a" }),
      new Vswitch(stack, "b", { vpcId: vpc.id, cidrBlock: "192.168.20.0/24", zoneId: "ap-southeast-1b" }),
    ],
  },
  dataCenterCidrs: ["10.30.0.0/24"],
  uplinks: [{ address: "10.30.0.2/24", gateway: "10.30.0.1", egressIp: "198.51.100.30" }],
  ssh: {
    host: "10.30.0.2",
    user: "admin",
    privateKeyPath: "~/.ssh/id_ed25519",
    hostKey: HostKey.ecdsa(hostKey.stringValue),
  },
});

new TerraformOutput(stack, "ipsec_addresses", {
  value: [vpn.gateway.activeIpsecAddress, vpn.gateway.standbyIpsecAddress],
});
synth(app);
