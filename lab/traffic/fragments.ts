// Counts what passes between the box and its uplinks' gateways, and how much of it is IP fragments.
import type { Lab } from "../machines/lab";
import { UPLINKS } from "../network";

/** Packets on an uplink. */
export interface Count {
  readonly packets: number;
  /** Of these, how many are part of an IP packet only. */
  readonly fragments: number;
}

/** By uplink number, then as the box sees it: `out` left it, `in` came to it. */
export type UplinkCounts = Readonly<Record<1 | 2, Readonly<Record<"out" | "in", Count>>>>;

const TABLE = "netdev fragments";

/** Counted at the device itself: conntrack puts fragments together before any other hook sees them. */
function rules(device: string): string {
  // More fragments follow, or this one is not the first.
  const chain = (way: string, hook: string) =>
    `chain ${way} { type filter hook ${hook} device ${device} priority 0; meta protocol ip counter; ip frag-off & 0x3fff != 0 counter; }`;
  return `table ${TABLE} { ${chain("out", "ingress")}; ${chain("in", "egress")}; }`;
}

/** What `nft list table` shows of the rules above. */
export function parseCounts(listed: string): Record<"out" | "in", Count> {
  const found = [...listed.matchAll(/counter packets (\d+)/g)].map((match) => Number(match[1]));
  if (found.length !== 4) throw new Error(`Not the counters of fragments:\n${listed}`);
  const [out, outFragments, back, inFragments] = found;
  return { out: { packets: out, fragments: outFragments }, in: { packets: back, fragments: inFragments } };
}

export class Fragments {
  /** Begins to count, at zero. */
  static async count(lab: Lab): Promise<Fragments> {
    for (const { number } of UPLINKS) await lab.in(`nat${number}`, `nft '${rules(`uplink${number}`)}'`);
    return new Fragments(lab);
  }

  private constructor(private readonly lab: Lab) {}

  async read(): Promise<UplinkCounts> {
    const read = async (number: 1 | 2) => parseCounts(await this.lab.in(`nat${number}`, `nft list table ${TABLE}`));
    return { 1: await read(1), 2: await read(2) };
  }

  async stop(): Promise<void> {
    for (const { number } of UPLINKS) await this.lab.in(`nat${number}`, `nft delete table ${TABLE}`);
  }
}

/** What was counted between two readings. */
export function between(before: UplinkCounts, after: UplinkCounts): UplinkCounts {
  const way = (number: 1 | 2, direction: "out" | "in"): Count => ({
    packets: after[number][direction].packets - before[number][direction].packets,
    fragments: after[number][direction].fragments - before[number][direction].fragments,
  });
  const uplink = (number: 1 | 2) => ({ out: way(number, "out"), in: way(number, "in") });
  return { 1: uplink(1), 2: uplink(2) };
}
