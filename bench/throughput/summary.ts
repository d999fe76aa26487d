// What the rounds of the throughput benchmark come to.
import { max, median, min, sampleStandardDeviation } from "simple-statistics";
import { markdown } from "../markdown";

/** Ways for traffic, measured in turns. */
export const CONTENDERS = ["product", "hand-set", "mtu-1500"] as const;
export type Contender = (typeof CONTENDERS)[number];

export const WAYS = ["out", "in"] as const;
export type Way = (typeof WAYS)[number];

/** TCP for some seconds, by several connections at once. */
export interface Run {
  readonly contender: Contender;
  readonly way: Way;
  readonly round: number;
  readonly mbits: number;
  /** What the box's processors were busy for, of the time that they had. */
  readonly busy: number;
  /** IP fragments that left the box for the internet, and that came to it. */
  readonly fragmentsOut: number;
  readonly fragmentsIn: number;
}

/** One sort of traffic, from the data center to the VPC, and the IP fragments that it made on the uplinks. */
export interface Load {
  readonly contender: Contender;
  readonly load: string;
  /** TCP's; undefined for other traffic. */
  readonly mbits?: number;
  readonly packetsOut: number;
  readonly fragmentsOut: number;
}

/** What the product must keep of the hand-set way. */
export const TARGET = 0.95;

const NAMES: Record<Contender, string> = {
  product: "product, active tunnel, agent running",
  "hand-set": "set by hand, same MTU and MSS, no agent",
  "mtu-1500": "set by hand, the how-to page's MTU of 1500, no MSS",
};

const of = (runs: readonly Run[], contender: Contender, way: Way) =>
  runs.filter((run) => run.contender === contender && run.way === way);

export interface Ratios {
  readonly median: number;
  /** Standard error of the median, that of normally distributed rounds; NaN for a single round. */
  readonly error: number;
  readonly min: number;
  readonly max: number;
}

/** The product's throughput by the rival's in the same round. */
export function ratios(runs: readonly Run[], way: Way, rival: Contender): Ratios {
  const [ours, theirs] = [of(runs, "product", way), of(runs, rival, way)];
  const each = ours.flatMap(({ round, mbits }) =>
    theirs.filter((run) => run.round === round).map((run) => mbits / run.mbits),
  );
  const error =
    each.length < 2 ? NaN : (sampleStandardDeviation(each) * Math.sqrt(Math.PI / 2)) / Math.sqrt(each.length);
  return { median: median(each), error, min: min(each), max: max(each) };
}

/** Whether the product keeps its target both ways, and made no fragment. */
export function held(runs: readonly Run[], loads: readonly Load[]): boolean {
  const ours = [...runs, ...loads].filter(({ contender }) => contender === "product");
  return (
    WAYS.every((way) => ratios(runs, way, "hand-set").median >= TARGET) &&
    ours.every((run) => run.fragmentsOut === 0 && ("fragmentsIn" in run ? run.fragmentsIn === 0 : true))
  );
}

const spread = (values: number[], digits: number) =>
  [min(values), median(values), max(values)].map((value) => value.toFixed(digits)).join(" / ");

export function runsTable(runs: readonly Run[]): string {
  const rows = WAYS.flatMap((way) =>
    CONTENDERS.map((contender) => {
      const own = of(runs, contender, way);
      const { median: middle, error, min: least, max: most } = ratios(runs, way, contender);
      return [
        way === "out" ? "data center to VPC" : "VPC to data center",
        NAMES[contender],
        String(own.length),
        spread(
          own.map(({ mbits }) => mbits),
          1,
        ),
        contender === "product"
          ? ""
          : `${middle.toFixed(3)} ± ${error.toFixed(3)} (${least.toFixed(2)} to ${most.toFixed(2)})`,
        spread(
          own.map(({ busy }) => busy * 100),
          0,
        ),
        `${Math.max(...own.map(({ fragmentsOut }) => fragmentsOut))}, ${Math.max(...own.map(({ fragmentsIn }) => fragmentsIn))}`,
      ];
    }),
  );
  return (
    "TCP, minimum / median / maximum of the runs. Ratio: the product's to this one's in the same round, median ± its standard error (least to most of the rounds).\n" +
    markdown(
      ["way", "what", "runs", "Mbit/s", "product to it", "box busy, %", "IP fragments out, in (most in a run)"],
      rows,
    )
  );
}

export function loadsTable(loads: readonly Load[]): string {
  const rows = loads.map(({ contender, load, mbits, packetsOut, fragmentsOut }) => [
    load,
    NAMES[contender],
    mbits === undefined ? "" : mbits.toFixed(1),
    String(packetsOut),
    String(fragmentsOut),
  ]);
  return (
    "From the data center to the VPC: packets that left the box's uplinks, and how many of them were IP fragments.\n" +
    markdown(["load", "what", "Mbit/s", "packets", "IP fragments"], rows)
  );
}
