// Reading a call's parameters: dotted names as lists and groups, and CIDR blocks.
import * as fc from "fast-check";
import { checkCidr, cidrsOverlap, cidrWithin, Parameters } from "../../lab/cloud/parameters";

const parametersOf = (values: Record<string, string>): Parameters => new Parameters(new Map(Object.entries(values)));

describe("dotted names", () => {
  it("are lists in the order of their numbers, gaps and all", () => {
    const parameters = parametersOf({ "T.10.Key": "ten", "T.2.Key": "two", "T.7.Key": "seven", "Tx.1.Key": "other" });
    expect(parameters.list("T").map((member) => member.text("Key"))).toEqual(["two", "seven", "ten"]);
  });

  it("are lists of plain values", () => {
    expect(parametersOf({ "Id.1": "a", "Id.2": "", "Idle.1": "x" }).strings("Id")).toEqual(["a", ""]);
  });

  it("are groups, which are there when one of their members is", () => {
    const [member] = parametersOf({ "T.1.Ike.Psk": "k", "T.1.Role": "master" }).list("T");
    expect(member?.group("Ike")?.text("Psk")).toBe("k");
    expect(member?.group("Ipsec")).toBeUndefined();
  });

  it("are named in full by a refusal", () => {
    const [member] = parametersOf({ "T.1.Ike.Lifetime": "x" }).list("T");
    expect(() => member?.group("Ike")?.integer("Lifetime", 0, 9)).toThrow(/T\.1\.Ike\.Lifetime.*from 0 to 9/);
    expect(() => member?.required("Role")).toThrow("T.1.Role is mandatory");
  });

  it("read back any list of records", () => {
    const record = fc.dictionary(fc.stringMatching(/^[A-Za-z]{1,8}$/), fc.string({ minLength: 1 }), { minKeys: 1 });
    fc.assert(
      fc.property(fc.array(record, { maxLength: 12 }), (records) => {
        const entries = records.flatMap((fields, index) =>
          Object.entries(fields).map(([name, value]): [string, string] => [`L.${index + 1}.${name}`, value]),
        );
        const members = parametersOf(Object.fromEntries(entries.reverse())).list("L");
        expect(members).toHaveLength(records.length);
        records.forEach((fields, index) => {
          for (const [name, value] of Object.entries(fields)) expect(members[index]?.text(name)).toBe(value);
        });
      }),
    );
  });
});

describe("an empty value", () => {
  it("counts as not given, as the provider means it", () => {
    const parameters = parametersOf({ Role: "" });
    expect(parameters.text("Role")).toBeUndefined();
    expect(parameters.choice("Role", ["master", "slave"])).toBeUndefined();
    expect(parameters.raw("Role")).toBe("");
  });
});

describe("a CIDR block", () => {
  const address = fc.integer({ min: 0, max: 0xffffffff });
  const length = fc.integer({ min: 0, max: 32 });
  const networkOf = (value: number, prefix: number): number =>
    Math.floor(value / 2 ** (32 - prefix)) * 2 ** (32 - prefix);
  const dotted = (value: number): string =>
    [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");

  it("is taken without host bits, and refused with them by a message that names the block", () => {
    fc.assert(
      fc.property(address, length, (value, prefix) => {
        const network = `${dotted(networkOf(value, prefix))}/${prefix}`;
        expect(() => checkCidr("X", network)).not.toThrow();
        if (value !== networkOf(value, prefix)) {
          expect(() => checkCidr("X", `${dotted(value)}/${prefix}`)).toThrow(`the block is ${network}`);
        }
      }),
    );
  });

  it.each([
    "",
    "10.0.0.0",
    "10.0.0/8",
    "10.0.0.0/",
    "10.0.0.0/33",
    "256.0.0.0/8",
    " 10.0.0.0/8",
    "0x0a.0.0.0/8",
    "::/0",
  ])("is not %p", (text) => expect(() => checkCidr("X", text)).toThrow(/it is an IPv4 CIDR block/));

  it("overlaps another, or lies within it, as the ranges of addresses do", () => {
    const block = fc.tuple(address, length).map(([value, prefix]) => {
      const first = networkOf(value, prefix);
      return { text: `${dotted(first)}/${prefix}`, first, last: first + 2 ** (32 - prefix) - 1 };
    });
    fc.assert(
      fc.property(block, block, (a, b) => {
        expect(cidrsOverlap(a.text, b.text)).toBe(a.first <= b.last && b.first <= a.last);
        expect(cidrWithin(a.text, b.text)).toBe(a.first >= b.first && a.last <= b.last);
      }),
    );
  });
});
