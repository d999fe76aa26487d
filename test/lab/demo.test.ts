// The how-to page end to end: `npm run demo` as a newcomer runs it, first killed half way, then whole.
import { spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import type { Check } from "../../lab/demo/reporter";

const root = path.resolve(__dirname, "../..");
const MARK = "DUAL_TUNNEL_VPN_TEST_MARK";

interface MarkedProcess {
  readonly pid: number;
  readonly name: string;
  readonly command: string;
}

/** Every process that has this mark in its environment: descendants inherit it, however far they moved. */
function marked(mark: string): MarkedProcess[] {
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

async function until(what: string, timeoutS: number, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + timeoutS * 1000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${timeoutS} s`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function startDemo(mark: string, args: string[] = []): { child: ChildProcess; output: () => string } {
  const child = spawn("npm", ["run", "--silent", "demo", "--", ...args], {
    cwd: root,
    env: { ...process.env, [MARK]: mark },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
  return { child, output: () => text };
}

describe("npm run demo", () => {
  let mark: string;

  beforeEach(() => (mark = randomUUID()));

  function kill(which: (process: MarkedProcess) => boolean): void {
    for (const { pid } of marked(mark).filter(which)) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // it ended with one killed before it
      }
    }
  }

  // What a failed test left.
  afterEach(() => kill(() => true));

  it(
    "leaves no process behind when npm and node are killed half way through a deployment",
    async () => {
      const { child, output } = startDemo(mark);
      const applies = () => marked(mark).some(({ name, command }) => name === "terraform" && / apply /.test(command));
      await until("terraform applies", 600, () => applies() || child.exitCode !== null);
      if (child.exitCode !== null) throw new Error(`the demo ended before it was killed:\n${output()}`);
      expect(marked(mark).some(({ name }) => name.startsWith("qemu"))).toBe(true);
      kill(({ name }) => /^(npm|node|MainThread)/.test(name));
      await until("every process of the demo is gone", 15, () => marked(mark).length === 0);
    },
    15 * 60_000,
  );

  it(
    "holds every check from the first deployment to the box as it was",
    async () => {
      const json = path.join(fs.mkdtempSync(path.join(os.tmpdir(), "demo-")), "demo.json");
      const { child, output } = startDemo(mark, ["--json", json]);
      const status = await new Promise((resolve) => child.once("close", resolve));
      const report = JSON.parse(fs.readFileSync(json, "utf8")) as { held: boolean; checks: Check[] };
      if (status !== 0) console.error(output());
      expect(report.checks.filter(({ held }) => !held)).toEqual([]);
      expect({ status, held: report.held }).toEqual({ status: 0, held: true });
      await until("every process of the demo is gone", 15, () => marked(mark).length === 0);
      fs.rmSync(path.dirname(json), { recursive: true });
    },
    20 * 60_000,
  );
});
