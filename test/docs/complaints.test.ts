// docs/complaints.md names a test for each answer; this one fails when such a test is not there.
import * as fs from "node:fs";
import * as path from "node:path";
import { ROOT } from "./project";

const rows = fs
  .readFileSync(path.join(ROOT, "docs/complaints.md"), "utf8")
  .split("\n")
  .filter((line) => line.startsWith("|"))
  .slice(2)
  .map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );

it("has complaints to answer", () => {
  expect(rows.length).toBeGreaterThan(10);
});

it.each(rows)("names a test that exists: %s", (_complaint, _where, _answer, test) => {
  const [, file, name] = /^`([\w./-]+)`: (.+)$/.exec(test) ?? [];
  expect({ test, file, name }).toEqual({
    test,
    file: expect.any(String) as string,
    name: expect.any(String) as string,
  });
  // A test's name may stand on a line of its own.
  const source = fs.readFileSync(path.join(ROOT, file), "utf8").replace(/\(\s+"/g, '("');
  const declared = file.endsWith(".py") ? `def ${name}(` : `("${name}",`;
  expect(source).toContain(declared);
});
