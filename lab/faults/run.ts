// One run of one fault: all is well, the fault is made while packets are counted, all becomes well again.
import type { DirectionReport } from "../traffic/traffic";
import type { WorldCloudEndOptions } from "../cloud-end";
import type { Fault, Limits, Times } from "./fault";
import type { Scene } from "./scene";

/** What a run showed. */
export interface RunResult {
  readonly out: DirectionReport;
  readonly in: DirectionReport;
  /** How often the box changed the tunnel of its traffic; undefined when it does not tell. */
  readonly switches?: number;
  /** What took how long, seconds. */
  readonly times: Times;
  /** From before the fault until traffic flowed after it, seconds. */
  readonly seconds: number;
  /** What the contender said about it. */
  readonly story: readonly string[];
}

/** strongSwan's and Alibaba's timers, and a gateway that follows. */
const USUAL: Required<Omit<WorldCloudEndOptions, "restart">> = {
  peer: "cooperative",
  dpdDelay: 10,
  retransmitTimeout: 4,
  retransmitBase: 1.8,
  retransmitTries: 5,
};

/** Runs faults on a scene; remembers how the cloud end is set. */
export class Runner {
  private cloud = USUAL;

  constructor(private readonly scene: Scene) {}

  /** Makes the fault once. @throws Error when what must be seen is not, or all does not become well again */
  async run(fault: Fault): Promise<RunResult> {
    const { scene } = this;
    await scene.contender.refresh();
    await scene.well();
    await this.configureCloud(fault);
    await fault.prepare?.(scene);
    const before = (await scene.contender.switches()) ?? 0;
    const began = Date.now();
    const [clock, mark] = [await scene.boxClock(), await scene.traffic.mark()];
    try {
      const times = (await fault.make(scene)) ?? {};
      await scene.flowing();
      const { out, in: back } = await scene.traffic.since(mark);
      const seconds = (Date.now() - began) / 1000;
      const after = await scene.contender.switches();
      // A contender that was started anew has counted anew.
      const switches = after === undefined || after < before ? after : after - before;
      return { out, in: back, switches, times, seconds, story: await scene.contender.story(clock) };
    } finally {
      await (fault.undo ? fault.undo(scene) : scene.restoreAll());
      await scene.well(180);
    }
  }

  private async configureCloud({ peer = "cooperative", cloudTimers = {} }: Fault): Promise<void> {
    const wanted = { ...USUAL, ...cloudTimers, peer };
    const timers = (["dpdDelay", "retransmitTimeout", "retransmitBase", "retransmitTries"] as const).some(
      (key) => wanted[key] !== this.cloud[key],
    );
    if (!timers && wanted.peer === this.cloud.peer) return;
    await this.scene.configureCloud(wanted, timers);
    this.cloud = wanted;
  }
}

/** What a run showed beyond its limits, one sentence each. */
export function beyond(limits: Limits, result: RunResult): string[] {
  const found = (["out", "in"] as const).flatMap((direction) => {
    const { gapS, lost } = limits[direction];
    const seen = result[direction];
    const where = direction === "out" ? "box to cloud" : "cloud to box";
    return [
      ...(gapS !== undefined && seen.longestGapS > gapS
        ? [`${where}: the longest gap is ${seen.longestGapS.toFixed(2)} s, at most ${gapS} s are allowed.`]
        : []),
      ...(lost !== undefined && seen.lost > lost
        ? [`${where}: ${seen.lost} packets are lost, at most ${lost} may be.`]
        : []),
    ];
  });
  if (limits.switches !== undefined && result.switches !== undefined && result.switches > limits.switches) {
    found.push(`Traffic changed its tunnel ${result.switches} times, at most ${limits.switches} are allowed.`);
  }
  for (const [what, limit] of Object.entries(limits.times ?? {})) {
    const took = result.times[what] ?? Infinity;
    if (took > limit) found.push(`"${what}" came after ${took.toFixed(1)} s, at most ${limit} s are allowed.`);
  }
  return found;
}
