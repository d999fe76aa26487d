// The scripts that Terraform runs on a box, run here: what somebody adds to one is never executed.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { configurationSteps, uninstallSteps } from "../../lib/host/provisioners";

const connection = { type: "ssh" as const, host: "box.example.com" };
const steps = [
  ...configurationSteps({ name: "singapore", connection, assets: "assets", files: {} }),
  ...uninstallSteps(connection),
];
const scripts = steps.flatMap((step) => ("inline" in step ? [step.inline!] : []));
const shells = ["dash", "bash"].filter((shell) => spawnSync(shell, ["-c", ":"]).status === 0);

describe.each(shells)("a script of Terraform's, run by %s", (shell) => {
  let directory: string;
  let script: string;
  beforeEach(() => {
    directory = fs.mkdtempSync(path.join(os.tmpdir(), "provisioners-"));
    script = path.join(directory, "script.sh");
  });
  afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

  /** Runs a script whose own work is replaced by waiting for a line. */
  async function whileRunning(lines: readonly string[], meddle: (descriptor: number) => void): Promise<number> {
    const [open, close] = [lines.indexOf("("), lines.lastIndexOf(")")];
    const text = [...lines.slice(0, open + 1), "echo began; read -r line; exit 7", ...lines.slice(close)];
    fs.writeFileSync(script, `#!/bin/sh\n${text.join("\n")}\n`);
    const descriptor = fs.openSync(script, "a");
    const child = spawn(shell, [script], { stdio: ["pipe", "pipe", "inherit"] });
    await once(child.stdout, "data");
    meddle(descriptor);
    fs.closeSync(descriptor);
    child.stdin.end("go on\n");
    const [status] = (await once(child, "exit")) as [number];
    return status;
  }

  it.each(scripts.map((lines, index) => [index + 1, lines] as const))(
    "executes nothing that is added to it while it runs, and ends as its work does (%#)",
    async (_, lines) => {
      const owned = path.join(directory, "owned");
      const status = await whileRunning(lines, (descriptor) => fs.writeSync(descriptor, `\n: >${owned}\n`));
      expect(status).toBe(7);
      expect(fs.existsSync(owned)).toBe(false);
    },
  );

  it("is gone while it runs, and so is the empty file that Terraform puts in its place afterwards", async () => {
    await whileRunning(scripts[0], () => expect(fs.existsSync(script)).toBe(false));
    fs.writeFileSync(script, "");
    for (const deadline = Date.now() + 9000; fs.existsSync(script); await delay(50)) {
      if (Date.now() > deadline) throw new Error("the empty file is still there");
    }
  }, 15_000);
});

it("is four scripts: the first, the installer's, the last and the one at destroy", () =>
  expect(scripts).toHaveLength(4));
