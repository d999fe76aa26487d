// Programs started by lab/process.ts end with us, whatever kills us.
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { runBound, signalBound, spawnBound } from "../../lab/process";

const root = path.resolve(__dirname, "../..");

/** All processes whose command line holds the marker. */
function holding(marker: string): number[] {
  return fs
    .readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(marker);
      } catch {
        return false;
      }
    })
    .map(Number);
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const end = Date.now() + 20_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`not within 20 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A Node process of its own that calls spawnBound as `code` says. */
function parent(code: string): ChildProcess {
  const program = `
    require(${JSON.stringify(path.join(root, "node_modules/ts-node"))}).register({ transpileOnly: true, projectSearchDir: ${JSON.stringify(root)} });
    const { spawnBound } = require(${JSON.stringify(path.join(root, "lab/process.ts"))});
    ${code}`;
  return spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
}

const line = (child: ChildProcess): Promise<string> =>
  new Promise((resolve) => child.stdout?.once("data", (chunk: Buffer) => resolve(chunk.toString())));

let markers = 0;
/** A number of seconds that no other process sleeps: finds the test's own processes in the host's list. */
const newMarker = () => `9${process.pid}.${++markers}`;

/** A program that starts a grandchild in a session of its own; both sleep, recognisable by the marker. */
const family = (marker: string) => `setsid sleep ${marker} & echo up; exec sleep ${marker}`;

it("lets nothing outlive a parent that is killed, not even a grandchild in a session of its own", async () => {
  const marker = newMarker();
  const script = JSON.stringify(family(marker));
  const child = parent(`spawnBound("sh", ["-c", ${script}], { stdio: ["ignore", "inherit", "inherit"] });`);
  await line(child);
  // The parent's own command line holds the marker too.
  await until(() => holding(marker).length >= 4, "parent, wrappers, program and grandchild run");
  child.kill("SIGKILL");
  await until(() => holding(marker).length === 0, "all have ended");
}, 60_000);

it("would leave them behind without the bond", async () => {
  const marker = newMarker();
  const script = JSON.stringify(family(marker));
  const child = parent(
    `require("node:child_process").spawn("sh", ["-c", ${script}], { stdio: ["ignore", "inherit", "inherit"] });`,
  );
  await line(child);
  await until(() => holding(marker).length >= 3, "parent, program and grandchild run");
  child.kill("SIGKILL");
  await new Promise((resolve) => child.once("exit", resolve));
  const left = holding(marker).filter((pid) => pid !== child.pid);
  left.forEach((pid) => process.kill(pid, "SIGKILL"));
  expect(left.length).toBeGreaterThan(0);
}, 60_000);

it("ends what a program leaves running when the program itself ends", async () => {
  const marker = newMarker();
  const { status } = await runBound("sh", ["-c", `sleep ${marker} >/dev/null 2>&1 & exit 4`]);
  expect(status).toBe(4);
  await until(() => holding(marker).length === 0, "the one left has ended");
});

it("passes a signal to the program itself", async () => {
  const child = spawnBound("sh", ["-c", "trap 'exit 5' TERM; echo up; while :; do sleep 0.05; done"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await line(child);
  signalBound(child, "SIGTERM");
  expect(await new Promise((resolve) => child.once("close", resolve))).toBe(5);
});

it("gives outputs, lines and exit status of a finished program", async () => {
  const lines: string[] = [];
  const finished = await runBound("sh", ["-c", "cat; echo err >&2; printf end; exit 3"], {
    input: "in\n",
    onLine: (text) => lines.push(text),
  });
  expect(finished).toEqual({ status: 3, stdout: "in\nend", stderr: "err\n" });
  expect(lines.sort()).toEqual(["end", "err", "in"]);
});

it("kills a program that does not end in time, with all it started", async () => {
  const marker = newMarker();
  await expect(runBound("sh", ["-c", family(marker)], { timeoutMs: 300 })).rejects.toThrow("did not end within 0.3 s");
  await until(() => holding(marker).length === 0, "all have ended");
});

it("runs node, terraform and ssh", async () => {
  const results = await Promise.all([
    runBound(process.execPath, ["-e", "require('fs').readFileSync('/proc/self/status')"]),
    runBound("terraform", ["version"], { env: { ...process.env, CHECKPOINT_DISABLE: "1" } }),
    runBound("ssh", ["-V"]),
  ]);
  expect(results.map((result) => result.status)).toEqual([0, 0, 0]);
});

it("says what is missing where util-linux is", () => {
  const program = `require("ts-node").register({ transpileOnly: true });
    try { require("./lab/process.ts").spawnBound("true"); } catch (error) { console.log(error.message); }`;
  const { stdout } = spawnSync(process.execPath, ["-e", program], {
    cwd: root,
    env: { PATH: "/nonexistent" },
    encoding: "utf8",
  });
  expect(stdout).toContain("install the package util-linux");
});
