// Tables in docs/ name a test for each of their lines; these functions say whether such a test is there.
import * as fs from "node:fs";
import * as path from "node:path";
import { ROOT } from "./project";

/** The rows of the last table of a file in docs/, a list of cells each. */
export function rowsOf(file: string): string[][] {
  const tables: string[][][] = [];
  let within = false;
  for (const line of fs.readFileSync(path.join(ROOT, "docs", file), "utf8").split("\n")) {
    const row = line.startsWith("|");
    if (row && !within) tables.push([]);
    if (row)
      tables.at(-1)?.push(
        line
          .split("|")
          .slice(1, -1)
          .map((cell) => cell.trim()),
      );
    within = row;
  }
  return (tables.at(-1) ?? []).slice(2);
}

/** What is wrong with "`file`: name of a test" or "fault `id`"; empty when the test is there. */
export function missing(test: string): string {
  const [, fault] = /^fault `([\w-]+)`$/.exec(test) ?? [];
  if (fault !== undefined) {
    const file = `lab/faults/catalogue/${fault}.ts`;
    return fs.existsSync(path.join(ROOT, file)) ? "" : `${file} is not there`;
  }
  const [, file, name] = /^`([\w./-]+)`: (.+)$/.exec(test) ?? [];
  if (file === undefined) return `"${test}" names no test`;
  if (!fs.existsSync(path.join(ROOT, file))) return `${file} is not there`;
  // A test's name may stand on a line of its own.
  const source = fs.readFileSync(path.join(ROOT, file), "utf8").replace(/\(\s+"/g, '("');
  const declared = file.endsWith(".py") ? `def ${name}(` : `("${name}",`;
  return source.includes(declared) ? "" : `${file} has no test "${name}"`;
}
