// `npm run options`: writes docs/options.md, every option with its default, from the docstrings in lib/.
// test/docs/options.test.ts fails when the page is not what this writes.
import * as fs from "node:fs";
import * as path from "node:path";
import ts from "typescript";

const root = path.resolve(__dirname, "..");

/** The page that `optionsPage` is written to. */
export const PAGE = path.join(root, "docs/options.md");

const INTRODUCTION = `# Options
Every option of the constructs, from the docstrings of the library: \`npm run options\` writes this page. An option without a default must be given. Where a choice is a name in capitals, write it after its type: \`Encryption.AES_192\`.
`;

/** The page's text. */
export function optionsPage(): string {
  const program = ts.createProgram([path.join(root, "lib/index.ts")], {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.CommonJS,
    moduleResolution: ts.ModuleResolutionKind.Node10,
    strict: true,
    skipLibCheck: true,
  });
  const checker = program.getTypeChecker();
  const index = checker.getSymbolAtLocation(program.getSourceFile(path.join(root, "lib/index.ts"))!)!;
  const exported = new Map(
    checker
      .getExportsOfModule(index)
      .map((symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol))
      .map((symbol) => [symbol.name, symbol]),
  );

  const summary = (symbol: ts.Symbol) => ts.displayPartsToString(symbol.getDocumentationComment(checker));
  const tag = (symbol: ts.Symbol, name: string) =>
    symbol
      .getJsDocTags(checker)
      .filter((each) => each.name === name)
      .map((each) => ts.displayPartsToString(each.text));
  const typeOf = (symbol: ts.Symbol) => {
    const [declaration] = symbol.declarations ?? [];
    return declaration && ts.isPropertySignature(declaration) && declaration.type ? declaration.type.getText() : "";
  };
  const namesIn = (type: string) => [...type.matchAll(/[A-Z]\w+/g)].map(([name]) => name);
  const isOptions = (name: string) =>
    /(Props|Options|Ref|Attributes)$/.test(name) && (exported.get(name)?.flags ?? 0) & ts.SymbolFlags.Interface;
  const fieldsOf = (symbol: ts.Symbol) => checker.getDeclaredTypeOfSymbol(symbol).getProperties();

  const parameterTypes = (choice: ts.Symbol) => {
    const [declaration] = choice.declarations ?? [];
    return declaration && ts.isMethodDeclaration(declaration)
      ? declaration.parameters.map((parameter) => parameter.type?.getText() ?? "")
      : [];
  };

  // The construct that most people use first, then what its options are made of, then the rest by name.
  const order: string[] = [];
  const visit = (name: string) => {
    const symbol = exported.get(name);
    if (symbol === undefined || order.includes(name)) return;
    if (!isOptions(name))
      return choicesOf(symbol).flatMap(parameterTypes).flatMap(namesIn).filter(isOptions).forEach(visit);
    order.push(name);
    for (const field of fieldsOf(symbol)) namesIn(typeOf(field)).forEach(visit);
  };
  // What constructs are made from; options that only lend theirs to these have no table of their own.
  const roots = [...exported.keys()].filter((name) => /(Props|Attributes)$/.test(name)).sort();
  ["DualTunnelVpnProps", ...roots].forEach(visit);

  const choices = [
    ...new Set(order.flatMap((name) => fieldsOf(exported.get(name)!).flatMap((f) => namesIn(typeOf(f))))),
  ]
    .filter((name) => !isOptions(name) && choicesOf(exported.get(name)).length > 0)
    .sort();

  const linked = (type: string) =>
    [...new Set(namesIn(type))]
      .filter((name) => order.includes(name) || choices.includes(name))
      .map((name) => `[${name}](#${name.toLowerCase()})`)
      .join(", ");
  const tables = order.map((name) => {
    const symbol = exported.get(name)!;
    const rows = fieldsOf(symbol).map((field) => {
      const type = linked(typeOf(field));
      const [fallback] = tag(field, "default");
      return row(
        `\`${field.name}\``,
        fallback === undefined ? "" : fallback.startsWith("- ") ? fallback.slice(2) : `\`${fallback}\``,
        `${summary(field)}${type === "" ? "" : ` ${type}`}`,
      );
    });
    return [
      `## ${name}`,
      summary(symbol),
      "",
      row("option", "default", "what it is"),
      "|---|---|---|",
      ...rows,
      "",
    ].join("\n");
  });

  function choicesOf(symbol: ts.Symbol | undefined): ts.Symbol[] {
    if (symbol === undefined) return [];
    if (symbol.flags & ts.SymbolFlags.Enum) return [...(symbol.exports?.values() ?? [])];
    return [...(symbol.exports?.values() ?? [])].filter(
      (member) =>
        member.flags & ts.SymbolFlags.Method &&
        !isPrivate(member) &&
        !member.getJsDocTags().some(({ name }) => name === "internal"),
    );
  }
  const lists = choices.map((name) => {
    const symbol = exported.get(name)!;
    const items = choicesOf(symbol).map((choice) => {
      const declaration = choice.declarations?.[0];
      const parameters =
        declaration && ts.isMethodDeclaration(declaration)
          ? `(${declaration.parameters.map((parameter) => parameter.name.getText()).join(", ")})`
          : "";
      const said = tag(choice, "param").map((text) =>
        text.replace(/^(\w+) ([^]*)$/, (_, parameter: string, what: string) => `(\`${parameter}\`: ${safe(what)})`),
      );
      const types = linked(parameterTypes(choice).join(" "));
      return `- \`${name}.${choice.name}${parameters}\` ${[safe(summary(choice)), ...said, types].join(" ")}`
        .trim()
        .replace(/\s+/g, " ");
    });
    return [`## ${name}`, summary(symbol), "", ...items, ""].join("\n");
  });
  return [INTRODUCTION, ...tables, ...lists].join("\n");
}

function isPrivate({ valueDeclaration }: ts.Symbol): boolean {
  return (
    valueDeclaration !== undefined && (ts.getCombinedModifierFlags(valueDeclaration) & ts.ModifierFlags.Private) > 0
  );
}

/** Text whose characters Markdown takes as they are: no tag outside of code, no code that does not end. */
function safe(text: string): string {
  const parts = text.split("`");
  if (parts.length % 2 === 0) return text.replaceAll("`", "\\`").replaceAll("<", "&lt;");
  return parts.map((part, index) => (index % 2 === 0 ? part.replaceAll("<", "&lt;") : part)).join("`");
}

function row(...cells: readonly string[]): string {
  return `| ${cells.map((cell) => safe(cell).replace(/\s+/g, " ").replaceAll("|", "\\|").trim()).join(" | ")} |`;
}

if (require.main === module) fs.writeFileSync(PAGE, optionsPage());
