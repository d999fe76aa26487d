// The parameters of one call: query and form body merged, and the dotted names (`Tag.1.Key`) read as lists and groups.
// Which of the two a client uses for a parameter is history, not a rule, so the API takes either.
import ipaddr from "ipaddr.js";
import { illegal, missing } from "./errors";

/** Read access to the parameters below one prefix; error messages name the full parameter. */
export class Parameters {
  constructor(
    private readonly values: ReadonlyMap<string, string>,
    private readonly prefix = "",
  ) {}

  /** The value as sent, the empty string included; undefined when the parameter is absent. */
  raw(name: string): string | undefined {
    return this.values.get(this.prefix + name);
  }

  /** The value; undefined when absent or empty. */
  text(name: string): string | undefined {
    return this.raw(name) || undefined;
  }

  /** The value of a parameter that must be there and not empty. */
  required(name: string): string {
    const value = this.text(name);
    if (value === undefined) throw missing(this.prefix + name);
    return value;
  }

  flag(name: string): boolean | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    if (!/^(true|false)$/i.test(value)) throw illegal(this.prefix + name, "it is true or false");
    return value.toLowerCase() === "true";
  }

  /** A whole number in decimal digits, within the bounds. */
  integer(name: string, minimum: number, maximum: number): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    if (!/^\d{1,15}$/.test(value) || Number(value) < minimum || Number(value) > maximum) {
      throw illegal(this.prefix + name, `it is a whole number from ${minimum} to ${maximum}`);
    }
    return Number(value);
  }

  /** One of a few words. */
  choice<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const found = choices.find((choice) => choice === value);
    if (found === undefined) throw illegal(this.prefix + name, `it is one of ${choices.join(", ")}`);
    return found;
  }

  /** An IPv4 block without host bits, as sent. */
  cidr(name: string): string | undefined {
    const value = this.text(name);
    if (value !== undefined) checkCidr(this.prefix + name, value);
    return value;
  }

  /** The members of a list, `NAME.1`, `NAME.2`, ... in the order of their numbers. */
  list(name: string): Parameters[] {
    const start = `${this.prefix}${name}.`;
    const numbers = new Set<number>();
    for (const key of this.values.keys()) {
      const number = key.startsWith(start) ? /^(\d{1,4})(\.|$)/.exec(key.slice(start.length))?.[1] : undefined;
      if (number !== undefined) numbers.add(Number(number));
    }
    return [...numbers].sort((a, b) => a - b).map((number) => new Parameters(this.values, `${start}${number}.`));
  }

  /** The plain values of a list. */
  strings(name: string): string[] {
    return this.list(name).map((member) => this.values.get(member.prefix.slice(0, -1)) ?? "");
  }

  /** The parameters `NAME.*`; undefined when there are none. */
  group(name: string): Parameters | undefined {
    const start = `${this.prefix}${name}.`;
    return [...this.values.keys()].some((key) => key.startsWith(start))
      ? new Parameters(this.values, start)
      : undefined;
  }

  /** The full name of a parameter, for messages. */
  name(name: string): string {
    return this.prefix + name;
  }
}

/** Refuses what is not an IPv4 block, or has host bits. */
export function checkCidr(parameter: string, value: string): void {
  if (!/^\d{1,3}(\.\d{1,3}){3}\/\d{1,2}$/.test(value) || !ipaddr.IPv4.isValidCIDRFourPartDecimal(value)) {
    throw illegal(parameter, "it is an IPv4 CIDR block such as 192.168.0.0/16");
  }
  const network = ipaddr.IPv4.networkAddressFromCIDR(value).toString();
  if (network !== value.split("/")[0]) {
    throw illegal(parameter, `it has bits beyond its prefix; the block is ${network}/${value.split("/")[1]}`);
  }
}

/** Whether two IPv4 blocks share an address. */
export function cidrsOverlap(a: string, b: string): boolean {
  const [first, second] = [ipaddr.IPv4.parseCIDR(a), ipaddr.IPv4.parseCIDR(b)];
  return first[1] <= second[1] ? second[0].match(first) : first[0].match(second);
}

/** Whether the first IPv4 block lies inside the second, or is the same. */
export function cidrWithin(inner: string, outer: string): boolean {
  const [address, length] = ipaddr.IPv4.parseCIDR(inner);
  const block = ipaddr.IPv4.parseCIDR(outer);
  return length >= block[1] && address.match(block);
}
