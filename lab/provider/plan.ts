// What a change would make of a resource, from its schema and a few facts that the schema does not tell.
// In the manner of Terraform's older SDK, which the alicloud provider is built on.
import { emptyValues, isSet, type Block } from "./schema";
import { isList, isObject, isZero, sameValue, UNKNOWN, type Value, type Values } from "./values";

/** What the wire schema does not say about a resource. Names of nested attributes are joined by dots. */
export interface Facts {
  /** Attributes whose change replaces the resource. */
  readonly forceNew?: readonly string[];
  /** Values of attributes that the configuration leaves out. */
  readonly defaults?: Readonly<Record<string, Value>>;
  /** Blocks that keep their value when the configuration leaves them out. */
  readonly computedBlocks?: readonly string[];
  /** Whether a difference in an attribute is ignored, by the configuration laid over what the resource has. */
  readonly suppress?: Readonly<Record<string, (proposed: Values) => boolean>>;
  /** Attributes that exclude each other. */
  readonly conflicts?: readonly (readonly [string, string])[];
  /** Checks of single attributes (by dotted name): what is wrong with a known value, if anything. */
  readonly checks?: Readonly<Record<string, (value: Value) => string | undefined>>;
  /** Checks that need several attributes. */
  readonly check?: (config: Values) => string | undefined;
  /** Attributes of the real resource that the stand-in does not serve. */
  readonly unserved?: readonly string[];
}

/** Steps from the resource down to a value: names, and positions in lists. */
export type Path = readonly (string | number)[];

export interface Plan {
  readonly planned: Values | null;
  readonly replace: readonly Path[];
}

const dotted = (path: Path): string => path.filter((step) => typeof step === "string").join(".");

/**
 * The planned state.
 * @param prior null when the resource is to be created
 * @param proposed Terraform's merge of configuration and prior state; null when it is to be destroyed
 */
export function planChange(
  block: Block,
  facts: Facts,
  prior: Values | null,
  proposed: Values | null,
  config: Values | null,
): Plan {
  if (proposed === null) return { planned: null, replace: [] };
  const replace: Path[] = [];

  const attribute = (path: Path, before: Value, after: Value, given: Value, computed: boolean, set: boolean): Value => {
    const name = dotted(path);
    const creating = prior === null;
    if (facts.suppress?.[name]?.(proposed)) return before;
    const wanted = after === null && given === null ? (facts.defaults?.[name] ?? null) : after;
    if (wanted === null && computed) return creating ? UNKNOWN : before;
    // An explicit false or 0 where nothing was is a difference, though none that a resource would see.
    const explicit = before === null && (typeof wanted === "boolean" || typeof wanted === "number");
    if (!creating && !explicit && sameValue(before, wanted, set)) return before;
    if (!creating && facts.forceNew?.includes(name)) replace.push(path);
    return wanted;
  };

  const walk = (
    inner: Block,
    path: Path,
    before: Values | undefined,
    after: Values,
    given: Values | undefined,
  ): Values => {
    const result: Values = { ...after };
    for (const [name, each] of Object.entries(inner.attributes ?? {})) {
      const old = before?.[name] ?? null;
      // A block that is new within an existing resource has nothing to keep.
      if (path.length > 0 && !before && each.computed && (after[name] ?? null) === null) result[name] = UNKNOWN;
      else
        result[name] = attribute(
          [...path, name],
          old,
          after[name] ?? null,
          given?.[name] ?? null,
          each.computed === true,
          isSet(each.type),
        );
    }
    for (const [name, nested] of Object.entries(inner.block_types ?? {})) {
      const value = after[name];
      if (nested.nesting_mode !== "list" || !isList(value)) continue;
      const old = asList(before?.[name]);
      if (value.length === 0 && facts.computedBlocks?.includes(dotted([...path, name]))) {
        result[name] = prior === null ? UNKNOWN : old;
        continue;
      }
      result[name] = value.map((element, index) =>
        isObject(element)
          ? walk(nested.block, [...path, name, index], objectAt(old, index), element, objectAt(given?.[name], index))
          : element,
      );
      for (let index = value.length; index < old.length; index++) {
        const gone = objectAt(old, index) ?? {};
        for (const inside of Object.keys(nested.block.attributes ?? {}))
          if (facts.forceNew?.includes(dotted([...path, name, inside])) && !isZero(gone[inside]))
            replace.push([...path, name, index, inside]);
      }
    }
    return result;
  };

  const planned = walk(block, [], prior ?? undefined, { ...emptyValues(block), ...proposed }, config ?? undefined);
  return { planned, replace };
}

const asList = (value: Value | undefined): Value[] => (isList(value) ? value : []);
function objectAt(value: Value | undefined, index: number): Values | undefined {
  const element = asList(value)[index];
  return isObject(element) ? element : undefined;
}

/** What is wrong with a configuration, with the path of each finding. */
export function validate(block: Block, facts: Facts, config: Values): { path: Path; problem: string }[] {
  const problems: { path: Path; problem: string }[] = [];
  const walk = (inner: Block, path: Path, values: Values): void => {
    for (const name of Object.keys(inner.attributes ?? {})) {
      const value = values[name] ?? null;
      const problem =
        value === null || value === UNKNOWN ? undefined : facts.checks?.[dotted([...path, name])]?.(value);
      if (problem) problems.push({ path: [...path, name], problem });
    }
    for (const [name, nested] of Object.entries(inner.block_types ?? {}))
      asList(values[name]).forEach((each, index) => {
        if (isObject(each)) walk(nested.block, [...path, name, index], each);
      });
  };
  walk(block, [], config);
  for (const [one, other] of facts.conflicts ?? [])
    if ((config[one] ?? null) !== null && (config[other] ?? null) !== null)
      problems.push({ path: [one], problem: `"${one}": conflicts with ${other}` });
  const problem = facts.check?.(config);
  if (problem) problems.push({ path: [], problem });
  return problems;
}
