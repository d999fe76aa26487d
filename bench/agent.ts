// `npm run bench -- agent`: what the failover agent costs a box at rest: processor, memory, packets on the uplinks.
// Beside it, in the second half, the least that two probed paths can cost on the same machine.
import * as fs from "node:fs";
import { readFileSync } from "node:fs";
import * as path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { AGENT } from "../lab/faults/product";
import { Stage } from "../lab/faults/stage";
import type { Machine } from "../lab/machines/machine";
import { IPSEC_ADDRESSES, UPLINKS } from "../lab/network";
import { kbits, moment, parseMemory, ProbeCounters, share, since, type Probes } from "./agent/cost";
import { machineOf } from "./failover/machine";
import { markdown } from "./markdown";

const HELP = `usage: npm run bench -- agent [--minutes N] [--json FILE]
  --minutes N  at rest, half of it beside a bare loop of two paths (default 6)
  --json FILE  write what was measured to FILE`;

/** Share of one core, MiB, kbit/s of an uplink both ways together, packets in a second of what is to be rare. */
const TARGET = { cpu: 0.05, memory: 30, kbits: 8, rare: 1.05 };

interface Cost {
  readonly seconds: number;
  readonly cpuAlone: number;
  readonly cpuBeside: number;
  readonly cpuLoop: number;
  readonly memory: { readonly now: number; readonly most: number };
  /** By uplink, without the bare loop's. */
  readonly probes: readonly Probes[];
}

export async function benchAgent(args: string[]): Promise<boolean> {
  const { values } = parseArgs({
    args,
    options: {
      minutes: { type: "string", default: "6" },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return true;
  }
  const minutes = Number(values.minutes);
  if (!(minutes > 0)) throw new Error(`--minutes is ${values.minutes}; give a number above 0.`);
  const stage = await Stage.of("product", { log: (line) => console.log(line) });
  try {
    await stage.scene();
    const cost = await measure(stage.lab.box, minutes * 30);
    const machine = await machineOf(stage.lab.box);
    const lines = judge(cost);
    console.log(`\n${new Date().toISOString().slice(0, 10)}; ${machine}`);
    console.log(
      markdown(
        ["what", "measured", "target"],
        lines.map(({ what, measured, target }) => [what, measured, target]),
      ),
    );
    if (values.json !== undefined) {
      const content = { date: new Date().toISOString(), machine, ...cost };
      fs.writeFileSync(values.json, JSON.stringify(content, null, 1) + "\n");
    }
    return lines.every(({ kept }) => kept);
  } finally {
    await stage.stop();
  }
}

async function measure(box: Machine, windowS: number): Promise<Cost> {
  const pidOf = async (unit: string) =>
    Number(await box.succeed(`systemctl show --property=MainPID --value '${unit}'`));
  const agent = await pidOf(AGENT);
  const counters = await ProbeCounters.start(box);
  const [alone, probes] = [await moment(box, agent), await counters.read()];
  await delay(windowS * 1000);
  const [aloneEnd, probesEnd] = [await moment(box, agent), await counters.read()];

  await box.write(readFileSync(path.join(__dirname, "agent/bare-loop.py"), "utf8"), "/run/bare-loop.py");
  const pairs = UPLINKS.map(({ address, number }) => `${address} ${IPSEC_ADDRESSES[number - 1]}`).join(" ");
  await box.succeed(
    `echo 0 0 >/proc/sys/net/ipv4/ping_group_range && systemd-run --quiet --unit=bare-loop python3 /run/bare-loop.py ${pairs}`,
  );
  const loop = await pidOf("bare-loop");
  // Its start is no part of its cost.
  await box.waitUntilSucceeds(`[ "$(ls /proc/${loop}/fd | wc -l)" -ge 5 ]`);
  const [beside, loopBegin] = [await moment(box, agent), await moment(box, loop)];
  await delay(windowS * 1000);
  const [besideEnd, loopEnd] = [await moment(box, agent), await moment(box, loop)];
  await box.succeed("systemctl stop bare-loop");
  return {
    seconds: aloneEnd.uptimeS - alone.uptimeS,
    cpuAlone: share(alone, aloneEnd),
    cpuBeside: share(beside, besideEnd),
    cpuLoop: share(loopBegin, loopEnd),
    memory: parseMemory(await box.succeed(`cat /proc/${agent}/status`)),
    probes: probes.map((before, index) => since(before, probesEnd[index])),
  };
}

interface Line {
  readonly what: string;
  readonly measured: string;
  readonly target: string;
  readonly kept: boolean;
}

function judge(cost: Cost): Line[] {
  const percent = (value: number) => `${(value * 100).toFixed(1)} %`;
  const most = (what: string, value: number, limit: number, text: (value: number) => string): Line => {
    return { what, measured: text(value), target: `at most ${text(limit)}`, kept: value <= limit };
  };
  const told = (what: string, measured: string): Line => ({ what, measured, target: "", kept: true });
  return [
    most("processor, of one emulated core", cost.cpuAlone, TARGET.cpu, percent),
    told("the same beside the bare loop", percent(cost.cpuBeside)),
    told("the bare loop: two paths, 100 ms", percent(cost.cpuLoop)),
    told("agent to bare loop", (cost.cpuBeside / cost.cpuLoop).toFixed(2)),
    most("memory, the most it ever had", cost.memory.most, TARGET.memory, (value) => `${value.toFixed(1)} MiB`),
    ...cost.probes.flatMap((probes, index) => {
      const rate = (what: keyof Probes) => probes[what].packets / cost.seconds;
      const perSecond = (value: number) => `${value.toFixed(2)} a second`;
      const uplink = `uplink ${index + 1}`;
      return [
        most(
          `${uplink}, IP level, both ways`,
          kbits(probes, cost.seconds),
          TARGET.kbits,
          (v) => `${v.toFixed(1)} kbit/s`,
        ),
        told(
          `${uplink}, echoes of its own path`,
          `${perSecond(rate("own out"))}, ${perSecond(rate("own in"))} answered`,
        ),
        most(`${uplink}, echoes of the crossed path`, rate("crossed out"), TARGET.rare, perSecond),
        most(`${uplink}, IKE headers`, rate("ike out"), TARGET.rare, perSecond),
      ];
    }),
  ];
}
