// docs/failover.md names the tests that fail when a pitfall returns; this one fails when such a test is not there.
import { missing, rowsOf } from "./named-tests";

const rows = rowsOf("failover.md");

it("knows the pitfalls", () => {
  expect(rows.length).toBeGreaterThan(30);
});

it.each(rows)("names tests that exist: %s", (_pitfall, _answer, tests) => {
  expect(tests.split("<br>").map(missing).filter(Boolean)).toEqual([]);
});

it("takes no test for named that is not there", () => {
  expect(missing("fault `nobody-wrote-it`")).not.toBe("");
  expect(missing("`test/agent/test_machine.py`: test_nobody_wrote_it")).not.toBe("");
  expect(missing("`test/agent/test_nobody.py`: test_nobody_wrote_it")).toBe("test/agent/test_nobody.py is not there");
  expect(missing("a careful reader")).not.toBe("");
});
