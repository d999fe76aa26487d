// What a customer writes: compiled as CommonJS and as ESM against the installed tarball, and synthesized by each.
import { App, LocalBackend, TerraformOutput, TerraformStack } from "cdktf";
import { NullProvider } from "@cdktf/provider-null/lib/provider/index.js";
import {
  CustomerGatewayPair,
  DhGroup,
  DualTunnelVpn,
  DualTunnelVpnGateway,
  type DualTunnelVpnProps,
  Encryption,
  HostKey,
  IpsecDualConnection,
  RoutingMode,
  StrongswanHost,
  synth,
} from "cdktf-alicloud-dual-tunnel-vpn";
import { AlicloudProvider } from "cdktf-alicloud-dual-tunnel-vpn/alicloud/provider";
import { Vpc } from "cdktf-alicloud-dual-tunnel-vpn/alicloud/vpc";
import { VpnGateway } from "cdktf-alicloud-dual-tunnel-vpn/alicloud/vpn-gateway";
import { Vswitch } from "cdktf-alicloud-dual-tunnel-vpn/alicloud/vswitch";
import { Construct } from "constructs";

const HOST_KEY =
  "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEezOmxkZMy7opKgwFB9nkt5YRrYMjNuG5N87uRgg6CLrbo5wAdT/y6v0mKV0U2w0WZ2YB/++Tpockg=";

class CustomerStack extends TerraformStack {
  constructor(scope: Construct, id: string) {
    super(scope, id);
    new LocalBackend(this, { path: "../../../terraform.customer.tfstate" });
    new AlicloudProvider(this, "alicloud", { region: "ap-southeast-1" });
    new NullProvider(this, "null");
    const vpc = new Vpc(this, "vpc", { vpcName: "customer", cidrBlock: "192.168.0.0/16" });
    const active = new Vswitch(this, "a", { vpcId: vpc.id, cidrBlock: "192.168.10.0/24", zoneId: "ap-southeast-1a" });
    const standby = new Vswitch(this, "b", { vpcId: vpc.id, cidrBlock: "192.168.20.0/24", zoneId: "ap-southeast-1b" });

    const props: DualTunnelVpnProps = {
      name: "whole",
      gateway: { vpc, vswitches: [active, standby] },
      dataCenterCidrs: ["172.16.0.0/16"],
      uplinks: [
        { address: "172.16.1.93/24", gateway: "172.16.1.253", egressIp: "198.51.100.198" },
        { address: "172.16.2.57/24", gateway: "172.16.2.253", egressIp: "203.0.113.181" },
      ],
      ssh: { host: "box.example.com", hostKey: HostKey.ecdsa(HOST_KEY) },
    };
    const whole = new DualTunnelVpn(this, "whole", props);

    const gateway = new DualTunnelVpnGateway(this, "parts", { vpc, vswitches: [active, standby], bandwidth: 100 });
    const connection = new IpsecDualConnection(this, "connection", {
      gateway,
      customerGateways: new CustomerGatewayPair(this, "egress", { egressIps: ["203.0.113.10"] }),
      name: "parts",
      dataCenterCidrs: ["10.20.0.0/16", "10.30.0.0/16"],
      routing: RoutingMode.POLICY,
      tunnels: { ike: { encryption: Encryption.AES_192, dhGroup: DhGroup.GROUP_14 } },
    });
    new StrongswanHost(this, "box", {
      connection,
      uplinks: [{ address: "10.20.0.2/24", gateway: "10.20.0.1", device: "eth0" }],
      ssh: { host: "10.20.0.2", user: "ops", privateKeyPath: "~/.ssh/id_ecdsa", hostKey: HostKey.ecdsa(HOST_KEY) },
    });

    const underneath: VpnGateway = gateway.resource;
    new TerraformOutput(this, "whole_gateway", { value: whole.gateway.vpnGatewayId });
    new TerraformOutput(this, "parts_gateway_status", { value: underneath.status });
  }
}

const app = new App();
new CustomerStack(app, "customer");
synth(app);
