// The plan engine and the values it works on, without Terraform.
import * as fc from "fast-check";
import { decode, encode, ExtData } from "@msgpack/msgpack";
import { planChange, validate, type Facts } from "../../lab/provider/plan";
import { conform, overlay, type Block } from "../../lab/provider/schema";
import { parseDuration } from "../../lab/provider/server";
import { fromWire, isKnown, sameValue, toWire, UNKNOWN, withoutUnknowns, type Value } from "../../lab/provider/values";

const block: Block = {
  attributes: {
    id: { type: "string", optional: true, computed: true },
    name: { type: "string", optional: true },
    address: { type: "string", required: true },
    flag: { type: "bool", optional: true },
    size: { type: "number", optional: true },
    zone: { type: "string", optional: true, computed: true },
    cidrs: { type: ["set", "string"], optional: true },
    tags: { type: ["map", "string"], optional: true },
  },
  block_types: {
    tunnel: {
      nesting_mode: "list",
      block: {
        attributes: { gateway: { type: "string", optional: true }, ip: { type: "string", computed: true } },
      },
    },
    health: { nesting_mode: "list", block: { attributes: { on: { type: "bool", optional: true, computed: true } } } },
  },
};
const facts: Facts = {
  forceNew: ["address", "tunnel.gateway"],
  defaults: { flag: true },
  computedBlocks: ["health"],
  conflicts: [["name", "zone"]],
  checks: { size: (value) => (value === 0 ? "size must not be 0" : undefined) },
};
const empty = {
  id: null,
  name: null,
  address: "a",
  flag: null,
  size: null,
  zone: null,
  cidrs: null,
  tags: null,
  tunnel: [] as Value,
  health: [] as Value,
};
const existing = { ...empty, id: "i", flag: true, zone: "z", health: [{ on: true }] };
const plan = (prior: typeof existing | null, config: object) =>
  planChange(
    block,
    facts,
    prior,
    { ...empty, ...(prior && { id: prior.id, zone: prior.zone }), ...config },
    { ...empty, ...config },
  );

it("makes computed attributes unknown and takes defaults in a creation", () => {
  expect(plan(null, {}).planned).toEqual({ ...empty, id: UNKNOWN, flag: true, zone: UNKNOWN, health: UNKNOWN });
});

it("keeps computed attributes and blocks of what exists", () => {
  const { planned, replace } = plan(existing, { name: "n" });
  expect(planned).toEqual({ ...existing, name: "n" });
  expect(replace).toEqual([]);
});

it("plans nothing where the difference is between unset and zero", () => {
  const stored = { ...existing, name: "" as never, size: 0 as never, tags: {} as never };
  expect(plan(stored, {}).planned).toEqual(stored);
});

it("judges whether a difference counts by what the resource has, where the configuration is silent", () => {
  const paid: Facts = { suppress: { size: ({ zone }) => zone !== "paid" } };
  const change = (zone: string) =>
    planChange(block, paid, { ...existing, zone }, { ...existing, zone, size: 5 }, { ...empty, size: 5 }).planned;
  expect(change("paid")).toMatchObject({ size: 5 });
  expect(change("free")).toMatchObject({ size: null });
});

it("plans to unset what is left out and was not zero", () => {
  expect(plan({ ...existing, name: "n" as never }, {}).planned).toEqual(existing);
});

it("plans an explicit false or 0 where nothing was, as the provider does after an import", () => {
  const stored = { ...existing, flag: null as never };
  expect(plan(stored, { flag: false, size: 0 }).planned).toEqual({ ...stored, flag: false, size: 0 });
  expect(plan(stored, { flag: false, name: "" }).planned).toEqual({ ...stored, flag: false });
});

it("takes a set in another order for the same", () => {
  const stored = { ...existing, cidrs: ["a", "b"] as never };
  expect(plan(stored, { cidrs: ["b", "a"] }).planned).toEqual(stored);
});

it("replaces for a changed attribute that cannot be changed in place, and for no other", () => {
  expect(plan(existing, { address: "b" }).replace).toEqual([["address"]]);
  expect(plan(existing, { address: UNKNOWN }).replace).toEqual([["address"]]);
  expect(plan(existing, { name: "b", flag: false }).replace).toEqual([]);
});

it("replaces for such an attribute in a nested block that is changed, added or taken away", () => {
  const one = { gateway: "g", ip: "1" };
  const stored = { ...existing, tunnel: [one] as never };
  expect(plan(stored, { tunnel: [{ gateway: "h", ip: "1" }] }).replace).toEqual([["tunnel", 0, "gateway"]]);
  expect(plan(stored, { tunnel: [one, { gateway: "h", ip: null }] }).replace).toEqual([["tunnel", 1, "gateway"]]);
  expect(plan(stored, {}).replace).toEqual([["tunnel", 0, "gateway"]]);
  expect(plan(stored, { tunnel: [one] }).replace).toEqual([]);
});

it("does not know what is computed in a block that is added", () => {
  const { planned } = plan(existing, { tunnel: [{ gateway: "g", ip: null }] });
  expect(planned?.tunnel).toEqual([{ gateway: "g", ip: UNKNOWN }]);
});

it("plans nothing for what is to be destroyed", () => {
  expect(planChange(block, facts, existing as never, null, null)).toEqual({ planned: null, replace: [] });
});

it("finds what is wrong with a configuration", () => {
  expect(validate(block, facts, { ...empty, name: "n", zone: "z", size: 0 })).toEqual([
    { path: ["size"], problem: "size must not be 0" },
    { path: ["name"], problem: '"name": conflicts with zone' },
  ]);
  expect(validate(block, facts, { ...empty, size: UNKNOWN, name: "n" })).toEqual([]);
});

const value: fc.Arbitrary<Value> = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom<Value>(null, true, false, UNKNOWN, 0, 1795416018440),
    fc.integer(),
    fc.string(),
    fc.array(tie("value")),
    fc.dictionary(
      fc.string().filter((key) => key !== "__proto__"),
      tie("value"),
    ),
  ),
})).value;

it("carries any value over the wire and back", () => {
  fc.assert(
    fc.property(value, (each) => expect(fromWire(toWire({ each }))).toEqual({ each })),
    { numRuns: 300 },
  );
});

it("sends unknown as Terraform writes it, and reads Terraform's refined form", () => {
  expect([...toWire(UNKNOWN).msgpack]).toEqual([0xd4, 0, 0]);
  const refined = encode({ a: new ExtData(12, Uint8Array.of(0x81, 1, 0xc2)) });
  expect(fromWire({ msgpack: refined })).toEqual({ a: UNKNOWN });
  expect(decode(toWire({ a: 1 }).msgpack)).toEqual({ a: 1 });
});

it("finds every value the same as itself, and leaves no unknown where none may be", () => {
  fc.assert(
    fc.property(value, (each) => {
      expect(sameValue(each, each)).toBe(true);
      expect(isKnown(withoutUnknowns(each))).toBe(true);
    }),
  );
});

it("refuses a type that the real provider would silently lose", () => {
  expect(() => conform(block, { tunnel: [{ gateway: true }] })).toThrow(
    "tunnel[0].gateway is a boolean where a string is expected",
  );
  expect(() => conform(block, { flag: "true" })).toThrow("flag is a string where a boolean is expected");
  expect(() => conform(block, { size: "1" })).toThrow("size is a string where a number is expected");
  expect(conform(block, { name: 5 }).name).toBe("5");
});

it("lays what was read over what was there", () => {
  const before = { ...existing, name: "kept" as never };
  const after = overlay(block, before, { zone: undefined, tags: {}, cidrs: ["x"] });
  expect(after).toEqual({ ...before, zone: null, cidrs: ["x"] });
  expect(overlay(block, { ...before, tags: { a: "1" } }, { tags: {} }).tags).toEqual({});
});

it("reads durations in Go's notation", () => {
  expect(["15m", "1h30m", "10s", "1.5s", "250ms"].map(parseDuration)).toEqual([900000, 5400000, 10000, 1500, 250]);
  expect(["", "5", "m", "5 m", "5d"].map(parseDuration)).toEqual(Array(5).fill(undefined));
});
