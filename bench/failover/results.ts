// The runs of a benchmark, kept in a file that is complete after each of them.
import * as fs from "node:fs";
import type { Contender } from "../../lab/faults/contender";
import type { RunResult } from "../../lab/faults/run";

interface Labelled {
  readonly contender: Contender["id"];
  readonly fault: string;
  /** When it began, ISO 8601. */
  readonly at: string;
}

/** A run that ended as it should, or the sentence that says why not. */
export type Run = Labelled & (RunResult | { readonly error: string });

interface File {
  machine: string;
  readonly runs: Run[];
}

export class Results {
  private readonly content: File = { machine: "", runs: [] };

  /** @throws Error when the file is there and not to be gone on with, or is none of ours */
  constructor(
    private readonly path: string | undefined,
    resume: boolean,
  ) {
    if (path === undefined || !fs.existsSync(path)) return;
    if (!resume) throw new Error(`${path} is there already; give --resume to go on with it, or another file.`);
    this.content = JSON.parse(fs.readFileSync(path, "utf8")) as File;
    if (!Array.isArray(this.content.runs))
      throw new Error(`${path} holds no runs of this benchmark; give another file.`);
  }

  /** Notes on what machine the runs are made. */
  describe(machine: string): void {
    this.content.machine = machine;
  }

  add(run: Run): void {
    this.content.runs.push(run);
    if (this.path === undefined) return;
    fs.writeFileSync(`${this.path}.new`, JSON.stringify(this.content, null, 1) + "\n");
    fs.renameSync(`${this.path}.new`, this.path);
  }

  private all(contender: Contender["id"], fault: string): Run[] {
    return this.content.runs.filter((run) => run.contender === contender && run.fault === fault);
  }

  /** The runs of a fault that were measured. */
  of(contender: Contender["id"], fault: string): (Labelled & RunResult)[] {
    return this.all(contender, fault).filter((run): run is Labelled & RunResult => !("error" in run));
  }

  /** How many runs of a fault did not end as they should. */
  failed(contender: Contender["id"], fault: string): number {
    return this.all(contender, fault).filter((run) => "error" in run).length;
  }

  /** Whether a fault has fewer runs than wanted; failed ones count. */
  missing(contender: Contender["id"], fault: string, wanted: number): boolean {
    return this.all(contender, fault).length < wanted;
  }

  /** One line: when and where. */
  heading(): string {
    const days = this.content.runs.map(({ at }) => at.slice(0, 10)).sort();
    const when = [...new Set([days[0], days.at(-1)])].join(" to ");
    return `${when}; ${this.content.machine}`;
  }
}
