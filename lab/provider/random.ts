// The stand-in for hashicorp/random: random_password, from node:crypto.
import { randomInt } from "node:crypto";
import { hash } from "bcryptjs";
import schemas from "./null-and-random-schema.json";
import type { Facts } from "./plan";
import type { Provider } from "./provider";
import type { ProviderSchema } from "./schema";
import { Reader, type Values } from "./values";

const minute = 60_000;
const DIGITS = "0123456789";
const LOWER = "abcdefghijklmnopqrstuvwxyz";
/** The provider's own list, unless `override_special` gives another. */
const SPECIAL = "!@#$%&*()-_=+[]{}<>:?";

const OPTIONS = [
  "keepers",
  "length",
  "lower",
  "min_lower",
  "min_numeric",
  "min_special",
  "min_upper",
  "number",
  "numeric",
  "override_special",
  "special",
  "upper",
];

const facts: Facts = {
  forceNew: OPTIONS,
  defaults: {
    lower: true,
    upper: true,
    special: true,
    numeric: true,
    number: true,
    min_lower: 0,
    min_upper: 0,
    min_numeric: 0,
    min_special: 0,
  },
  conflicts: [["number", "numeric"]],
  check: (config) => {
    const given = new Reader(config);
    const length = config.length;
    if (typeof length !== "number") return undefined;
    const least = ["min_lower", "min_upper", "min_numeric", "min_special"].reduce(
      (sum, name) => sum + (given.number(name) ?? 0),
      0,
    );
    if (length < 1) return `Attribute length value must be at least 1, got: ${length}`;
    return length < least
      ? `Attribute length value must be at least sum of min_upper + min_lower + min_numeric + min_special, got: ${length}`
      : undefined;
  },
};

const pick = (count: number, from: string): string[] =>
  Array.from({ length: count }, () => from[randomInt(from.length)]);

/** A password after random_password's options. */
export function makePassword(options: Values): string {
  const given = new Reader(options);
  const numeric = given.boolean("numeric") !== false && given.boolean("number") !== false;
  const kinds = [
    { characters: DIGITS, used: numeric, least: given.number("min_numeric") },
    { characters: LOWER, used: given.boolean("lower") !== false, least: given.number("min_lower") },
    { characters: LOWER.toUpperCase(), used: given.boolean("upper") !== false, least: given.number("min_upper") },
    {
      characters: given.string("override_special") ?? SPECIAL,
      used: given.boolean("special") !== false,
      least: given.number("min_special"),
    },
  ];
  const all = kinds
    .filter((kind) => kind.used)
    .map((kind) => kind.characters)
    .join("");
  const result = kinds.flatMap((kind) => pick(kind.least ?? 0, kind.characters));
  const rest = (given.number("length") ?? 0) - result.length;
  if (rest > 0 && all === "") throw new Error("random_password: no kind of character is left to choose from.");
  result.push(...pick(rest, all));
  for (let last = result.length - 1; last > 0; last--) {
    const other = randomInt(last + 1);
    [result[last], result[other]] = [result[other], result[last]];
  }
  return result.join("");
}

const bcrypt = (password: string): Promise<string> => hash(password, 10);

export const random: Provider<undefined> = {
  name: "random",
  schema: schemas.random as unknown as ProviderSchema,
  resources: {
    random_password: {
      facts,
      timeouts: { create: minute, update: minute, delete: minute },
      create: async (_client, planned) => {
        const result = makePassword(planned);
        return { id: "none", values: { result, bcrypt_hash: await bcrypt(result) } };
      },
      read: async () => ({}),
      update: async () => undefined,
      delete: async () => undefined,
      import: async (password) => ({
        ...facts.defaults,
        id: "none",
        length: password.length,
        result: password,
        bcrypt_hash: await bcrypt(password),
      }),
    },
  },
  dataSources: {},
  configure: () => undefined,
};
