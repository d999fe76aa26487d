// The uplinks of a box and their checks: at synth what is text, by preconditions of Terraform what only it knows.
import { Fn, IResolvable, Precondition } from "cdktf";
import { IConstruct } from "constructs";
import { literalBlocks } from "../cloud/gateway-checks";
import { isIn, overlapPreconditions } from "../cloud/blocks-at-plan";
import { ADDRESS_PATTERN, identityOf, matches } from "../expressions";
import { Findings } from "../findings";
import { isStandIn, optional, Shape, text } from "../guard";
import {
  Block,
  contains,
  InterfaceAddress,
  overlap,
  parseAddress,
  parseInterfaceAddress,
  SHARED_ADDRESS_SPACE,
} from "../ip";
import { networks } from "../ipsec/bgp";
import type { IIpsecDualConnection } from "../ipsec/connection";
import type { Tunnel } from "../ipsec/tunnel";
import { isLiteral } from "../structural";
import { type SiteUplink, uplinkOf } from "./site";
import { SITE_BOUNDS, SITE_PATTERNS } from "./site-format";

/** A network interface of the box towards the internet. */
export interface UplinkOptions {
  /** The interface's address with its prefix length, as `ip address` prints it: `172.16.1.93/24`. */
  readonly address: string;
  /** The next router on this uplink, in the same network; of an interface with a /32 address, such as PPPoE's, outside. */
  readonly gateway: string;
  /**
   * The interface's name, for example `eth0`.
   * @default - found on the box by the address
   */
  readonly device?: string;
}

/** What an uplink's options may be. */
export const UPLINK_SHAPE: Shape<UplinkOptions> = {
  address: text("172.16.1.93/24"),
  gateway: text("172.16.1.253"),
  device: optional(text("eth0")),
};

/** What is asked of uplinks, as the end of a sentence. */
export const UPLINKS_WANTED = "a list of one or two uplinks, each with its address and its gateway";

const DEVICE = SITE_PATTERNS["uplinks.device"];
const [SHORTEST_PREFIX] = SITE_BOUNDS["uplinks.prefixLength"];

function parsed(uplink: UplinkOptions): InterfaceAddress | undefined {
  const own = isLiteral(uplink.address) ? parseInterfaceAddress(uplink.address) : undefined;
  return own && own.prefixLength >= SHORTEST_PREFIX ? own : undefined;
}

/** The network of an uplink whose address is right. */
export function uplinkNetwork(uplink: UplinkOptions): Block | undefined {
  return parsed(uplink)?.network;
}

/** An uplink in a sentence: a box of a pair has one. */
function nameOf(index: number, ofPair: boolean): string {
  return ofPair ? "uplink" : `uplinks[${index}]`;
}

/** An uplink as site.json has it. */
export function siteUplink(number: 1 | 2, uplink: UplinkOptions): SiteUplink {
  const [address, prefixLength] = uplink.address.split("/");
  return { number, address, prefixLength: Number(prefixLength), gateway: uplink.gateway, device: uplink.device };
}

/**
 * Checks a box's uplinks against its connection and against each other.
 *
 * @param scope the box
 * @param uplinks of the box
 * @param connection the box's
 * @param only the one tunnel that a box of a pair has; undefined where it has both
 * @param findings where to report
 */
export function checkUplinks(
  scope: IConstruct,
  uplinks: readonly UplinkOptions[],
  { tunnels, vpcCidrs }: IIpsecDualConnection,
  only: 1 | 2 | undefined,
  findings: Findings,
): void {
  const ofPair = only !== undefined;
  const egressIps = new Set(tunnels.map((tunnel) => identityOf(scope, tunnel.egressIp)));
  if (isStandIn(uplinks) || tunnels.some((tunnel) => isStandIn(tunnel.egressIp))) {
    // What is missing cannot be counted.
  } else if (ofPair) {
    if (uplinks.length !== 1) {
      findings.error(`uplinks has ${uplinks.length} entries; give the one uplink of this box of the pair.`);
    }
  } else if (uplinks.length < 1 || uplinks.length > 2) {
    findings.error(`uplinks has ${uplinks.length} entries; give one for both tunnels, or one for each.`);
  } else if (uplinks.length !== egressIps.size) {
    findings.error(
      `uplinks has ${uplinks.length} ${uplinks.length === 1 ? "entry" : "entries"} and the connection ${egressIps.size} ` +
        `${egressIps.size === 1 ? "egress IP" : "egress IPs"}; give one egress IP for each uplink.`,
    );
  }
  uplinks.forEach((uplink, index) => {
    checkUplink(nameOf(index, ofPair), uplink, vpcCidrs, findings);
    const network = uplinkNetwork(uplink);
    for (const inTunnel of network ? networks(tunnels).filter((block) => overlap(block, network)) : []) {
      findings.error(
        `routing.tunnelCidrs ${inTunnel.text} and the network ${network?.text} of ${nameOf(index, ofPair)} overlap; give blocks that share no address.`,
      );
    }
  });
  if (uplinks.length === 2) checkUplinksApart(uplinks[0], uplinks[1], findings);
  for (const tunnel of tunnels) {
    if (ofPair && tunnel.number !== only) continue;
    const uplink = uplinkOf(tunnel, uplinks);
    if (uplink) checkNatTraversal(tunnel, uplink, findings);
  }
}

/** Checks an uplink by itself and against the VPC's blocks. */
function checkUplink(where: string, uplink: UplinkOptions, vpcCidrs: readonly string[], findings: Findings): void {
  checkDevice(where, uplink.device, findings);
  findings.address(`${where}.gateway`, uplink.gateway, "172.16.1.253");
  if (isStandIn(uplink.address)) return;
  if (!isLiteral(uplink.address)) {
    findings.error(
      `${where}.address is known only to Terraform; give it as text, because the box is configured by it.`,
    );
    return;
  }
  const own = parsed(uplink);
  if (!own) {
    findings.error(
      `${where}.address "${uplink.address}" is not an IPv4 address with a prefix length; write it as 172.16.1.93/24.`,
    );
    return;
  }
  const { network } = own;
  if (hasEnds(own) && [network.first, network.last].includes(parseAddress(own.address)!)) {
    findings.error(
      `${where}.address ${uplink.address} is the network's own or its broadcast address; give the interface's.`,
    );
  }
  checkGateway(where, uplink, own, findings);
  for (const vpc of literalBlocks(vpcCidrs)) {
    if (vpc.prefixLength === 0) continue;
    if (overlap(vpc, network)) {
      findings.error(
        `vpcCidrs ${vpc.text} and the network ${network.text} of ${where} overlap; give blocks that share no address.`,
      );
    } else if (overlap(vpc, SHARED_ADDRESS_SPACE) && overlap(network, SHARED_ADDRESS_SPACE)) {
      findings.warning(
        `vpcCidrs ${vpc.text} is in the shared address space and so is ${where}: what the carrier has at these addresses is reached through the tunnels no more.`,
      );
    }
  }
}

function hasEnds({ network }: InterfaceAddress): boolean {
  return network.prefixLength < 31;
}

/** Checks an interface's name. */
export function checkDevice(where: string, device: string | undefined, findings: Findings): void {
  if (device === undefined || !isLiteral(device)) return;
  if (new RegExp(`^${DEVICE}$`).test(device) && !/^\.\.?$/.test(device)) return;
  const [name, ...rest] = device.split("@");
  if (rest.length > 0 && new RegExp(`^${DEVICE}$`).test(name)) {
    findings.error(`${where}.device "${device}" holds more than the interface's name; write ${name}.`);
    return;
  }
  findings.error(
    `${where}.device "${device}" is not an interface's name; write it as ip link prints it, for example eth0.`,
  );
}

function checkGateway(where: string, uplink: UplinkOptions, own: InterfaceAddress, findings: Findings): void {
  const { network } = own;
  const gateway = isLiteral(uplink.gateway) ? parseAddress(uplink.gateway) : undefined;
  if (gateway === undefined) return;
  // An interface with an address alone (PPPoE, some hosters) has no network to find the gateway in.
  if (network.prefixLength < 32 && !contains(network, uplink.gateway)) {
    findings.error(
      `${where}.gateway ${uplink.gateway} is outside the uplink's network ${network.text}; give the next router in that network.`,
    );
  } else if (
    uplink.gateway === own.address ||
    (hasEnds(own) && [network.first, network.last].includes(gateway)) ||
    !isMachine(gateway)
  ) {
    findings.error(
      `${where}.gateway ${uplink.gateway} cannot be a router in ${network.text}; give the next router's address.`,
    );
  }
}

/** Whether an address can be a machine's: not "this network" (0.0.0.0/8), not loopback, neither multicast nor reserved. */
function isMachine(address: number): boolean {
  const first = Math.floor(address / 2 ** 24);
  return first > 0 && first !== 127 && first < 224;
}

/** Checks that two uplinks are two. */
function checkUplinksApart(first: UplinkOptions, second: UplinkOptions, findings: Findings): void {
  const [a, b] = [first, second].map(parsed);
  if (a && b && overlap(a.network, b.network)) {
    findings.error(
      `uplinks: the networks ${a.network.text} and ${b.network.text} overlap; two uplinks need networks of their own.`,
    );
  }
  if (first.device !== undefined && first.device === second.device) {
    findings.error(
      `uplinks are both on device ${first.device}; give each its own, or give one uplink for both tunnels.`,
    );
  }
}

function checkNatTraversal(tunnel: Tunnel, uplink: UplinkOptions, findings: Findings): void {
  if (tunnel.natTraversal || !isLiteral(uplink.address) || !isLiteral(tunnel.egressIp)) return;
  const [own] = uplink.address.split("/");
  if (own === tunnel.egressIp) return;
  findings.error(
    `${tunnel.role} tunnel: natTraversal is off and its uplink ${own} is behind NAT (the cloud sees ${tunnel.egressIp}); leave it on.`,
  );
}

/** Conditions that no uplink's network overlaps a block of the VPC that synth could not read. */
export function networkPreconditions(
  uplinks: readonly UplinkOptions[],
  vpcCidrs: readonly string[],
  ofPair: boolean,
): Precondition[] {
  return overlapPreconditions(
    isLiteral(vpcCidrs) ? vpcCidrs.map((cidr) => ({ what: "vpcCidrs", cidr })) : [],
    uplinks.flatMap((uplink, index) => {
      const network = uplinkNetwork(uplink);
      return network ? [{ what: `the network of ${nameOf(index, ofPair)}`, cidr: network.text }] : [];
    }),
  );
}

/** The condition that an interface's name that only Terraform knows is one. */
export function devicePreconditions(where: string, device: string | undefined): Precondition[] {
  if (device === undefined || isLiteral(device)) return [];
  return [
    {
      condition: matches(`^${DEVICE}$`, device),
      errorMessage: `${where}.device ${device} is not an interface's name; write it as ip link prints it, for example eth0.`,
    },
  ];
}

/** What of the uplinks only Terraform can check. */
export function uplinkPreconditions(uplinks: readonly UplinkOptions[], ofPair: boolean): Precondition[] {
  return uplinks.flatMap((uplink, index) => {
    const where = nameOf(index, ofPair);
    const found = devicePreconditions(where, uplink.device);
    if (isLiteral(uplink.gateway) || isStandIn(uplink.gateway)) return found;
    found.push({
      condition: matches(ADDRESS_PATTERN, uplink.gateway),
      errorMessage: `${where}.gateway ${uplink.gateway} is not an IPv4 address; write it as 172.16.1.253.`,
    });
    const network = uplinkNetwork(uplink);
    // cdktf's functions take no expression with quotes in it.
    if (network && network.prefixLength < 32 && !uplink.gateway.includes('"')) {
      found.push({
        condition: Fn.try([isIn(uplink.gateway, network), true]) as IResolvable,
        errorMessage: `${where}.gateway ${uplink.gateway} is outside the uplink's network ${network.text}; give the next router in that network.`,
      });
    }
    return found;
  });
}
