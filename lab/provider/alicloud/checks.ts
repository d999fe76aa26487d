// The provider's checks of single values.
import ipaddr from "ipaddr.js";
import type { Value } from "../values";

type Check = (value: Value) => string | undefined;

/** One of the words; @param ignoreCase as the provider's StringInSlice(…, true) */
export const oneOf =
  (name: string, words: readonly string[], ignoreCase = false): Check =>
  (value) =>
    words.some(
      (word) =>
        word === value || (ignoreCase && typeof value === "string" && word.toLowerCase() === value.toLowerCase()),
    )
      ? undefined
      : `expected ${name} to be one of [${words.join(" ")}], got ${JSON.stringify(value)}`;

export const oneOfNumbers =
  (name: string, numbers: readonly number[]): Check =>
  (value) =>
    numbers.includes(value as number)
      ? undefined
      : `expected ${name} to be one of [${numbers.join(" ")}], got ${JSON.stringify(value)}`;

/** A set of `least` to `most` CIDR blocks, each written by its network address. */
export const cidrBlocks =
  (name: string, least: number, most: number): Check =>
  (value) => {
    const list = Array.isArray(value) ? value : [];
    if (list.length < least)
      return `attribute ${name} requires ${least} item minimum, but config has only ${list.length}`;
    if (list.length > most)
      return `attribute ${name} supports ${most} item maximum, but config has ${list.length} declared`;
    return list.map((each) => (typeof each === "string" ? cidrBlock(name, each) : undefined)).find(Boolean);
  };

function cidrBlock(name: string, text: string): string | undefined {
  if (!ipaddr.isValidCIDR(text)) return `"${name}" must contain a valid CIDR, got ${text}`;
  const [address, length] = ipaddr.parseCIDR(text);
  const family = address.kind() === "ipv4" ? ipaddr.IPv4 : ipaddr.IPv6;
  const network = `${family.networkAddressFromCIDR(text).toString()}/${length}`;
  return network === text
    ? undefined
    : `"${name}" must contain a valid network CIDR, expected "${network}", got "${text}"`;
}
