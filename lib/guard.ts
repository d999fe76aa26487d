// What a construct is given, as callers without a type checker give it too: nothing, null, text for a number, a misspelt
// option, `process.env.X!`. A shape says what each option is; reading it tells every problem in one sentence and puts a
// stand-in where something is missing, so that the construct is made, its other checks run, and nothing ends in a stack trace.
import { Lazy, TerraformElement, TerraformProvider, TerraformStack, Token, Tokenization } from "cdktf";
import { Construct, IConstruct } from "constructs";
import { tokenized } from "./expressions";
import type { Findings } from "./findings";
import { isLiteral } from "./structural";

/** What an option may be. */
export interface Kind<T> {
  /** What to give, as the end of a sentence. */
  readonly wanted: string;
  readonly optional: boolean;
  /** Judges a value, and what is inside it. */
  read(value: unknown, where: string, problems: Problems): T | typeof WRONG;
  /** What takes a missing value's place. */
  standIn(): T;
}

/** What each option of `T` may be; the compiler asks for every one. */
export type Shape<T> = { readonly [K in keyof T]-?: Kind<T[K]> };

/** What a guard found. */
export interface Problems {
  readonly errors: string[];
  readonly warnings: string[];
}

const WRONG = Symbol("wrong");
const STAND_INS = new WeakSet<object>();
const MISSING = Lazy.stringValue({ produce: () => "" });

/** Whether a value only stands where something is missing that was complained about. */
export function isStandIn(value: unknown): boolean {
  return value === MISSING || (typeof value === "object" && value !== null && STAND_INS.has(value));
}

function standingIn<T extends object>(value: T): T {
  STAND_INS.add(value);
  return value;
}

/** What a value is, in words that do not repeat it: it may be a secret. */
export function described(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  if (Token.isUnresolved(value) || (typeof value === "string" && !isLiteral(value))) return "known only to Terraform";
  if (typeof value === "string") return "text";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "function") return "a function";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

function read<T>(kind: Kind<T>, value: unknown, where: string, problems: Problems): T {
  if ((value === undefined && kind.optional) || isStandIn(value)) return value as T;
  const result = kind.read(value, where, problems);
  if (result !== WRONG) return result;
  problems.errors.push(
    `${where} is ${described(value)}; give ${kind.wanted}${kind.optional ? ", or leave it out" : ""}.`,
  );
  return kind.standIn();
}

/** An option that may be left out. */
export function optional<T>(kind: Kind<T>): Kind<T | undefined> {
  return { ...kind, optional: true, standIn: () => undefined };
}

/** A value that a test tells right from wrong. */
function simple<T>(wanted: string, standIn: () => T, judge: (value: unknown) => T | typeof WRONG): Kind<T> {
  return { wanted, optional: false, standIn, read: (value) => judge(value) };
}

/** Text, or a token for it. */
export function text<E extends string = string>(example: string): Kind<E> {
  return simple(
    `text, for example ${example}`,
    () => MISSING as E,
    (value) =>
      typeof value === "string"
        ? (tokenized(value) as E)
        : Tokenization.isResolvable(value)
          ? (Token.asString(value) as E)
          : WRONG,
  );
}

/** One of an enum's values. */
export function oneOf<E extends string>(choices: Record<string, E>): Kind<E> {
  const values = Object.values(choices);
  return {
    wanted: `one of ${values.join(", ")}`,
    optional: false,
    standIn: () => values[0],
    read: (value, where, problems) => {
      if (typeof value !== "string" || !isLiteral(value)) return WRONG;
      if ((values as string[]).includes(value)) return value as E;
      problems.errors.push(`${where} ${value} is not offered; choose one of ${values.join(", ")}.`);
      return values[0];
    },
  };
}

/** A number, or a token for it. */
export const number: Kind<number> = simple(
  "a number",
  () => 0,
  (value) => (typeof value === "number" ? value : Tokenization.isResolvable(value) ? Token.asNumber(value) : WRONG),
);

/** One of a few numbers, in the program's text. */
export function oneOfNumbers<N extends number>(...choices: readonly N[]): Kind<N> {
  return {
    wanted: choices.join(" or "),
    optional: false,
    standIn: () => choices[0],
    read: (value, where, problems) => {
      const chosen = choices.find((choice) => choice === value);
      if (chosen !== undefined || typeof value !== "number" || !isLiteral(value)) return chosen ?? WRONG;
      problems.errors.push(`${where} is ${value}; give ${choices.join(" or ")}.`);
      return choices[0];
    },
  };
}

/** True or false, in the program's text. */
export const flag: Kind<boolean> = simple(
  "true or false",
  () => false,
  (value) => (typeof value === "boolean" ? value : WRONG),
);

/** True or false, or a token for it: for what Terraform alone reads. */
export const flagOrToken: Kind<boolean> = simple(
  "true or false",
  () => false,
  (value) => (typeof value === "boolean" || Tokenization.isResolvable(value) ? (value as boolean) : WRONG),
);

/**
 * A list of at most so many as the checks allow.
 *
 * @param item what each may be
 * @param wanted as the end of a sentence
 * @param them what to give one by one, for who gives a list that only Terraform knows
 */
export function list<T>(item: Kind<T>, wanted: string, them = "them"): Kind<readonly T[]> {
  const whole = listOrToken(item, wanted);
  return {
    ...whole,
    read: (value, where, problems) => {
      const items = whole.read(value, where, problems);
      if (items === WRONG || !Token.isUnresolved(items)) return items;
      problems.errors.push(`${where} is one Terraform list; give ${them} one by one.`);
      return whole.standIn();
    },
  };
}

/** The same, or a Terraform list, which passes whole: for what has a check of its own of that, or is Terraform's alone. */
export function listOrToken<T>(item: Kind<T>, wanted: string): Kind<readonly T[]> {
  return {
    wanted,
    optional: false,
    standIn: () => standingIn([item.standIn()]),
    read: (value, where, problems) => {
      if (Tokenization.isResolvable(value)) return Token.asList(value) as unknown as readonly T[];
      if (!Array.isArray(value)) return WRONG;
      if (Token.isUnresolved(value)) return value as readonly T[];
      return Array.from(value, (each: unknown, index) => read(item, each, `${where}[${index}]`, problems));
    },
  };
}

/** An object of options. */
export function bag<T extends object>(shape: Shape<T>, wanted: string, also: readonly string[] = []): Kind<T> {
  return {
    wanted,
    optional: false,
    standIn: () => standInOf(shape),
    read: (value, where, problems) =>
      isObject(value) && !isConstruct(value) && !isWhole(value, shape)
        ? readShape(shape, value, `${where}.`, problems, also)
        : WRONG,
  };
}

/** Text by name, such as tags. */
export function texts(wanted: string): Kind<Readonly<Record<string, string>>> {
  const each = text("network");
  return {
    wanted,
    optional: false,
    standIn: () => ({}),
    read: (value, where, problems) => {
      if (!isObject(value)) return WRONG;
      if (Tokenization.isResolvable(value)) return value as unknown as Record<string, string>;
      return Object.fromEntries(
        Object.entries(value).map(([key, inner]) => [key, read(each, inner, `${where}.${key}`, problems)]),
      );
    },
  };
}

/** A resource of any bindings or its plain facts, of which some have to be there. */
export function facts<T extends object>(shape: Shape<T>, wanted: string): Kind<T> {
  return {
    wanted,
    optional: false,
    standIn: () => standInOf(shape),
    read: (value, where, problems) => {
      if (!isObject(value)) return WRONG;
      // A class may answer with more than it shows, and asking a generated one makes tokens, which is slow.
      if (!isPlain(value)) return "id" in value ? (value as T) : WRONG;
      return readShape(shape, value, `${where}.`, problems, undefined);
    },
  };
}

/** An object that has what this library asks of it. */
export function having<T extends object>(
  wanted: string,
  members: readonly (keyof T & string)[],
  standIn: () => T,
): Kind<T> {
  return simple(
    wanted,
    () => standingIn(standIn()),
    (value) => (isObject(value) && members.every((member) => member in value) ? (value as T) : WRONG),
  );
}

/** What has all of the one kind, else an object of options of the other. */
export function either<A extends object, B extends object>(one: Kind<A>, other: Kind<B>, wanted: string): Kind<A | B> {
  return {
    wanted,
    optional: false,
    standIn: () => one.standIn(),
    read: (value, where, problems) => {
      const result = one.read(value, where, problems);
      return result === WRONG ? other.read(value, where, problems) : result;
    },
  };
}

/** The provider of a resource. */
export const provider: Kind<TerraformProvider | undefined> = optional(
  simple<TerraformProvider | undefined>(
    "a provider, for example an AlicloudProvider with an alias",
    () => undefined,
    (value) => (isObject(value) && TerraformProvider.isTerraformProvider(value) ? value : WRONG),
  ),
);

/** Attributes whose drift Terraform is to ignore. */
export const ignoreChanges: Kind<string[] | "all" | undefined> = optional(
  simple<string[] | "all" | undefined>(
    'attributes, for example ["tags"]',
    () => undefined,
    (value) =>
      value === "all" || (Array.isArray(value) && value.every((each) => typeof each === "string")) ? value : WRONG,
  ),
);

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

function isConstruct(value: object): boolean {
  return Construct.isConstruct(value) || TerraformElement.isTerraformElement(value);
}

/** Whether only Terraform can see into an object: it is a value that answers to none of the options. */
function isWhole(value: object, shape: object): boolean {
  return Token.isUnresolved(value) && !Object.keys(shape).some((key) => key in value);
}

/** Everything that a shape asks for, as stand-ins. */
export function standInOf<T extends object>(shape: Shape<T>): T {
  const entries = Object.entries<Kind<unknown>>(shape).map(([key, kind]) => [
    key,
    kind.optional ? undefined : kind.standIn(),
  ]);
  return standingIn(Object.fromEntries(entries) as T);
}

function readShape<T extends object>(
  shape: Shape<T>,
  given: object,
  prefix: string,
  problems: Problems,
  /** Options of others that may stand here too; undefined: whatever stands here. */
  also: readonly string[] | undefined,
): T {
  const values = given as Readonly<Record<string, unknown>>;
  const known = Object.keys(shape);
  const misspelt = new Set<string>();
  if (also !== undefined && isPlain(given)) {
    for (const key of Object.keys(given)) {
      if (known.includes(key) || also.includes(key) || values[key] === undefined) continue;
      const meant = nearest(
        key,
        known.filter((candidate) => values[candidate] === undefined),
      );
      if (meant === undefined) {
        problems.warnings.push(
          `${prefix}${key} is not an option and has no effect; the options here are ${known.join(", ")}.`,
        );
      } else {
        misspelt.add(meant);
        problems.errors.push(`${prefix}${key} is not an option; write ${meant}.`);
      }
    }
  }
  const entries = Object.entries<Kind<unknown>>(shape).map(([key, kind]) => {
    // What was meant by a misspelt option is not missing as well.
    const value = misspelt.has(key) ? (kind.optional ? undefined : kind.standIn()) : values[key];
    return [key, read(kind, value, `${prefix}${key}`, problems)] as const;
  });
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as T;
}

/** The word that was meant: the same but for case, or for two letters (one where it is short). */
function nearest(word: string, candidates: readonly string[]): string | undefined {
  const plain = word.toLowerCase();
  const most = word.length > 4 ? 2 : 1;
  const [best] = candidates
    .map((candidate) => ({ candidate, distance: distance(plain, candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  return best !== undefined && best.distance <= most ? best.candidate : undefined;
}

/** How many letters have to be put, taken or changed to make one word of the other (Levenshtein). */
function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return 3;
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length];
}

/** A construct's options with everything in its place, and what was found on the way. */
export interface Guarded<T> {
  readonly props: T;
  readonly problems: Problems;
}

/** Reads what a construct is given. */
export function guard<T extends object>(shape: Shape<T>, given: T): Guarded<T> {
  const problems: Problems = { errors: [], warnings: [] };
  const value: unknown = given;
  if (!isObject(value) || isWhole(value, shape)) {
    const required = Object.entries<Kind<unknown>>(shape).flatMap(([key, kind]) => (kind.optional ? [] : [key]));
    const given = value === undefined ? "are missing" : `are ${described(value)}`;
    problems.errors.push(`the options ${given}; give an object with ${required.join(", ")}.`);
    return { props: standInOf(shape), problems };
  }
  return { props: readShape(shape, value, "", problems, []), problems };
}

/** Those of the options that a shape has, for a construct that passes them on. */
export function pick<T extends object>(shape: Shape<T>, props: T): T {
  return Object.fromEntries(Object.keys(shape).map((key) => [key, props[key as keyof T]])) as T;
}

/** Reports what a guard found. */
export function tell({ problems }: Guarded<unknown>, findings: Findings): void {
  findings.error(...problems.errors);
  findings.warning(...problems.warnings);
}

/**
 * The scope of a construct, which has to be in a stack: nothing can be reported at synth by a construct that is in none.
 *
 * @throws one sentence when it is not
 */
export function inStack<S extends IConstruct>(scope: S, id: string, what: string): S {
  const value: unknown = scope;
  if (typeof id !== "string" || id === "") {
    throw new Error(`${what}: the id is ${id === "" ? "empty" : described(id)}; give text, for example "vpn".`);
  }
  const parents = isObject(value) && Construct.isConstruct(value) ? value.node.scopes : [];
  if (parents.some((parent) => TerraformStack.isStack(parent))) return scope;
  const given = parents.length > 0 ? "in no stack" : isObject(value) ? "no construct" : described(value);
  throw new Error(`${what} "${id}": the scope is ${given}; give a TerraformStack, or a construct in one.`);
}
