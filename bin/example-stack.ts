// The how-to page as a stack: a VPC with two vSwitches in Singapore, joined to a data center.
import { AlicloudProvider } from "@cdktf/provider-alicloud/lib/provider";
import { Vpc } from "@cdktf/provider-alicloud/lib/vpc";
import { Vswitch } from "@cdktf/provider-alicloud/lib/vswitch";
import { NullProvider } from "@cdktf/provider-null/lib/provider";
import { LocalBackend, TerraformOutput, TerraformStack, TerraformVariable } from "cdktf";
import { Construct } from "constructs";
import { DualTunnelVpn, HostKey, PreSharedKey, Routing, SingleTunnelOptions } from "../lib";
import { ExampleConfig } from "./config";

export class ExampleStack extends TerraformStack {
  constructor(scope: Construct, config: ExampleConfig) {
    super(scope, config.name);
    // Relative to cdktf.out/stacks/<name>: the state lies beside cdktf.json and no machine's path is in the JSON.
    new LocalBackend(this, { path: `../../../terraform.${config.name}.tfstate` });
    new AlicloudProvider(this, "alicloud", { ...config.provider, region: config.region });
    new NullProvider(this, "null");

    const vpc = new Vpc(this, "vpc", { vpcName: config.name, cidrBlock: config.vpcCidr });
    const [first, second] = config.vswitches.map(
      (vswitch, index) =>
        new Vswitch(this, `vswitch-${index + 1}`, {
          vswitchName: `${config.name}-${index + 1}`,
          vpcId: vpc.id,
          cidrBlock: vswitch.cidr,
          zoneId: vswitch.zone,
        }),
    );

    const vpn = new DualTunnelVpn(this, "vpn", {
      name: config.name,
      gateway: { vpc, vswitches: [first, second], bandwidth: config.bandwidth },
      dataCenterCidrs: config.dataCenterCidrs,
      asn: config.asn ?? undefined,
      routing: config.bgp === null ? undefined : Routing.bgp(config.bgp),
      uplinks: config.uplinks,
      tunnels: config.tunnels.both,
      activeTunnel: { ...config.tunnels.active, ...literalKey(config.unsafePreSharedKeys.active) },
      standbyTunnel: { ...config.tunnels.standby, ...literalKey(config.unsafePreSharedKeys.standby) },
      ssh: {
        host: config.box.host,
        port: config.box.port,
        user: config.box.user,
        privateKeyPath: config.box.privateKeyPath ?? undefined,
        hostKey: HostKey.ecdsa(config.box.hostKey ?? this.hostKeyVariable(config)),
      },
      agent: config.agent,
      detectDrift: config.box.detectDrift,
    });

    this.output("vpn_gateway_id", vpn.gateway.vpnGatewayId);
    this.output("vpn_connection_id", vpn.connection.vpnConnectionId);
    this.output("active_ipsec_address", vpn.gateway.activeIpsecAddress);
    this.output("standby_ipsec_address", vpn.gateway.standbyIpsecAddress);
  }

  private hostKeyVariable(config: ExampleConfig): string {
    const variable = new TerraformVariable(this, "box_host_key", {
      type: "string",
      nullable: false,
      description: `ECDSA host key of the box: the last two words of what "ssh-keyscan -t ecdsa ${config.box.host}" prints.`,
    });
    return variable.stringValue;
  }

  private output(name: string, value: string): void {
    new TerraformOutput(this, name, { value });
  }
}

function literalKey(key: string | null): SingleTunnelOptions {
  return key === null ? {} : { preSharedKey: PreSharedKey.unsafeLiteral(key) };
}
