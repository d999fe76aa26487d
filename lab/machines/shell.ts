// What can be said to a shell, on a machine or in one of its namespaces: run, expect success, expect failure, await.
import { setTimeout as delay } from "timers/promises";

export interface Result {
  /** Exit status; 128 + n when signal n ended the command. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ExecuteOptions {
  /** Seconds after which the command, or before it the connection, is given up, and an error thrown. @default 120 */
  readonly timeoutS?: number;
  /** Written to the command's standard input. @default none */
  readonly stdin?: string;
}

export interface WaitOptions {
  /** Seconds after which the condition is given up. @default 60 */
  readonly timeoutS?: number;
  /** Milliseconds between the end of one try and the next. @default 250 */
  readonly intervalMs?: number;
}

export abstract class Shell {
  /** What error messages call it. */
  abstract readonly name: string;

  /** Runs a command: on a machine by the login shell of root, in a namespace by sh. */
  abstract execute(command: string, options?: ExecuteOptions): Promise<Result>;

  /** Whatever helps to understand a failure, beside the command's own output. */
  protected abstract context(): string;

  private failure(summary: string, result: Result): Error {
    const parts = [summary];
    if (result.stdout.trim()) parts.push(`--- output\n${end(result.stdout)}`);
    if (result.stderr.trim()) parts.push(`--- error output\n${end(result.stderr)}`);
    const context = this.context();
    if (context) parts.push(context);
    return new Error(parts.join("\n"));
  }

  /** Runs a command that must succeed; gives its standard output. */
  async succeed(command: string, options?: ExecuteOptions): Promise<string> {
    const result = await this.execute(command, options);
    if (result.status !== 0) {
      throw this.failure(`${this.name}: "${command}" ended with ${result.status}, should have succeeded.`, result);
    }
    return result.stdout;
  }

  /** Runs a command that must fail; gives what it left. */
  async fail(command: string, options?: ExecuteOptions): Promise<Result> {
    const result = await this.execute(command, options);
    if (result.status === 0) {
      throw this.failure(`${this.name}: "${command}" succeeded, should have failed.`, result);
    }
    return result;
  }

  /** Repeats a command until it succeeds; gives its standard output then. */
  async waitUntilSucceeds(command: string, options: WaitOptions = {}): Promise<string> {
    return (await this.waitFor(command, (status) => status === 0, "did not succeed", options)).stdout;
  }

  /** Repeats a command until it fails. */
  async waitUntilFails(command: string, options: WaitOptions = {}): Promise<Result> {
    return this.waitFor(command, (status) => status !== 0, "did not fail", options);
  }

  private async waitFor(
    command: string,
    done: (status: number) => boolean,
    otherwise: string,
    { timeoutS = 60, intervalMs = 250 }: WaitOptions,
  ): Promise<Result> {
    const deadline = Date.now() + timeoutS * 1000;
    for (;;) {
      const left = Math.max(deadline - Date.now(), 1000);
      const result = await this.execute(command, { timeoutS: left / 1000 + 5 });
      if (done(result.status)) return result;
      if (Date.now() >= deadline) {
        throw this.failure(
          `${this.name}: "${command}" ${otherwise} within ${timeoutS} s; last it ended with ${result.status}.`,
          result,
        );
      }
      await delay(intervalMs);
    }
  }

  /** Waits for a systemd unit to be active; stops at once when it failed. */
  async waitForUnit(unit: string, options: WaitOptions = {}): Promise<void> {
    await this.waitUntilSucceeds(
      `systemctl is-active --quiet '${unit}' || systemctl is-failed --quiet '${unit}'`,
      options,
    );
    await this.succeed(`systemctl is-active --quiet '${unit}' || { systemctl status --no-pager '${unit}'; exit 1; }`);
  }
}

/** The last lines of a text; a log in which an error fills screens hides it. */
function end(text: string): string {
  const lines = text.trimEnd().split("\n");
  const left = lines.length - 60;
  return left > 0 ? [`[${left} lines more]`, ...lines.slice(-60)].join("\n") : lines.join("\n");
}

/** Quotes a word for sh. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
