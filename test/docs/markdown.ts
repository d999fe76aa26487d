// Finds the examples of a Markdown file. `<!-- example: NAME -->` above a fence of TypeScript names the example;
// `<!-- example: NAME FILE -->` makes the fence a file of it (else main.ts), so that an example may have several.
import * as fs from "node:fs";

export interface Fence {
  /** Line of the fence in the Markdown file, from 1. */
  readonly line: number;
  /** Undefined when no marker stands above the fence. */
  readonly example?: string;
  readonly file: string;
  readonly code: string;
}

const MARKER = /^<!-- example: ([a-z0-9-]+)(?: ([\w.-]+))? -->$/;

/** The fences of TypeScript in a Markdown file. */
export function fencesIn(markdown: string): Fence[] {
  const lines = fs.readFileSync(markdown, "utf8").split("\n");
  const fences: Fence[] = [];
  for (let at = 0; at < lines.length; at += 1) {
    if (!/^```(ts|typescript)$/.test(lines[at].trim())) continue;
    const end = lines.indexOf("```", at + 1);
    const [, example, file] = MARKER.exec(lines[at - 1]?.trim() ?? "") ?? [];
    fences.push({
      line: at + 1,
      example,
      file: file ?? "main.ts",
      code: lines
        .slice(at + 1, end)
        .concat("")
        .join("\n"),
    });
    at = end;
  }
  return fences;
}
