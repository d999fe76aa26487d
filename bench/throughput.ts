// `npm run bench -- throughput`: TCP through the product's active tunnel beside states set by hand on the same machines,
// and the IP fragments that leave the uplinks with our MTU and MSS and with the how-to page's MTU.
import * as fs from "node:fs";
import { parseArgs } from "node:util";
import type { Machine } from "../lab/machines/machine";
import { AGENT } from "../lab/faults/product";
import { Stage } from "../lab/faults/stage";
import { ECS } from "../lab/network";
import { between, Fragments, type UplinkCounts } from "../lab/traffic/fragments";
import { sendLarge } from "../lab/traffic/large";
import { Tcp } from "../lab/traffic/tcp";
import { machineOf } from "./failover/machine";
import { HandSet } from "./throughput/hand-set";
import {
  CONTENDERS,
  held,
  loadsTable,
  runsTable,
  WAYS,
  type Contender,
  type Load,
  type Run,
} from "./throughput/summary";

const HELP = `usage: npm run bench -- throughput [--rounds N] [--seconds N] [--json FILE]
  --rounds N   how often each way is measured, in turns (default 20)
  --seconds N  of TCP in each measurement (default 2)
  --json FILE  write what was measured to FILE`;

/** Connections at the same time: where one recovers from a loss the others fill the way, so that rounds differ less. */
const STREAMS = 4;

/** Large packets of each sort. */
const LARGE = 20;

/** TCP of hosts that are not as they should be: it is these for whom the MSS is clamped. */
const CONDITIONS: readonly { readonly load: string; readonly begin: string; readonly end: string }[] = [
  { load: "TCP", begin: "true", end: "true" },
  {
    load: "TCP of a host that sends without DF",
    begin: "echo 1 >/proc/sys/net/ipv4/ip_no_pmtu_disc",
    end: "echo 0 >/proc/sys/net/ipv4/ip_no_pmtu_disc",
  },
  {
    load: 'TCP of a host that no "fragmentation needed" reaches',
    begin: `nft 'table ip bench { chain input { type filter hook input priority 0; icmp type destination-unreachable drop; }; }'`,
    end: "nft delete table ip bench",
  },
];

export async function benchThroughput(args: string[]): Promise<boolean> {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: "string", default: "20" },
      seconds: { type: "string", default: "2" },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return true;
  }
  const [rounds, seconds] = (["rounds", "seconds"] as const).map((name) => {
    const number = Number(values[name]);
    if (!Number.isInteger(number) || number < 1)
      throw new Error(`--${name} is ${values[name]}; give a whole number from 1.`);
    return number;
  });
  const stage = await Stage.of("product", { log: (line) => console.log(line) });
  try {
    const measured = await measure(stage, rounds, seconds);
    const machine = await machineOf(stage.lab.box);
    console.log(`\n${new Date().toISOString().slice(0, 10)}; ${machine}\n${runsTable(measured.runs)}\n`);
    console.log(loadsTable(measured.loads));
    if (values.json !== undefined) {
      const content = { date: new Date().toISOString(), machine, seconds, ...measured };
      fs.writeFileSync(values.json, JSON.stringify(content, null, 1) + "\n");
    }
    return held(measured.runs, measured.loads);
  } finally {
    await stage.stop();
  }
}

async function measure(stage: Stage, rounds: number, seconds: number): Promise<{ runs: Run[]; loads: Load[] }> {
  const { lab } = stage;
  const scene = await stage.scene();
  await uncounted(stage);
  const byHand = {
    "hand-set": new HandSet(lab, { number: 1, mtu: 1400, mss: 1360 }),
    "mtu-1500": new HandSet(lab, { number: 2, mtu: 1500 }),
  };
  for (const way of Object.values(byHand)) await way.install();
  const addressOf = (contender: Contender) => (contender === "product" ? ECS.address : byHand[contender].address);
  const fragments = await Fragments.count(lab);
  const tcp = await Tcp.start(lab);
  /** The agent runs only while the product is measured; halted, for less than its watchdog waits, so that rivals follow closely. */
  const turn = async (contender: Contender) => {
    await lab.box.succeed(`systemctl kill --signal=${contender === "product" ? "CONT" : "STOP"} ${AGENT}`);
  };
  const counted = async <T>(work: () => Promise<T>): Promise<{ result: T; counts: UplinkCounts; busy: number }> => {
    const before = { counts: await fragments.read(), busy: await busyOf(lab.box) };
    const result = await work();
    const after = await busyOf(lab.box);
    return {
      result,
      counts: between(before.counts, await fragments.read()),
      busy: (after.busy - before.busy.busy) / (after.all - before.busy.all),
    };
  };

  /** Each run begins as a first one, and all of it takes the active tunnel: else it is made again. */
  const whole = async <T>(contender: Contender, run: () => Promise<T>): Promise<T> => {
    for (let left = 3; ; left -= 1) {
      // What hosts have learnt of the way's MTU before.
      for (const host of ["dc", "ecs"] as const) await lab.in(host, "ip route flush cache");
      const before = await scene.contender.switches();
      const result = await run();
      if (contender !== "product" || (await scene.contender.switches()) === before) return result;
      if (left === 1) throw new Error("The agent takes the loaded uplink for dead, three times in a row.");
      console.log("  the agent took the loaded uplink for dead: the run is made again");
      await scene.well();
    }
  };

  const runs: Run[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    // The machine's own pace changes within minutes: what is compared is measured within seconds.
    for (const way of WAYS) {
      for (const contender of round % 2 ? CONTENDERS : [...CONTENDERS].reverse()) {
        await turn(contender);
        const { result, counts, busy } = await whole(contender, () =>
          counted(() => tcp.run({ way, seconds, streams: STREAMS, address: addressOf(contender) })),
        );
        runs.push({
          ...{ contender, way, round, busy, mbits: result / 1e6 },
          ...{ fragmentsOut: sum(counts, "out", "fragments"), fragmentsIn: sum(counts, "in", "fragments") },
        });
        console.log(`  round ${round}: ${contender} ${way} ${(result / 1e6).toFixed(1)} Mbit/s`);
      }
    }
  }

  const loads: Load[] = [];
  const add = (contender: Contender, load: string, counts: UplinkCounts, mbits?: number) =>
    loads.push({
      ...{ contender, load, mbits },
      ...{ packetsOut: sum(counts, "out", "packets"), fragmentsOut: sum(counts, "out", "fragments") },
    });
  await turn("product");
  for (const contender of CONTENDERS) {
    if (contender !== "product") await lab.box.succeed(`systemctl stop ${AGENT}`);
    const address = addressOf(contender);
    for (const { load, begin, end } of CONDITIONS) {
      await lab.in("dc", begin);
      const { result, counts } = await whole(contender, () => counted(() => tcp.run({ way: "out", seconds, address })));
      await lab.in("dc", end);
      add(contender, load, counts, result / 1e6);
    }
    const { counts } = await whole(contender, () => counted(() => sendLarge(lab, LARGE, address)));
    add(contender, `${LARGE} each: UDP of 1,500, ICMP of 1,500 and of 4,000 bytes, without DF`, counts);
  }
  return { runs, loads };
}

function sum(counts: UplinkCounts, way: "out" | "in", what: "packets" | "fragments"): number {
  return counts[1][way][what] + counts[2][way][what];
}

/** The lab's own counters look at the product's ports only: nobody is to pay for them. */
async function uncounted({ lab }: Stage): Promise<void> {
  for (const chain of ["input", "output"]) await lab.in("cloud", `nft flush chain inet cloud_end_count ${chain}`);
  for (const nat of ["nat1", "nat2"] as const) await lab.in(nat, "nft flush chain inet cloud_end_count forward");
}

/** The time that a machine's processors had, and what they were busy for, in ticks. */
async function busyOf(machine: Machine): Promise<{ all: number; busy: number }> {
  const [user, nice, system, idle, iowait, irq, softirq] = (await machine.succeed("head -n 1 /proc/stat"))
    .split(/\s+/)
    .slice(1)
    .map(Number);
  const busy = user + nice + system + irq + softirq;
  return { all: busy + idle + iowait, busy };
}
