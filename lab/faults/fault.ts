// What a fault is: something done to a deployed site while packets are counted, and what must be seen then.
// To add one, add a small file to catalogue/.
import type { PeerPolicy } from "../cloud-end";
import type { Scene } from "./scene";
import type { CloudTimers } from "./stage";

/** What one direction may show. */
export interface Limit {
  /** Longest interval between arriving packets, seconds. */
  readonly gapS?: number;
  /** Packets that may be lost. */
  readonly lost?: number;
}

export interface Limits {
  /** From the data center to the VPC. */
  readonly out: Limit;
  /** From the VPC to the data center. */
  readonly in: Limit;
  /** How often the box may change the tunnel of its traffic. @default any number */
  readonly switches?: number;
  /** The most that each time named by `make` may be, seconds. */
  readonly times?: Times;
}

/** Times that a fault takes beside gaps, seconds, by what ended them. */
export type Times = Readonly<Record<string, number>>;

/** What the project holds a distribution of runs to; a run's own limits are `Limits`. */
export interface Target {
  readonly out: { readonly medianS?: number; readonly maxS?: number; readonly lost?: number };
  readonly in: {
    readonly medianS?: number;
    readonly maxS?: number;
    readonly lost?: number;
    /** Beside those that had no SA at either end: what the gateway loses by its own end of a tunnel. */
    readonly lostWithSa?: number;
  };
  readonly switches?: number;
  readonly times?: Times;
}

/** The site that a fault is made on. */
export interface SiteKind {
  readonly bgp: boolean;
  readonly boxes: 1 | 2;
}

/** Every kind of site. */
export const SITE_KINDS: readonly SiteKind[] = [
  { boxes: 1, bgp: false },
  { boxes: 1, bgp: true },
  { boxes: 2, bgp: false },
  { boxes: 2, bgp: true },
];

/** Whether a fault is made on this kind of site. */
export function isMadeOn({ bgp, boxes }: Fault, site: SiteKind): boolean {
  return (bgp ?? false) === site.bgp && (boxes ?? 1) === site.boxes;
}

export interface Fault {
  /** One sentence: what is done. */
  readonly what: string;
  /** True: takes a minute or more, so that benchmarks run it at most three times and `npm test` not at all. @default false */
  readonly long?: boolean;
  /** True: made on a site that routes by BGP. @default false: its routes are static */
  readonly bgp?: boolean;
  /** 2: made on a site with two boxes, each with one of the uplinks and its tunnel. @default 1 */
  readonly boxes?: 2;
  /** How the cloud treats a tunnel that comes by the other uplink. @default "cooperative" */
  readonly peer?: PeerPolicy;
  /** Milliseconds between packets, each way. @default the stage's */
  readonly intervalMs?: number;
  /** Other timers at the cloud than Alibaba's and strongSwan's. @default none */
  readonly cloudTimers?: CloudTimers;
  /** Done before packets are counted. @default nothing */
  prepare?(scene: Scene): Promise<void>;
  /**
   * Does it, and waits for what must be seen. Packets are counted from before it until traffic flows after it.
   * Gives what took how long, where gaps do not tell it.
   */
  make(scene: Scene): Promise<Times | void>;
  /** Takes it back. Afterwards all must become well by itself. @default every cut and impairment is taken back */
  undo?(scene: Scene): Promise<void> | void;
  /** Generous: a slow machine keeps them, a broken mechanism does not. */
  readonly limits: Limits;
  /** Held against the distribution of many runs. @default none */
  readonly target?: Target;
}
