// Terraform's values as a provider handles them: plain data, null, and UNKNOWN for what only apply will tell.
import { decode, encode, ExtensionCodec } from "@msgpack/msgpack";

class Unknown {
  toString(): string {
    return "(known after apply)";
  }
}
/** A value that is not known before apply. */
export const UNKNOWN = new Unknown();

export type Value = null | boolean | number | string | Unknown | Value[] | { [name: string]: Value };
/** An object value: a resource's state, a nested block. */
export type Values = Record<string, Value>;

// Terraform's msgpack extension types: 0 is unknown, 12 is unknown with refinements; either is answered with 0.
const extensions = new ExtensionCodec();
extensions.register({
  type: 0,
  encode: (value) => (value instanceof Unknown ? Uint8Array.of(0) : null),
  decode: () => UNKNOWN,
});
extensions.register({ type: 12, encode: () => null, decode: () => UNKNOWN });

/** A message's DynamicValue. */
export interface DynamicValue {
  readonly msgpack: Uint8Array;
  readonly json?: Uint8Array;
}

export function fromWire(value: DynamicValue | null | undefined): Values | null {
  if (!value || value.msgpack.length === 0) return null;
  return decode(value.msgpack, { extensionCodec: extensions }) as Values | null;
}

export function toWire(value: Value): DynamicValue {
  return { msgpack: Buffer.from(encode(value, { extensionCodec: extensions })) };
}

/** Array.isArray would make the elements `any`. */
export const isList = (value: Value | undefined): value is Value[] => Array.isArray(value);

export const isObject = (value: Value | undefined): value is Values =>
  typeof value === "object" && value !== null && !isList(value) && !(value instanceof Unknown);

/** Whether nothing in the value is unknown. */
export function isKnown(value: Value | undefined): boolean {
  if (value instanceof Unknown) return false;
  if (isList(value)) return value.every(isKnown);
  return isObject(value) ? Object.values(value).every(isKnown) : true;
}

/** Null, and what the provider's framework cannot tell from null: "", 0, false, an empty collection. */
export function isZero(value: Value | undefined): boolean {
  if (value === undefined || value === null || value === "" || value === 0 || value === false) return true;
  if (isList(value)) return value.length === 0;
  return isObject(value) && Object.keys(value).length === 0;
}

/** Equality as the framework sees it: unset equals zero, at every depth. `setLike` compares lists without order. */
export function sameValue(a: Value | undefined, b: Value | undefined, setLike = false): boolean {
  if (isZero(a) && isZero(b)) return true;
  if (a instanceof Unknown || b instanceof Unknown) return a === b;
  if (isList(a) && isList(b)) {
    if (a.length !== b.length) return false;
    const order = (list: Value[]) =>
      setLike ? [...list].sort((x, y) => (JSON.stringify(x) < JSON.stringify(y) ? -1 : 1)) : list;
    const other = order(b);
    return order(a).every((element, index) => sameValue(element, other[index]));
  }
  if (isObject(a) && isObject(b))
    return [...new Set([...Object.keys(a), ...Object.keys(b)])].every((name) => sameValue(a[name], b[name]));
  return a === b;
}

/** The value with every unknown turned into null: what is left when apply told nothing more. */
export function withoutUnknowns(value: Value): Value {
  if (value instanceof Unknown) return null;
  if (isList(value)) return value.map(withoutUnknowns);
  if (isObject(value))
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, withoutUnknowns(each)]));
  return value;
}

/** What a resource gets out of its planned or prior values, in the framework's manner. */
export class Reader {
  constructor(readonly values: Values) {}

  /** Set to something other than its type's zero value: what makes an optional parameter be sent. */
  string(name: string): string | undefined {
    const value = this.values[name];
    return typeof value === "string" && value !== "" ? value : undefined;
  }

  number(name: string): number | undefined {
    const value = this.values[name];
    return typeof value === "number" && value !== 0 ? value : undefined;
  }

  /** Set at all, false included. */
  boolean(name: string): boolean | undefined {
    const value = this.values[name];
    return typeof value === "boolean" ? value : undefined;
  }

  strings(name: string): string[] {
    const value = this.values[name];
    return isList(value) ? value.filter((each) => typeof each === "string") : [];
  }

  map(name: string): Record<string, string> {
    const value = this.values[name];
    if (!isObject(value)) return {};
    return Object.fromEntries(
      Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
    );
  }

  blocks(name: string): Reader[] {
    const value = this.values[name];
    return isList(value) ? value.filter(isObject).map((each) => new Reader(each)) : [];
  }

  block(name: string): Reader | undefined {
    const value = this.values[name];
    return isObject(value) ? new Reader(value) : this.blocks(name)[0];
  }
}
