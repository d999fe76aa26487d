// `npm run bench -- kill-walk`: what is left of a box when an installation, a change or a removal is cut off anywhere.
import * as fs from "node:fs";
import { parseArgs } from "node:util";
import { OPERATIONS } from "../lab/kill-walk/operations";
import { CUTS, inWords, type Place } from "../lab/kill-walk/places";
import { KillWalk, type Outcome } from "../lab/kill-walk/walk";
import { machineOf } from "./failover/machine";
import { markdown } from "./markdown";

const HELP = `usage: npm run bench -- kill-walk [--places N] [--seed S] [--only a,b] [--json FILE [--resume]]
  --places N   cut at so many places, spread over ${OPERATIONS.map(({ id }) => id).join(", ")}
               and over what is cut: ${CUTS.join(", ")} (default 200)
  --seed S     another choice of places (default 1)
  --only a,b   only these operations
  --json FILE  write what came of each to FILE
  --resume     go on from FILE: what is in it is not cut once more`;

export async function benchKillWalk(args: string[]): Promise<boolean> {
  const { values } = parseArgs({
    args,
    options: {
      places: { type: "string", default: "200" },
      seed: { type: "string", default: "1" },
      only: { type: "string" },
      json: { type: "string" },
      resume: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return true;
  }
  const [places, seed] = [whole("--places", values.places, 1), whole("--seed", values.seed, 0)];
  if (values.resume && values.json === undefined) throw new Error("--resume goes on from a file; give it by --json.");
  const walk = new KillWalk({ log: (line) => console.log(line) });
  const outcomes = values.resume && values.json !== undefined ? read(values.json) : [];
  try {
    const chosen = await walk.places(places, seed, values.only?.split(","));
    const left = chosen.filter((place) => !outcomes.some((outcome) => isAt(outcome, place)));
    for (const place of left) {
      const outcome = await walk.cut(place);
      outcomes.push(outcome);
      console.log(`${outcomes.length} of ${chosen.length}: ${lineOf(outcome)}`);
      if (values.json !== undefined) {
        const content = { date: new Date().toISOString(), machine: await machineOf(walk.lab.box), seed, outcomes };
        fs.writeFileSync(values.json, JSON.stringify(content, null, 1) + "\n");
      }
    }
    console.log(`\n${new Date().toISOString().slice(0, 10)}; ${await machineOf(walk.lab.box)}\n${table(outcomes)}`);
  } finally {
    await walk.stop();
  }
  const broken = outcomes.filter((outcome) => outcome.broken.length > 0);
  console.log(`cut off at ${outcomes.length} places (seed ${seed}), left a broken box at ${broken.length}`);
  for (const outcome of broken) console.log(`broken: ${lineOf(outcome)}`);
  return broken.length === 0;
}

/** What an earlier run wrote; nothing where there was none. */
function read(file: string): Outcome[] {
  if (!fs.existsSync(file)) return [];
  return (JSON.parse(fs.readFileSync(file, "utf8")) as { readonly outcomes: Outcome[] }).outcomes;
}

function isAt(outcome: Outcome, { operation, cut, step }: Place): boolean {
  return outcome.operation === operation && outcome.cut === cut && outcome.step === step;
}

function whole(option: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least) {
    throw new Error(`${option} is ${text}; give a whole number from ${least}.`);
  }
  return value;
}

function lineOf(outcome: Outcome): string {
  const { at, broken, seconds } = outcome;
  const where = at
    ? inWords(outcome, at, outcome.steps)
    : `${outcome.operation}: had ended before step ${outcome.step}`;
  const told = broken.map((line) => `\n    ${line.replaceAll("\n", "\n    ")}`).join("");
  return `${where} (${seconds.toFixed(0)} s)${broken.length === 0 ? "" : `: BROKEN${told}`}`;
}

/** Places by operation and cut, those that left a broken box after a stroke. */
function table(outcomes: readonly Outcome[]): string {
  const cell = (chosen: readonly Outcome[]) =>
    `${chosen.length} / ${chosen.filter(({ broken }) => broken.length > 0).length}`;
  const rows = OPERATIONS.map(({ id, what }) => {
    const own = outcomes.filter(({ operation }) => operation === id);
    return [id, what, `${own[0]?.steps ?? ""}`, ...CUTS.map((cut) => cell(own.filter((each) => each.cut === cut)))];
  });
  return markdown(["operation", "what", "steps", ...CUTS.map((cut) => `${cut}: cut / broken`)], rows);
}
