// BGP in the tunnels of a connection: what both ends are told, and what would keep them apart.
import { Findings } from "../findings";
import { isStandIn } from "../guard";
import { Block, blockProblem, formatAddress, knownBlocks, overlap, parseBlock } from "../ip";
import { isLiteral } from "../structural";
import { SITE_BOUNDS } from "../host/site-format";
import { ALIBABA_ASN, Routing, RoutingMode } from "./routing";

/** What the two ends of a connection with BGP know of each other. */
export interface ConnectionBgp {
  /** The cloud's AS number. */
  readonly cloudAsn: number;
  /** The data center's AS number. */
  readonly asn: number;
  /** Hold time that the box offers, seconds. */
  readonly holdSeconds: number;
}

/** The two ends of a BGP session inside a tunnel. */
export interface TunnelBgp {
  /** The /30 of both addresses. */
  readonly tunnelCidr: string;
  /** The cloud's address: the first host address of the /30. */
  readonly cloudAddress: string;
  /** The box's address: the second one. */
  readonly boxAddress: string;
}

/** Where the tunnels' networks lie (CreateVpnConnection, `TunnelCidr`). */
const [LINK_LOCAL] = knownBlocks("169.254.0.0/16");

/** The networks in it that Alibaba Cloud keeps for itself. */
const RESERVED = [...[0, 1, 2, 3, 4, 5, 6].map((third) => `169.254.${third}.0/30`), "169.254.169.252/30"];

/** Routes that a VPN gateway takes by BGP until Alibaba Cloud is asked for more. */
export const MOST_BGP_ROUTES = 50;

/** How traffic finds a connection, as the connection says it; what is missing of it is complained about elsewhere. */
export function routingOf(
  routing: RoutingMode | Routing = RoutingMode.DESTINATION,
  asn: number | undefined,
): { readonly mode: RoutingMode; readonly bgp?: ConnectionBgp; readonly tunnels: readonly (TunnelBgp | undefined)[] } {
  if (typeof routing === "string") return { mode: routing, tunnels: [] };
  const { mode, cloudAsn, holdSeconds, tunnelCidrs } = routing;
  return {
    mode,
    bgp: { cloudAsn, asn: asn ?? 0, holdSeconds },
    tunnels: [0, 1].map((index) => ends(tunnelCidrs[index])),
  };
}

function ends(tunnelCidr: string | undefined): TunnelBgp {
  const first = tunnelCidr === undefined || !isLiteral(tunnelCidr) ? undefined : parseBlock(tunnelCidr)?.first;
  const host = (number: number) => (first === undefined ? "" : formatAddress(first + number));
  return { tunnelCidr: tunnelCidr ?? "", cloudAddress: host(1), boxAddress: host(2) };
}

/** Checks the data center's AS number. */
export function checkAsn(asn: number | undefined, findings: Findings): void {
  findings.wholeNumber("asn", asn, ...SITE_BOUNDS["bgp.asn"]);
  if (asn === ALIBABA_ASN) {
    findings.error(
      `asn ${ALIBABA_ASN} is Alibaba Cloud's own, which it takes from no customer gateway; give the data center's, for example 65010.`,
    );
  }
}

/** Checks what was chosen for BGP by itself, before it is made a connection's. */
export function checkRouting(routing: RoutingMode | Routing | undefined, findings: Findings): void {
  if (routing === undefined || typeof routing === "string") return;
  findings.wholeNumber("routing.cloudAsn", routing.cloudAsn, ...SITE_BOUNDS["bgp.cloudAsn"]);
  findings.wholeNumber("routing.holdSeconds", routing.holdSeconds, ...SITE_BOUNDS["bgp.holdSeconds"]);
  const { tunnelCidrs } = routing;
  if (isStandIn(tunnelCidrs)) return;
  if (tunnelCidrs.length !== 2) {
    const entries = `${tunnelCidrs.length} ${tunnelCidrs.length === 1 ? "entry" : "entries"}`;
    findings.error(`routing.tunnelCidrs has ${entries}; give one /30 for each tunnel, the active tunnel's first.`);
  }
  for (const cidr of new Set(tunnelCidrs)) {
    const problem = tunnelCidrProblem(cidr);
    if (problem) findings.error(`routing.tunnelCidrs ${problem}.`);
  }
  const [active, standby] = tunnelCidrs;
  if (active === standby && active !== undefined && !isStandIn(active)) {
    findings.error(`routing.tunnelCidrs ${active} is given for both tunnels; give each a /30 of its own.`);
  }
}

/** What is wrong with a tunnel's network, as the rest of a sentence. */
function tunnelCidrProblem(cidr: string): string | undefined {
  if (isStandIn(cidr)) return undefined;
  if (!isLiteral(cidr)) {
    return `${cidr} is known only to Terraform; give it as text, because both ends are configured by it`;
  }
  const block = parseBlock(cidr);
  if (!block) return `${cidr} ${blockProblem(cidr)?.replace("172.16.0.0/16", "169.254.11.0/30")}`;
  if (block.prefixLength !== 30 || !overlap(block, LINK_LOCAL)) {
    return `${cidr} is not a /30 in ${LINK_LOCAL.text}, as Alibaba Cloud wants it; write it as 169.254.11.0/30`;
  }
  return RESERVED.includes(cidr)
    ? `${cidr} is one that Alibaba Cloud keeps for itself; give another one, for example 169.254.11.0/30`
    : undefined;
}

/** Routes that the blocks of a data center are by BGP: each block, and at a failover its two halves as well. */
export function bgpRoutes(dataCenterCidrs: readonly string[]): number {
  const blocks = dataCenterCidrs.map((cidr) => (isLiteral(cidr) ? parseBlock(cidr) : undefined));
  // A half may be a block as well, and is told once.
  const told = new Set(blocks.filter((block) => block !== undefined).flatMap(withHalves));
  const unknown = new Set(dataCenterCidrs.filter((_, index) => blocks[index] === undefined));
  return told.size + 3 * unknown.size;
}

function withHalves({ text, first, last, prefixLength }: Block): string[] {
  if (first === last) return [text];
  const middle = first + (last - first + 1) / 2;
  return [text, ...[first, middle].map((half) => `${formatAddress(half)}/${prefixLength + 1}`)];
}

/** Checks a connection's BGP against its blocks. */
export function checkBgp(
  { cloudAsn, asn }: ConnectionBgp,
  tunnels: readonly { readonly bgp?: TunnelBgp }[],
  blocks: { readonly vpcCidrs: readonly string[]; readonly dataCenterCidrs: readonly string[] },
  findings: Findings,
): void {
  // That the default one is nobody's is said of the number itself.
  if (asn === cloudAsn && asn !== ALIBABA_ASN) {
    findings.error(`asn ${asn} is the cloud's too (routing.cloudAsn); give each end an AS number of its own.`);
  }
  for (const what of ["vpcCidrs", "dataCenterCidrs"] as const) {
    if (!isLiteral(blocks[what])) continue;
    for (const block of blocks[what].filter(isLiteral).map(parseBlock)) {
      // What lies inside of 169.254.0.0/16, or is everything, is refused already.
      if (!block || block.prefixLength === 0 || block.prefixLength >= LINK_LOCAL.prefixLength) continue;
      const met = networks(tunnels).find((network) => overlap(network, block));
      if (!met) continue;
      findings.error(
        `${what} ${block.text} and routing.tunnelCidrs ${met.text} overlap; give blocks that share no address.`,
      );
    }
  }
  const routes = isLiteral(blocks.dataCenterCidrs) ? bgpRoutes(blocks.dataCenterCidrs) : 0;
  if (routes > MOST_BGP_ROUTES) {
    findings.error(
      `dataCenterCidrs are ${routes} routes by BGP, each block and at a failover its two halves, and Alibaba Cloud takes ${MOST_BGP_ROUTES} on a VPN gateway; join some blocks.`,
    );
  }
}

/** The tunnels' networks, as far as they are blocks. */
export function networks(tunnels: readonly { readonly bgp?: TunnelBgp }[]) {
  return tunnels
    .flatMap(({ bgp }) => (bgp && isLiteral(bgp.tunnelCidr) ? [parseBlock(bgp.tunnelCidr)] : []))
    .filter((block) => block !== undefined);
}
