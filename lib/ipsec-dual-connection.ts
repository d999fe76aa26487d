// IpsecDualConnection: the IPsec connection with its active and its standby tunnel, and the cloud's routes to the
// data center. It holds everything that the other end needs to know about each tunnel.
import { VpnConnection } from "@cdktf/provider-alicloud/lib/vpn-connection";
import { VpnPbrRouteEntry } from "@cdktf/provider-alicloud/lib/vpn-pbr-route-entry";
import { VpnRouteEntry } from "@cdktf/provider-alicloud/lib/vpn-route-entry";
import { TerraformResource, TerraformResourceLifecycle } from "cdktf";
import { Construct } from "constructs";
import { GatewayNetworkType } from "./cloud/bandwidth";
import { GatewayMembers } from "./cloud/gateway-checks";
import { CLOUD_SHAPE, CloudOptions } from "./cloud/options";
import { checkProvider, noteProvider } from "./cloud/providers";
import { makeRoutes } from "./cloud/routes";
import { idProblem, PRIVATE_RANGES, tagProblems } from "./cloud/rules";
import { tunnelFields } from "./cloud/tunnel-fields";
import { checkEgressIp, customerGatewaysKind, ICustomerGatewayPair } from "./customer-gateway-pair";
import { gatewayKind, IDualTunnelVpnGateway } from "./dual-tunnel-vpn-gateway";
import { Findings } from "./findings";
import {
  bag,
  flagOrToken,
  guard,
  having,
  ignoreChanges,
  inStack,
  Kind,
  isStandIn,
  listOrToken,
  number,
  optional,
  Shape,
  standInOf,
  tell,
  text,
} from "./guard";
import { SITE_BOUNDS } from "./host/site-format";
import { contains } from "./ip";
import { checkAsn, checkRouting, ConnectionBgp, routingOf } from "./ipsec/bgp";
import {
  checkConnection,
  checkName,
  claimName,
  connectionPreconditions,
  egressPreconditions,
  IIpsecDualConnection,
  makeTunnel,
  trafficSelectors,
} from "./ipsec/connection";
import { Routing, ROUTING, RoutingMode } from "./ipsec/routing";
import { SINGLE_TUNNEL, SINGLE_TUNNEL_SHAPE, SingleTunnelOptions, Tunnel, TUNNEL, TunnelOptions } from "./ipsec/tunnel";
import { terraformNames } from "./names";
import { isLiteral } from "./structural";

/** What a site passes on to its connection. */
export interface IpsecDualConnectionOptions extends CloudOptions {
  /**
   * Short name of the connection, unique in its stack and on its box: 1 to 11 lower-case letters, digits and hyphens,
   * first a letter. Variables, interfaces and files are named after it.
   */
  readonly name: string;
  /**
   * CIDR blocks of the VPC that the data center reaches: at least 1, at most 10 with policy-based routing.
   * @default - the CIDR block of the gateway's VPC
   */
  readonly vpcCidrs?: readonly string[];
  /**
   * CIDR blocks of the data center that the VPC reaches: at least 1, at most 10 with policy-based routing. By default Alibaba
   * Cloud allows 20 routes of each kind on a gateway; each block is a destination-based one, each pair a policy-based one. With
   * BGP it takes 50, and a block is three of them: itself and, at a failover, its two halves.
   */
  readonly dataCenterCidrs: readonly string[];
  /**
   * How traffic finds the connection in the cloud: RoutingMode.DESTINATION, RoutingMode.POLICY, or `Routing.bgp` with a /30 for
   * each tunnel. A change replaces the routes.
   * @default RoutingMode.DESTINATION
   */
  readonly routing?: RoutingMode | Routing;
  /**
   * Publish the routes to the VPC's system route table; without it you add them there. Not with BGP, for which the gateway has
   * `autoPropagate`.
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
   * The cloud starts negotiating at once, not at the first packet.
   * @default true
   */
  readonly effectImmediately?: boolean;
  /**
   * Attributes of the connection whose drift Terraform is to ignore.
   * @default - none
   */
  readonly ignoreChanges?: TerraformResourceLifecycle["ignoreChanges"];
}

/** What an `IpsecDualConnection` is made from. */
export interface IpsecDualConnectionProps extends IpsecDualConnectionOptions {
  /** The VPN gateway, new or existing. */
  readonly gateway: IDualTunnelVpnGateway;
  /** The customer gateways, new or existing. */
  readonly customerGateways: ICustomerGatewayPair;
}

/** A tunnel of a connection that exists. */
export interface ExistingTunnel extends SingleTunnelOptions {
  /** Public address of the VPN gateway for this tunnel. */
  readonly ipsecAddress: string;
  /** The address that the cloud sees for the data center's end of this tunnel. */
  readonly egressIp: string;
}

/** The facts of a connection that exists. */
export interface IpsecDualConnectionAttributes {
  /** Short name for the box, as in `IpsecDualConnectionProps`. */
  readonly name: string;
  /** `vco-…` */
  readonly vpnConnectionId: string;
  /**
   * How traffic finds the connection in the cloud.
   * @default RoutingMode.DESTINATION
   */
  readonly routing?: RoutingMode | Routing;
  /**
   * The data center's AS number, as the customer gateways have it; BGP needs it.
   * @default - none: the routing is another
   */
  readonly asn?: number;
  /** CIDR blocks of the VPC that the data center reaches: at least 1, at most 10 with policy-based routing. */
  readonly vpcCidrs: readonly string[];
  /**
   * CIDR blocks of the data center that the VPC reaches: at least 1, at most 10 with policy-based routing. By default Alibaba
   * Cloud allows 20 routes of each kind on a gateway; each block is a destination-based one, each pair a policy-based one.
   */
  readonly dataCenterCidrs: readonly string[];
  /** What the connection's active tunnel is configured with; what is left out is the default of `TunnelOptions`. */
  readonly activeTunnel: ExistingTunnel;
  /** The same for the standby tunnel. */
  readonly standbyTunnel: ExistingTunnel;
  /**
   * The VPN gateway's Mbit/s, for a box to be told at its apply where it will not keep up: a whole number from 1 to 1000000.
   * @default - not known: boxes are told nothing
   */
  readonly gatewayBandwidth?: number;
}

/** An IPsec connection of two tunnels with the cloud's routes to the data center. */
export class IpsecDualConnection extends Construct implements IIpsecDualConnection {
  /**
   * A connection that exists, for a box to be configured by.
   *
   * @param scope where the construct lives
   * @param id the construct's id
   * @param attributes the connection's facts
   */
  static fromIpsecDualConnectionAttributes(
    scope: Construct,
    id: string,
    attributes: IpsecDualConnectionAttributes,
  ): IIpsecDualConnection {
    return new ExistingIpsecDualConnection(scope, id, attributes);
  }

  readonly name: string;
  readonly routing: RoutingMode;
  readonly bgp?: ConnectionBgp;
  readonly vpcCidrs: readonly string[];
  readonly dataCenterCidrs: readonly string[];
  readonly tunnels: readonly [Tunnel, Tunnel];
  readonly gatewayBandwidth?: number;
  /** The `alicloud_vpn_connection` underneath. */
  readonly resource: VpnConnection;
  readonly vpnConnectionId: string;
  /** The `alicloud_vpn_route_entry`s or `alicloud_vpn_pbr_route_entry`s underneath. */
  readonly routes: readonly (VpnRouteEntry | VpnPbrRouteEntry)[];

  constructor(scope: Construct, id: string, given: IpsecDualConnectionProps) {
    super(inStack(scope, id, "IpsecDualConnection"), id);
    const guarded = guard(connectionShape(this), given);
    const { props } = guarded;
    this.name = props.name;
    const { gateway, customerGateways } = props;
    const routing = routingOf(props.routing, customerGateways.asn);
    this.routing = routing.mode;
    this.bgp = routing.bgp;
    this.vpcCidrs = props.vpcCidrs ?? gateway.vpcCidrs;
    this.dataCenterCidrs = props.dataCenterCidrs;
    this.gatewayBandwidth = gateway.bandwidth;
    const active = { ipsecAddress: gateway.activeIpsecAddress, egressIp: customerGateways.activeEgressIp };
    const standby = { ipsecAddress: gateway.standbyIpsecAddress, egressIp: customerGateways.standbyEgressIp };
    this.tunnels = [
      makeTunnel(this, props.name, 1, active, props.activeTunnel ?? {}, props.tunnels, routing.tunnels[0]),
      makeTunnel(this, props.name, 2, standby, props.standbyTunnel ?? {}, props.tunnels, routing.tunnels[1]),
    ];
    const selectors = trafficSelectors(this);
    this.resource = new VpnConnection(this, "Default", {
      provider: props.provider,
      lifecycle: {
        ignoreChanges: props.ignoreChanges,
        precondition: [
          ...connectionPreconditions(this),
          ...(customerGateways.resources.length > 0 ? [] : egressPreconditions(this)),
        ],
      },
      vpnConnectionName: props.name,
      vpnGatewayId: gateway.vpnGatewayId,
      localSubnet: [...selectors.remote],
      remoteSubnet: [...selectors.local],
      effectImmediately: props.effectImmediately ?? true,
      // The provider never reads it back, and routes are resources of their own here.
      autoConfigRoute: false,
      enableTunnelsBgp: this.bgp !== undefined,
      tunnelOptionsSpecification: [
        tunnelFields(this.tunnels[0], customerGateways.activeCustomerGatewayId, this.bgp),
        tunnelFields(this.tunnels[1], customerGateways.standbyCustomerGatewayId, this.bgp),
      ],
      tags: props.tags,
    });
    this.resource.overrideLogicalId(terraformNames(props.name).connection);
    this.vpnConnectionId = this.resource.id;
    gateway.changes.add(this.resource, [props.name, "0"]);

    this.routes = makeRoutes(this, {
      provider: props.provider,
      vpnGatewayId: gateway.vpnGatewayId,
      publishVpc: props.publishRoutes ?? true,
    });
    for (const route of this.routes) gateway.changes.add(route, [props.name, "1"]);

    claimName(this);
    noteProvider(this, props.provider);
    const members = GatewayMembers.join(gateway, {
      construct: this,
      routing: this.routing,
      tunnels: this.tunnels,
      vpcCidrs: this.vpcCidrs,
      dataCenterCidrs: this.dataCenterCidrs,
    });
    Findings.validate(this, (findings) => {
      tell(guarded, findings);
      this.check(props, findings);
      members.check(findings);
    });
  }

  get cloudResources(): readonly TerraformResource[] {
    return [this.resource, ...this.routes];
  }

  private check(props: IpsecDualConnectionProps, findings: Findings): void {
    checkName(this, findings);
    findings.error(...tagProblems(props.tags));
    checkProvider(this, props.provider, findings);
    checkRouting(props.routing, findings);
    checkConnection(this, findings);
    if (this.bgp) this.checkForBgp(props, findings);
    if (props.gateway.networkType === GatewayNetworkType.PUBLIC) {
      for (const egressIp of new Set(this.tunnels.map((tunnel) => tunnel.egressIp))) {
        if (isLiteral(egressIp) && PRIVATE_RANGES.some((range) => contains(range, egressIp))) {
          findings.error(`egressIp ${egressIp} is a private address; give the public one that the cloud sees.`);
        }
      }
    }
  }

  /** Checks what BGP asks of everything around the tunnels. */
  private checkForBgp(
    { gateway, customerGateways, publishRoutes }: IpsecDualConnectionProps,
    findings: Findings,
  ): void {
    if (customerGateways.asn === undefined && !isStandIn(customerGateways)) {
      findings.error(
        "asn of the customer gateways is missing, and BGP needs it; give the data center's AS number, for example 65010.",
      );
    }
    if (!gateway.autoPropagate && !isStandIn(gateway)) {
      findings.error(
        "gateway has autoPropagate off, without which the VPC learns no route by BGP; set autoPropagate to true, and to end BGP change routing in one deploy and autoPropagate in the next.",
      );
    }
    if (publishRoutes !== undefined) {
      findings.error(
        "publishRoutes is for routes that the stack makes, and with BGP it makes none; leave it out, as the gateway's autoPropagate puts the data center's routes into the VPC's route table.",
      );
    }
  }
}

/** A connection that exists: the same facts for its other end, and nothing for Terraform to make in the cloud. */
class ExistingIpsecDualConnection extends Construct implements IIpsecDualConnection {
  readonly name: string;
  readonly vpnConnectionId: string;
  readonly routing: RoutingMode;
  readonly bgp?: ConnectionBgp;
  readonly vpcCidrs: readonly string[];
  readonly dataCenterCidrs: readonly string[];
  readonly tunnels: readonly [Tunnel, Tunnel];
  readonly gatewayBandwidth?: number;
  readonly cloudResources: readonly TerraformResource[] = [];

  constructor(scope: Construct, id: string, given: IpsecDualConnectionAttributes) {
    super(inStack(scope, id, "IpsecDualConnection"), id);
    const guarded = guard(EXISTING_SHAPE, given);
    const attributes = guarded.props;
    this.name = attributes.name;
    this.vpnConnectionId = attributes.vpnConnectionId;
    const routing = routingOf(attributes.routing, attributes.asn);
    this.routing = routing.mode;
    this.bgp = routing.bgp;
    this.vpcCidrs = attributes.vpcCidrs;
    this.dataCenterCidrs = attributes.dataCenterCidrs;
    this.gatewayBandwidth = attributes.gatewayBandwidth;
    const { name, activeTunnel, standbyTunnel } = attributes;
    this.tunnels = [
      makeTunnel(this, name, 1, activeTunnel, activeTunnel, undefined, routing.tunnels[0]),
      makeTunnel(this, name, 2, standbyTunnel, standbyTunnel, undefined, routing.tunnels[1]),
    ];
    claimName(this);
    Findings.validate(this, (findings) => {
      tell(guarded, findings);
      checkName(this, findings);
      const vco = idProblem("vpnConnectionId", attributes.vpnConnectionId, "vco-");
      if (vco) findings.error(vco);
      for (const tunnel of this.tunnels) {
        findings.address(`${tunnel.role} tunnel: ipsecAddress`, tunnel.ipsecAddress, "192.0.2.152");
        checkEgressIp(`${tunnel.role} tunnel: egressIp`, tunnel.egressIp, "198.51.100.198", findings);
      }
      checkAsn(attributes.asn, findings);
      if (this.bgp && attributes.asn === undefined) {
        findings.error(
          "asn is missing, and BGP needs it; give the data center's AS number, as the customer gateways have it.",
        );
      }
      checkRouting(attributes.routing, findings);
      findings.wholeNumber("gatewayBandwidth", this.gatewayBandwidth, ...SITE_BOUNDS.bandwidthMbps);
      checkConnection(this, findings);
    });
  }
}

const BLOCKS = listOrToken(text("172.16.0.0/16"), 'a list of blocks, for example ["172.16.0.0/16"]');

/** What the options may be that a site passes on to its connection. */
export const CONNECTION_SHAPE: Shape<IpsecDualConnectionOptions> = {
  name: text("singapore"),
  vpcCidrs: optional(BLOCKS),
  dataCenterCidrs: BLOCKS,
  routing: optional(ROUTING),
  publishRoutes: optional(flagOrToken),
  tunnels: optional(TUNNEL),
  activeTunnel: optional(SINGLE_TUNNEL),
  standbyTunnel: optional(SINGLE_TUNNEL),
  effectImmediately: optional(flagOrToken),
  ignoreChanges,
  ...CLOUD_SHAPE,
};

const connectionShape = (scope: Construct): Shape<IpsecDualConnectionProps> => ({
  gateway: gatewayKind(scope),
  customerGateways: customerGatewaysKind(scope),
  ...CONNECTION_SHAPE,
});

const EXISTING_TUNNEL = bag<ExistingTunnel>(
  { ...SINGLE_TUNNEL_SHAPE, ipsecAddress: text("192.0.2.152"), egressIp: text("198.51.100.198") },
  "an object with ipsecAddress and egressIp",
);

const EXISTING_SHAPE: Shape<IpsecDualConnectionAttributes> = {
  name: text("office"),
  vpnConnectionId: text("vco-…"),
  routing: optional(ROUTING),
  asn: optional(number),
  vpcCidrs: BLOCKS,
  dataCenterCidrs: BLOCKS,
  activeTunnel: EXISTING_TUNNEL,
  standbyTunnel: EXISTING_TUNNEL,
  gatewayBandwidth: optional(number),
};

/** A connection, new or existing, as another construct's option. */
export function connectionKind(scope: Construct): Kind<IIpsecDualConnection> {
  return having<IIpsecDualConnection>(
    "an IpsecDualConnection",
    ["name", "routing", "vpcCidrs", "dataCenterCidrs", "tunnels", "cloudResources"],
    () => new ExistingIpsecDualConnection(scope, "missing-connection", standInOf(EXISTING_SHAPE)),
  );
}
