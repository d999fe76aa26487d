// IpsecDualConnection: the IPsec connection with its active and its standby tunnel, and the cloud's routes to the
// data center. It holds everything that the other end needs to know about each tunnel.
import { VpnConnection, VpnConnectionTunnelOptionsSpecification } from "@cdktf/provider-alicloud/lib/vpn-connection";
import { VpnPbrRouteEntry } from "@cdktf/provider-alicloud/lib/vpn-pbr-route-entry";
import { VpnRouteEntry } from "@cdktf/provider-alicloud/lib/vpn-route-entry";
import { Precondition, TerraformProvider, TerraformResource, TerraformResourceLifecycle } from "cdktf";
import { Construct, IConstruct } from "constructs";
import { claim, otherHolder } from "./claims";
import { checkBlocks } from "./cloud/block-checks";
import { blockPreconditions, overlapPreconditions } from "./cloud/blocks-at-plan";
import { addressPreconditions } from "./cloud/egress-ips";
import { GatewayMembers } from "./cloud/gateway-checks";
import { checkProvider, noteProvider } from "./cloud/providers";
import { idProblem, PRIVATE_RANGES, tagProblems } from "./cloud/rules";
import { checkEgressIp, customerGatewaysKind, ICustomerGatewayPair } from "./customer-gateway-pair";
import { gatewayKind, GatewayNetworkType, IDualTunnelVpnGateway } from "./dual-tunnel-vpn-gateway";
import { Findings } from "./findings";
import {
  bag,
  flagOrToken,
  guard,
  having,
  ignoreChanges,
  inStack,
  isStandIn,
  Kind,
  list,
  oneOf,
  optional,
  provider,
  Shape,
  standInOf,
  tell,
  text,
  texts,
} from "./guard";
import { nameProblem, pskVariableName, terraformName } from "./names";
import { contains } from "./ip";
import { IkeVersion } from "./ipsec/algorithms";
import { PreSharedKey } from "./ipsec/pre-shared-key";
import {
  chooseTunnelOptions,
  SINGLE_TUNNEL,
  SINGLE_TUNNEL_SHAPE,
  SingleTunnelOptions,
  Tunnel,
  TUNNEL,
  TunnelOptions,
  tunnelProblems,
  tunnelWarnings,
} from "./ipsec/tunnel";
import { isLiteral } from "./structural";

/** How traffic finds the connection in the cloud. */
export enum RoutingMode {
  /** By destination: one route for each block of the data center; the tunnels carry 0.0.0.0/0. */
  DESTINATION = "destination",
  /** By source and destination: one route for each pair of blocks; the tunnels carry only those. */
  POLICY = "policy",
}

/** An IPsec connection, as its other end sees it. */
export interface IIpsecDualConnection extends IConstruct {
  /** The connection's short name. */
  readonly name: string;
  /** The connection's id, `vco-…`. */
  readonly vpnConnectionId: string;
  /** How traffic finds the connection in the cloud. */
  readonly routing: RoutingMode;
  /** CIDR blocks of the VPC that the data center reaches. */
  readonly vpcCidrs: readonly string[];
  /** CIDR blocks of the data center that the VPC reaches. */
  readonly dataCenterCidrs: readonly string[];
  /** The active tunnel, then the standby tunnel. */
  readonly tunnels: readonly [Tunnel, Tunnel];
  /** What the box's configuration has to wait for: the connection and its routes. */
  readonly cloudResources: readonly TerraformResource[];
}

/** What an `IpsecDualConnection` is made from. */
export interface IpsecDualConnectionProps {
  /** The VPN gateway, new or existing. */
  readonly gateway: IDualTunnelVpnGateway;
  /** The customer gateways, new or existing. */
  readonly customerGateways: ICustomerGatewayPair;
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
   * Cloud allows 20 routes of each kind on a gateway; each block is a destination-based one, each pair a policy-based one.
   */
  readonly dataCenterCidrs: readonly string[];
  /**
   * How traffic finds the connection in the cloud; a change replaces the routes.
   * @default RoutingMode.DESTINATION
   */
  readonly routing?: RoutingMode;
  /**
   * Publish the routes to the VPC's system route table; without it you add them there.
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
   * Tags of the connection: at most 20.
   * @default - none
   */
  readonly tags?: Readonly<Record<string, string>>;
  /**
   * Attributes of the connection whose drift Terraform is to ignore.
   * @default - none
   */
  readonly ignoreChanges?: TerraformResourceLifecycle["ignoreChanges"];
  /**
   * Region and account in which it is made: the gateway's.
   * @default - the stack's alicloud provider without an alias
   */
  readonly provider?: TerraformProvider;
}

/** What a connection's tunnels carry, as the data center sees it: everything when routes decide, the blocks when the policy does. */
export function trafficSelectors(connection: IIpsecDualConnection): {
  local: readonly string[];
  remote: readonly string[];
} {
  return connection.routing === RoutingMode.POLICY
    ? { local: connection.dataCenterCidrs, remote: connection.vpcCidrs }
    : { local: [ANYWHERE], remote: [ANYWHERE] };
}

/** What of a connection only Terraform can check, for the first resource that is made for it. */
export function connectionPreconditions(connection: IIpsecDualConnection): Precondition[] {
  const { name, tunnels, vpcCidrs, dataCenterCidrs } = connection;
  const named = (what: string, cidrs: readonly string[]) =>
    isLiteral(cidrs) ? cidrs.map((cidr) => ({ what, cidr })) : [];
  const ofVpc = named("vpcCidrs", vpcCidrs);
  const ofSite = named("dataCenterCidrs", dataCenterCidrs);
  return [
    ...tunnels.flatMap((tunnel) =>
      tunnel.preSharedKey.preconditions(`The pre-shared key of the ${tunnel.role} tunnel of ${name}`),
    ),
    ...blockPreconditions([...ofVpc, ...ofSite]),
    ...overlapPreconditions(ofVpc, ofSite),
  ];
}

/** What of the egress IPs of customer gateways that exist only Terraform can check; those made here have it themselves. */
export function egressPreconditions({ tunnels }: IIpsecDualConnection): Precondition[] {
  return [...new Set(tunnels.map(({ egressIp }) => egressIp))]
    .filter((egressIp) => !isLiteral(egressIp) && !isStandIn(egressIp))
    .flatMap((egressIp) => addressPreconditions("egressIp", egressIp));
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
  readonly routing?: RoutingMode;
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
}

const ANYWHERE = "0.0.0.0/0";

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
  readonly vpcCidrs: readonly string[];
  readonly dataCenterCidrs: readonly string[];
  readonly tunnels: readonly [Tunnel, Tunnel];
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
    this.routing = props.routing ?? RoutingMode.DESTINATION;
    this.vpcCidrs = props.vpcCidrs ?? props.gateway.vpcCidrs;
    this.dataCenterCidrs = props.dataCenterCidrs;
    const { gateway, customerGateways } = props;
    this.tunnels = [
      makeTunnel(
        this,
        props.name,
        1,
        props.tunnels,
        props.activeTunnel ?? {},
        gateway.activeIpsecAddress,
        customerGateways.activeEgressIp,
      ),
      makeTunnel(
        this,
        props.name,
        2,
        props.tunnels,
        props.standbyTunnel ?? {},
        gateway.standbyIpsecAddress,
        customerGateways.standbyEgressIp,
      ),
    ];
    const prefix = terraformName(props.name);

    const byPolicy = this.routing === RoutingMode.POLICY;
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
      vpnGatewayId: props.gateway.vpnGatewayId,
      localSubnet: [...selectors.remote],
      remoteSubnet: [...selectors.local],
      effectImmediately: props.effectImmediately ?? true,
      // The provider never reads it back, and routes are resources of their own here.
      autoConfigRoute: false,
      enableTunnelsBgp: false,
      tunnelOptionsSpecification: [
        cloudTunnel(this.tunnels[0], props.customerGateways.activeCustomerGatewayId),
        cloudTunnel(this.tunnels[1], props.customerGateways.standbyCustomerGatewayId),
      ],
      tags: props.tags,
    });
    this.resource.overrideLogicalId(`${prefix}_connection`);
    this.vpnConnectionId = this.resource.id;
    props.gateway.changes.add(this.resource, [props.name, "0"]);

    this.routes = byPolicy ? this.policyRoutes(props) : this.destinationRoutes(props);
    for (const route of this.routes) props.gateway.changes.add(route, [props.name, "1"]);

    claim(this, claimOf(this.name));
    noteProvider(this, props.provider);
    const members = GatewayMembers.join(props.gateway, {
      construct: this,
      byPolicy,
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

  private destinationRoutes(props: IpsecDualConnectionProps): VpnRouteEntry[] {
    return unique(this.dataCenterCidrs).map((routeDest, index) => {
      const key = blockKey(routeDest, index);
      const route = new VpnRouteEntry(this, `route-${key}`, {
        provider: props.provider,
        vpnGatewayId: props.gateway.vpnGatewayId,
        nextHop: this.vpnConnectionId,
        routeDest,
        // The only route to its destination: the two tunnels fail over below it, by themselves.
        weight: 100,
        publishVpc: props.publishRoutes ?? true,
      });
      route.overrideLogicalId(`${terraformName(props.name)}_route_${key}`);
      return route;
    });
  }

  private policyRoutes(props: IpsecDualConnectionProps): VpnPbrRouteEntry[] {
    return unique(this.vpcCidrs).flatMap((routeSource, from) =>
      unique(this.dataCenterCidrs).map((routeDest, to) => {
        const key = `${blockKey(routeSource, from)}_to_${blockKey(routeDest, to)}`;
        const route = new VpnPbrRouteEntry(this, `route-${key}`, {
          provider: props.provider,
          vpnGatewayId: props.gateway.vpnGatewayId,
          nextHop: this.vpnConnectionId,
          routeSource,
          routeDest,
          weight: 100,
          publishVpc: props.publishRoutes ?? true,
        });
        route.overrideLogicalId(`${terraformName(props.name)}_route_${key}`);
        return route;
      }),
    );
  }

  private check(props: IpsecDualConnectionProps, findings: Findings): void {
    checkName(this, findings);
    findings.error(...tagProblems(props.tags));
    checkProvider(this, props.provider, findings);
    checkTunnels(this, findings);
    checkBlocks(this.vpcCidrs, this.dataCenterCidrs, this.routing === RoutingMode.POLICY, findings);
    if (props.gateway.networkType === GatewayNetworkType.PUBLIC) {
      for (const egressIp of new Set(this.tunnels.map((tunnel) => tunnel.egressIp))) {
        if (isLiteral(egressIp) && PRIVATE_RANGES.some((range) => contains(range, egressIp))) {
          findings.error(`egressIp ${egressIp} is a private address; give the public one that the cloud sees.`);
        }
      }
    }
  }
}

/** A connection that exists: the same facts for its other end, and nothing for Terraform to make in the cloud. */
class ExistingIpsecDualConnection extends Construct implements IIpsecDualConnection {
  readonly name: string;
  readonly vpnConnectionId: string;
  readonly routing: RoutingMode;
  readonly vpcCidrs: readonly string[];
  readonly dataCenterCidrs: readonly string[];
  readonly tunnels: readonly [Tunnel, Tunnel];
  readonly cloudResources: readonly TerraformResource[] = [];

  constructor(scope: Construct, id: string, given: IpsecDualConnectionAttributes) {
    super(inStack(scope, id, "IpsecDualConnection"), id);
    const guarded = guard(EXISTING_SHAPE, given);
    const attributes = guarded.props;
    this.name = attributes.name;
    this.vpnConnectionId = attributes.vpnConnectionId;
    this.routing = attributes.routing ?? RoutingMode.DESTINATION;
    this.vpcCidrs = attributes.vpcCidrs;
    this.dataCenterCidrs = attributes.dataCenterCidrs;
    const { name, activeTunnel, standbyTunnel } = attributes;
    this.tunnels = [
      makeTunnel(this, name, 1, undefined, activeTunnel, activeTunnel.ipsecAddress, activeTunnel.egressIp),
      makeTunnel(this, name, 2, undefined, standbyTunnel, standbyTunnel.ipsecAddress, standbyTunnel.egressIp),
    ];
    claim(this, claimOf(name));
    Findings.validate(this, (findings) => {
      tell(guarded, findings);
      checkName(this, findings);
      const vco = idProblem("vpnConnectionId", attributes.vpnConnectionId, "vco-");
      if (vco) findings.error(vco);
      for (const tunnel of this.tunnels) {
        findings.address(`${tunnel.role} tunnel: ipsecAddress`, tunnel.ipsecAddress, "192.0.2.152");
        checkEgressIp(`${tunnel.role} tunnel: egressIp`, tunnel.egressIp, "198.51.100.198", findings);
      }
      checkTunnels(this, findings);
      checkBlocks(this.vpcCidrs, this.dataCenterCidrs, this.routing === RoutingMode.POLICY, findings);
    });
  }
}

function claimOf(name: string): string {
  return `connection ${name}`;
}

function checkName(connection: Construct & IIpsecDualConnection, findings: Findings): void {
  if (isStandIn(connection.name)) return;
  if (!isLiteral(connection.name)) {
    findings.error("name is known only to Terraform; give it as text, because much is named after it.");
    return;
  }
  const name = nameProblem(connection.name);
  if (name) findings.error(`name "${connection.name}" ${name}.`);
  const other = otherHolder(connection, claimOf(connection.name));
  if (other) {
    findings.error(
      `name "${connection.name}" is taken by ${other.node.path}; give each connection of a stack its own.`,
    );
  }
}

function checkTunnels(connection: IIpsecDualConnection, findings: Findings): void {
  const { tunnels, routing, vpcCidrs, dataCenterCidrs } = connection;
  findings.error(...tunnels.flatMap(tunnelProblems));
  findings.warning(...tunnels.flatMap(tunnelWarnings));
  if (tunnels[0].preSharedKey.isSameAs(tunnels[1].preSharedKey)) {
    findings.warning("preSharedKey is one for both tunnels: whoever learns it has both; give each tunnel its own.");
  }
  checkApart(tunnels, findings);
  const ipsecAddresses = tunnels.map(({ ipsecAddress }) => ipsecAddress).filter(isLiteral);
  for (const egressIp of new Set(tunnels.map((tunnel) => tunnel.egressIp))) {
    if (!ipsecAddresses.includes(egressIp)) continue;
    findings.error(
      `egressIp ${egressIp} is an IPsec address of the VPN gateway; give the data center's address that the cloud sees.`,
    );
  }
  const pairs = vpcCidrs.length * dataCenterCidrs.length;
  const v1 = tunnels.find((tunnel) => tunnel.ike.version === IkeVersion.V1);
  if (routing === RoutingMode.POLICY && pairs > 1 && v1) {
    findings.error(
      `${v1.role} tunnel: IKEv1 carries one pair of blocks in policy-based routing and there are ${pairs}; choose IkeVersion.V2 or RoutingMode.DESTINATION.`,
    );
  }
}

/** Checks what tells the two tunnels apart at the box: the cloud's address, and the ids by which it finds a key. */
function checkApart([active, standby]: IIpsecDualConnection["tunnels"], findings: Findings): void {
  const { ipsecAddress, peerId, cloudId } = active;
  if (isLiteral(ipsecAddress) && ipsecAddress === standby.ipsecAddress) {
    findings.error(`ipsecAddress ${ipsecAddress} is given for both tunnels; give each the gateway's address for it.`);
  } else if (
    [peerId, cloudId].every(isLiteral) &&
    peerId === standby.peerId &&
    cloudId === standby.cloudId &&
    !active.preSharedKey.isSameAs(standby.preSharedKey)
  ) {
    findings.error(
      `both tunnels have the peerId ${peerId} and the cloudId ${cloudId}, by which the box finds a tunnel's pre-shared key, and two keys; give one tunnel another id.`,
    );
  }
}

/** A tunnel with every choice made, and a variable for its key where none is given. */
function makeTunnel(
  scope: Construct,
  name: string,
  number: 1 | 2,
  common: TunnelOptions | undefined,
  own: SingleTunnelOptions,
  ipsecAddress: string,
  egressIp: string,
): Tunnel {
  const role = number === 1 ? "active" : "standby";
  return {
    number,
    role,
    ...chooseTunnelOptions(common, own),
    preSharedKey:
      own.preSharedKey ??
      PreSharedKey.declareVariable(
        scope,
        `psk-${role}`,
        pskVariableName(name, role),
        `Pre-shared key of the ${role} tunnel of ${name}.`,
      ),
    ipsecAddress,
    egressIp,
    cloudId: own.cloudId ?? ipsecAddress,
    peerId: own.peerId ?? egressIp,
  };
}

/** Each block once: a construct's id cannot be given twice, and the check of the list names the repetition. */
function unique(cidrs: readonly string[]): string[] {
  return [...new Set(cidrs)];
}

/** What tells a block's route from the others' whatever their order: its text where known, else its place in the list. */
function blockKey(cidr: string, index: number): string {
  return /^[0-9./]+$/.test(cidr) ? cidr.replace(/[./]/g, "_") : `number_${index + 1}`;
}

/** The API's fields of a tunnel. All are given: the provider sends false and 0 for what is left out. */
function cloudTunnel(tunnel: Tunnel, customerGatewayId: string): VpnConnectionTunnelOptionsSpecification {
  return {
    role: tunnel.role === "active" ? "master" : "slave",
    customerGatewayId,
    enableDpd: tunnel.dpd,
    enableNatTraversal: tunnel.natTraversal,
    tunnelIkeConfig: {
      ikeVersion: tunnel.ike.version,
      ikeMode: tunnel.ike.mode,
      ikeEncAlg: tunnel.ike.encryption,
      ikeAuthAlg: tunnel.ike.integrity,
      ikePfs: tunnel.ike.dhGroup,
      ikeLifetime: tunnel.ike.lifetimeSeconds,
      psk: tunnel.preSharedKey.expression,
      localId: tunnel.cloudId,
      remoteId: tunnel.peerId,
    },
    tunnelIpsecConfig: {
      ipsecEncAlg: tunnel.esp.encryption,
      ipsecAuthAlg: tunnel.esp.integrity,
      ipsecPfs: tunnel.esp.pfs,
      ipsecLifetime: tunnel.esp.lifetimeSeconds,
    },
  };
}

const BLOCKS = list(text("172.16.0.0/16"), 'a list of blocks, for example ["172.16.0.0/16"]');

/** The options that a site passes on to its connection as they are. */
export const CONNECTION_SHAPE = {
  vpcCidrs: optional(BLOCKS),
  dataCenterCidrs: BLOCKS,
  routing: optional(oneOf(RoutingMode)),
  publishRoutes: optional(flagOrToken),
  tunnels: optional(TUNNEL),
  activeTunnel: optional(SINGLE_TUNNEL),
  standbyTunnel: optional(SINGLE_TUNNEL),
  effectImmediately: optional(flagOrToken),
  tags: optional(texts("texts by their keys")),
  provider,
};

const connectionShape = (scope: Construct): Shape<IpsecDualConnectionProps> => ({
  gateway: gatewayKind(scope),
  customerGateways: customerGatewaysKind(scope),
  name: text("office"),
  ...CONNECTION_SHAPE,
  ignoreChanges,
});

const EXISTING_TUNNEL = bag<ExistingTunnel>(
  { ...SINGLE_TUNNEL_SHAPE, ipsecAddress: text("192.0.2.152"), egressIp: text("198.51.100.198") },
  "an object with ipsecAddress and egressIp",
);

const EXISTING_SHAPE: Shape<IpsecDualConnectionAttributes> = {
  name: text("office"),
  vpnConnectionId: text("vco-…"),
  routing: optional(oneOf(RoutingMode)),
  vpcCidrs: BLOCKS,
  dataCenterCidrs: BLOCKS,
  activeTunnel: EXISTING_TUNNEL,
  standbyTunnel: EXISTING_TUNNEL,
};

/** A connection, new or existing, as another construct's option. */
export function connectionKind(scope: Construct): Kind<IIpsecDualConnection> {
  return having<IIpsecDualConnection>(
    "an IpsecDualConnection",
    ["name", "routing", "vpcCidrs", "dataCenterCidrs", "tunnels", "cloudResources"],
    () => new ExistingIpsecDualConnection(scope, "missing-connection", standInOf(EXISTING_SHAPE)),
  );
}
