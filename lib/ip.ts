// IPv4 addresses and CIDR blocks: parsing as strict as Alibaba's API, and the comparisons that the checks need.
// Everything here works on literals; callers skip Terraform tokens.
import * as ipaddr from "ipaddr.js";

/** An IPv4 CIDR block whose host bits are zero. */
export interface Block {
  readonly text: string;
  /** The first address as an unsigned 32-bit number. */
  readonly first: number;
  /** The last address as an unsigned 32-bit number. */
  readonly last: number;
  readonly prefixLength: number;
}

/** An IPv4 address with the length of its network's prefix, as `ip address` prints it. */
export interface InterfaceAddress {
  readonly address: string;
  readonly prefixLength: number;
  readonly network: Block;
}

/** The shared address space (RFC 6598) that Alibaba Cloud uses for its own services. */
export const [SHARED_ADDRESS_SPACE] = knownBlocks("100.64.0.0/10");

/** What `parseAddress` reads, as an unsigned 32-bit number; undefined for anything but four decimal parts. */
export function parseAddress(text: string): number | undefined {
  if (!ipaddr.IPv4.isValidFourPartDecimal(text)) return undefined;
  return ipaddr.IPv4.parse(text)
    .toByteArray()
    .reduce((sum, byte) => sum * 256 + byte, 0);
}

/** An unsigned 32-bit number as dotted decimal text. */
export function formatAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join(".");
}

/** Splits `address/length` and computes the network; undefined unless it is strictly `a.b.c.d/0` to `a.b.c.d/32`. */
export function parseInterfaceAddress(text: string): InterfaceAddress | undefined {
  const match = /^([0-9.]+)\/(0|[1-9][0-9]?)$/.exec(text);
  if (!match) return undefined;
  const address = parseAddress(match[1]);
  const prefixLength = Number(match[2]);
  if (address === undefined || prefixLength > 32) return undefined;
  const size = 2 ** (32 - prefixLength);
  const first = address - (address % size);
  const canonical = `${first === address ? match[1] : formatAddress(first)}/${prefixLength}`;
  const network = { text: canonical, first, last: first + size - 1, prefixLength };
  return { address: match[1], prefixLength, network };
}

/** A CIDR block; undefined for bad syntax and for set host bits (`blockProblem` says which). */
export function parseBlock(text: string): Block | undefined {
  const parsed = parseInterfaceAddress(text);
  return parsed && parsed.network.text === text ? parsed.network : undefined;
}

/** CIDR blocks that are certainly right. */
export function knownBlocks(...texts: readonly string[]): readonly Block[] {
  return texts.map((text) => parseBlock(text)!);
}

/** What is wrong with a CIDR block, as the end of a sentence; undefined when nothing is. */
export function blockProblem(text: string): string | undefined {
  const parsed = parseInterfaceAddress(text);
  if (!parsed) return "is not an IPv4 CIDR block; write it as 172.16.0.0/16";
  if (parsed.network.text !== text) return `has host bits set; write ${parsed.network.text}`;
  return undefined;
}

/** Whether two blocks share an address. */
export function overlap(a: Block, b: Block): boolean {
  return a.first <= b.last && b.first <= a.last;
}

/** Whether an address (dotted decimal) lies in a block. */
export function contains(block: Block, address: string): boolean {
  const value = parseAddress(address);
  return value !== undefined && block.first <= value && value <= block.last;
}
