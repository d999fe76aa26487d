// One run of one fault: all is well, the fault is made while packets are counted, all becomes well again.
import type { DirectionReport } from "../traffic/traffic";
import type { Fault, Limits, Times } from "./fault";
import type { Stage } from "./stage";

/** What a run showed. */
export interface RunResult {
  readonly out: DirectionReport;
  readonly in: DirectionReport;
  /** Packets from the cloud that had no SA, at either end; counted where a target asks for it. */
  readonly withoutSa?: number;
  /** How often the box changed the tunnel of its traffic; undefined when it does not tell. */
  readonly switches?: number;
  /** What took how long, seconds. */
  readonly times: Times;
  /** From before the fault until traffic flowed after it, seconds. */
  readonly seconds: number;
  /** What the contender said about it. */
  readonly story: readonly string[];
}

/**
 * Makes a fault once on a stage that is brought back for it.
 * @throws Error when what must be seen is not, or all does not become well again
 */
export async function run(stage: Stage, fault: Fault): Promise<RunResult> {
  const scene = await stage.scene(fault);
  if (fault.peer) await scene.cloud.setOptions({ peer: fault.peer });
  await fault.prepare?.(scene);
  const before = (await scene.contender.switches()) ?? 0;
  const countsSas = fault.target?.in.lostWithSa !== undefined;
  const counted = countsSas ? await scene.withoutSa() : 0;
  const began = Date.now();
  const [clock, mark] = [await scene.boxClock(), await scene.traffic.mark()];
  const times = (await fault.make(scene)) ?? {};
  await scene.flowing();
  const { out, in: back } = await scene.traffic.since(mark);
  const seconds = (Date.now() - began) / 1000;
  const withoutSa = countsSas ? (await scene.withoutSa()) - counted : undefined;
  const after = await scene.contender.switches();
  // A contender that was started anew has counted anew.
  const switches = after === undefined || after < before ? after : after - before;
  const story = await scene.contender.story(clock);
  await (fault.undo ? fault.undo(scene) : scene.restoreAll());
  await scene.well(180);
  return { out, in: back, withoutSa, switches, times, seconds, story };
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
