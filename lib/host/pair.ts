// Two boxes for one connection: the active tunnel ends at box 1, the standby tunnel at box 2, and the LAN's hosts send what
// is for the VPC to an address that one of the two has. What each box is told of that, and how the two have to fit together.
import { dependable, Fn, IResolvable, Op, Precondition, TerraformResource, TerraformStack } from "cdktf";
import { Construct } from "constructs";
import { registered } from "../claims";
import { isIn, isInOneOf, overlapPreconditions } from "../cloud/blocks-at-plan";
import { literalBlocks } from "../cloud/gateway-checks";
import { ADDRESS_PATTERN, expressionOf, matches } from "../expressions";
import { Findings } from "../findings";
import { bag, isStandIn, oneOfNumbers, optional, Shape, text } from "../guard";
import { Block, contains, formatAddress, InterfaceAddress, overlap, parseAddress, parseInterfaceAddress } from "../ip";
import { networks } from "../ipsec/bgp";
import type { IIpsecDualConnection } from "../ipsec/connection";
import { isLiteral } from "../structural";
import { machineOf } from "./boxes";
import type { SitePair } from "./site";
import { SITE_BOUNDS } from "./site-format";
import type { SshOptions } from "./ssh";
import { checkDevice, devicePreconditions, uplinkNetwork, UplinkOptions } from "./uplinks";

/** A network interface of a box of a pair towards the data center's hosts. */
export interface LanOptions {
  /**
   * The interface's address with its prefix length, as `ip address` prints it: `172.16.3.2/24`. The prefix is from 8 to 29,
   * and the two boxes' addresses are in one network.
   */
  readonly address: string;
  /**
   * The interface's name, for example `eth2`.
   * @default - found on the box by the address
   */
  readonly device?: string;
}

/** Which of a connection's two boxes a host is, and what it knows of the other one. */
export interface PairOptions {
  /** 1 for the box of the active tunnel, 2 for that of the standby tunnel. */
  readonly number: 1 | 2;
  /** This box's interface towards the data center's hosts. */
  readonly lan: LanOptions;
  /** The other box's address on that network. */
  readonly otherLanAddress: string;
  /**
   * The address to which the data center's hosts send what is for the VPC: in the LAN's network, of no machine. One of the
   * two boxes has it.
   */
  readonly virtualGateway: string;
}

const LAN_SHAPE: Shape<LanOptions> = { address: text("172.16.3.2/24"), device: optional(text("eth2")) };

/** A LAN's interface, as another construct's option. */
export const LAN = bag(LAN_SHAPE, "an object with address");

/** The address that one of the boxes has, as another construct's option. */
export const VIRTUAL_GATEWAY = text("172.16.3.1");

const PAIR_SHAPE: Shape<PairOptions> = {
  number: oneOfNumbers(1, 2),
  lan: LAN,
  otherLanAddress: text("172.16.3.3"),
  virtualGateway: VIRTUAL_GATEWAY,
};

/** Which box of a pair a host is, as a construct's option. */
export const PAIR = bag(PAIR_SHAPE, "an object with number, lan, otherLanAddress and virtualGateway");

const [SHORTEST_PREFIX, LONGEST_PREFIX] = SITE_BOUNDS["pair.lan.prefixLength"];

/** The address of an interface without its prefix length. */
export function plainAddress(interfaceAddress: string): string {
  return interfaceAddress.split("/")[0];
}

function parsed({ address }: LanOptions): InterfaceAddress | undefined {
  const own = isLiteral(address) ? parseInterfaceAddress(address) : undefined;
  return own && own.prefixLength >= SHORTEST_PREFIX && own.prefixLength <= LONGEST_PREFIX ? own : undefined;
}

/** The pair as site.json has it. */
export function sitePair({ number, lan, otherLanAddress, virtualGateway }: PairOptions): SitePair {
  const [address, prefixLength] = lan.address.split("/");
  return {
    number,
    lan: { address, prefixLength: Number(prefixLength), device: lan.device },
    otherLanAddress,
    virtualGateway,
  };
}

/** Checks a box's interface to the LAN by itself. */
export function checkLan({ address, device }: LanOptions, findings: Findings): void {
  checkDevice("lan", device, findings);
  if (isStandIn(address)) return;
  if (!isLiteral(address)) {
    findings.error("lan.address is known only to Terraform; give it as text, because the box is configured by it.");
    return;
  }
  const own = parseInterfaceAddress(address);
  if (!own) {
    findings.error(`lan.address "${address}" is not an IPv4 address with a prefix length; write it as 172.16.3.2/24.`);
  } else if (own.prefixLength < SHORTEST_PREFIX || own.prefixLength > LONGEST_PREFIX) {
    findings.error(
      `lan.address ${address} has a prefix of ${own.prefixLength}; give the address in a network with one from ${SHORTEST_PREFIX} to ${LONGEST_PREFIX}, which has room for both boxes, the virtual gateway and hosts.`,
    );
  } else if (ends(own.network).includes(own.address)) {
    findings.error(`lan.address ${address} is the network's own or its broadcast address; give the interface's.`);
  }
}

/** What of a box's place in a pair only Terraform can check. */
export function pairPreconditions({ lan, otherLanAddress, virtualGateway }: PairOptions): Precondition[] {
  const found = devicePreconditions("lan", lan.device);
  if (isLiteral(virtualGateway) || isStandIn(virtualGateway)) return found;
  found.push({
    condition: matches(ADDRESS_PATTERN, virtualGateway),
    errorMessage: `virtualGateway ${virtualGateway} is not an IPv4 address; write it as 172.16.3.1.`,
  });
  const own = parsed(lan);
  // cdktf's functions take no expression with quotes in it.
  if (!own || virtualGateway.includes('"')) return found;
  const { network } = own;
  const taken = [...ends(network), own.address, otherLanAddress].filter(isLiteral);
  found.push(
    {
      condition: Fn.try([isIn(virtualGateway, network), true]) as IResolvable,
      errorMessage: `virtualGateway ${virtualGateway} ${outside(network)}.`,
    },
    {
      condition: Op.not(Fn.contains(taken, virtualGateway)),
      errorMessage: `virtualGateway ${virtualGateway} is one of the two boxes', the network's own or its broadcast address; ${A_FREE_ONE}.`,
    },
  );
  return found;
}

/**
 * Conditions about blocks that synth could not read: that the LAN's network overlaps none of the VPC's, and that the box's
 * address there lies in one of the data center's.
 */
export function lanPreconditions(
  pair: PairOptions,
  { vpcCidrs, dataCenterCidrs }: Pick<IIpsecDualConnection, "vpcCidrs" | "dataCenterCidrs">,
): Precondition[] {
  const own = parsed(pair.lan);
  if (!own) return [];
  const found = overlapPreconditions(isLiteral(vpcCidrs) ? vpcCidrs.map((cidr) => ({ what: "vpcCidrs", cidr })) : [], [
    { what: "the network of lan", cidr: own.network.text },
  ]);
  // cdktf's functions take no expression with quotes in it.
  const comparable = isLiteral(dataCenterCidrs) && !dataCenterCidrs.some((cidr) => cidr.includes('"'));
  if (!comparable || dataCenterCidrs.every(isLiteral) || isAmong(dataCenterCidrs, own)) return found;
  found.push({ condition: isInOneOf(own.address, dataCenterCidrs), errorMessage: unreachable(pair, dataCenterCidrs) });
  return found;
}

function isAmong(dataCenterCidrs: readonly string[], { address }: InterfaceAddress): boolean {
  return literalBlocks(dataCenterCidrs).some((block) => contains(block, address));
}

function unreachable({ number, lan }: PairOptions, dataCenterCidrs: readonly string[]): string {
  return `lan.address ${lan.address} of box ${number} is in none of dataCenterCidrs (${dataCenterCidrs.join(", ")}); add the block of the LAN, whose hosts the VPC is to reach.`;
}

const A_FREE_ONE = "give a third address there, which no machine has";

function outside(network: Block): string {
  return `is outside the LAN's network ${network.text}; give an address in it which no machine has`;
}

function ends({ first, last }: Block): string[] {
  return [first, last].map(formatAddress);
}

/** A box of a connection, as the connection's other one has to know it. */
export interface Member {
  readonly construct: Construct;
  readonly connection: IIpsecDualConnection;
  readonly ssh: SshOptions;
  readonly uplinks: readonly UplinkOptions[];
  /** Undefined for the one box of a connection. */
  readonly pair: PairOptions | undefined;
  readonly preparation: TerraformResource | undefined;
  readonly configuration: TerraformResource;
}

type Half = Member & { readonly pair: PairOptions };

/** The boxes of a connection in a stack: one, or the two of a pair. */
export class ConnectionBoxes {
  /**
   * Joins a box to its connection's. Of a pair box 2 is made ready and configured before box 1, whichever came first in the
   * code: with the standby tunnel's box done, something can carry while the active tunnel's is at work.
   */
  static join(own: Member): ConnectionBoxes {
    const stack = TerraformStack.of(own.construct).node.path;
    const members = registered<Member>(own.construct, `boxes of ${own.connection.name} in ${stack}`);
    members.push(own);
    const halves = halvesOf(members);
    if (halves?.includes(own as Half)) {
      const [first, second] = halves;
      follow(first.preparation, second.preparation);
      follow(first.configuration, second.configuration);
    }
    return new ConnectionBoxes(members, own);
  }

  private constructor(
    private readonly members: readonly Member[],
    private readonly own: Member,
  ) {}

  /** Checks a box against those of its connection that were made before it. */
  check(findings: Findings): void {
    const { connection, pair } = this.own;
    if (isStandIn(connection.name)) return;
    const before = this.members.slice(0, this.members.indexOf(this.own));
    const other = before.find((each) => !pair || !each.pair || each.pair.number === pair.number);
    if (other) {
      findings.error(`connection ${connection.name} has ${this.instead(other)}`);
      return;
    }
    if (pair && this.members.length === 1) {
      findings.error(
        `connection ${connection.name} has box ${pair.number} of a pair and no box ${3 - pair.number} in this stack; make that box's StrongswanHost here too.`,
      );
    }
    const halves = halvesOf(this.members);
    if (halves && before.length > 0) checkHalves(halves, findings);
  }

  private instead({ construct, pair }: Member): string {
    const { path } = construct.node;
    if (!pair && !this.own.pair) return `a box already, ${path}; give each connection one.`;
    if (!pair || !this.own.pair) return `a box already, ${path}, and one of them is of no pair; give both pair.`;
    return `its box ${pair.number} already, ${path}; give one of them the pair.number ${3 - pair.number}.`;
  }
}

/** Box 1 and box 2, as soon as both are there. */
function halvesOf(members: readonly Member[]): readonly [Half, Half] | undefined {
  const [first, second] = [1, 2].map((number) => members.find(({ pair }) => pair?.number === number));
  return first && second ? [first as Half, second as Half] : undefined;
}

function follow(later: TerraformResource | undefined, earlier: TerraformResource | undefined): void {
  if (later && earlier) later.dependsOn = [...(later.dependsOn ?? []), dependable(earlier)];
}

function checkHalves(halves: readonly [Half, Half], findings: Findings): void {
  const [first, second] = halves;
  const { host } = second.ssh;
  const written = (value: string) => expressionOf(first.construct, value);
  const [one, two] = halves.map(({ ssh }) => written(machineOf(ssh)));
  if (one === two && !isStandIn(host)) {
    findings.error(`ssh.host ${host} is given for both boxes; give each box its own.`);
  }
  const [a, b] = halves.map(({ pair }) => parsed(pair.lan));
  if (!a || !b) return;
  if (a.network.text !== b.network.text) {
    findings.error(
      `lan.address is ${first.pair.lan.address} on box 1 and ${second.pair.lan.address} on box 2; give two addresses of one network, with its prefix length.`,
    );
    return;
  }
  if (a.address === b.address) {
    findings.error(`lan.address ${a.address} is given for both boxes; give each box its own.`);
  }
  for (const [half, other] of [
    [first, b],
    [second, a],
  ] as const) {
    const { number, otherLanAddress } = half.pair;
    if (otherLanAddress === other.address || isStandIn(otherLanAddress)) continue;
    findings.error(
      `pair.otherLanAddress of box ${number} is ${otherLanAddress}, and box ${3 - number} has ${other.address}; give that.`,
    );
  }
  checkVirtualGateway(halves, [a.address, b.address], a.network, written, findings);
  checkNetwork(halves, a.network, findings);
}

function checkVirtualGateway(
  [first, second]: readonly [Half, Half],
  lanAddresses: readonly string[],
  network: Block,
  written: (value: string) => string,
  findings: Findings,
): void {
  const { virtualGateway } = first.pair;
  if (isStandIn(virtualGateway) || isStandIn(second.pair.virtualGateway)) return;
  if (written(virtualGateway) !== written(second.pair.virtualGateway)) {
    findings.error(
      `virtualGateway is ${virtualGateway} on box 1 and ${second.pair.virtualGateway} on box 2; give both the same.`,
    );
    return;
  }
  findings.address("virtualGateway", virtualGateway, "172.16.3.1");
  if (!isLiteral(virtualGateway) || parseAddress(virtualGateway) === undefined) return;
  const box = lanAddresses.indexOf(virtualGateway) + 1;
  if (!contains(network, virtualGateway)) {
    findings.error(`virtualGateway ${virtualGateway} ${outside(network)}.`);
  } else if (box > 0) {
    findings.error(`virtualGateway ${virtualGateway} is the LAN address of box ${box}; ${A_FREE_ONE}.`);
  } else if (ends(network).includes(virtualGateway)) {
    findings.error(`virtualGateway ${virtualGateway} is the network's own or its broadcast address; ${A_FREE_ONE}.`);
  }
}

/** Checks that the LAN's network is the data center's, and none of those that the boxes reach in other ways. */
function checkNetwork(halves: readonly [Half, Half], network: Block, findings: Findings): void {
  for (const { pair, uplinks } of halves) {
    for (const uplink of uplinks) {
      const theirs = uplinkNetwork(uplink);
      if (theirs && overlap(theirs, network)) {
        findings.error(
          `the network ${theirs.text} of box ${pair.number}'s uplink and the LAN's, ${network.text}, overlap; the LAN needs a network of its own.`,
        );
      }
      if (pair.lan.device !== undefined && pair.lan.device === uplink.device) {
        findings.error(
          `lan.device ${pair.lan.device} of box ${pair.number} is its uplink's too; the LAN needs an interface of its own.`,
        );
      }
    }
  }
  const { vpcCidrs, dataCenterCidrs, tunnels } = halves[0].connection;
  const clashes = [
    ["vpcCidrs", literalBlocks(vpcCidrs)] as const,
    ["routing.tunnelCidrs", networks(tunnels)] as const,
  ].flatMap(([what, blocks]) =>
    blocks
      .filter((block) => block.prefixLength > 0 && overlap(block, network))
      .map(
        ({ text }) =>
          `${what} ${text} and the LAN's network ${network.text} overlap; give blocks that share no address.`,
      ),
  );
  findings.error(...clashes);
  // What only Terraform knows, or is no block, may be meant to hold the LAN.
  const known = dataCenterCidrs.length > 0 && literalBlocks(dataCenterCidrs).length === dataCenterCidrs.length;
  if (!known || clashes.length > 0) return;
  const outside = halves.find(({ pair }) => !isAmong(dataCenterCidrs, parsed(pair.lan)!));
  if (outside) findings.error(unreachable(outside.pair, dataCenterCidrs));
}
