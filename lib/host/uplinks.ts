// The checks of a box's uplinks: at synth what is text, by preconditions of Terraform what only it knows.
import { Fn, IResolvable, Op, Precondition } from "cdktf";
import { literalBlocks } from "../cloud/gateway-checks";
import { networkOf } from "../cloud/blocks-at-plan";
import { ADDRESS_PATTERN, matches } from "../expressions";
import { Findings } from "../findings";
import { isStandIn } from "../guard";
import {
  Block,
  contains,
  InterfaceAddress,
  overlap,
  parseAddress,
  parseInterfaceAddress,
  SHARED_ADDRESS_SPACE,
} from "../ip";
import { isLiteral } from "../structural";
import { SITE_BOUNDS, SITE_PATTERNS } from "./site-format";
import type { UplinkOptions } from "../strongswan-host";

const DEVICE = SITE_PATTERNS["uplinks.device"];
const [SHORTEST_PREFIX] = SITE_BOUNDS["uplinks.prefixLength"];

function parsed(uplink: UplinkOptions): InterfaceAddress | undefined {
  const own = isLiteral(uplink.address) ? parseInterfaceAddress(uplink.address) : undefined;
  return own && own.prefixLength >= SHORTEST_PREFIX ? own : undefined;
}

/** Checks an uplink by itself and against the VPC's blocks. */
export function checkUplink(
  where: string,
  uplink: UplinkOptions,
  vpcCidrs: readonly string[],
  findings: Findings,
): void {
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

function checkDevice(where: string, device: string | undefined, findings: Findings): void {
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
export function checkUplinksApart(first: UplinkOptions, second: UplinkOptions, findings: Findings): void {
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

/** What of the uplinks only Terraform can check. */
export function uplinkPreconditions(uplinks: readonly UplinkOptions[]): Precondition[] {
  return uplinks.flatMap((uplink, index) => {
    const where = `uplinks[${index}]`;
    const found: Precondition[] = [];
    if (uplink.device !== undefined && !isLiteral(uplink.device)) {
      found.push({
        condition: matches(`^${DEVICE}$`, uplink.device),
        errorMessage: `${where}.device ${uplink.device} is not an interface's name; write it as ip link prints it, for example eth0.`,
      });
    }
    if (isLiteral(uplink.gateway) || isStandIn(uplink.gateway)) return found;
    found.push({
      condition: matches(ADDRESS_PATTERN, uplink.gateway),
      errorMessage: `${where}.gateway ${uplink.gateway} is not an IPv4 address; write it as 172.16.1.253.`,
    });
    const network = parsed(uplink)?.network;
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

/** What of the addresses that are pinged only Terraform can check. */
export function probePreconditions(
  addresses: readonly string[] | undefined,
  vpcCidrs: readonly string[],
): Precondition[] {
  const blocks = literalBlocks(vpcCidrs);
  // A block that only Terraform knows may hold any address.
  const known = isLiteral(vpcCidrs) && vpcCidrs.every(isLiteral) && blocks.length > 0;
  return (addresses !== undefined && isLiteral(addresses) ? addresses : [])
    .filter((address) => !isLiteral(address) && !isStandIn(address))
    .flatMap((address) => [
      {
        condition: matches(ADDRESS_PATTERN, address),
        errorMessage: `agent.vpcProbeAddresses ${address} is not an IPv4 address; write it as 192.168.10.10.`,
      },
      // cdktf's functions take no expression with quotes in it.
      ...(known && !address.includes('"')
        ? [
            {
              condition: Fn.try([Fn.anytrue(blocks.map((block) => isIn(address, block))), true]) as IResolvable,
              errorMessage: `agent.vpcProbeAddresses ${address} is outside vpcCidrs; give a host in the VPC that answers ping.`,
            },
          ]
        : []),
    ]);
}

/** The condition that an address lies in a block. */
function isIn(address: string, block: Block): IResolvable {
  return Op.eq(networkOf(address, block.prefixLength), block.text.split("/")[0]);
}
