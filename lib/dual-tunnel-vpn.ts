// DualTunnelVpn: one site in one construct, the VPN gateway to the box, with the defaults that we would choose.
import { Construct } from "constructs";
import { CustomerGatewayPair, customerGatewaysKind, ICustomerGatewayPair } from "./customer-gateway-pair";
import {
  DualTunnelVpnGateway,
  gatewayKind,
  IDualTunnelVpnGateway,
  NEW_GATEWAY,
  NewGatewayOptions,
} from "./dual-tunnel-vpn-gateway";
import { Findings } from "./findings";
import { bag, either, guard, inStack, isStandIn, list, number, optional, pick, Shape, tell, text } from "./guard";
import { UPLINK_SHAPE, UplinkOptions, UPLINKS_WANTED } from "./host/uplinks";
import { CONNECTION_SHAPE, IpsecDualConnection, IpsecDualConnectionOptions } from "./ipsec-dual-connection";
import { RoutingMode } from "./ipsec/routing";
import { nameCustomerGateways, terraformNames } from "./names";
import { HOST_SHAPE, StrongswanHost, StrongswanHostOptions } from "./strongswan-host";
import { isLiteral } from "./structural";

/** An uplink with the public address that the cloud sees for it. */
export interface SiteUplinkOptions extends UplinkOptions {
  /** The public address that the cloud sees for this uplink: the NAT's, or the interface's own. */
  readonly egressIp: string;
}

/** What a `DualTunnelVpn` is made from. Everything made is named after its `name`. */
export interface DualTunnelVpnProps extends IpsecDualConnectionOptions, StrongswanHostOptions {
  /** A VPN gateway that exists or that another site made, or what a new one is made from. */
  readonly gateway: IDualTunnelVpnGateway | NewGatewayOptions;
  /** The box's uplinks: one for both tunnels, or two, the active tunnel's first. */
  readonly uplinks: readonly SiteUplinkOptions[];
  /**
   * The data center's AS number, which BGP needs: 1 to 4294967295 and not 45104; best a private one (64512 to 65534). Given from
   * the beginning, BGP can be switched on later in place; a changed one replaces the customer gateways, and with them the
   * connection and its routes, which is an outage of minutes.
   * @default - that of `customerGateways`, else none: BGP is not possible
   */
  readonly asn?: number;
  /**
   * Customer gateways that exist or that another connection of this box made: Alibaba Cloud refuses a second customer
   * gateway with the same address.
   * @default - made from the uplinks' egress IPs
   */
  readonly customerGateways?: ICustomerGatewayPair;
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
    const { name, tags, provider } = props;
    const names = terraformNames(name);
    nameCustomerGateways(this, names.customerGateway);

    if ("vpc" in props.gateway) {
      const autoPropagate = props.gateway.autoPropagate ?? (needsPropagation(props.routing) ? true : undefined);
      const options = { ...props.gateway, autoPropagate, name, tags, provider };
      const gateway = new DualTunnelVpnGateway(this, "gateway", options);
      gateway.nameAfter(names);
      this.gateway = gateway;
    } else {
      this.gateway = props.gateway;
    }

    this.customerGateways = props.customerGateways ?? this.newCustomerGateways(props);

    this.connection = new IpsecDualConnection(this, "connection", {
      ...pick(CONNECTION_SHAPE, props),
      gateway: this.gateway,
      customerGateways: this.customerGateways,
    });

    Findings.validate(this, (findings) => {
      tell(guarded, findings);
      this.checkEgressIps(props, findings);
      this.checkAsn(props, findings);
    });

    this.host = new StrongswanHost(this, "box", {
      ...pick(HOST_SHAPE, props),
      connection: this.connection,
      uplinks: props.uplinks,
    });
  }

  private newCustomerGateways(props: DualTunnelVpnProps): CustomerGatewayPair {
    return new CustomerGatewayPair(this, "customer-gateways", {
      name: props.name,
      egressIps: props.uplinks.map((uplink) => uplink.egressIp),
      asn: props.asn,
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

  /** Those made here have it from here. */
  private checkAsn({ asn, customerGateways }: DualTunnelVpnProps, findings: Findings): void {
    if (asn === undefined || customerGateways === undefined || isStandIn(customerGateways)) return;
    if (asn === customerGateways.asn) return;
    const theirs = customerGateways.asn === undefined ? "which have none" : `which is ${customerGateways.asn}`;
    findings.error(`asn ${asn} is not that of customerGateways, ${theirs}; leave it out, and give it to them.`);
  }
}

function needsPropagation(routing: DualTunnelVpnProps["routing"]): boolean {
  return typeof routing === "object" && routing.mode === RoutingMode.BGP;
}

const shapeOf = (scope: Construct): Shape<DualTunnelVpnProps> => ({
  gateway: either(gatewayKind(scope), NEW_GATEWAY, "a DualTunnelVpnGateway, or an object with vpc and vswitches"),
  uplinks: list(
    bag<SiteUplinkOptions>(
      { ...UPLINK_SHAPE, egressIp: text("198.51.100.198") },
      "an object with address, gateway and egressIp",
    ),
    UPLINKS_WANTED,
  ),
  asn: optional(number),
  customerGateways: optional(customerGatewaysKind(scope)),
  ...HOST_SHAPE,
  ...CONNECTION_SHAPE,
});
