// A provider's schema as `terraform providers schema -json` prints it, and its form on the wire.
import { isObject, UNKNOWN, type Value, type Values } from "./values";

/** `"string"`, `["set", "string"]`, `["list", ["object", {…}]]`. */
export type Type = string | [string, Type | Record<string, Type>];

export interface Attribute {
  readonly type: Type;
  readonly required?: boolean;
  readonly optional?: boolean;
  readonly computed?: boolean;
  readonly sensitive?: boolean;
  readonly deprecated?: boolean;
}

export interface NestedBlock {
  readonly nesting_mode: "single" | "list" | "set";
  readonly block: Block;
  readonly min_items?: number;
  readonly max_items?: number;
}

export interface Block {
  readonly attributes?: Readonly<Record<string, Attribute>>;
  readonly block_types?: Readonly<Record<string, NestedBlock>>;
}

export interface Schema {
  readonly version: number;
  readonly block: Block;
}

export interface ProviderSchema {
  readonly provider: Schema;
  readonly resource_schemas?: Readonly<Record<string, Schema>>;
  readonly data_source_schemas?: Readonly<Record<string, Schema>>;
}

const NESTING = { single: "SINGLE", list: "LIST", set: "SET" } as const;

function blockToWire(block: Block): object {
  return {
    attributes: Object.entries(block.attributes ?? {}).map(([name, attribute]) => ({
      ...attribute,
      name,
      type: Buffer.from(JSON.stringify(attribute.type)),
    })),
    block_types: Object.entries(block.block_types ?? {}).map(([name, nested]) => ({
      type_name: name,
      block: blockToWire(nested.block),
      nesting: NESTING[nested.nesting_mode],
      min_items: nested.min_items ?? 0,
      max_items: nested.max_items ?? 0,
    })),
  };
}

export const schemaToWire = (schema: Schema): object => ({ version: schema.version, block: blockToWire(schema.block) });

export const isSet = (type: Type): boolean => Array.isArray(type) && type[0] === "set";
const isCollection = (type: Type): boolean => Array.isArray(type) && type[0] !== "object" && type[0] !== "tuple";

/** An object with every attribute and block of the schema: null, or an empty list, where nothing is given. */
export function emptyValues(block: Block): Values {
  return {
    ...Object.fromEntries(Object.keys(block.attributes ?? {}).map((name) => [name, null])),
    ...Object.fromEntries(
      Object.entries(block.block_types ?? {}).map(([name, nested]) => [
        name,
        nested.nesting_mode === "single" ? null : [],
      ]),
    ),
  };
}

/**
 * Fits data from elsewhere (an API's answer, a stored state) to the schema: every attribute present, numbers as text
 * where text is wanted, nothing else converted.
 * @throws Error naming the attribute whose type is another: the real provider would keep silent and lose the value
 */
export function conform(block: Block, given: Record<string, unknown>, where = ""): Values {
  const values = emptyValues(block);
  for (const [name, value] of Object.entries(given)) {
    const attribute = block.attributes?.[name];
    const nested = block.block_types?.[name];
    if (attribute) values[name] = conformType(attribute.type, value, where + name);
    else if (nested && nested.nesting_mode !== "single")
      values[name] = asArray(value, where + name).map((each, index) =>
        conform(nested.block, asRecord(each, where + name), `${where}${name}[${index}].`),
      );
    else if (nested) values[name] = value == null ? null : conform(nested.block, asRecord(value, where + name));
    else throw new Error(`the schema has no ${where}${name}`);
  }
  return values;
}

function conformType(type: Type, value: unknown, where: string): Value {
  if (value === undefined || value === null) return null;
  if (value === UNKNOWN) return UNKNOWN;
  if (!Array.isArray(type)) {
    if (type === "string" && typeof value === "number") return String(value);
    const wanted = type === "bool" ? "boolean" : type;
    if (typeof value !== wanted) throw new Error(`${where} is a ${typeof value} where a ${wanted} is expected`);
    // Terraform itself crashes on what is not a number.
    if (typeof value === "number" && !Number.isFinite(value))
      throw new Error(`${where} is ${value}, which is no number`);
    return value;
  }
  const [kind, element] = type;
  if (kind === "list" || kind === "set")
    return asArray(value, where).map((each, index) => conformType(element as Type, each, `${where}[${index}]`));
  const entries = Object.entries(asRecord(value, where));
  if (kind === "map")
    return Object.fromEntries(entries.map(([key, each]) => [key, conformType(element as Type, each, where)]));
  const attributes = element as Record<string, Type>;
  return Object.fromEntries(
    Object.entries(attributes).map(([key, each]) => [
      key,
      conformType(each, (value as Record<string, unknown>)[key], `${where}.${key}`),
    ]),
  );
}

function asArray(value: unknown, where: string): unknown[] {
  if (Array.isArray(value)) return value;
  if (value === undefined || value === null) return [];
  throw new Error(`${where} is a ${typeof value} where a list is expected`);
}

function asRecord(value: unknown, where: string): Record<string, unknown> {
  if (isObject(value as Value)) return value as Record<string, unknown>;
  throw new Error(`${where} is a ${typeof value} where an object is expected`);
}

/**
 * What was read laid over what was there: an attribute that was not read keeps its value, and an empty collection
 * keeps being unset when it was unset.
 */
export function overlay(block: Block, before: Values, read: Record<string, unknown>): Values {
  const fitted = conform(block, read);
  const result = { ...emptyValues(block), ...before };
  for (const name of Object.keys(read)) {
    const type = block.attributes?.[name]?.type;
    const value = fitted[name];
    const empty = isObject(value) ? Object.keys(value).length === 0 : Array.isArray(value) && value.length === 0;
    if (!(type && isCollection(type) && empty && before[name] === null)) result[name] = value;
  }
  return result;
}
