// Runs the Python tests of what runs on the box (installing, changing, removing) as part of the unit tests.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import * as path from "node:path";

const modules = readdirSync(__dirname).filter((name) => /^test_.*\.py$/.test(name));

it.each(modules)(
  "passes the tests in %s",
  (name) => {
    const run = spawnSync("python3", ["-W", "error::ResourceWarning", "-m", "unittest", `box.${name.slice(0, -3)}`], {
      cwd: path.join(__dirname, ".."),
      encoding: "utf8",
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" },
    });
    if (run.status !== 0) throw new Error(`${run.error?.message ?? ""}\n${run.stdout}${run.stderr}`);
  },
  60_000,
);

it("is written for the oldest Python that a supported box has, 3.9", () => {
  const assets = path.join(__dirname, "../../assets");
  const files = readdirSync(assets, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".py") || name === "dual-tunnel-vpn")
    .map((name) => path.join(assets, name));
  const script =
    "import ast, sys\nfor name in sys.argv[1:]: ast.parse(open(name).read(), name, feature_version=(3, 9))";
  const run = spawnSync("python3", ["-c", script, ...files], { encoding: "utf8" });
  expect(run.stderr).toBe("");
  expect(run.status).toBe(0);
});
