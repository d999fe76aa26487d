// Who is put to the test on the box: the product, or the configuration of the how-to page.
export type TunnelNumber = 1 | 2;

export interface Contender {
  readonly id: "product" | "how-to";
  /** XFRM interfaces and swanctl connections of tunnel 1 and 2. */
  readonly interfaces: readonly [string, string];
  readonly connections: readonly [string, string];
  readonly children: readonly [string, string];
  /** Deploys it on a booted lab, the cloud side included. */
  install(): Promise<void>;
  /** Takes it off the box and out of the cloud. */
  remove(): Promise<void>;
  /** Forgets what earlier faults taught it, so that runs do not depend on each other. */
  refresh(): Promise<void>;
  /** Whether it says of itself that all is well, in words that say what is not; empty when well. */
  trouble(): Promise<string>;
  /** How often it changed the tunnel of its traffic since `refresh`; undefined when it does not tell. */
  switches(): Promise<number | undefined>;
  /** What it says about what happened since a moment of the box's clock, for people. */
  story(sinceS: number): Promise<readonly string[]>;
  /** Changes the active tunnel's pre-shared key at the cloud only; gives the way back. */
  breakActivePsk(): Promise<() => Promise<void>>;
}
