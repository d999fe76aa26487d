// Checks of the address blocks on both sides of a connection.
import { Findings } from "../findings";
import { isStandIn } from "../guard";
import { Block, blockProblem, overlap, parseBlock, SHARED_ADDRESS_SPACE } from "../ip";
import { isLiteral } from "../structural";
import { NO_NETWORKS } from "./rules";

/** CIDR blocks on each side of a connection with policy-based routing (the provider's `local_subnet`, `remote_subnet`). */
const MOST_SELECTORS = 10;

/**
 * Checks the blocks of a connection, and every pair across it.
 *
 * @param vpcCidrs blocks of the VPC
 * @param dataCenterCidrs blocks of the data center
 * @param byPolicy whether they are the tunnels' traffic selectors
 * @param findings where to report
 */
export function checkBlocks(
  vpcCidrs: readonly string[],
  dataCenterCidrs: readonly string[],
  byPolicy: boolean,
  findings: Findings,
): void {
  const fine = [
    checkSide("vpcCidrs", vpcCidrs, byPolicy, findings),
    checkSide("dataCenterCidrs", dataCenterCidrs, byPolicy, findings),
  ];
  if (fine.includes(false)) return;
  for (const vpc of parsed(vpcCidrs).filter(notEverything)) {
    for (const site of parsed(dataCenterCidrs).filter(notEverything)) {
      if (!overlap(vpc, site)) continue;
      findings.error(
        `vpcCidrs ${vpc.text} and dataCenterCidrs ${site.text} overlap; give blocks that share no address.`,
      );
    }
  }
}

/** Checks one side; false when it is not a list of blocks at all. */
function checkSide(
  what: "vpcCidrs" | "dataCenterCidrs",
  cidrs: readonly string[],
  byPolicy: boolean,
  findings: Findings,
): boolean {
  if (!isLiteral(cidrs)) {
    findings.error(`${what} is one Terraform list; give the blocks one by one.`);
    return false;
  }
  if (cidrs.length === 0) findings.error(`${what} is empty; give at least one CIDR block.`);
  if (byPolicy && cidrs.length > MOST_SELECTORS) {
    findings.error(
      `${what} has ${cidrs.length} blocks; policy-based routing takes at most ${MOST_SELECTORS}: join some, or route by destination.`,
    );
  }
  cidrs.forEach((cidr, index) => {
    const problem = isLiteral(cidr) ? blockProblem(cidr) : undefined;
    if (problem) findings.error(`${what} ${cidr} ${problem}.`);
    if (cidrs.indexOf(cidr) !== index && !isStandIn(cidr))
      findings.error(`${what} ${cidr} is given twice; give it once.`);
  });
  for (const block of parsed(cidrs)) {
    if (block.prefixLength === 0) {
      findings.error(`${what} ${block.text} is everything, which Alibaba Cloud refuses as a route; name the blocks.`);
      continue;
    }
    const none = NO_NETWORKS.find((range) => range.first <= block.first && block.last <= range.last);
    if (none) {
      findings.error(`${what} ${block.text} lies in ${none.text}, which no network has; use other addresses.`);
    } else if (overlap(block, SHARED_ADDRESS_SPACE)) {
      // The VPC's side has Alibaba Cloud's own services there, such as OSS: some of them are reached through a VPN.
      if (what === "dataCenterCidrs") {
        findings.error(
          `${what} ${block.text} overlaps ${SHARED_ADDRESS_SPACE.text}, which Alibaba Cloud keeps for itself; use other addresses.`,
        );
      } else if (block.prefixLength <= SHARED_ADDRESS_SPACE.prefixLength) {
        findings.warning(
          `${what} ${block.text} is all of the shared address space, which carriers and others use as well; name the blocks of the services that you reach.`,
        );
      }
    }
  }
  return true;
}

function parsed(cidrs: readonly string[]): Block[] {
  return cidrs
    .filter(isLiteral)
    .map(parseBlock)
    .filter((block) => block !== undefined);
}

function notEverything(block: Block): boolean {
  return block.prefixLength > 0;
}
