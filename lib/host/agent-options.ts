// What can be chosen about the failover agent on a box, and the checks of it.
// site.json carries it there; assets/dual_tunnel_vpn reads it.
import { Fn, IResolvable, Precondition } from "cdktf";
import { isIn } from "../cloud/blocks-at-plan";
import { literalBlocks } from "../cloud/gateway-checks";
import { ADDRESS_PATTERN, matches } from "../expressions";
import { Findings } from "../findings";
import { bag, flag, isStandIn, list, number, optional, Shape, text } from "../guard";
import { contains, parseAddress, parseBlock } from "../ip";
import { isLiteral } from "../structural";
import { SITE_BOUNDS } from "./site-format";

/** The failover agent: how it probes, when it decides, what it may do. */
export interface AgentOptions {
  /**
   * Milliseconds between two probes of the path in use, 20 to 60000. Other paths are probed once a second (no oftener than
   * this one) until there is doubt.
   * @default 100
   */
  readonly probeIntervalMs?: number;
  /**
   * Probes in a row that must be lost before a path counts as dead, 1 to 100. Fewer switch sooner and by mistake more often.
   * @default 8
   */
  readonly probeMisses?: number;
  /**
   * Seconds for which the active tunnel must be well before traffic returns to it, 0 to 3600.
   * @default 5
   */
  readonly holdSeconds?: number;
  /**
   * Addresses in the VPC that answer ping: the end-to-end proof that a tunnel carries traffic.
   * @default - none
   */
  readonly vpcProbeAddresses?: readonly string[];
  /**
   * Move the outer packets of the active tunnel to the other uplink when its own is dead.
   * @default true
   */
  readonly outerMove?: boolean;
  /**
   * Tell the cloud by the other uplink that the active tunnel is gone (an IKE DELETE), so that it switches at once.
   * @default true
   */
  readonly deleteByOtherUplink?: boolean;
}

const SHAPE: Shape<AgentOptions> = {
  probeIntervalMs: optional(number),
  probeMisses: optional(number),
  holdSeconds: optional(number),
  vpcProbeAddresses: optional(list(text("192.168.10.10"), 'a list of addresses, for example ["192.168.10.10"]')),
  outerMove: optional(flag),
  deleteByOtherUplink: optional(flag),
};

/** The agent's options, as a construct's option. */
export const AGENT = bag(SHAPE, "an object of AgentOptions");

/** Checks the agent's options against each other and against the VPC. */
export function checkAgentOptions(agent: AgentOptions, vpcCidrs: readonly string[], findings: Findings): void {
  findings.wholeNumber("agent.probeIntervalMs", agent.probeIntervalMs, ...SITE_BOUNDS["agent.probeIntervalMs"]);
  findings.wholeNumber("agent.probeMisses", agent.probeMisses, ...SITE_BOUNDS["agent.probeMisses"]);
  findings.wholeNumber("agent.holdSeconds", agent.holdSeconds, ...SITE_BOUNDS["agent.holdSeconds"]);
  const blocks = vpcCidrs.map((cidr) => (isLiteral(cidr) ? parseBlock(cidr) : undefined));
  for (const address of (agent.vpcProbeAddresses ?? []).filter(isLiteral)) {
    findings.address("agent.vpcProbeAddresses", address, "192.168.10.10");
    if (
      parseAddress(address) !== undefined &&
      !blocks.some((block) => block === undefined || contains(block, address))
    ) {
      findings.error(
        `agent.vpcProbeAddresses ${address} is outside vpcCidrs; give a host in the VPC that answers ping.`,
      );
    }
  }
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
