// What the connections of one VPN gateway have to agree on: whose block is whose, and how many there may be.
import { Construct } from "constructs";
import { registered } from "../claims";
import type { IDualTunnelVpnGateway } from "../dual-tunnel-vpn-gateway";
import { Findings } from "../findings";
import { isStandIn } from "../guard";
import { Block, overlap, parseBlock } from "../ip";
import { bgpRoutes, MOST_BGP_ROUTES, networks } from "../ipsec/bgp";
import { RoutingMode } from "../ipsec/routing";
import type { Tunnel } from "../ipsec/tunnel";
import { isLiteral } from "../structural";

/** A connection, as its gateway's others have to know it. */
export interface Member {
  readonly construct: Construct;
  readonly routing: RoutingMode;
  readonly vpcCidrs: readonly string[];
  readonly dataCenterCidrs: readonly string[];
  readonly tunnels: readonly Pick<Tunnel, "bgp">[];
}

/**
 * What Alibaba Cloud allows on one VPN gateway until it is asked for more (GetVpnGatewayDiagnoseResult calls the quotas
 * VpnIPsecQuota, VpnRouteQuota and VpnPbrRouteQuota).
 */
const QUOTAS = { connections: 10, destinationRoutes: 20, policyRoutes: 20 };

/** A gateway's connections, in the order in which they were made. */
export class GatewayMembers {
  /** Joins a connection to those of its gateway, which is known by its id where that is text, else by its queue. */
  static join(gateway: IDualTunnelVpnGateway, member: Member): GatewayMembers {
    const { vpnGatewayId } = gateway;
    const byQueue = isStandIn(vpnGatewayId) ? gateway : gateway.changes;
    const key = isLiteral(vpnGatewayId) ? `gateway ${vpnGatewayId}` : byQueue;
    const members = registered<Member>(member.construct, key);
    members.push(member);
    return new GatewayMembers(members, member);
  }

  private constructor(
    private readonly members: readonly Member[],
    private readonly own: Member,
  ) {}

  /** Checks a connection against those before it, and reports what is too much where it becomes so. */
  check(findings: Findings): void {
    this.checkBlocks(findings);
    if (this.own.routing === RoutingMode.BGP) this.checkBgp(findings);
    this.checkQuota(findings, QUOTAS.connections, "IPsec connections", "IPsec-VPN connections", () => 1);
    this.checkQuota(
      findings,
      QUOTAS.destinationRoutes,
      "destination-based routes",
      "destination-based routes",
      (member) => (member.routing === RoutingMode.DESTINATION ? count(member.dataCenterCidrs) : 0),
    );
    this.checkQuota(findings, QUOTAS.policyRoutes, "policy-based routes", "policy-based routes", (member) =>
      byPolicy(member) ? count(member.vpcCidrs) * count(member.dataCenterCidrs) : 0,
    );
  }

  private get before(): readonly Member[] {
    return this.members.slice(0, this.members.indexOf(this.own));
  }

  private checkBlocks(findings: Findings): void {
    const own = blocks(this.own.dataCenterCidrs);
    for (const other of this.before) {
      // The policy tells connections apart by the VPC's blocks too, where both have one.
      if (byPolicy(this.own) && byPolicy(other) && !common(blocks(this.own.vpcCidrs), blocks(other.vpcCidrs))) continue;
      const shared = common(own, blocks(other.dataCenterCidrs));
      if (!shared) continue;
      // A weight would not help: a gateway with dual-tunnel connections does not heed it (CreateVpnRouteEntry, `Weight`).
      findings.error(
        `dataCenterCidrs ${shared[0].text} overlaps ${shared[1].text} of ${other.construct.node.path} on the same VPN gateway, which would not know where to send; give each site of a gateway blocks of its own.`,
      );
    }
  }

  private checkBgp(findings: Findings): void {
    for (const other of this.before) {
      const shared = common(networks(this.own.tunnels), networks(other.tunnels));
      if (!shared) continue;
      findings.error(
        `routing.tunnelCidrs ${shared[0].text} is that of a tunnel of ${other.construct.node.path} on the same VPN gateway; give each tunnel of a gateway a /30 of its own.`,
      );
    }
    const routes = (members: readonly Member[]) =>
      members
        .filter(({ routing, dataCenterCidrs }) => routing === RoutingMode.BGP && isLiteral(dataCenterCidrs))
        .reduce((sum, { dataCenterCidrs }) => sum + bgpRoutes(dataCenterCidrs), 0);
    const before = routes(this.before);
    const own = routes([this.own]);
    // One that is too much by itself says so itself.
    if (before > MOST_BGP_ROUTES || own > MOST_BGP_ROUTES || before + own <= MOST_BGP_ROUTES) return;
    findings.error(
      `gateway has ${before + own} routes by BGP here, each block of dataCenterCidrs and at a failover its two halves, and Alibaba Cloud takes ${MOST_BGP_ROUTES} on a VPN gateway; join some blocks.`,
    );
  }

  private checkQuota(
    findings: Findings,
    allowed: number,
    what: string,
    quota: string,
    ofMember: (member: Member) => number,
  ): void {
    const sum = (members: readonly Member[]) => members.reduce((total, member) => total + ofMember(member), 0);
    const before = sum(this.before);
    if (before > allowed || before + ofMember(this.own) <= allowed) return;
    findings.warning(
      `gateway has ${sum(this.members)} ${what} here, and Alibaba Cloud allows ${allowed} on a VPN gateway by default; have its quota of ${quota} raised first.`,
    );
  }
}

function byPolicy({ routing }: Member): boolean {
  return routing === RoutingMode.POLICY;
}

function count(cidrs: readonly string[]): number {
  return new Set(cidrs).size;
}

const PARSED = new WeakMap<readonly string[], readonly Block[]>();

function blocks(cidrs: readonly string[]): readonly Block[] {
  const known = PARSED.get(cidrs);
  if (known) return known;
  const parsed = isLiteral(cidrs)
    ? cidrs
        .filter(isLiteral)
        .map(parseBlock)
        .filter((block) => block !== undefined)
    : [];
  PARSED.set(cidrs, parsed);
  return parsed;
}

/** The first two blocks of two sides that share an address. */
export function common(ones: readonly Block[], others: readonly Block[]): readonly [Block, Block] | undefined {
  for (const one of ones) {
    for (const other of others) {
      if (one.prefixLength > 0 && other.prefixLength > 0 && overlap(one, other)) return [one, other];
    }
  }
  return undefined;
}

export { blocks as literalBlocks };
