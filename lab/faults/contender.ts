// Who is put to the test on the box: the product, or the configuration of the how-to page.
export type TunnelNumber = 1 | 2;

/** A tunnel's BGP session, at the box. */
export interface Session {
  readonly established: boolean;
  readonly state: string;
  /** The blocks that it took. */
  readonly heard: readonly string[];
  /** Whether the cloud is told to send everything by it. */
  readonly takesOver: boolean;
}

export interface Contender {
  readonly id: "product" | "how-to";
  /** XFRM interfaces and swanctl connections of tunnel 1 and 2. */
  readonly interfaces: readonly [string, string];
  readonly connections: readonly [string, string];
  readonly children: readonly [string, string];
  /** Starts its agent anew, with nothing remembered. */
  refresh(): Promise<void>;
  /** Whether it says of itself that all is well, in words that say what is not; empty when well. */
  trouble(): Promise<string>;
  /** How often it changed the tunnel of its traffic since `refresh`; undefined when it does not tell. */
  switches(): Promise<number | undefined>;
  /** What it says about what happened since a moment of the box's clock, for people. */
  story(sinceS: number): Promise<readonly string[]>;
  /** The BGP sessions of tunnel 1 and 2; undefined where it has none. */
  sessions(): Promise<readonly (Session | undefined)[]>;
  /** Changes the active tunnel's pre-shared key at the cloud only; gives the way back. */
  breakActivePsk(): Promise<() => Promise<void>>;
  /**
   * Gives tunnels new pre-shared keys at both ends, as its user does.
   * @throws Error when that is refused, or when it has no way to do it
   */
  changeKeys(...tunnels: readonly TunnelNumber[]): Promise<void>;
  /** Changes what concerns every box and no tunnel, as its user does. @throws Error when it has no way to do it */
  reconfigure(): Promise<void>;
}

/** A contender that a stage deploys, and brings back. */
export interface StagedContender extends Contender {
  /** Deploys it on a booted lab, the cloud side included. */
  install(): Promise<void>;
  /** Writes what it holds outside of the machines to a directory, for when they are brought back. */
  save(directory: string): Promise<void>;
  /** Takes up what was saved there: the machines are as they were then. */
  load(directory: string): Promise<void>;
  /** Ends what it has running outside of the machines. */
  close(): Promise<void>;
}
