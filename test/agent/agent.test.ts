// Runs the Python tests of what runs on the box (clients, state machine, loop) as part of the unit tests.
import { spawnSync } from "node:child_process";
import * as path from "node:path";

it("passes the Python tests of the failover agent and its clients", () => {
  const run = spawnSync("python3", ["-W", "error::ResourceWarning", "-m", "unittest", "discover", "-t", ".", "agent"], {
    cwd: path.join(__dirname, ".."),
    encoding: "utf8",
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" },
  });
  if (run.status !== 0) throw new Error(`${run.error?.message ?? ""}\n${run.stdout}${run.stderr}`);
}, 400_000);
