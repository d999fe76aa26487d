// IpsecDualConnection: the IPsec connection with its active and its standby tunnel, and the cloud's routes to the
// data center. It holds everything that the other end needs to know about each tunnel.
import { VpnConnection, VpnConnectionTunnelOptionsSpecification } from "@cdktf/provider-alicloud/lib/vpn-connection";
import { VpnPbrRouteEntry } from "@cdktf/provider-alicloud/lib/vpn-pbr-route-entry";
import { VpnRouteEntry } from "@cdktf/provider-alicloud/lib/vpn-route-entry";
import { TerraformProvider, TerraformResource, TerraformResourceLifecycle, TerraformStack } from "cdktf";
import { Construct, IConstruct } from "constructs";
import { PRIVATE_RANGES, tagProblems } from "./cloud/rules";
import { ICustomerGatewayPair } from "./customer-gateway-pair";
import { GatewayNetworkType, IDualTunnelVpnGateway } from "./dual-tunnel-vpn-gateway";
import { Findings } from "./findings";
import { nameProblem, pskVariableName, terraformName } from "./host/names";
import { Block, blockProblem, contains, overlap, parseBlock, SHARED_ADDRESS_SPACE } from "./ip";
import { IkeVersion } from "./ipsec/algorithms";
import { PreSharedKey } from "./ipsec/pre-shared-key";
import {
  chooseTunnelOptions,
  SingleTunnelOptions,
  Tunnel,
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
  readonly routing: RoutingMode;
  readonly vpcCidrs: readonly string[];
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
   * CIDR blocks of the VPC that the data center reaches, 1 to 10.
   * @default - the CIDR block of the gateway's VPC
   */
  readonly vpcCidrs?: readonly string[];
  /** CIDR blocks of the data center that the VPC reaches, 1 to 10. */
  readonly dataCenterCidrs: readonly string[];
  /** @default RoutingMode.DESTINATION */
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
  /** @default - none */
  readonly tags?: Readonly<Record<string, string>>;
  /**
   * Attributes of the connection whose drift Terraform is to ignore.
   * @default - none
   */
  readonly ignoreChanges?: TerraformResourceLifecycle["ignoreChanges"];
  /** @default - the stack's alicloud provider without an alias */
  readonly provider?: TerraformProvider;
}

const ANYWHERE = "0.0.0.0/0";

/** An IPsec connection of two tunnels with the cloud's routes to the data center. */
export class IpsecDualConnection extends Construct implements IIpsecDualConnection {
  readonly name: string;
  readonly routing: RoutingMode;
  readonly vpcCidrs: readonly string[];
  readonly dataCenterCidrs: readonly string[];
  readonly tunnels: readonly [Tunnel, Tunnel];
  /** The `alicloud_vpn_connection` underneath. */
  readonly resource: VpnConnection;
  /** The `alicloud_vpn_route_entry`s or `alicloud_vpn_pbr_route_entry`s underneath. */
  readonly routes: readonly (VpnRouteEntry | VpnPbrRouteEntry)[];

  constructor(scope: Construct, id: string, props: IpsecDualConnectionProps) {
    super(scope, id);
    this.name = props.name;
    this.routing = props.routing ?? RoutingMode.DESTINATION;
    this.vpcCidrs = props.vpcCidrs ?? props.gateway.vpcCidrs;
    this.dataCenterCidrs = props.dataCenterCidrs;
    this.tunnels = [this.tunnel(props, 1), this.tunnel(props, 2)];
    const prefix = terraformName(props.name);

    const byPolicy = this.routing === RoutingMode.POLICY;
    this.resource = new VpnConnection(this, "Default", {
      provider: props.provider,
      lifecycle: {
        ignoreChanges: props.ignoreChanges,
        precondition: this.tunnels.flatMap((tunnel) =>
          tunnel.preSharedKey.preconditions(`The pre-shared key of the ${tunnel.role} tunnel of ${props.name}`),
        ),
      },
      vpnConnectionName: props.name,
      vpnGatewayId: props.gateway.vpnGatewayId,
      localSubnet: byPolicy ? [...this.vpcCidrs] : [ANYWHERE],
      remoteSubnet: byPolicy ? [...this.dataCenterCidrs] : [ANYWHERE],
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
    props.gateway.changes.add(this.resource);

    this.routes = byPolicy ? this.policyRoutes(props) : this.destinationRoutes(props);
    for (const route of this.routes) props.gateway.changes.add(route);

    const names = connectionsByName(this);
    if (!names.has(this.name)) names.set(this.name, this);
    Findings.validate(this, (findings) => this.check(props, findings));
  }

  get vpnConnectionId(): string {
    return this.resource.id;
  }

  get cloudResources(): readonly TerraformResource[] {
    return [this.resource, ...this.routes];
  }

  private tunnel(props: IpsecDualConnectionProps, number: 1 | 2): Tunnel {
    const role = number === 1 ? "active" : "standby";
    const own = (number === 1 ? props.activeTunnel : props.standbyTunnel) ?? {};
    const ipsecAddress = number === 1 ? props.gateway.activeIpsecAddress : props.gateway.standbyIpsecAddress;
    const egressIp = number === 1 ? props.customerGateways.activeEgressIp : props.customerGateways.standbyEgressIp;
    return {
      number,
      role,
      ...chooseTunnelOptions(props.tunnels, own),
      preSharedKey:
        own.preSharedKey ??
        PreSharedKey.declareVariable(
          this,
          `psk-${role}`,
          pskVariableName(props.name, role),
          `Pre-shared key of the ${role} tunnel of ${props.name}.`,
        ),
      ipsecAddress,
      egressIp,
      cloudId: own.cloudId ?? ipsecAddress,
      peerId: own.peerId ?? egressIp,
    };
  }

  private destinationRoutes(props: IpsecDualConnectionProps): VpnRouteEntry[] {
    return unique(this.dataCenterCidrs).map((routeDest, index) => {
      const key = blockKey(routeDest, index);
      const route = new VpnRouteEntry(this, `route-${key}`, {
        provider: props.provider,
        vpnGatewayId: props.gateway.vpnGatewayId,
        nextHop: this.resource.id,
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
          nextHop: this.resource.id,
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
    const name = nameProblem(this.name);
    if (name) findings.error(`name "${this.name}" ${name}.`);
    const holder = connectionsByName(this).get(this.name);
    if (holder && holder !== this) {
      findings.error(`name "${this.name}" is taken by ${holder.node.path}; give each connection of a stack its own.`);
    }
    findings.error(...tagProblems(props.tags), ...this.tunnels.flatMap(tunnelProblems));
    findings.warning(...this.tunnels.flatMap(tunnelWarnings));
    this.checkBlocks(findings);
    if (props.gateway.networkType === GatewayNetworkType.PUBLIC) {
      for (const egressIp of new Set(this.tunnels.map((tunnel) => tunnel.egressIp))) {
        if (isLiteral(egressIp) && PRIVATE_RANGES.some((range) => contains(parseBlock(range)!, egressIp))) {
          findings.error(`egressIp ${egressIp} is a private address; give the public one that the cloud sees.`);
        }
      }
    }
  }

  private checkBlocks(findings: Findings): void {
    const lists = [
      ["vpcCidrs", this.vpcCidrs],
      ["dataCenterCidrs", this.dataCenterCidrs],
    ] as const;
    for (const [what, cidrs] of lists) {
      if (!isLiteral(cidrs)) {
        findings.error(`${what} is one Terraform list; give the blocks one by one.`);
        return;
      }
      if (cidrs.length === 0) findings.error(`${what} is empty; give at least one CIDR block.`);
      if (this.routing === RoutingMode.POLICY && cidrs.length > MOST_SELECTORS) {
        findings.error(
          `${what} has ${cidrs.length} blocks; policy-based routing takes at most ${MOST_SELECTORS}: join some, or route by destination.`,
        );
      }
      cidrs.forEach((cidr, index) => {
        const problem = isLiteral(cidr) ? blockProblem(cidr) : undefined;
        if (problem) findings.error(`${what} ${cidr} ${problem}.`);
        if (cidrs.indexOf(cidr) !== index) findings.error(`${what} ${cidr} is given twice; give it once.`);
      });
      for (const block of parsed(cidrs)) {
        if (block.prefixLength === 0) {
          findings.error(
            `${what} ${block.text} is everything, which Alibaba Cloud refuses as a route; name the blocks.`,
          );
        } else if (overlap(block, SHARED_ADDRESS_SPACE)) {
          findings.error(
            `${what} ${block.text} overlaps ${SHARED_ADDRESS_SPACE.text}, which Alibaba Cloud keeps for itself; use other addresses.`,
          );
        }
      }
    }
    for (const vpc of parsed(this.vpcCidrs).filter(notEverything)) {
      for (const site of parsed(this.dataCenterCidrs).filter(notEverything)) {
        if (!overlap(vpc, site)) continue;
        findings.error(
          `vpcCidrs ${vpc.text} and dataCenterCidrs ${site.text} overlap; give blocks that share no address.`,
        );
      }
    }
    const pairs = this.vpcCidrs.length * this.dataCenterCidrs.length;
    const v1 = this.tunnels.find((tunnel) => tunnel.ike.version === IkeVersion.V1);
    if (this.routing === RoutingMode.POLICY && pairs > 1 && v1) {
      findings.error(
        `${v1.role} tunnel: IKEv1 carries one pair of blocks in policy-based routing and there are ${pairs}; choose IkeVersion.V2 or RoutingMode.DESTINATION.`,
      );
    }
  }
}

const CONNECTIONS = new WeakMap<TerraformStack, Map<string, IpsecDualConnection>>();

/** The connections of a construct's stack; of two with the same name, the first. */
function connectionsByName(scope: Construct): Map<string, IpsecDualConnection> {
  const stack = TerraformStack.of(scope);
  const names = CONNECTIONS.get(stack) ?? new Map<string, IpsecDualConnection>();
  CONNECTIONS.set(stack, names);
  return names;
}

/** CIDR blocks on each side of a connection with policy-based routing (the provider's `local_subnet`, `remote_subnet`). */
const MOST_SELECTORS = 10;

function parsed(cidrs: readonly string[]): Block[] {
  return cidrs
    .filter(isLiteral)
    .map(parseBlock)
    .filter((block) => block !== undefined);
}

function notEverything(block: Block): boolean {
  return block.prefixLength > 0;
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
