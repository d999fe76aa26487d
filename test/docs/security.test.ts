// docs/security.md names a test for each claim; this one fails when such a test is not there.
import { missing, rowsOf } from "./named-tests";

const rows = rowsOf("security.md");

it("has claims to prove", () => {
  expect(rows.length).toBeGreaterThan(5);
});

it.each(rows)("names a test that exists: %s", (_claim, test) => {
  expect(missing(test)).toBe("");
});
