// What a process on the box costs, and what the agent's probes put on the uplinks.
import type { Machine } from "../../lab/machines/machine";
import { IPSEC_ADDRESSES, UPLINKS } from "../../lab/network";

/** A moment of a process: ticks (10 ms) that it ran since its start, and the machine's seconds since boot. */
export interface Moment {
  readonly ticks: number;
  readonly uptimeS: number;
}

/** From /proc/uptime and /proc/PID/stat, one after the other. */
export function parseMoment(text: string): Moment {
  const [uptime, stat] = text.split("\n");
  // The process's name, in parentheses, may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { ticks: Number(fields[11]) + Number(fields[12]), uptimeS: Number(uptime.split(" ")[0]) };
}

/** The share of one core between two moments. */
export function share(before: Moment, after: Moment): number {
  return (after.ticks - before.ticks) / 100 / (after.uptimeS - before.uptimeS);
}

export async function moment(machine: Machine, pid: number): Promise<Moment> {
  return parseMoment(await machine.succeed(`cat /proc/uptime /proc/${pid}/stat`));
}

/** A process's memory now, and the most that it ever had, MiB. */
export function parseMemory(status: string): { readonly now: number; readonly most: number } {
  const [now, most] = ["VmRSS", "VmHWM"].map((name) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]),
  );
  return { now: now / 1024, most: most / 1024 };
}

/** Packets and bytes at IP level. */
export interface Amount {
  readonly packets: number;
  readonly bytes: number;
}

/** What is counted on each uplink, in the order of the counters below. */
export const PROBES = ["own out", "own in", "crossed out", "crossed in", "ike out", "ike in"] as const;
export type Probes = Readonly<Record<(typeof PROBES)[number], Amount>>;

const TABLE = "ip bench_agent";

/** nft's table that counts the probes of each uplink; charon's own IKE leaves port 500 for port 500. */
export function rules(): string {
  const cloud = IPSEC_ADDRESSES.slice(0, 2).join(", ");
  const chain = (hook: "output" | "input", uplink: (typeof UPLINKS)[number]) => {
    const [box, peer, type, near, far] =
      hook === "output"
        ? ["saddr", "daddr", "echo-request", "sport", "dport"]
        : ["daddr", "saddr", "echo-reply", "dport", "sport"];
    const from = `ip ${box} ${uplink.address} ip ${peer}`;
    const own = IPSEC_ADDRESSES[uplink.number - 1];
    const lines = [
      `${from} ${own} icmp type ${type} counter`,
      `${from} { ${cloud} } ip ${peer} != ${own} icmp type ${type} counter`,
      `${from} { ${cloud} } udp ${far} 500 udp ${near} != 500 counter`,
    ];
    return `chain ${hook}_${uplink.number} { type filter hook ${hook} priority 0; ${lines.join("; ")}; }`;
  };
  const chains = UPLINKS.flatMap((uplink) => [chain("output", uplink), chain("input", uplink)]);
  return `table ${TABLE} { ${chains.join("; ")}; }`;
}

/** What `nft list table` shows of the rules above: by uplink, in order. */
export function parseProbes(listed: string): Probes[] {
  const found = [...listed.matchAll(/counter packets (\d+) bytes (\d+)/g)].map((match) => ({
    packets: Number(match[1]),
    bytes: Number(match[2]),
  }));
  if (found.length !== 6 * UPLINKS.length) throw new Error(`Not the counters of probes:\n${listed}`);
  return UPLINKS.map((_, index) => {
    const [out, crossedOut, ikeOut, back, crossedIn, ikeIn] = found.slice(6 * index, 6 * index + 6);
    return {
      ...{ "own out": out, "own in": back, "crossed out": crossedOut, "crossed in": crossedIn },
      ...{ "ike out": ikeOut, "ike in": ikeIn },
    };
  });
}

/** What was counted between two readings of one uplink. */
export function since(before: Probes, after: Probes): Probes {
  return Object.fromEntries(
    PROBES.map((what) => [
      what,
      { packets: after[what].packets - before[what].packets, bytes: after[what].bytes - before[what].bytes },
    ]),
  ) as Record<(typeof PROBES)[number], Amount>;
}

/** Bits in a second, in thousands, of all probes together. */
export function kbits(probes: Probes, seconds: number): number {
  return (PROBES.reduce((sum, what) => sum + probes[what].bytes, 0) * 8) / 1000 / seconds;
}

export class ProbeCounters {
  static async start(box: Machine): Promise<ProbeCounters> {
    await box.succeed(`nft '${rules()}'`);
    return new ProbeCounters(box);
  }

  private constructor(private readonly box: Machine) {}

  async read(): Promise<Probes[]> {
    return parseProbes(await this.box.succeed(`nft list table ${TABLE}`));
  }
}
