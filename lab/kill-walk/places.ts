// Where the walk cuts: places are chosen by a seed, spread evenly over operations, kinds of cut and steps.
import { createHash } from "node:crypto";

/** What is cut: the SSH session, which tells the programs; all of them at once, which are told nothing; the power. */
export const CUTS = ["session", "programs", "power"] as const;
export type Cut = (typeof CUTS)[number];

/** A step that the stepper told. */
export interface Step {
  readonly number: number;
  readonly what: string;
  readonly by: string;
}

/** Before which step of which operation something is cut. */
export interface Place {
  readonly operation: string;
  readonly cut: Cut;
  /** From 1. */
  readonly step: number;
}

/** A number from 0 to below 1 that these words alone decide. */
function fraction(...words: readonly (string | number)[]): number {
  return createHash("sha256").update(words.join("\0")).digest().readUIntBE(0, 6) / 2 ** 48;
}

function shuffled<T>(items: readonly T[], ...words: readonly (string | number)[]): T[] {
  const keyed = items.map((item, index) => ({ item, key: fraction(...words, index) }));
  return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item);
}

/** How many of the places each operation has: as equal as can be, whose one more it is being the seed's. */
export function shares(operations: readonly string[], places: number, seed: number): Map<string, number> {
  const order = shuffled(operations, seed, "operations");
  return new Map(
    order.map((id, index): [string, number] => [id, Math.floor((places + order.length - 1 - index) / order.length)]),
  );
}

/**
 * One place in each of as many parts of the operation as there are to be places; each kind of cut has each part of the
 * operation in turn.
 */
export function choose(operation: string, steps: number, places: number, seed: number): Place[] {
  const first = Math.floor(fraction(seed, operation) * CUTS.length);
  return Array.from({ length: Math.min(places, steps) }, (_, part) => {
    const [from, to] = [part, part + 1].map((edge) => Math.floor((edge * steps) / Math.min(places, steps)));
    const step = 1 + from + Math.floor(fraction(seed, operation, part) * (to - from));
    return { operation, cut: CUTS[(first + part) % CUTS.length], step };
  });
}

/** The place as a person is told it. */
export function inWords({ operation, cut }: Place, step: Step, steps: number): string {
  const program = step.by === "" ? "" : ` by ${step.by}`;
  return `${operation}: ${cut} cut at step ${step.number} of ${steps}, before "${step.what}"${program}`;
}
