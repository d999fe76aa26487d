// docs/guests.md says of each file of the lab's tests on which systems it was run; this one fails when a file is left out.
import * as fs from "node:fs";
import * as path from "node:path";
import { SYSTEMS } from "../../lab/image/systems";
import { ROOT } from "./project";

const page = fs.readFileSync(path.join(ROOT, "docs/guests.md"), "utf8");
const [, head] = /^(\| tests \|.*)$/m.exec(page) ?? [];
const files = fs.readdirSync(path.join(ROOT, "test/lab")).filter((name) => name.endsWith(".test.ts"));

it("has a column for each system of the lab's box", () => {
  for (const { name } of Object.values(SYSTEMS)) expect(head).toContain(`| ${name} |`);
});

it.each(files)("says on which systems %s was run", (file) => {
  const rows = page.split("\n").filter((line) => line.startsWith(`| \`${file.replace(".test.ts", "")}\` `));
  expect(rows).toHaveLength(1);
  expect(rows[0].split("|")).toHaveLength((head ?? "").split("|").length);
});
