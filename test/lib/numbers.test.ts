import * as fc from "fast-check";
import {
  derivedMark,
  derivedNumber,
  derivedPort,
  derivedVirtualRouterId,
  MARK_BITS_OF_OTHERS,
  numbersClash,
  pairNumbersClash,
  PORTS_OF_OTHERS,
} from "../../lib/host/numbers";

const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,10}$/);

/** Whole marks that programs compare with: small ones chosen by hand, Istio's, wg-quick's, NordVPN's, Mullvad's, NetBird's. */
const MARKS_OF_OTHERS = [
  ...Array.from({ length: 1024 }, (_, mark) => mark),
  ...[0x539, 0xca6c, 0xe1f1, 0x6d6f6c65, 0x1bd00, 0x40000],
];

describe("the if_ids and routing tables of a connection", () => {
  it("lie above those that administrators use and below what both take", () => {
    fc.assert(
      fc.property(name, fc.constantFrom(1, 2), (text, tunnel) => {
        const number = derivedNumber(text, tunnel);
        expect(number).toBeGreaterThan(65536);
        expect(number).toBeLessThan(2 ** 31);
      }),
    );
  });

  it("differ within a connection, and are shared by two connections wholly or not at all", () => {
    fc.assert(
      fc.property(name, name, (a, b) => {
        expect(derivedNumber(a, 1)).not.toBe(derivedNumber(a, 2));
        expect(derivedNumber(a, 1)).not.toBe(derivedNumber(b, 2));
        expect(derivedNumber(a, 1) === derivedNumber(b, 1)).toBe(derivedNumber(a, 2) === derivedNumber(b, 2));
      }),
    );
  });

  it("stay as they are from version to version", () => {
    expect(derivedNumber("singapore", 1)).toBe(758173);
    expect(derivedNumber("singapore", 2)).toBe(758174);
  });
});

describe("the firewall marks of a connection", () => {
  it("have no bit that another program gives a meaning to, and are nobody's mark", () => {
    fc.assert(
      fc.property(name, fc.constantFrom(1, 2), (text, uplink) => {
        const mark = derivedMark(text, uplink);
        for (const [program, bits] of Object.entries(MARK_BITS_OF_OTHERS)) {
          expect({ program, bits: (mark & bits) >>> 0 }).toEqual({ program, bits: 0 });
        }
        expect(MARKS_OF_OTHERS).not.toContain(mark);
      }),
    );
  });

  it.each([0x4000, 0x8000, 0x40000, 0x80000, 0xff0000, 0xffff0000])("keep clear of the mask 0x%s", (mask) => {
    const known = Object.values(MARK_BITS_OF_OTHERS).reduce((all, bits) => (all | bits) >>> 0, 0);
    expect((known & mask) >>> 0).toBe(mask);
  });

  it("differ for the uplinks, and are shared by two connections wholly or not at all", () => {
    fc.assert(
      fc.property(name, name, (a, b) => {
        expect(derivedMark(a, 1)).not.toBe(derivedMark(a, 2));
        expect(derivedMark(a, 1)).not.toBe(derivedMark(b, 2));
        expect(derivedMark(a, 1) === derivedMark(b, 1)).toBe(derivedMark(a, 2) === derivedMark(b, 2));
      }),
    );
  });

  it("are as many as there is room for", () => {
    const marks = Array.from({ length: 5000 }, (_, index) => derivedMark(`site-${index}`, 1));
    expect([new Set(marks).size, Math.min(...marks), Math.max(...marks)]).toEqual([128, 0x1000, 0x10fe]);
  });

  it("stay as they are from version to version", () => {
    expect([derivedMark("singapore", 1), derivedMark("singapore", 2)]).toEqual([4302, 4303]);
  });
});

it("says of two names whether one box can have both", () => {
  expect(numbersClash("singapore", "beta")).toBe(true);
  expect(numbersClash("singapore", "jakarta")).toBe(false);
});

describe("the numbers of a connection on two boxes", () => {
  it("stay as they are from version to version", () => {
    expect([derivedVirtualRouterId("singapore"), derivedPort("singapore")]).toEqual([65, 5519]);
  });

  it("are as many as there is room for", () => {
    const names = Array.from({ length: 20000 }, (_, index) => `site-${index}`);
    const ids = names.map(derivedVirtualRouterId);
    const ports = names.map(derivedPort);
    expect([new Set(ids).size, Math.min(...ids), Math.max(...ids)]).toEqual([255, 1, 255]);
    const taken = Object.values(PORTS_OF_OTHERS).flat();
    expect([new Set(ports).size, Math.min(...ports), Math.max(...ports)]).toEqual([1000 - taken.length, 4800, 5799]);
  });

  it("have a port that is no other program's, the next free one in the place of such a one", () => {
    const names = Array.from({ length: 20000 }, (_, index) => `site-${index}`);
    const taken = Object.values(PORTS_OF_OTHERS).flat();
    expect(new Set(taken).size).toBe(taken.length);
    expect(taken).toEqual(expect.arrayContaining([5060, 5246, 5353, 5355, 5405]));
    expect(names.map(derivedPort).filter((port) => taken.includes(port))).toEqual([]);
    // The hash of the first gives 5353, that of the second 5405.
    expect([derivedPort("site-1353"), derivedPort("site-584")]).toEqual([5354, 5413]);
  });

  it("clash where one of the two is one", () => {
    const other = (same: (text: string) => number, differs: (text: string) => number) =>
      Array.from({ length: 5000 }, (_, index) => `site-${index}`).find(
        (text) => same(text) === same("singapore") && differs(text) !== differs("singapore"),
      )!;
    expect(pairNumbersClash("singapore", other(derivedVirtualRouterId, derivedPort))).toBe(true);
    expect(pairNumbersClash("singapore", other(derivedPort, derivedVirtualRouterId))).toBe(true);
    expect(pairNumbersClash("singapore", "jakarta")).toBe(false);
  });
});
