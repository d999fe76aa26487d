// A child process of `npm run bench -- synth`: does one thing once and prints what it took as a line of JSON.
// `measured ours COUNT OUT` and `measured by-hand COUNT OUT JSON ASSETS` build and synthesize; `measured load MODULE` loads.
import * as fs from "node:fs";

export interface Measurement {
  /** Wall-clock milliseconds. */
  readonly milliseconds: number;
  /** Milliseconds of processor time, all threads. */
  readonly cpuMilliseconds: number;
  /** Largest resident set of the process, in KiB. */
  readonly peakKib: number;
}

/** The process's own high-water mark; what getrusage answers is at least the parent's size. */
function peakKib(): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(fs.readFileSync("/proc/self/status", "utf8"))?.[1]);
}

function measure(work: () => void): void {
  const cpu = process.cpuUsage();
  const began = performance.now();
  work();
  const milliseconds = performance.now() - began;
  const { user, system } = process.cpuUsage(cpu);
  const measurement: Measurement = { milliseconds, cpuMilliseconds: (user + system) / 1000, peakKib: peakKib() };
  process.stdout.write(JSON.stringify(measurement) + "\n");
}

/* eslint-disable @typescript-eslint/no-require-imports -- what is loaded, and when, is what is measured */
const [what, ...args] = process.argv.slice(2);
if (what === "load") {
  measure(() => void require(args[0]));
} else if (what === "ours") {
  process.env.CDKTF_OUTDIR = args[1];
  const { build } = require("./ours") as typeof import("./ours");
  const { synth } = require("cdktf-alicloud-dual-tunnel-vpn") as typeof import("cdktf-alicloud-dual-tunnel-vpn");
  measure(() => synth(build(Number(args[0]))));
} else if (what === "by-hand") {
  process.env.CDKTF_OUTDIR = args[1];
  const { prepare } = require("./by-hand") as typeof import("./by-hand");
  const build = prepare(args[2], args[3], Number(args[0]));
  measure(() => build().synth());
}
