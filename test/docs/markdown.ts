// What the documentation shows in fences, for tests to compile and to run. A comment above a fence says what it is:
// `<!-- example: NAME -->`         TypeScript, the file main.ts of an example
// `<!-- example: NAME FILE -->`    another file of it, so that an example may have several
// `<!-- recipe: NAME -->`          commands, run in a new directory; those of one name and page go on from each other
// `<!-- recipe: NAME FILE -->`     a file that the commands of the recipe need
// `<!-- by hand: REASON -->`       commands that no test runs, and why
import * as fs from "node:fs";

export interface Fence {
  /** Line of the fence in the Markdown file, from 1. */
  readonly line: number;
  /** `ts`, `sh` and so on; empty when the page does not say. */
  readonly language: string;
  /** Undefined when no marker stands above the fence. */
  readonly marker?: "example" | "recipe" | "by hand";
  /** Name of the example or recipe, or the reason. */
  readonly name: string;
  /** The file that the fence is, if it is one. */
  readonly file?: string;
  readonly code: string;
}

const MARKER = /^<!-- (example|recipe|by hand): (.+) -->$/;

/** The fences of a Markdown file. */
export function fencesIn(markdown: string): Fence[] {
  const lines = fs.readFileSync(markdown, "utf8").split("\n");
  const fences: Fence[] = [];
  for (let at = 0; at < lines.length; at += 1) {
    const [, language] = /^```(\w*)$/.exec(lines[at]) ?? [];
    if (language === undefined) continue;
    const end = lines.indexOf("```", at + 1);
    const [, marker, words = ""] = MARKER.exec(lines[at - 1]?.trim() ?? "") ?? [];
    const [name, file] = marker === "by hand" ? [words, undefined] : words.split(" ");
    fences.push({
      line: at + 1,
      language,
      marker: marker as Fence["marker"],
      name,
      file: file ?? (marker === "example" ? "main.ts" : undefined),
      code: lines
        .slice(at + 1, end)
        .concat("")
        .join("\n"),
    });
    at = end;
  }
  return fences;
}

/** The steps of a page's recipes by name, in the page's order: files of the example of the same name among them. */
export function recipesIn(markdown: string): Map<string, Fence[]> {
  const fences = fencesIn(markdown);
  const names = new Set(fences.filter(({ marker }) => marker === "recipe").map(({ name }) => name));
  return new Map(
    [...names].map((name) => [
      name,
      fences.filter((fence) => fence.name === name && (fence.marker === "recipe" || fence.marker === "example")),
    ]),
  );
}
