// Starts programs that cannot outlive us: when this Node process ends, by SIGKILL too, so do they and all they started.
// Linux only (util-linux): a parent-death signal for the program, a PID namespace for its descendants.
import { spawn, spawnSync, type ChildProcess, type SpawnOptions } from "node:child_process";
import * as fs from "node:fs";

/** Options of `spawnBound`: those of `child_process.spawn`, without what would loosen the bond. */
export type BoundOptions = Omit<SpawnOptions, "detached" | "shell">;

/** What a finished program left. */
export interface Finished {
  /** Exit status; 128 + the signal's number when a signal ended it. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions extends BoundOptions {
  /** The program is killed after this many milliseconds, and the promise rejects. @default no limit */
  readonly timeoutMs?: number;
  /** Written to the program's standard input. @default nothing: standard input is empty */
  readonly input?: string;
  /** Called with every line of both outputs as it arrives. */
  readonly onLine?: (line: string) => void;
}

const DEATH_SIGNAL = ["setpriv", "--pdeathsig", "KILL", "--"];
const NAMESPACE = ["unshare", "--fork", "--pid", "--kill-child"];
// A shell of the namespace is its first process: as such a program of ours would not receive signals that it has no
// handler for. The shell waits (hence the second command), takes orphans in, and passes the exit status on.
const FIRST_PROCESS = ["sh", "-c", '"$@"; exit $?', "sh"];

// Death before the signal was asked for would go unnoticed: the shell looks whether its parent is still ours.
const STILL_OURS = ["sh", "-c", '[ "$PPID" -eq "$0" ] || exit 137; exec "$@"', String(process.pid)];

let probed: string[] | undefined;

/** The commands in front of a program's own, found out once: which kind of namespace we may make. */
function wrapper(): string[] {
  if (probed) return probed;
  const works = (command: string[]) =>
    spawnSync(command[0], [...command.slice(1), "true"], { stdio: "ignore" }).status === 0;
  if (!works(DEATH_SIGNAL))
    throw new Error("setpriv is missing or does not work; install the package util-linux (2.38 or newer).");
  const namespaces = [NAMESPACE, [...NAMESPACE, "--user", "--map-current-user"]];
  const namespace = namespaces.map((way) => [...way, ...FIRST_PROCESS]).find(works);
  probed = [...DEATH_SIGNAL, ...STILL_OURS, ...(namespace ?? [])];
  return probed;
}

/**
 * Starts a program that ends with this process.
 *
 * Where PID namespaces are allowed (root, or user namespaces enabled) everything the program starts ends with it too;
 * elsewhere only the program itself does. Its /proc is the host's: it sees other processes, not itself by its own pid.
 *
 * `child.pid` is a wrapper's: send signals with `signalBound`; `child.kill("SIGKILL")` ends everything at once.
 * @param command a program's name or path
 * @throws Error when util-linux is missing
 */
export function spawnBound(command: string, args: readonly string[] = [], options: BoundOptions = {}): ChildProcess {
  const [first, ...rest] = [...wrapper(), command, ...args];
  return spawn(first, rest, options);
}

/** Sends a signal to the program that `spawnBound` started, not to the wrappers around it (which ignore it). */
export function signalBound(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  let pids = [child.pid];
  // unshare, the namespace's shell, the program.
  for (let depth = wrapper().includes("unshare") ? 2 : 0; depth > 0; depth--) pids = pids.flatMap(childrenOf);
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}

function childrenOf(pid: number): number[] {
  try {
    return fs.readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/**
 * Runs a program to its end, bound to this process, and gives what it printed; a non-zero status is not an error here.
 * @throws Error when it cannot be started or `timeoutMs` passed
 */
export function runBound(command: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const { timeoutMs, input, onLine, ...rest } = options;
  const child = spawnBound(command, args, {
    ...rest,
    stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    let partial = "";
    child[name]?.setEncoding("utf8").on("data", (chunk: string) => {
      output[name] += chunk;
      const lines = (partial + chunk).split("\n");
      partial = lines.pop() ?? "";
      if (onLine) lines.forEach(onLine);
    });
    child[name]?.on("end", () => {
      if (partial && onLine) onLine(partial);
    });
  }
  // A program that ends without reading its input is no error of ours.
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(input);
  return new Promise((resolve, reject) => {
    let late = false;
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            late = true;
            child.kill("SIGKILL");
          }, timeoutMs);
    child.once("error", reject);
    child.once("close", (code) => {
      clearTimeout(timer);
      if (late) reject(new Error(`${command} did not end within ${(timeoutMs ?? 0) / 1000} s.`));
      else resolve({ status: code ?? 137, ...output });
    });
  });
}
