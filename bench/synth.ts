// `npm run bench -- synth [--json FILE]`: what our constructs cost at synth beside the generated classes used by hand,
// what loading the library costs, and what the example's `cdktf synth` costs beside an empty stack's.
// Every measurement is a fresh process; the two sides take turns, and a ratio is the median of the pairs' ratios, so that
// a machine whose speed drifts does not bend it.
import { execFileSync, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import ts from "typescript";
import type { Measurement } from "./synth/measured";

const ROOT = path.resolve(__dirname, "..");
const PACKAGE = "cdktf-alicloud-dual-tunnel-vpn";
/** How often each side is measured, by the number of sites. */
const RUNS: Readonly<Record<number, number>> = { 1: 25, 10: 21, 100: 11, 500: 7 };
const COUNTS = [1, 10, 100, 500];
const LOAD_RUNS = 21;
const COMMAND_RUNS = 9;

/** One line of the table: a ratio and what it must not exceed. */
interface Line {
  readonly what: string;
  readonly ours: number;
  readonly theirs: number;
  readonly unit: string;
  readonly ratio: number;
  readonly target: number;
}

export async function benchSynth(args: string[]): Promise<boolean> {
  const { values } = parseArgs({ args, options: { json: { type: "string" } } });
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "dual-tunnel-vpn-bench-"));
  try {
    execFileSync("npm", ["run", "--silent", "build"], { cwd: ROOT, stdio: ["ignore", "ignore", "inherit"] });
    compile(scratch);
    const lines = [...synthesis(scratch), loading(scratch), command(scratch)];
    print(lines);
    if (values.json !== undefined) {
      const machine = { cpus: os.cpus().length, model: os.cpus()[0].model, node: process.version };
      fs.writeFileSync(values.json, JSON.stringify({ date: new Date().toISOString(), machine, lines }, null, 2) + "\n");
    }
    return lines.every(({ ratio, target }) => ratio <= target);
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
  }
}

/** Puts the programs to be measured, as JavaScript, into a project that has the built library like a customer's. */
function compile(project: string): void {
  const modules = path.join(project, "node_modules");
  fs.mkdirSync(path.join(modules, "@cdktf"), { recursive: true });
  fs.symlinkSync(ROOT, path.join(modules, PACKAGE));
  for (const name of ["cdktf", "constructs", "@cdktf/provider-null"]) {
    fs.symlinkSync(path.join(ROOT, "node_modules", name), path.join(modules, name));
  }
  for (const file of fs.readdirSync(path.join(__dirname, "synth"))) {
    const source = fs
      .readFileSync(path.join(__dirname, "synth", file), "utf8")
      .replace(/"\.\.\/\.\.\/lib\/(.*?)"/g, (_, module: string) => JSON.stringify(path.join(ROOT, "dist/lib", module)));
    const { outputText } = ts.transpileModule(source, {
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.CommonJS, esModuleInterop: true },
    });
    fs.writeFileSync(path.join(project, file.replace(/\.ts$/, ".js")), outputText);
  }
}

function measured(project: string, ...args: string[]): Measurement {
  const output = run(process.execPath, ["measured.js", ...args], project);
  return JSON.parse(output) as Measurement;
}

function run(program: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}): string {
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd,
    encoding: "utf8",
    env: { ...process.env, CHECKPOINT_DISABLE: "1", ...env },
  });
  if (status !== 0) throw new Error(`${[program, ...args].join(" ")} ended with ${status}:\n${stdout}${stderr}`);
  return stdout;
}

/** Measures both sides so often, by turns. */
function byTurns<T>(runs: number, ours: () => T, theirs: () => T): { ours: T[]; theirs: T[] } {
  const results: { ours: T[]; theirs: T[] } = { ours: [], theirs: [] };
  for (let i = 0; i < runs; i += 1) {
    results.ours.push(ours());
    results.theirs.push(theirs());
  }
  return results;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function line(what: string, unit: string, ours: readonly number[], theirs: readonly number[], target: number): Line {
  const ratio = median(ours.map((one, index) => one / theirs[index]));
  return { what, unit, ours: median(ours), theirs: median(theirs), ratio, target };
}

/** The line of the clock and that of the processors, which says more on a machine with other work. */
function times(what: string, ours: readonly Measurement[], theirs: readonly Measurement[]): [Line, Line] {
  const of = (unit: "milliseconds" | "cpuMilliseconds", name: string) =>
    line(
      `${what}, ${name}`,
      "ms",
      ours.map((one) => one[unit]),
      theirs.map((one) => one[unit]),
      1.15,
    );
  return [of("milliseconds", "time"), of("cpuMilliseconds", "processor time")];
}

function synthesis(project: string): Line[] {
  const stackJson = (out: string) => path.join(project, out, "stacks/bench/cdk.tf.json");
  measured(project, "ours", "1", "one-site");
  const perSite: Record<number, number> = {};
  const ratios: Record<number, number> = {};
  const lines = COUNTS.flatMap((count) => {
    const { ours, theirs } = byTurns(
      RUNS[count],
      () => measured(project, "ours", String(count), "ours"),
      () =>
        measured(project, "by-hand", String(count), "by-hand", stackJson("one-site"), path.join(ROOT, "dist/assets")),
    );
    const difference = firstDifference(content(stackJson("ours")), content(stackJson("by-hand")));
    if (difference) throw new Error(`what is made by hand differs from what our constructs make, at ${difference}`);
    const sites = `${count} ${count === 1 ? "site" : "sites"}`;
    const [time, cpu] = times(sites, ours, theirs);
    perSite[count] = cpu.ours / count;
    ratios[count] = cpu.ratio;
    const memory = line(
      `${sites}, peak memory`,
      "MiB",
      ours.map((one) => one.peakKib / 1024),
      theirs.map((one) => one.peakKib / 1024),
      1.15,
    );
    return [time, cpu, memory];
  });
  const compare = (what: string, unit: string, at500: number, at100: number, target: number): Line => ({
    what,
    unit,
    ours: at500,
    theirs: at100,
    ratio: at500 / at100,
    target,
  });
  return [
    ...lines,
    compare("processor time per site, at 500 beside at 100", "ms", perSite[500], perSite[100], 1.1),
    compare("its ratio to by hand, at 500 beside at 100", "", ratios[500], ratios[100], 1),
  ];
}

/** A stack's JSON without the comments of cdktf, in which construct paths stand. */
function content(file: string): unknown {
  return JSON.parse(fs.readFileSync(file, "utf8"), (key, value: unknown) => (key === "//" ? undefined : value));
}

function firstDifference(a: unknown, b: unknown, at = ""): string | undefined {
  if (a === b) return undefined;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) {
    return `${at}: ${JSON.stringify(a)} and ${JSON.stringify(b)}`;
  }
  const [left, right] = [a, b] as Record<string, unknown>[];
  for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) {
    const difference = firstDifference(left[key], right[key], `${at}/${key}`);
    if (difference) return difference;
  }
  return undefined;
}

function loading(project: string): Line {
  const { ours, theirs } = byTurns(
    LOAD_RUNS,
    () => measured(project, "load", PACKAGE).milliseconds,
    () => measured(project, "load", "cdktf").milliseconds,
  );
  return line("loading the library beside cdktf alone", "ms", ours, theirs, 1.15);
}

/** The example's `cdktf synth` beside that of an empty stack whose app is compiled. */
function command(project: string): Line {
  const cdktf = path.join(ROOT, "node_modules/cdktf-cli/bundle/bin/cdktf");
  const empty = path.join(project, "empty");
  fs.mkdirSync(empty);
  fs.symlinkSync(path.join(ROOT, "node_modules"), path.join(empty, "node_modules"));
  fs.writeFileSync(
    path.join(empty, "main.js"),
    'const { App, TerraformStack } = require("cdktf");\nconst app = new App();\nnew TerraformStack(app, "empty");\napp.synth();\n',
  );
  const settings = JSON.parse(fs.readFileSync(path.join(ROOT, "cdktf.json"), "utf8")) as object;
  fs.writeFileSync(path.join(empty, "cdktf.json"), JSON.stringify({ ...settings, app: "node main.js" }));
  const synth = (cwd: string, out: string) => {
    fs.rmSync(out, { recursive: true, force: true });
    const began = performance.now();
    run(process.execPath, [cdktf, "synth", "--output", out], cwd);
    return performance.now() - began;
  };
  const { ours, theirs } = byTurns(
    COMMAND_RUNS,
    () => synth(ROOT, path.join(project, "example.out")),
    () => synth(empty, path.join(project, "empty.out")),
  );
  return line("the example's cdktf synth beside an empty stack's", "ms", ours, theirs, 1.1);
}

function print(lines: readonly Line[]): void {
  const table = new Table({
    head: ["", "ours", "beside", "ratio", "target", ""],
    colAligns: ["left", "right", "right", "right", "right", "left"],
    style: { head: [], border: [] },
  });
  for (const { what, unit, ours, theirs, ratio, target } of lines) {
    const number = (value: number) => `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${unit}`.trim();
    table.push([what, number(ours), number(theirs), ratio.toFixed(3), `<= ${target}`, ratio <= target ? "" : "missed"]);
  }
  console.log(table.toString());
}
