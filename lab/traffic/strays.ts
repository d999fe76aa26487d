// Packets that a box must not let through: forged sources, destinations that nobody promised. Each has a UDP port of its
// own, by which it is counted wherever it arrives beyond the box.
import { readFileSync } from "fs";
import { join } from "path";
import { setTimeout as delay } from "timers/promises";
import type { Lab, NamespaceName } from "../machines/lab";
import { quote } from "../machines/shell";

export interface Stray {
  /** What it is, in words, for whoever reads that it arrived. */
  readonly what: string;
  readonly from: NamespaceName;
  readonly source: string;
  readonly destination: string;
}

/** An interface of a namespace beyond which the box lies. */
export interface Way {
  readonly interface: string;
  /** MAC address that packets are handed to: the box's, or the next router's. */
  readonly mac: string;
}

export type Ways = Partial<Record<NamespaceName, Way>>;

const SCRIPT = "/run/lab-strays.py";
const FIRST_PORT = 40001;
const TABLE = "strays";

export class Strays {
  private constructor(
    private readonly lab: Lab,
    private readonly strays: readonly Stray[],
    private readonly places: readonly NamespaceName[],
  ) {}

  /** Sends all of them five times a second from now on; they are counted at the interfaces that lead to the box. */
  static async start(lab: Lab, ways: Ways, strays: readonly Stray[]): Promise<Strays> {
    const places = Object.keys(ways) as NamespaceName[];
    for (const place of places) {
      const counters = strays.map((_, index) => `counter stray${index} { }`).join("\n");
      const matches = strays.map(
        (_, index) => `iifname "${ways[place]?.interface}" udp dport ${FIRST_PORT + index} counter name stray${index}`,
      );
      // Before whatever a namespace does with them itself.
      const chain = `chain arriving {\ntype filter hook prerouting priority -350\n${matches.join("\n")}\n}`;
      await lab.in(place, "nft -f -", { stdin: `table ip ${TABLE} {\n${counters}\n${chain}\n}\n` });
    }
    await lab.world.write(readFileSync(join(__dirname, "strays.py"), "utf8"), SCRIPT);
    const told = strays.map((stray, index) => ({ ...stray, port: FIRST_PORT + index }));
    for (const [place, way] of Object.entries(ways)) {
      const here = JSON.stringify(told.filter(({ from }) => from === place));
      await lab.world.succeed(
        `systemd-run --quiet --collect --property=NetworkNamespacePath=/run/netns/${place} ` +
          `python3 ${SCRIPT} ${way.interface} ${way.mac} ${quote(here)}`,
      );
    }
    return new Strays(lab, strays, places);
  }

  /** How many of each have arrived since this was last asked, by what they are; none where none did. */
  async arrived(): Promise<Record<string, number>> {
    const counts = new Map<number, number>();
    for (const place of this.places) {
      const text = await this.lab.in(place, `nft reset counters table ip ${TABLE}`);
      for (const [, index, packets] of text.matchAll(/counter stray(\d+) \{\s*packets (\d+)/g)) {
        counts.set(Number(index), (counts.get(Number(index)) ?? 0) + Number(packets));
      }
    }
    const told = this.strays.map(({ what }, index): [string, number] => [what, counts.get(index) ?? 0]);
    return Object.fromEntries(told.filter(([, count]) => count > 0));
  }

  /** Waits until each of these has arrived; all that have, these or others. */
  async waitFor(whats: readonly string[], timeoutS = 30): Promise<string[]> {
    const seen = new Set<string>();
    const deadline = Date.now() + timeoutS * 1000;
    while (whats.some((what) => !seen.has(what)) && Date.now() < deadline) {
      await delay(200);
      for (const what of Object.keys(await this.arrived())) seen.add(what);
    }
    return [...seen].sort();
  }
}
