// The walk's choice of places and its judgement of files, without a lab.
import { choose, CUTS, inWords, shares } from "../../lab/kill-walk/places";
import { differing, halves } from "../../lab/kill-walk/walk";

const OPERATIONS = ["install", "change", "uninstall"];

it("gives each operation its share of the places, and which one has one more to the seed", () => {
  expect([...shares(OPERATIONS, 9, 1).values()]).toEqual([3, 3, 3]);
  expect([...shares(OPERATIONS, 7, 1).values()].reduce((a, b) => a + b)).toBe(7);
  const luckiest = [1, 2, 3, 4, 5, 6, 7, 8].map(
    (seed) => [...shares(OPERATIONS, 1, seed)].find(([, n]) => n === 1)?.[0],
  );
  expect(new Set(luckiest).size).toBeGreaterThan(1);
});

it("chooses one place in each part of an operation, each kind of cut in turn, the same for the same seed", () => {
  const places = choose("change", 300, 30, 7);
  expect(places.map(({ step }) => Math.floor((step - 1) / 10))).toEqual([...Array(30).keys()]);
  for (const cut of CUTS) expect(places.filter((place) => place.cut === cut)).toHaveLength(10);
  expect(choose("change", 300, 30, 7)).toEqual(places);
  expect(choose("change", 300, 30, 8)).not.toEqual(places);
});

it("comes to every step when it is to make as many cuts, and to no step twice when there are fewer", () => {
  expect(choose("change", 5, 5, 1).map(({ step }) => step)).toEqual([1, 2, 3, 4, 5]);
  expect(choose("change", 5, 9, 1)).toHaveLength(5);
});

it("tells a place in words", () => {
  const place = { operation: "rotate", cut: "power", step: 3 } as const;
  expect(inWords(place, { number: 3, what: "sync /etc/a", by: "python3 dual-tunnel-vpn" }, 9)).toBe(
    'rotate: power cut at step 3 of 9, before "sync /etc/a" by python3 dual-tunnel-vpn',
  );
});

describe("the files after a cut", () => {
  const ours = (files: Record<string, string>, trouble: Record<string, string> = {}) => ({
    files,
    "by itself": trouble,
    left: [],
    network: [],
    behind: [],
  });
  const known = { before: ours({ "/etc/a": "1", "/etc/b": "1" }), after: ours({ "/etc/a": "2", "/etc/c": "2" }) };

  it("may each be the old or the new one, or not be there", () => {
    expect(halves(ours({ "/etc/a": "1", "/etc/c": "2" }), known)).toEqual([]);
    expect(halves(ours({ "/etc/a": "2", "/etc/b": "1" }), known)).toEqual([]);
  });

  it("may not be anything between, nor be broken by themselves", () => {
    expect(halves(ours({ "/etc/a": "half" }, { "/etc/notes.json": "is no JSON" }), known)).toEqual([
      "/etc/notes.json is no JSON",
      "/etc/a is neither the old nor the new one",
    ]);
  });

  it("are in the end those of a run without a cut", () => {
    expect(differing({ "/etc/a": "2", "/etc/c": "2" }, known.after.files)).toEqual([]);
    expect(differing({ "/etc/a": "1", "/etc/b": "1" }, known.after.files)).toEqual([
      "/etc/a is another in the end",
      "/etc/b is there in the end",
      "/etc/c is missing in the end",
    ]);
  });
});
