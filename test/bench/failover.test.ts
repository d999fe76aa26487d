// What runs of the faults are held to, without a lab.
import { held, missed, table } from "../../bench/failover/table";
import { Results } from "../../bench/failover/results";
import type { Target } from "../../lab/faults/fault";
import type { RunResult } from "../../lab/faults/run";

const direction = (longestGapS: number, lost: number) => ({ longestGapS, lost, gapBeganS: 0, silentS: 0, sent: 1000 });

/** A run in which nothing was lost, but for what is given. */
function run(fields: Partial<RunResult> = {}): RunResult {
  return { out: direction(0.06, 0), in: direction(0.06, 0), switches: 0, times: {}, seconds: 10, story: [], ...fields };
}

describe("what runs are held to", () => {
  const lossless: Target = { out: { lost: 0 }, in: { lost: 0 } };

  it("is kept by runs within it", () => {
    expect(missed(lossless, [run(), run()])).toEqual([]);
    expect(missed({ out: { medianS: 0.06, maxS: 0.06 }, in: {} }, [run()])).toEqual([]);
  });

  it("is missed by one packet in one run", () => {
    expect(missed(lossless, [run(), run({ in: direction(0.1, 1) })])).toEqual(["cloud to box over 0 lost"]);
  });

  it("counts by median and by the longest", () => {
    const runs = [run(), run({ out: direction(0.9, 0) }), run({ out: direction(1.3, 0) })];
    const target: Target = { out: { medianS: 0.8, maxS: 1.2 }, in: {} };
    expect(missed(target, runs)).toEqual(["box to cloud median over 0.8 s", "box to cloud max over 1.2 s"]);
  });

  it("lets the gateway lose what had no SA, and nothing beside it", () => {
    const target: Target = { out: {}, in: { lostWithSa: 0 } };
    expect(missed(target, [run({ in: direction(0.1, 9), withoutSa: 9 })])).toEqual([]);
    // What is counted without having been lost is some other packet.
    expect(missed(target, [run({ in: direction(0.1, 0), withoutSa: 2 })])).toEqual([]);
    expect(missed(target, [run({ in: direction(0.1, 94), withoutSa: 9 })])).toEqual([
      "cloud to box over 0 lost that had an SA",
    ]);
    expect(missed(target, [run({ in: direction(0.1, 1) })])).toHaveLength(1);
  });

  it("is missed by a change of tunnels too many, and by a time that is longer or was not told", () => {
    const target: Target = { out: {}, in: {}, switches: 2, times: { "tunnel 1 down": 5 } };
    expect(missed(target, [run({ switches: 2, times: { "tunnel 1 down": 5 } })])).toEqual([]);
    expect(missed(target, [run({ switches: 3, times: {} })])).toEqual(["over 2 switches", '"tunnel 1 down" over 5 s']);
  });

  it("is not kept where a run failed", () => {
    const results = new Results(undefined, false);
    const labels = { contender: "product", fault: "planned-hold", at: "2026-01-01T00:00:00.000Z" } as const;
    results.add({ ...labels, ...run({ switches: 2 }) });
    expect(held(results, ["planned-hold"])).toBe(true);
    results.add({ ...labels, error: "nothing flows" });
    expect(held(results, ["planned-hold"])).toBe(false);
    expect(table(results, ["planned-hold"], ["product"])).toContain("1 of the runs failed");
  });
});
