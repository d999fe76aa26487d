// A customer's fresh project that has only the tarball: installed by a package manager, compiled as CommonJS and as
// ESM, synthesized. Package managers run with their ordinary caches and settings.
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { PACKAGE, ROOT, Tarball } from "./tarball";

export const PACKAGE_MANAGERS = ["npm", "pnpm", "yarn 1", "yarn 4"] as const;
export type PackageManager = (typeof PACKAGE_MANAGERS)[number];

/** Which CDKTF a customer has. */
export interface Flavour {
  readonly name: string;
  /** What the customer's package.json says for `cdktf`. */
  readonly cdktf: string;
  /** What it says for `constructs`, by package manager: the ends of the ranges take turns. */
  readonly constructs: Readonly<Record<PackageManager, string>>;
  /** What npm needs beside, because @cdktf/provider-null knows only cdktf 0.21. */
  readonly overrides?: Readonly<Record<string, unknown>>;
  /** Further packages; @cdktf/provider-random is an optional peer of the library. */
  readonly more: Readonly<Record<string, string>>;
  /** Whether the command line `cdktf` synthesizes; else `node` does, because cdktn's wants a newer Node. */
  readonly commandLine: boolean;
}

export const FLAVOURS: readonly Flavour[] = [
  {
    name: "cdktf 0.21",
    cdktf: "0.21.0",
    constructs: { npm: "10.4.2", pnpm: "10.8.1", "yarn 1": "10.8.1", "yarn 4": "10.4.2" },
    more: { "@cdktf/provider-random": "12.0.1" },
    commandLine: true,
  },
  {
    name: "cdktn 0.24",
    cdktf: "npm:cdktn@0.24.0",
    constructs: { npm: "10.7.2", pnpm: "10.6.0", "yarn 1": "10.6.0", "yarn 4": "10.7.2" },
    overrides: { "@cdktf/provider-null": { cdktf: "$cdktf" } },
    more: {},
    commandLine: false,
  },
];

/** The ways in which a customer's code is compiled: module kind and resolution, the source's name, the program made. */
export const COMPILATIONS = {
  "CommonJS, node10": { config: "tsconfig.node10.json", source: "main.ts", program: "node10/main.js" },
  "CommonJS, nodenext": { config: "tsconfig.nodenext.json", source: "main.cts", program: "nodenext/main.cjs" },
  "ESM, nodenext": { config: "tsconfig.nodenext.json", source: "main.mts", program: "nodenext/main.mjs" },
} as const;

const bin = (relative: string) => path.join(ROOT, "node_modules", relative);

const INSTALL: Record<PackageManager, readonly string[]> = {
  npm: ["npm", "install", "--no-audit", "--no-fund", "--prefer-offline"],
  pnpm: [process.execPath, bin("pnpm/bin/pnpm.cjs"), "install", "--prefer-offline", "--no-frozen-lockfile"],
  "yarn 1": [process.execPath, bin("yarn/bin/yarn.js"), "install", "--prefer-offline", "--non-interactive"],
  "yarn 4": [process.execPath, bin("@yarnpkg/cli-dist/bin/yarn.js"), "install", "--no-immutable"],
};

/** What is switched on for a customer's compiler: everything strict, and the declarations of others checked too. */
const STRICT = {
  target: "ES2022",
  lib: ["ES2022"],
  types: ["node"],
  strict: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  isolatedModules: true,
  skipLibCheck: false,
  declaration: true,
};

export class CustomerProject {
  constructor(
    readonly directory: string,
    readonly manager: PackageManager,
    readonly flavour: Flavour,
    tarball: Tarball,
  ) {
    const source = fs.readFileSync(path.join(__dirname, "customer/main.ts"), "utf8");
    const write = (file: string, content: unknown) =>
      fs.writeFileSync(
        path.join(directory, file),
        typeof content === "string" ? content : JSON.stringify(content, null, 2) + "\n",
      );
    fs.mkdirSync(directory, { recursive: true });
    write("package.json", {
      name: "customer",
      version: "1.0.0",
      private: true,
      dependencies: {
        ...flavour.more,
        "@cdktf/provider-null": "11.0.1",
        cdktf: flavour.cdktf,
        [PACKAGE]: `file:${tarball.file}`,
        constructs: flavour.constructs[manager],
      },
      devDependencies: { "@types/node": "20.19.0", typescript: "5.9.3" },
      ...(manager === "npm" && flavour.overrides ? { overrides: flavour.overrides } : {}),
    });
    if (manager === "yarn 4") {
      // An empty lockfile marks the project's root; yarn 4 looks for one upwards otherwise.
      write("yarn.lock", "");
      write(".yarnrc.yml", "nodeLinker: node-modules\nenableTelemetry: false\n");
    }
    write("cdktf.json", { language: "typescript", app: "node node10/main.js", sendCrashReports: "false" });
    write("main.ts", source);
    write("main.cts", source);
    write("main.mts", source);
    write("tsconfig.node10.json", {
      compilerOptions: { ...STRICT, module: "commonjs", moduleResolution: "node10", outDir: "node10" },
      files: ["main.ts"],
    });
    write("tsconfig.nodenext.json", {
      compilerOptions: { ...STRICT, module: "nodenext", moduleResolution: "nodenext", outDir: "nodenext" },
      files: ["main.cts", "main.mts"],
    });
  }

  /** Installs, and answers what the package manager said. */
  install(): string {
    // npm refuses a peer out of range by itself; pnpm when asked, which under cdktn would refuse @cdktf/provider-null.
    const strict =
      this.manager === "pnpm" && this.flavour.commandLine ? ["--config.strict-peer-dependencies=true"] : [];
    return this.run([...INSTALL[this.manager], ...strict]);
  }

  /** Compiles every way. */
  compile(): void {
    for (const config of new Set(Object.values(COMPILATIONS).map((compilation) => compilation.config))) {
      this.run([process.execPath, this.resolve("typescript/bin/tsc"), "-p", config]);
    }
  }

  /** Runs a compiled program and answers the directory with what it synthesized. */
  synthesize(program: string): string {
    const out = `${path.basename(path.dirname(program))}-${path.extname(program).slice(1)}.out`;
    if (this.flavour.commandLine && program === COMPILATIONS["CommonJS, node10"].program) {
      this.run([process.execPath, bin("cdktf-cli/bundle/bin/cdktf"), "synth", "--output", out]);
    } else {
      this.run([process.execPath, program], { CDKTF_OUTDIR: out });
    }
    return path.join(this.directory, out);
  }

  /** Runs a line of JavaScript in the project and answers what it prints, read as JSON. */
  evaluate(script: string): unknown {
    return JSON.parse(this.run([process.execPath, "-p", `JSON.stringify(${script})`]));
  }

  /** The real path of what a package in the project, or one that it needs, requires. */
  resolve(request: string, from = this.directory): string {
    return fs.realpathSync(require.resolve(request, { paths: [from] }));
  }

  /** The real path of an installed package's directory, as seen from another package's. */
  packageDirectory(name: string, from = this.directory): string {
    for (let at = from; ; at = path.dirname(at)) {
      const candidate = path.join(at, "node_modules", name);
      if (fs.existsSync(path.join(candidate, "package.json"))) return fs.realpathSync(candidate);
      if (at === path.dirname(at)) throw new Error(`${name} is not installed for ${from}`);
    }
  }

  /** The real paths of every installed copy of a package, whatever alias it has. */
  copies(name: string): string[] {
    const found = new Set<string>();
    const walk = (directory: string): void => {
      for (const entry of fs.readdirSync(directory, { withFileTypes: true })) {
        const inner = path.join(directory, entry.name);
        if (entry.name === "package.json" && /[\\/]node_modules[\\/](@[^\\/]+[\\/])?[^\\/@]+$/.test(directory)) {
          const { name: own } = JSON.parse(fs.readFileSync(inner, "utf8")) as { name?: string };
          if (own === name) found.add(fs.realpathSync(directory));
        }
        // Links lead to what is walked anyway.
        if (entry.isDirectory()) walk(inner);
      }
    };
    walk(path.join(this.directory, "node_modules"));
    return [...found];
  }

  private run([program, ...args]: readonly string[], extra: Readonly<Record<string, string>> = {}): string {
    const { status, stdout, stderr, error } = spawnSync(program, args, {
      cwd: this.directory,
      encoding: "utf8",
      env: { ...outsideOfNpm(), CHECKPOINT_DISABLE: "1", ...extra },
    });
    if (error) throw error;
    if (status !== 0) {
      throw new Error(`${[program, ...args].join(" ")} ended with ${status}:\n${stdout}\n${stderr}`);
    }
    return stdout + stderr;
  }
}

/** The environment without what `npm test` adds to it, which other package managers take for the user's settings. */
export function outsideOfNpm(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_|^TS_NODE_|^NODE_OPTIONS$/i.test(name)),
  );
}
