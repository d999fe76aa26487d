// Runs the Python tests of the lab's traffic as part of the unit tests.
import { spawnSync } from "node:child_process";
import * as path from "node:path";

it("passes the Python tests of the lab's traffic", () => {
  const run = spawnSync("python3", ["-W", "error::ResourceWarning", "-m", "unittest", "discover", "-s", __dirname], {
    encoding: "utf8",
    env: {
      ...process.env,
      PYTHONDONTWRITEBYTECODE: "1",
      PYTHONPATH: path.join(__dirname, "../../lab/traffic"),
    },
  });
  if (run.status !== 0) throw new Error(`${run.error?.message ?? ""}\n${run.stdout}${run.stderr}`);
  expect(run.stderr).toMatch(/Ran [1-9]\d* tests/);
}, 60_000);
