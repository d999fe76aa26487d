// What the runs of a benchmark come to, as tables for people.
import { max, median, min, quantile } from "simple-statistics";
import type { Contender } from "../../lab/faults/contender";
import { FAULTS } from "../../lab/faults/catalogue";
import type { Target } from "../../lab/faults/fault";
import type { RunResult } from "../../lab/faults/run";
import { markdown } from "../markdown";
import type { Results } from "./results";

const WAYS = ["out", "in"] as const;

function spread(values: readonly number[]): string {
  const list = [...values];
  return [min(list), median(list), quantile(list, 0.95), max(list)].map((value) => value.toFixed(2)).join(" / ");
}

/** What was lost from the cloud beside what had no SA. */
function withSa({ in: back, withoutSa = 0 }: RunResult): number {
  return back.lost - withoutSa;
}

/** What a target asks for and the runs do not keep; empty when all is kept. */
export function missed(target: Target, runs: readonly RunResult[]): string[] {
  const found = WAYS.flatMap((way) => {
    const gaps = runs.map((run) => run[way].longestGapS);
    const { medianS, maxS, lost } = target[way];
    const lostWithSa = way === "in" ? target.in.lostWithSa : undefined;
    const where = way === "out" ? "box to cloud" : "cloud to box";
    return [
      ...(medianS !== undefined && median(gaps) > medianS ? [`${where} median over ${medianS} s`] : []),
      ...(maxS !== undefined && max(gaps) > maxS ? [`${where} max over ${maxS.toFixed(1)} s`] : []),
      ...(lostWithSa !== undefined && runs.some((run) => withSa(run) > lostWithSa)
        ? [`${where} over ${lostWithSa} lost that had an SA`]
        : []),
      ...(lost !== undefined && runs.some((run) => run[way].lost > lost) ? [`${where} over ${lost} lost`] : []),
    ];
  });
  const switches = target.switches;
  if (switches !== undefined && runs.some((run) => (run.switches ?? 0) > switches)) {
    found.push(`over ${switches} switches`);
  }
  for (const [what, limit] of Object.entries(target.times ?? {})) {
    if (runs.some((run) => (run.times[what] ?? Infinity) > limit)) found.push(`"${what}" over ${limit} s`);
  }
  return found;
}

function verdict(results: Results, contender: Contender["id"], id: string): string {
  const target = FAULTS.get(id)?.target;
  const failed = results.failed(contender, id);
  if (failed > 0) return `${failed} of the runs failed`;
  if (!target || contender !== "product") return "";
  return missed(target, results.of(contender, id)).join("; ") || "kept";
}

/** One line for each fault and contender. */
export function table(results: Results, ids: readonly string[], contenders: readonly Contender["id"][]): string {
  const head = [
    ...(contenders.length > 1 ? ["what"] : []),
    ...["fault", "runs", "box to cloud, s", "lost", "cloud to box, s", "lost", "switches", "other", "target"],
  ];
  const rows: string[][] = [];
  for (const id of ids) {
    for (const contender of contenders) {
      const runs = results.of(contender, id);
      if (runs.length === 0) continue;
      const times = Object.keys(runs[0].times).map(
        (what) => `${what}: ${spread(runs.map((run) => run.times[what] ?? NaN))} s`,
      );
      const withoutSa = runs.map((run) => run.withoutSa).filter((count) => count !== undefined);
      if (withoutSa.length > 0) times.push(`lost from the cloud for want of an SA: all but ${max(runs.map(withSa))}`);
      const switches = runs.map((run) => run.switches).filter((count) => count !== undefined);
      rows.push([
        ...(contenders.length > 1 ? [contender] : []),
        id,
        String(runs.length),
        ...WAYS.flatMap((way) => [
          spread(runs.map((run) => run[way].longestGapS)),
          String(max(runs.map((run) => run[way].lost))),
        ]),
        switches.length > 0 ? String(max(switches)) : "",
        times.join("; "),
        verdict(results, contender, id),
      ]);
    }
  }
  return `Gaps: minimum / median / 95th percentile / maximum; lost: the most in one run.\n${markdown(head, rows)}`;
}

/** How many times shorter the product's median gap is than the page's. */
export function comparison(results: Results, ids: readonly string[]): string {
  return ids
    .flatMap((id) => {
      const [ours, theirs] = [results.of("product", id), results.of("how-to", id)];
      if (ours.length === 0 || theirs.length === 0) return [];
      const ratios = WAYS.map((way) => {
        const [short, long] = [ours, theirs].map((runs) => median(runs.map((run) => run[way].longestGapS)));
        return (long / short).toFixed(0);
      });
      return [
        `${id}: the product's median gap is ${ratios[0]} times shorter box to cloud, ${ratios[1]} times cloud to box.`,
      ];
    })
    .join("\n");
}

/** Whether the product keeps every target and no run of it failed. */
export function held(results: Results, ids: readonly string[]): boolean {
  return ids.every((id) => ["", "kept"].includes(verdict(results, "product", id)));
}
