// `npm test`: everything, group by group; at the end what failed and why in short, what was skipped, each group's time
// and one closing line.
// `npm test -- unit lint` runs only the groups named; `npm run test:full` adds the tests that take long, which look at
// DUAL_TUNNEL_VPN_TEST and else are skipped with the reason in their names.
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

interface JestTotals {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numFailedTestSuites: number;
  testResults: {
    message: string;
    assertionResults: { fullName: string; status: string; failureMessages: string[] }[];
  }[];
}

const root = path.resolve(__dirname, "..");
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "dual-tunnel-vpn-test-"));

function run(bin: string, args: string[]): boolean {
  const { status } = spawnSync(process.execPath, [path.join(root, "node_modules/.bin", bin), ...args], {
    cwd: root,
    stdio: "inherit",
  });
  return status === 0;
}

const totals = { passed: 0, failed: 0, skipped: 0 };
const skipped: string[] = [];
const failed: string[] = [];

/** The beginning of a long reason: the end of the log is where people look, and the whole stands further up. */
function beginning(text: string): string {
  const lines = text.split("\n").map((line) => `  ${line.length > 200 ? `${line.slice(0, 200)}…` : line}`);
  return [...lines.slice(0, 30), ...(lines.length > 30 ? ["  …"] : [])].join("\n");
}

function jest(project: string, args: string[] = []): boolean {
  const results = path.join(scratch, `${project}.json`);
  const ok = run("jest", ["--selectProjects", project, "--json", "--outputFile", results, ...args]);
  if (!fs.existsSync(results)) {
    totals.failed += 1;
    return false;
  }
  const counted = JSON.parse(fs.readFileSync(results, "utf8")) as JestTotals;
  totals.passed += counted.numPassedTests;
  totals.failed += counted.numFailedTests + (counted.numFailedTests === 0 ? counted.numFailedTestSuites : 0);
  totals.skipped += counted.numPendingTests;
  for (const { message, assertionResults } of counted.testResults) {
    if (assertionResults.length === 0 && message) failed.push(`FAILED    ${beginning(message)}`);
    for (const { fullName, status, failureMessages } of assertionResults) {
      if (status === "pending") skipped.push(`skipped   ${fullName}`);
      if (status === "failed") failed.push(`FAILED    ${fullName}\n${beginning(failureMessages.join("\n"))}`);
    }
  }
  return ok;
}

/** A group without test cases of its own counts as one. */
function check(ok: boolean): boolean {
  totals[ok ? "passed" : "failed"] += 1;
  return ok;
}

const groups: Record<string, () => boolean> = {
  format: () => check(run("prettier", ["--check", "--log-level", "warn", "."])),
  types: () => check(run("tsc", ["-p", "tsconfig.json"])),
  lint: () => check(run("eslint", ["."])),
  unit: () => jest("unit"),
  docs: () => jest("docs", ["--ci"]),
  packaging: () => jest("packaging", ["--runInBand"]),
  lab: () => jest("lab", ["--runInBand", "--reporters=default", "--reporters=./scripts/each-test-reporter.js"]),
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in groups));
if (unknown.length > 0) {
  console.error(`test: there is no group ${unknown.join(", ")}; the groups are ${Object.keys(groups).join(", ")}.`);
  process.exit(2);
}

try {
  const lines: string[] = [];
  let ok = true;
  for (const [name, group] of Object.entries(groups)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    console.log(`\n=== ${name}`);
    const began = Date.now();
    const passed = group();
    ok &&= passed;
    lines.push(
      `${name.padEnd(9)} ${passed ? "passed" : "FAILED"} ${((Date.now() - began) / 1000).toFixed(0).padStart(6)} s`,
    );
  }
  console.log(
    `\n${[...failed, ...skipped, ...lines].join("\n")}\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`,
  );
  process.exitCode = ok ? 0 : 1;
} finally {
  fs.rmSync(scratch, { recursive: true, force: true });
}
