// The arithmetic of `npm run bench -- throughput`; what it measures needs the lab.
import { held, ratios, type Contender, type Run } from "../../bench/throughput/summary";
import { between, parseCounts } from "../../lab/traffic/fragments";

const LISTED = `table netdev fragments {
	chain out {
		type filter hook ingress device "uplink1" priority filter; policy accept;
		meta protocol ip counter packets 120 bytes 90000
		ip frag-off & 16383 != 0 counter packets 7 bytes 1000
	}

	chain in {
		type filter hook egress device "uplink1" priority filter; policy accept;
		meta protocol ip counter packets 80 bytes 4000
		ip frag-off & 16383 != 0 counter packets 0 bytes 0
	}
}`;

const runs = (figures: Partial<Record<Contender, number[]>>, fragmentsOut = 0): Run[] =>
  Object.entries(figures).flatMap(([contender, list]) =>
    list.flatMap((mbits, index) =>
      (["out", "in"] as const).map((way) => ({
        ...{ contender: contender as Contender, way, round: index + 1, mbits, busy: 0.5, fragmentsOut, fragmentsIn: 0 },
      })),
    ),
  );

describe("the counters of fragments", () => {
  it("are read in both directions", () => {
    expect(parseCounts(LISTED)).toEqual({ out: { packets: 120, fragments: 7 }, in: { packets: 80, fragments: 0 } });
  });

  it("are not taken from another table", () => {
    expect(() => parseCounts("table ip nat { }")).toThrow("Not the counters");
  });

  it("are told apart between two readings", () => {
    const count = (packets: number, fragments: number) => ({ packets, fragments });
    const reading = (n: number) => ({
      1: { out: count(10 * n, n), in: count(20 * n, 2 * n) },
      2: { out: count(30 * n, 3 * n), in: count(40 * n, 4 * n) },
    });
    expect(between(reading(1), reading(3))).toEqual(reading(2));
  });
});

describe("the ratio of throughputs", () => {
  it("is the median of the rounds' own, with its standard error, the least and the most", () => {
    const measured = runs({ product: [9, 10, 30], "hand-set": [10, 20, 15] });
    const { error, ...spread } = ratios(measured, "out", "hand-set");
    expect(spread).toEqual({ median: 0.9, min: 0.5, max: 2 });
    expect(error).toBeCloseTo(0.562, 3);
  });

  it("is held at 0.95 both ways without a fragment of the product's", () => {
    const load = { contender: "mtu-1500", load: "UDP", packetsOut: 9, fragmentsOut: 9 } as const;
    expect(held(runs({ product: [95], "hand-set": [100] }), [load])).toBe(true);
    expect(held(runs({ product: [94], "hand-set": [100] }), [load])).toBe(false);
    expect(held(runs({ product: [100], "hand-set": [100] }, 1), [load])).toBe(false);
    expect(held(runs({ product: [100], "hand-set": [100] }), [{ ...load, contender: "product" }])).toBe(false);
  });
});
