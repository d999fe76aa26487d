// `npm test`: everything; at the end what failed and why in short, what was skipped, each group's time and one closing
// line. First the groups that need no lab, side by side, since they wait for programs and the registry; then tests in two
// labs side by side (three end later: they want more than two cores have); then, apart from what works hard, those that
// measure time.
// `npm test -- unit lint` runs only the groups named; `npm run test:full` adds the tests that take long, which look at
// DUAL_TUNNEL_VPN_TEST and else are skipped with the reason in their names, and has the labs' tests on each Debian of the
// box: the groups that end in a system's name.
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { SYSTEM_VARIABLE, systemIds, SYSTEMS, USUAL_SYSTEM, type SystemId } from "../lab/image/systems";
import { findings } from "./lint/findings";
import { Linters } from "./lint/linters";
import { sourcesOf } from "./lint/sources";

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

/** Runs a program of node_modules. What it prints passes through a pipe: two on one terminal would draw over each other. */
function run(bin: string, args: string[], env = process.env): Promise<boolean> {
  const child = spawn(process.execPath, [path.join(root, "node_modules/.bin", bin), ...args], {
    cwd: root,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.stdout.pipe(process.stdout, { end: false });
  child.stderr.pipe(process.stderr, { end: false });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status) => resolve(status === 0));
  });
}

const totals = { passed: 0, failed: 0, skipped: 0 };
const skipped: string[] = [];
const failed: string[] = [];

const groupOf = (project: string, system?: SystemId) => (system ? `${project}-${system}` : project);

/** The beginning of a long reason: the end of the log is where people look, and the whole stands further up. */
function beginning(text: string): string {
  const lines = text.split("\n").map((line) => `  ${line.length > 200 ? `${line.slice(0, 200)}…` : line}`);
  return [...lines.slice(0, 30), ...(lines.length > 30 ? ["  …"] : [])].join("\n");
}

async function jest(project: string, args: string[], system?: SystemId): Promise<boolean> {
  const results = path.join(scratch, `${groupOf(project, system)}.json`);
  const env = system ? { ...process.env, [SYSTEM_VARIABLE]: system } : process.env;
  const ok = await run("jest", ["--selectProjects", project, "--json", "--outputFile", results, ...args], env);
  if (!fs.existsSync(results)) {
    totals.failed += 1;
    return false;
  }
  const counted = JSON.parse(fs.readFileSync(results, "utf8")) as JestTotals;
  totals.passed += counted.numPassedTests;
  totals.failed += counted.numFailedTests + (counted.numFailedTests === 0 ? counted.numFailedTestSuites : 0);
  totals.skipped += counted.numPendingTests;
  for (const { message, assertionResults } of counted.testResults) {
    const where = system ? ` (on ${system})` : "";
    if (assertionResults.length === 0 && message) failed.push(`FAILED    ${beginning(message)}`);
    for (const { fullName, status, failureMessages } of assertionResults) {
      if (status === "pending") skipped.push(`skipped   ${fullName}${where}`);
      if (status === "failed") failed.push(`FAILED    ${fullName}${where}\n${beginning(failureMessages.join("\n"))}`);
    }
  }
  return ok;
}

/** A group without test cases of its own counts as one. */
async function check(result: Promise<boolean>): Promise<boolean> {
  const ok = await result;
  totals[ok ? "passed" : "failed"] += 1;
  return ok;
}

async function lintPythonAndShell(): Promise<boolean> {
  try {
    const found = await findings(root, sourcesOf(root), await Linters.installed());
    process.stderr.write(found);
    return found === "";
  } catch (error) {
    console.error((error as Error).message);
    return false;
  }
}

async function lint(): Promise<boolean> {
  const typeScript = await check(run("eslint", ["."]));
  return (await check(lintPythonAndShell())) && typeScript;
}

/** The longest first. */
const groups: Record<string, () => Promise<boolean>> = {
  terraform: () => jest("terraform", ["--maxWorkers=1"]),
  packaging: () => jest("packaging", ["--runInBand"]),
  unit: () => jest("unit", ["--maxWorkers=1"]),
  docs: () => jest("docs", ["--ci", "--maxWorkers=1"]),
  lint,
  types: () => check(run("tsc", ["-p", "tsconfig.json"])),
  format: () => check(run("prettier", ["--check", "--log-level", "warn", "."])),
};

const EACH = ["--reporters=default", "--reporters=./scripts/each-test-reporter.js"];

const LABS: Record<string, string[]> = {
  lab: ["--maxWorkers=2", "--testSequencer=./scripts/longest-first.js", ...EACH],
  timed: ["--maxWorkers=2", ...EACH],
};

/** The labs' groups on a system; none: on that which labs have. */
const labsOn = (system?: SystemId) =>
  Object.entries(LABS).map(([project, args]): [string, () => Promise<boolean>] => [
    groupOf(project, system),
    () => jest(project, args, system),
  ]);

const labs = labsOn();
/** Most of the labs' tests speak to apt: another system's box has a test of its own among them. */
const labsElsewhere = systemIds()
  .filter((id) => id !== USUAL_SYSTEM && SYSTEMS[id].manager === "apt")
  .flatMap((id) => labsOn(id));

const FULL = process.env.DUAL_TUNNEL_VPN_TEST === "full";
const wanted = process.argv.slice(2);
const known = [...Object.entries(groups), ...labs, ...labsElsewhere].map(([name]) => name);
const unknown = wanted.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  console.error(`test: there is no group ${unknown.join(", ")}; the groups are ${known.join(", ")}.`);
  process.exit(2);
}

const lines: string[] = [];
let ok = true;

async function timed(name: string, group: () => Promise<boolean>): Promise<void> {
  const began = Date.now();
  console.log(`=== ${name}`);
  const passed = await group();
  ok &&= passed;
  const seconds = ((Date.now() - began) / 1000).toFixed(0).padStart(6);
  lines.push(`${name.padEnd(9)} ${passed ? "passed" : "FAILED"} ${seconds} s`);
  console.log(`=== ${lines.at(-1)}`);
}

/** Runs groups, so many at a time, each when a place becomes free. */
async function pool(places: number, entries: [string, () => Promise<boolean>][]): Promise<void> {
  const left = entries.filter(([name]) => wanted.length === 0 || wanted.includes(name));
  const place = async () => {
    for (let next = left.shift(); next; next = left.shift()) await timed(...next);
  };
  await Promise.all(Array.from({ length: places }, place));
}

async function main(): Promise<void> {
  const began = Date.now();
  try {
    await pool(2, Object.entries(groups));
    await pool(1, labs);
    if (FULL || wanted.length > 0) await pool(1, labsElsewhere);
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
  }
  const minutes = ((Date.now() - began) / 60_000).toFixed(1);
  console.log(
    `\n${[...failed, ...skipped, ...lines].join("\n")}\n` +
      `${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped, in ${minutes} minutes`,
  );
  process.exitCode = ok ? 0 : 1;
}

void main();
