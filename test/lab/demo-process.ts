// The demo as a newcomer starts it, and every process that came of it.
import { spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";

const root = path.resolve(__dirname, "../..");
const MARK = "DUAL_TUNNEL_VPN_TEST_MARK";

/** A process of the demo. */
export interface DemoProcess {
  readonly pid: number;
  readonly name: string;
  readonly command: string;
}

/** Every process that has this mark in its environment: descendants inherit it, however far they moved. */
function marked(mark: string): DemoProcess[] {
  return fs
    .readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => {
      try {
        const dir = `/proc/${entry}`;
        if (!fs.readFileSync(`${dir}/environ`, "latin1").includes(`${MARK}=${mark}`)) return [];
        if (/^State:\s+Z/m.test(fs.readFileSync(`${dir}/status`, "latin1"))) return [];
        const name = fs.readFileSync(`${dir}/comm`, "latin1").trim();
        return [
          { pid: Number(entry), name, command: fs.readFileSync(`${dir}/cmdline`, "latin1").replaceAll("\0", " ") },
        ];
      } catch {
        return []; // it ended while we looked
      }
    });
}

/** Waits until something is so. @throws Error when it is not within so many seconds */
export async function until(what: string, timeoutS: number, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + timeoutS * 1000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${timeoutS} s`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** `npm run demo`, running. */
export class Demo {
  readonly child: ChildProcess;
  private readonly mark = randomUUID();
  private text = "";

  constructor(args: string[] = []) {
    this.child = spawn("npm", ["run", "--silent", "demo", "--", ...args], {
      cwd: root,
      env: { ...process.env, [MARK]: this.mark },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on("data", (chunk: Buffer) => (this.text += chunk.toString()));
    }
  }

  /** What it printed so far. */
  get output(): string {
    return this.text;
  }

  get processes(): DemoProcess[] {
    return marked(this.mark);
  }

  /** Kills those of its processes. */
  kill(which: (process: DemoProcess) => boolean): void {
    for (const { pid } of this.processes.filter(which)) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // it ended with one killed before it
      }
    }
  }
}
