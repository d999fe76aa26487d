// docs/guests.md says of each file of the lab's tests on which systems it was run; this one fails when a file is left out,
// and when a table says what no run has shown.
import * as fs from "node:fs";
import * as path from "node:path";
import { SYSTEMS } from "../../lab/image/systems";
import { known, rendered, updated, type Runs } from "../../scripts/guests";
import type { Outcome } from "../../scripts/lab-outcomes";
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

it("says what the runs have shown, and nothing else", () => {
  expect(rendered(page, known())).toBe(page);
});

describe("what is known of a row", () => {
  const before: Runs = { "`box`": { "debian-12": "2026-01-01", "debian-13": "2026-01-02" } };
  const outcome = (title: string, status: string, day: string): Outcome => ({
    at: `${day}T00:00:00.000Z`,
    system: "debian-12",
    file: "box",
    title,
    status,
  });
  const of = (...outcomes: Outcome[]) => updated(before, ["box"], outcomes)["`box`"];

  it("is the day when all of its tests passed, and no other system's", () => {
    const found = of(outcome("a", "passed", "2026-02-01"), outcome("b", "passed", "2026-02-02"));
    expect(found).toEqual({ "debian-12": "2026-02-01", "debian-13": "2026-01-02" });
  });

  it("is nothing once one of them has failed, until it passes", () => {
    expect(of(outcome("a", "passed", "2026-02-01"), outcome("b", "failed", "2026-02-01"))).toEqual({
      "debian-13": "2026-01-02",
    });
    const mended = [outcome("a", "failed", "2026-02-01"), outcome("a", "passed", "2026-02-02")];
    expect(of(...mended)["debian-12"]).toBe("2026-02-02");
  });

  it("stays as it was where a run left some of them out, unless they are left to longer runs", () => {
    expect(of(outcome("a", "passed", "2026-02-01"), outcome("b", "pending", "2026-02-01"))["debian-12"]).toBe(
      "2026-01-01",
    );
    const longer = outcome("b (takes minutes: npm run test:full)", "pending", "2026-02-01");
    expect(of(outcome("a", "passed", "2026-02-01"), longer)["debian-12"]).toBe("2026-02-01");
  });
});
