import * as fc from "fast-check";
import {
  blockProblem,
  contains,
  formatAddress,
  overlap,
  parseAddress,
  parseBlock,
  parseInterfaceAddress,
} from "../../lib/ip";

const address = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const block = fc.tuple(address, fc.integer({ min: 0, max: 32 })).map(([value, prefixLength]) => {
  const size = 2 ** (32 - prefixLength);
  const first = value - (value % size);
  return { text: `${formatAddress(first)}/${prefixLength}`, first, last: first + size - 1, prefixLength };
});

describe("IPv4 addresses", () => {
  it("reads back every address that it writes", () => {
    fc.assert(fc.property(address, (value) => expect(parseAddress(formatAddress(value))).toBe(value)));
  });

  it.each([
    "10.1",
    "010.0.0.1",
    "1.2.3.4.5",
    "1.2.3.256",
    "0x7f.0.0.1",
    "::1",
    "",
    " 1.2.3.4",
    "1.2.3.4/24",
    "example.com",
  ])("refuses %j", (text) => expect(parseAddress(text)).toBeUndefined());
});

describe("CIDR blocks", () => {
  it("reads every block whose host bits are zero", () => {
    fc.assert(fc.property(block, (expected) => expect(parseBlock(expected.text)).toEqual(expected)));
  });

  it("refuses every block with a host bit set, and names the one that was meant", () => {
    fc.assert(
      fc.property(address, fc.integer({ min: 0, max: 31 }), (value, prefixLength) => {
        const size = 2 ** (32 - prefixLength);
        fc.pre(value % size !== 0);
        const text = `${formatAddress(value)}/${prefixLength}`;
        expect(parseBlock(text)).toBeUndefined();
        expect(blockProblem(text)).toBe(
          `has host bits set; write ${formatAddress(value - (value % size))}/${prefixLength}`,
        );
      }),
    );
  });

  it.each(["10.0.0.0", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/", "10.0.0/8", "fd00::/8", "10.0.0.0/8 "])(
    "refuses %j",
    (text) => {
      expect(parseBlock(text)).toBeUndefined();
      expect(blockProblem(text)).toMatch(/is not an IPv4 CIDR block/);
    },
  );

  it("says that two blocks overlap exactly when one holds the other's first address", () => {
    fc.assert(
      fc.property(block, block, (a, b) => {
        const holds = contains(a, formatAddress(b.first)) || contains(b, formatAddress(a.first));
        expect(overlap(a, b)).toBe(holds);
        expect(overlap(b, a)).toBe(holds);
      }),
    );
  });

  it("holds its first and its last address and neither neighbour", () => {
    fc.assert(
      fc.property(block, (a) => {
        expect(contains(a, formatAddress(a.first))).toBe(true);
        expect(contains(a, formatAddress(a.last))).toBe(true);
        if (a.first > 0) expect(contains(a, formatAddress(a.first - 1))).toBe(false);
        if (a.last < 2 ** 32 - 1) expect(contains(a, formatAddress(a.last + 1))).toBe(false);
      }),
    );
  });
});

describe("addresses of interfaces", () => {
  it("gives the address, the prefix length and the network", () => {
    expect(parseInterfaceAddress("172.16.1.93/24")).toEqual({
      address: "172.16.1.93",
      prefixLength: 24,
      network: parseBlock("172.16.1.0/24"),
    });
  });
});
