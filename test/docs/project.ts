// A small project outside of the repository that holds code as a customer writes it, with the names that customers
// import resolved to this repository's sources: type-checked, run, or tested by jest.
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import ts from "typescript";

export const ROOT = path.resolve(__dirname, "../..");
const PACKAGE = "cdktf-alicloud-dual-tunnel-vpn";

/** The pages of the documentation, but for the API reference, which is made. */
export const PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md"].concat(
  fs
    .readdirSync(path.join(ROOT, "docs"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".md") && !file.startsWith("api/"))
    .map((file) => `docs/${file}`),
);

/** The whole apps in examples/; examples/project holds what each of them needs beside its main.ts. */
export const EXAMPLES = fs
  .readdirSync(path.join(ROOT, "examples"))
  .filter((name) => fs.existsSync(path.join(ROOT, "examples", name, "main.ts")));

export class Project {
  /** What main.ts last wrote to standard error. */
  warnings = "";
  private readonly files: readonly string[];

  constructor(
    readonly directory: string,
    files: Readonly<Record<string, string>>,
  ) {
    fs.mkdirSync(directory, { recursive: true });
    fs.symlinkSync(path.join(ROOT, "node_modules"), path.join(directory, "node_modules"));
    for (const [file, text] of Object.entries(files)) fs.writeFileSync(path.join(directory, file), text);
    this.files = Object.keys(files);
  }

  get programs(): string[] {
    return this.files.filter((file) => file.endsWith(".ts")).map((file) => path.join(this.directory, file));
  }

  get isTest(): boolean {
    return this.files.some((file) => file.endsWith(".test.ts"));
  }

  /** Runs main.ts and answers the JSON of each stack, as text without what differs from place to place. */
  synthesize(environment: NodeJS.ProcessEnv = {}): Record<string, string> {
    const preloaded = ["ts-node/register/transpile-only", path.join(ROOT, "test/as-customer.ts")];
    this.warnings = this.run([...preloaded.flatMap((module) => ["-r", require.resolve(module)]), "main.ts"], {
      TS_NODE_PROJECT: path.join(ROOT, "tsconfig.json"),
      ...environment,
    });
    return Object.fromEntries(
      fs
        .readdirSync(path.join(this.directory, "cdktf.out/stacks"))
        .map((stack) => [stack, fs.readFileSync(path.join(this.stackDirectory(stack), "cdk.tf.json"), "utf8")]),
    );
  }

  /** Where a synthesized stack lies. */
  stackDirectory(stack: string): string {
    return path.join(this.directory, "cdktf.out/stacks", stack);
  }

  /** Runs the project's tests; a second time they compare with the snapshots that the first has written. */
  test(): void {
    fs.writeFileSync(
      path.join(this.directory, "jest.config.json"),
      JSON.stringify({
        rootDir: fs.realpathSync(this.directory),
        testEnvironment: "node",
        transform: { "\\.ts$": [require.resolve("ts-jest"), { isolatedModules: true, diagnostics: false }] },
        moduleNameMapper: {
          [`^${PACKAGE}$`]: path.join(ROOT, "lib/index.ts"),
          [`^${PACKAGE}/alicloud/(.*)$`]: path.join(ROOT, "packages/provider-alicloud/lib/$1"),
        },
      }),
    );
    const jest = [require.resolve("jest/bin/jest"), "--config", "jest.config.json", "--no-watchman"];
    this.run([...jest, "--ci=false"]);
    this.run([...jest, "--ci"]);
  }

  private run(args: readonly string[], environment: NodeJS.ProcessEnv = {}): string {
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      cwd: this.directory,
      encoding: "utf8",
      env: { ...process.env, ...environment },
    });
    if (status !== 0) throw new Error(`node ${args.join(" ")} ended with ${status}:\n${stdout}${stderr}`);
    return stderr;
  }
}

/** What the compiler says of the projects' files, with everything strict; one line for each complaint. */
export function complaints(projects: readonly Project[]): string[] {
  const program = ts.createProgram(
    projects.flatMap((project) => project.programs),
    {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.CommonJS,
      moduleResolution: ts.ModuleResolutionKind.Node10,
      strict: true,
      noUncheckedIndexedAccess: true,
      noUnusedLocals: true,
      noUnusedParameters: true,
      esModuleInterop: true,
      noEmit: true,
      skipLibCheck: true,
      types: ["node", "jest"],
      typeRoots: [path.join(ROOT, "node_modules/@types")],
      paths: {
        [PACKAGE]: [path.join(ROOT, "lib/index.ts")],
        [`${PACKAGE}/alicloud/*`]: [path.join(ROOT, "packages/provider-alicloud/lib/*")],
      },
    },
  );
  const own = new Set(projects.flatMap((project) => project.programs.map((file) => fs.realpathSync(file))));
  return ts
    .getPreEmitDiagnostics(program)
    .filter(({ file }) => !file || own.has(fs.realpathSync(file.fileName)))
    .map(({ file, start, messageText }) => {
      const place = file && start !== undefined ? file.getLineAndCharacterOfPosition(start).line + 1 : 0;
      return `${file ? path.relative(path.dirname(path.dirname(file.fileName)), file.fileName) : ""}:${place} ${ts.flattenDiagnosticMessageText(messageText, " ")}`;
    });
}

/** A stack's JSON as it stands in a snapshot: the hash of assets/, which changes with every release, aside. */
export function forSnapshot(json: string, directory: string): unknown {
  const places = [...new Set([directory, fs.realpathSync(directory)])];
  const neutral = places
    .reduce((text, place) => text.replaceAll(place, "<project>"), json)
    .replace(/\b[0-9a-f]{32}\b/g, "<hash of assets>");
  return JSON.parse(neutral);
}
