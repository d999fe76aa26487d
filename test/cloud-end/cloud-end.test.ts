// Runs the Python tests of the cloud end's daemon (dialect, decisions, fences) as part of the unit tests.
import { spawnSync } from "node:child_process";
import * as path from "node:path";

const root = path.join(__dirname, "../..");

it("passes the Python tests of the cloud end's daemon", () => {
  const run = spawnSync("python3", ["-W", "error::ResourceWarning", "-m", "unittest", "discover", "-s", __dirname], {
    encoding: "utf8",
    env: {
      ...process.env,
      PYTHONDONTWRITEBYTECODE: "1",
      PYTHONPATH: [path.join(root, "lab/cloud-end"), path.join(root, "assets")].join(path.delimiter),
    },
  });
  if (run.status !== 0) throw new Error(`${run.error?.message ?? ""}\n${run.stdout}${run.stderr}`);
  expect(run.stderr).toMatch(/Ran \d\d tests/);
}, 60_000);
