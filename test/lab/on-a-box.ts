// What is asked of a box that has been installed by hand (lab/box/staged-connection.ts) while something is done to it.
import { setTimeout as delay } from "node:timers/promises";
import { NAME } from "../../lab/box/staged-connection";
import type { Lab } from "../../lab/machines/lab";
import type { Machine } from "../../lab/machines/machine";
import { ECS } from "../../lab/network";
import type { Mark, Traffic } from "../../lab/traffic/traffic";

/** Seconds within which what is amiss is put right, or said by `status`. */
export const SOON_S = 5;

const status = (lab: Lab) => lab.box.execute("dual-tunnel-vpn status", { timeoutS: 60 });

/**
 * Waits until status ends so and says these words.
 * @throws when a status that is asked later than `withinS` seconds from now does not: how long one takes is the lab's
 */
export async function says(lab: Lab, words: string | RegExp, withinS = SOON_S, exits = 1): Promise<void> {
  const deadline = Date.now() + withinS * 1000;
  for (;;) {
    const late = Date.now() > deadline;
    const { status: exit, stdout } = await status(lab);
    if (exit === exits && (typeof words === "string" ? stdout.includes(words) : words.test(stdout))) return;
    if (late)
      throw new Error(`status does not say "${String(words)}" after ${withinS} s; it ends with ${exit}:\n${stdout}`);
    await delay(100);
  }
}

/** Waits until the box leads what is for the VPC into the tunnel. */
export async function trafficBy(lab: Lab, tunnel: number, timeoutS = 60): Promise<void> {
  const led = `ip route get ${ECS.address} | grep -qw 'dev ${NAME}-${tunnel}'`;
  await lab.box.waitUntilSucceeds(led, { timeoutS });
}

/** The units' exposures by their names, as systemd sees it: 0 is the least, 10 the most. */
export async function exposures(box: Machine, units: readonly string[]): Promise<Record<string, number>> {
  const text = await box.succeed(`systemd-analyze security --no-pager ${units.join(" ")}`);
  const found = [...text.matchAll(/Overall exposure level for (\S+): ([\d.]+)/g)];
  return Object.fromEntries(found.map(([, unit, level]) => [unit, Number(level)]));
}

/**
 * Waits until traffic flows both ways and status says that all is well.
 * @throws when that takes longer, or status says so while nothing flows
 */
export async function well(lab: Lab, traffic: Traffic, timeoutS = 60): Promise<void> {
  const deadline = Date.now() + timeoutS * 1000;
  for (;;) {
    const since = await traffic.mark();
    const { status: exit, stdout } = await status(lab);
    const { out, in: back } = await traffic.since(since);
    const silentS = Math.max(out.silentS, back.silentS);
    if (exit === 0 && silentS > SOON_S) throw new Error(`Nothing has passed for ${silentS} s:\n${stdout}`);
    if (exit === 0 && silentS < 0.5) return;
    if (Date.now() > deadline) {
      const journal = await lab.box.succeed("journalctl -b -o short-precise --no-pager -n 60 -u 'dual-tunnel-vpn*'");
      throw new Error(`Not well within ${timeoutS} s:\n${stdout}\n${journal}`);
    }
    await delay(200);
  }
}

/** Prints the longest gaps since a moment. */
export async function tellGaps(traffic: Traffic, since: Mark, what: string): Promise<void> {
  const { out, in: back } = await traffic.since(since);
  process.stderr.write(`${what}: ${out.longestGapS.toFixed(1)} s out, ${back.longestGapS.toFixed(1)} s in\n`);
}
