// Every name that the library exports, and every field, member and parameter of it, says in its docstring what the name
// alone does not: the API reference and every editor show it.
import * as path from "node:path";
import ts from "typescript";
import { ROOT } from "./project";

const program = ts.createProgram([path.join(ROOT, "lib/index.ts")], {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.CommonJS,
  moduleResolution: ts.ModuleResolutionKind.Node10,
  strict: true,
  skipLibCheck: true,
});
const checker = program.getTypeChecker();

interface Documented {
  readonly name: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly parameters: readonly string[];
  /** Whether it is a field of an interface that may be left out. */
  readonly optional: boolean;
}

function documented(symbol: ts.Symbol, parent = ""): Documented {
  const declaration = symbol.declarations?.[0];
  const callable = declaration && (ts.isMethodDeclaration(declaration) || ts.isFunctionDeclaration(declaration));
  return {
    name: parent + symbol.name,
    summary: ts.displayPartsToString(symbol.getDocumentationComment(checker)).trim(),
    tags: symbol.getJsDocTags(checker).map((tag) => `${tag.name} ${ts.displayPartsToString(tag.text)}`.trim()),
    parameters: callable ? declaration.parameters.map((parameter) => parameter.name.getText()) : [],
    optional:
      declaration !== undefined && ts.isPropertySignature(declaration) && declaration.questionToken !== undefined,
  };
}

/** Whether a member is ours to document: declared in lib/, and for users. Of an enum the values speak for themselves. */
function isOurs(member: ts.Symbol): boolean {
  const declaration = member.declarations?.[0];
  if (!declaration?.getSourceFile().fileName.startsWith(path.join(ROOT, "lib/"))) return false;
  if (member.getJsDocTags().some(({ name }) => name === "internal")) return false;
  const hidden = ts.ModifierFlags.Private | ts.ModifierFlags.Protected;
  return (
    (ts.getCombinedModifierFlags(declaration) & hidden) === 0 &&
    (member.flags & (ts.SymbolFlags.Constructor | ts.SymbolFlags.Prototype | ts.SymbolFlags.EnumMember)) === 0
  );
}

const index = checker.getSymbolAtLocation(program.getSourceFile(path.join(ROOT, "lib/index.ts"))!)!;
const exported = checker
  .getExportsOfModule(index)
  .map((symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol));
const names = exported.map((symbol) => documented(symbol));
const members = exported.flatMap((symbol) =>
  [...(symbol.members?.values() ?? []), ...(symbol.exports?.values() ?? [])]
    .filter(isOurs)
    .map((member) => documented(member, `${symbol.name}.`)),
);

/** The words of a name or a sentence, without those that say nothing. */
function words(text: string): string {
  return text
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .replace(/\b(a|an|the|of|is|whether)\b/g, "")
    .replace(/[^a-z0-9]/g, "");
}

it("finds what the library exports", () => {
  expect(names.map(({ name }) => name)).toEqual(expect.arrayContaining(["DualTunnelVpn", "synth", "Encryption"]));
  expect(members.map(({ name }) => name)).toEqual(
    expect.arrayContaining(["IpsecDualConnectionOptions.name", "DualTunnelVpn.gateway", "Charge.subscription"]),
  );
});

it("has a sentence for every exported name, field and member", () => {
  expect([...names, ...members].filter(({ summary }) => summary === "").map(({ name }) => name)).toEqual([]);
});

it("has no sentence that only repeats the name", () => {
  const repeating = [...names, ...members].filter(
    ({ name, summary }) => summary !== "" && words(summary) === words(name.split(".").pop() ?? ""),
  );
  expect(repeating.map(({ name, summary }) => `${name}: ${summary}`)).toEqual([]);
});

it("tells the default of every field that may be left out", () => {
  const silent = members.filter(({ optional, tags }) => optional && !tags.some((tag) => /^default \S/.test(tag)));
  expect(silent.map(({ name }) => name)).toEqual([]);
});

it("tells what every parameter of a function or method is", () => {
  const silent = [...names, ...members].flatMap(({ name, parameters, tags }) =>
    parameters
      .filter((parameter) => !tags.some((tag) => tag.startsWith(`param ${parameter} `)))
      .map((parameter) => `${name}(${parameter})`),
  );
  expect(silent).toEqual([]);
});
