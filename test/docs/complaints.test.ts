// docs/complaints.md names a test for each answer; this one fails when such a test is not there.
import { missing, rowsOf } from "./named-tests";

const rows = rowsOf("complaints.md");

it("has complaints to answer", () => {
  expect(rows.length).toBeGreaterThan(10);
});

it.each(rows)("names a test that exists: %s", (_complaint, _where, _answer, test) => {
  expect(missing(test)).toBe("");
});
