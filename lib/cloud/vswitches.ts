// Where a VPN gateway is put: the two vSwitches, in a region and in zones that have such gateways.
import { Construct } from "constructs";
import { Findings } from "../findings";
import { facts, isStandIn, list, optional, Shape, standInOf, text } from "../guard";
import { literal, VpcRef, VswitchRef } from "../structural";
import { regionOf } from "./providers";
import { hasOneZoneOnly, regionFinding, regionOfZone, zoneFinding } from "./regions";
import type { CloudOptions } from "./options";

/** A VPC, as a construct's option. */
export const VPC = facts<VpcRef>(
  { id: text("vpc-…"), cidrBlock: optional(text("192.168.0.0/16")) },
  "the VPC, for example a Vpc or { id, cidrBlock }",
);

const VSWITCH_SHAPE: Shape<VswitchRef> = { id: text("vsw-…"), zoneId: optional(text("ap-southeast-1a")) };

/** A gateway's vSwitches, as a construct's option. */
export const VSWITCHES = list(
  facts(VSWITCH_SHAPE, "a vSwitch, for example a Vswitch or { id, zoneId }"),
  "a list of two vSwitches",
);

/** The two vSwitches, whatever is given: the check says when they are not two. */
export function twoVswitches(vswitches: readonly VswitchRef[]): readonly [VswitchRef, VswitchRef] {
  const [active = standInOf(VSWITCH_SHAPE), standby = active] = vswitches;
  return [active, standby];
}

/**
 * Checks region, zones and vSwitches of a gateway.
 *
 * @param gateway the construct
 * @param vswitches as they were given
 * @param ids of the two, as the resource has them: asking a generated class again would make new tokens
 * @param provider the gateway's
 * @param findings where to report
 */
export function checkVswitches(
  gateway: Construct,
  vswitches: readonly VswitchRef[],
  ids: readonly [string | undefined, string | undefined],
  provider: CloudOptions["provider"],
  findings: Findings,
): void {
  const region = regionOf(gateway, provider);
  const ofRegion = region === undefined ? undefined : regionFinding(region);
  if (ofRegion) findings[ofRegion.level](`${ofRegion.text}.`);

  const zones = vswitches.map((vswitch) => literal(vswitch, "zoneId"));
  zones.forEach((zone, index) => {
    const finding = zone === undefined ? undefined : zoneFinding(zone, region);
    if (finding) findings[finding.level](`vswitches[${index}]: ${finding.text}.`);
  });
  // A region that is no region id is complained about above; the zones still say where the gateway is meant to be.
  const where = region === undefined || ofRegion?.level === "error" ? zones[0] && regionOfZone(zones[0]) : region;
  if (where !== undefined && (hasOneZoneOnly(where) || regionFinding(where))) return;
  const remedy = "give two vSwitches in two zones, so that the tunnels do not fail together";
  if (isStandIn(vswitches)) return;
  if (vswitches.length !== 2) {
    findings.error(
      `vswitches has ${vswitches.length} ${vswitches.length === 1 ? "entry" : "entries"}; give two, the active tunnel's first.`,
    );
    return;
  }
  const [first, second] = vswitches;
  if ([first, second].some((vswitch) => isStandIn(vswitch) || isStandIn(vswitch.id))) return;
  if (first === second || ids[0] === ids[1]) {
    findings.error(`vswitches are one and the same; ${remedy}.`);
  } else if (zones[0] !== undefined && zones[0] === zones[1]) {
    findings.error(`vswitches are both in zone ${zones[0]}; ${remedy}.`);
  }
}
