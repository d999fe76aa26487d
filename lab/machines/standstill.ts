// Tells whether a machine of the lab stood still, because the host had no processor for it.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Machine } from "./machine";

const UNIT = "lab-standstill";
const SCRIPT = "/run/lab-standstill.py";
const NOTED = "/run/lab-standstills";

/** From now on it is noted when one of the machines stands still. They must have Python. */
export async function noteStandstills(machines: readonly Machine[]): Promise<void> {
  await Promise.all(machines.map(note));
}

async function note(machine: Machine): Promise<void> {
  await machine.write(readFileSync(join(__dirname, "standstill.py"), "utf8"), SCRIPT);
  await machine.succeed(
    `systemd-run --quiet --collect --unit=${UNIT} -p CPUSchedulingPolicy=fifo -p CPUSchedulingPriority=50 ` +
      `python3 ${SCRIPT} ${NOTED}`,
  );
  await machine.waitUntilSucceeds(`test -e ${NOTED}`, { intervalMs: 50 });
}

/** The longest time for which one of the machines stood still within the last seconds, in seconds; 0 when none did. */
export async function longestStandstill(machines: readonly Machine[], withinS: number): Promise<number> {
  return Math.max(0, ...(await Promise.all(machines.map((machine) => longestOf(machine, withinS)))));
}

async function longestOf(machine: Machine, withinS: number): Promise<number> {
  const told = await machine.succeed(`cut -d ' ' -f 1 /proc/uptime; cat ${NOTED} 2>/dev/null || true`);
  const [[now], ...noted] = told
    .trim()
    .split("\n")
    .map((line) => line.split(" ").map(Number));
  return Math.max(0, ...noted.filter(([ended]) => ended >= now - withinS).map(([, lasted]) => lasted));
}
