// What became of each of the lab's tests on this machine, a line of JSON each: kept by the reporter, read by `npm run guests`.
import * as fs from "node:fs";
import * as path from "node:path";
import { cacheDirectory } from "../lab/cache";
import { systemIds, systemOfEnvironment } from "../lab/image/systems";

/** One test, as it ended. */
export interface Outcome {
  /** When, as ISO 8601 has it. */
  readonly at: string;
  /** The lab's box's. */
  readonly system: string;
  /** The file's name without `.test.ts`. */
  readonly file: string;
  /** The names of the test and of what it lies in. */
  readonly title: string;
  /** Jest's word: passed, failed, pending. */
  readonly status: string;
}

/** Where they are kept. */
export const OUTCOMES = path.join(cacheDirectory(), "lab-outcomes.jsonl");

const IN_LAB = /\/test\/lab\/([^/]+)\.test\.ts$/;

/** Keeps what became of a file's tests, if it is one of the lab's. */
export function keepOutcomes(file: string, tests: readonly { fullName: string; status: string }[]): void {
  const [, name] = IN_LAB.exec(file) ?? [];
  if (name === undefined) return;
  const at = new Date().toISOString();
  // A file that has a system in its name is about that one.
  const system = systemIds().find((id) => name === `box-${id}`) ?? systemOfEnvironment();
  const lines = tests.map(({ fullName, status }) =>
    JSON.stringify({ at, system, file: name, title: fullName, status } satisfies Outcome),
  );
  fs.mkdirSync(path.dirname(OUTCOMES), { recursive: true });
  fs.appendFileSync(OUTCOMES, lines.map((line) => `${line}\n`).join(""));
}

/** All that were kept, the newest last. */
export function readOutcomes(): Outcome[] {
  if (!fs.existsSync(OUTCOMES)) return [];
  const lines = fs.readFileSync(OUTCOMES, "utf8").trim().split("\n");
  return lines.filter(Boolean).map((line) => JSON.parse(line) as Outcome);
}
