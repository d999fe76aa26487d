// Every fault there is, by its id: the name of its file.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Fault } from "../fault";

export const FAULTS: ReadonlyMap<string, Fault> = new Map(
  readdirSync(__dirname)
    .filter((file) => file.endsWith(".ts") && file !== "index.ts")
    .sort()
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- files found by looking, so that a new fault is a new file and nothing else
    .map((file) => [file.replace(/\.ts$/, ""), (require(join(__dirname, file)) as { default: Fault }).default]),
);
