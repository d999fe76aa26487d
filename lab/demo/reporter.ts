// Tells the person at the terminal what the demo does: steps with elapsed time, a live line for long ones, checks,
// and at the end one table. On a terminal the live line is a spinner; elsewhere it is printed every 20 s.
import Table from "cli-table3";
import ora from "ora";

/** One thing that was expected and what was seen. */
export interface Check {
  readonly step: string;
  readonly what: string;
  readonly held: boolean;
  readonly seen: string;
}

/** How long a step took, seconds. */
export interface StepTime {
  readonly step: string;
  readonly seconds: number;
}

/** Rows without rules between them. */
const NO_RULES = { mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" };

const HEARTBEAT_MS = 20_000;

/** A check did not hold and what follows makes no sense without it. */
export class StepFailed extends Error {}

export class Reporter {
  readonly checks: Check[] = [];
  readonly times: StepTime[] = [];
  private readonly started = Date.now();
  private current = "";
  private detail = "";
  private spinner: ora.Ora | undefined;

  constructor(private readonly out: NodeJS.WriteStream = process.stdout) {}

  /** Runs one step under its title; a step that throws is reported and ends the demo. */
  async step<T>(title: string, work: () => Promise<T>): Promise<T> {
    const began = Date.now();
    this.current = title;
    this.detail = "";
    this.line(`\n${this.clock()}  ${title}`);
    const refresh = setInterval(() => this.refresh(began), this.out.isTTY ? 1000 : HEARTBEAT_MS);
    this.startSpinner(began);
    try {
      return await work();
    } finally {
      clearInterval(refresh);
      this.stopSpinner();
      const seconds = (Date.now() - began) / 1000;
      this.times.push({ step: title, seconds });
      this.line(`        took ${seconds.toFixed(1)} s`);
    }
  }

  /** What the running step does at this moment; shown on the live line. */
  progress(detail: string): void {
    this.detail = detail;
  }

  /** A line that stays. */
  say(text: string): void {
    this.aroundSpinner(() => this.line(`        ${text}`));
  }

  /** Records whether something held; prints it. */
  check(what: string, held: boolean, seen: string): boolean {
    this.checks.push({ step: this.current, what, held, seen });
    this.aroundSpinner(() => this.line(`     ${held ? "ok " : "NOT"} ${what}: ${seen}`));
    return held;
  }

  /** As check, and ends the demo when it did not hold. */
  require(what: string, held: boolean, seen: string): void {
    if (!this.check(what, held, seen)) throw new StepFailed(`${what}: ${seen}`);
  }

  /** The closing tables; true when everything held. */
  summary(): boolean {
    const plain = { style: { head: [], border: [] }, chars: NO_RULES };
    const times = new Table({ ...plain, head: ["step", "took, s"], colAligns: ["left", "right"] });
    for (const { step, seconds } of this.times) times.push([step, seconds.toFixed(1)]);
    const checks = new Table({ ...plain, head: ["", "check", "seen"], colWidths: [5, 66, 54], wordWrap: true });
    for (const { held, what, seen } of this.checks) checks.push([held ? "ok" : "NOT", what, seen]);
    this.line(`\n${times.toString()}\n${checks.toString()}`);
    const failed = this.checks.filter(({ held }) => !held).length;
    this.line(
      failed === 0 && this.checks.length > 0
        ? `All ${this.checks.length} checks held, in ${this.clock()}.`
        : `${failed} of ${this.checks.length} checks did not hold, after ${this.clock()}.`,
    );
    return failed === 0 && this.checks.length > 0;
  }

  /** Seconds since the demo began. */
  elapsed(): number {
    return (Date.now() - this.started) / 1000;
  }

  private clock(): string {
    const seconds = Math.round(this.elapsed());
    return `${String(Math.floor(seconds / 60)).padStart(2, "0")}:${String(seconds % 60).padStart(2, "0")}`;
  }

  private line(text: string): void {
    this.out.write(`${text}\n`);
  }

  private status(began: number): string {
    const seconds = Math.round((Date.now() - began) / 1000);
    return `${seconds} s${this.detail ? `  ${this.detail}` : ""}`.slice(0, (this.out.columns || 120) - 12);
  }

  private startSpinner(began: number): void {
    if (this.out.isTTY) this.spinner = ora({ stream: this.out, indent: 8, text: this.status(began) }).start();
  }

  private stopSpinner(): void {
    this.spinner?.stop();
    this.spinner = undefined;
  }

  private refresh(began: number): void {
    if (this.spinner) this.spinner.text = this.status(began);
    else this.line(`        … ${this.status(began)}`);
  }

  private aroundSpinner(print: () => void): void {
    this.spinner?.clear();
    print();
    this.spinner?.render();
  }
}
