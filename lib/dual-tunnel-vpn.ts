// DualTunnelVpn: one site in one construct, the VPN gateway to the box, with the defaults that we would choose.
import { TerraformProvider, TerraformResourceLifecycle } from "cdktf";
import { Construct } from "constructs";
import { CustomerGatewayPair, customerGatewaysKind, ICustomerGatewayPair } from "./customer-gateway-pair";
import {
  Charge,
  DualTunnelVpnGateway,
  gatewayKind,
  GatewayNetworkType,
  IDualTunnelVpnGateway,
  NEW_GATEWAY_SHAPE,
} from "./dual-tunnel-vpn-gateway";
import { Findings } from "./findings";
import { bag, either, guard, inStack, list, number, optional, Shape, tell, text } from "./guard";
import { AGENT, AgentOptions } from "./host/agent-options";
import { nameCustomerGateways, terraformName } from "./names";
import { SSH, SshOptions } from "./host/ssh";
import { CONNECTION_SHAPE, IpsecDualConnection, RoutingMode } from "./ipsec-dual-connection";
import { SingleTunnelOptions, TunnelOptions } from "./ipsec/tunnel";
import { StrongswanHost, UPLINK_SHAPE, UplinkOptions, UPLINKS_WANTED } from "./strongswan-host";
import { isLiteral, VpcRef, VswitchRef } from "./structural";

/** An uplink with the public address that the cloud sees for it. */
export interface SiteUplinkOptions extends UplinkOptions {
  /** The public address that the cloud sees for this uplink: the NAT's, or the interface's own. */
  readonly egressIp: string;
}

/** A VPN gateway for a site to make. */
export interface NewGatewayOptions {
  /** The VPC to join. */
  readonly vpc: VpcRef;
  /** Two vSwitches of the VPC in two zones; the first is the active tunnel's. */
  readonly vswitches: readonly VswitchRef[];
  /**
   * Mbit/s.
   * @default 10 (200 for a private gateway)
   */
  readonly bandwidth?: number;
  /**
   * Whether the tunnels end at public addresses or at addresses of the VPC.
   * @default GatewayNetworkType.PUBLIC
   */
  readonly networkType?: GatewayNetworkType;
  /**
   * How the gateway is paid for.
   * @default Charge.payAsYouGo()
   */
  readonly charge?: Charge;
  /**
   * Resource group of the gateway, `rg-…`.
   * @default - the account's default resource group
   */
  readonly resourceGroupId?: string;
  /**
   * Text for the console: 1 to 100 characters (CreateVpnGateway, `Description`).
   * @default - none
   */
  readonly description?: string;
  /**
   * Ask Alibaba Cloud at plan whether the vSwitches' zones have VPN gateways.
   * @default true
   */
  readonly checkZones?: boolean;
  /**
   * Refuse every plan that would destroy the gateway.
   * @default false
   */
  readonly protect?: boolean;
  /**
   * Attributes whose drift Terraform is to ignore.
   * @default - none
   */
  readonly ignoreChanges?: TerraformResourceLifecycle["ignoreChanges"];
}

/** What a `DualTunnelVpn` is made from. */
export interface DualTunnelVpnProps {
  /**
   * Short name of the site's connection, unique in its stack and on its box: 1 to 11 lower-case letters, digits and
   * hyphens, first a letter. Everything made is named after it.
   */
  readonly name: string;
  /** A VPN gateway that exists or that another site made, or what a new one is made from. */
  readonly gateway: IDualTunnelVpnGateway | NewGatewayOptions;
  /**
   * CIDR blocks of the VPC that the data center reaches: at least 1, at most 10 with policy-based routing.
   * @default - the CIDR block of the gateway's VPC
   */
  readonly vpcCidrs?: readonly string[];
  /**
   * CIDR blocks of the data center that the VPC reaches: at least 1, at most 10 with policy-based routing. By default Alibaba
   * Cloud allows 20 routes of each kind on a gateway; each block is a destination-based one, each pair a policy-based one.
   */
  readonly dataCenterCidrs: readonly string[];
  /** The box's uplinks: one for both tunnels, or two, the active tunnel's first. */
  readonly uplinks: readonly SiteUplinkOptions[];
  /**
   * Customer gateways that exist or that another connection of this box made: Alibaba Cloud refuses a second customer
   * gateway with the same address.
   * @default - made from the uplinks' egress IPs
   */
  readonly customerGateways?: ICustomerGatewayPair;
  /** How Terraform reaches the box. */
  readonly ssh: SshOptions;
  /**
   * How traffic finds the connection in the cloud.
   * @default RoutingMode.DESTINATION
   */
  readonly routing?: RoutingMode;
  /**
   * Publish the routes to the VPC's system route table.
   * @default true
   */
  readonly publishRoutes?: boolean;
  /**
   * Options of both tunnels.
   * @default - each option's own default
   */
  readonly tunnels?: TunnelOptions;
  /**
   * Options of the active tunnel, over `tunnels`.
   * @default - those of `tunnels`
   */
  readonly activeTunnel?: SingleTunnelOptions;
  /**
   * Options of the standby tunnel, over `tunnels`.
   * @default - those of `tunnels`
   */
  readonly standbyTunnel?: SingleTunnelOptions;
  /**
   * The cloud starts negotiating at once.
   * @default true
   */
  readonly effectImmediately?: boolean;
  /**
   * Metric of the routes to the VPC on the box, 1 to 4294967294.
   * @default 37
   */
  readonly routeMetric?: number;
  /**
   * How soon the box's agent fails over, and how it proves a path.
   * @default - each option's own default
   */
  readonly agent?: AgentOptions;
  /**
   * Tags of every cloud resource made.
   * @default - none
   */
  readonly tags?: Readonly<Record<string, string>>;
  /**
   * Region and account of the cloud's side.
   * @default - the stack's alicloud provider without an alias
   */
  readonly provider?: TerraformProvider;
}

/** A data center joined to a VPC: VPN gateway, customer gateways, IPsec connection with routes, and the box. */
export class DualTunnelVpn extends Construct {
  /** The VPN gateway, new or existing: its id, its two IPsec addresses. */
  readonly gateway: IDualTunnelVpnGateway;
  /** What the cloud knows of the data center's egress IPs. */
  readonly customerGateways: ICustomerGatewayPair;
  /** The IPsec connection with its two tunnels and the cloud's routes. */
  readonly connection: IpsecDualConnection;
  /** The box's side: what is installed there and when it runs. */
  readonly host: StrongswanHost;

  constructor(scope: Construct, id: string, given: DualTunnelVpnProps) {
    super(inStack(scope, id, "DualTunnelVpn"), id);
    const guarded = guard(shapeOf(this), given);
    const { props } = guarded;
    const prefix = terraformName(props.name);
    const { tags, provider } = props;
    nameCustomerGateways(this, `${prefix}_customer_gateway`);

    if ("vpc" in props.gateway) {
      const gateway = new DualTunnelVpnGateway(this, "gateway", { ...props.gateway, name: props.name, tags, provider });
      gateway.nameAfter(prefix);
      this.gateway = gateway;
    } else {
      this.gateway = props.gateway;
    }

    this.customerGateways = props.customerGateways ?? this.newCustomerGateways(props);

    this.connection = new IpsecDualConnection(this, "connection", {
      gateway: this.gateway,
      customerGateways: this.customerGateways,
      name: props.name,
      vpcCidrs: props.vpcCidrs,
      dataCenterCidrs: props.dataCenterCidrs,
      routing: props.routing,
      publishRoutes: props.publishRoutes,
      tunnels: props.tunnels,
      activeTunnel: props.activeTunnel,
      standbyTunnel: props.standbyTunnel,
      effectImmediately: props.effectImmediately,
      tags,
      provider,
    });

    Findings.validate(this, (findings) => {
      tell(guarded, findings);
      this.checkEgressIps(props, findings);
    });

    this.host = new StrongswanHost(this, "box", {
      connection: this.connection,
      uplinks: props.uplinks,
      ssh: props.ssh,
      routeMetric: props.routeMetric,
      agent: props.agent,
    });
  }

  private newCustomerGateways(props: DualTunnelVpnProps): CustomerGatewayPair {
    return new CustomerGatewayPair(this, "customer-gateways", {
      name: props.name,
      egressIps: props.uplinks.map((uplink) => uplink.egressIp),
      tags: props.tags,
      provider: props.provider,
    });
  }

  private checkEgressIps(props: DualTunnelVpnProps, findings: Findings): void {
    const { activeEgressIp, standbyEgressIp } = this.customerGateways;
    const expected = [activeEgressIp, standbyEgressIp];
    props.uplinks.forEach(({ egressIp }, index) => {
      if (!isLiteral(egressIp) || !isLiteral(expected[index]) || egressIp === expected[index]) return;
      findings.error(
        `uplinks[${index}].egressIp ${egressIp} is not the customer gateway's, ${expected[index]}; give the uplinks in the customer gateways' order.`,
      );
    });
  }
}

const NEW_GATEWAY = bag<NewGatewayOptions>(NEW_GATEWAY_SHAPE, "an object with vpc and vswitches");

const shapeOf = (scope: Construct): Shape<DualTunnelVpnProps> => ({
  name: text("singapore"),
  gateway: either(gatewayKind(scope), NEW_GATEWAY, "a DualTunnelVpnGateway, or an object with vpc and vswitches"),
  uplinks: list(
    bag<SiteUplinkOptions>(
      { ...UPLINK_SHAPE, egressIp: text("198.51.100.198") },
      "an object with address, gateway and egressIp",
    ),
    UPLINKS_WANTED,
  ),
  customerGateways: optional(customerGatewaysKind(scope)),
  ssh: SSH,
  ...CONNECTION_SHAPE,
  routeMetric: optional(number),
  agent: optional(AGENT),
});
