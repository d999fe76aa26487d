// Packs the library as `npm publish` would, and says what the tarball ought to hold, file by file,
// from what the repository holds.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";

export const ROOT = path.resolve(__dirname, "../..");
export const PACKAGE = "cdktf-alicloud-dual-tunnel-vpn";

export interface Tarball {
  /** The .tgz. */
  readonly file: string;
  /** Its size in bytes. */
  readonly size: number;
  /** The files in it, relative to the package, sorted. */
  readonly files: readonly string[];
  /** Where it lies unpacked. */
  readonly unpacked: string;
  readonly manifest: Manifest;
}

export interface Manifest {
  readonly version: string;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { optional?: boolean }>>;
}

/** Runs `npm pack`, prepack and all, into a directory. */
export function pack(directory: string): Tarball {
  execFileSync("npm", ["pack", "--pack-destination", directory], { cwd: ROOT, stdio: ["ignore", "ignore", "pipe"] });
  const [name] = fs.readdirSync(directory).filter((entry) => entry.endsWith(".tgz"));
  const packed = path.join(directory, name);
  // yarn 1 knows a tarball by its relative path: under the same name it would take the last run's from its cache.
  const file = path.join(directory, `${createHash("sha256").update(fs.readFileSync(packed)).digest("hex")}.tgz`);
  fs.renameSync(packed, file);
  execFileSync("tar", ["-xzf", file, "-C", directory]);
  const unpacked = path.join(directory, "package");
  return {
    file,
    size: fs.statSync(file).size,
    files: filesBelow(unpacked),
    unpacked,
    manifest: JSON.parse(fs.readFileSync(path.join(unpacked, "package.json"), "utf8")) as Manifest,
  };
}

/** The files that customers need, and no other. */
export function expectedFiles(): string[] {
  const compiled = (files: string[]) => files.flatMap((file) => [`${file}.d.ts`, `${file}.js`]);
  const lib = repositoryFiles("lib", ".ts").map((file) => `dist/${file.slice(0, -".ts".length)}`);
  const bindings = fs
    .readdirSync(path.join(ROOT, "packages/provider-alicloud/src"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => `dist/alicloud/${entry.name}/index`);
  const assets = repositoryFiles("assets").map((file) => `dist/${file}`);
  const pages = [...repositoryFiles("docs", ".md"), ...repositoryFiles("docs", ".svg"), ...repositoryFiles("examples")];
  return [
    ...["CHANGELOG.md", "LICENSE", "README.md", "package.json"],
    ...compiled([...lib, ...bindings]),
    ...assets,
    ...pages,
  ].sort();
}

/** The bindings that the library itself imports. */
export function bindingsInUse(): string[] {
  const imports = repositoryFiles("lib", ".ts").flatMap((file) => [
    ...fs
      .readFileSync(path.join(ROOT, file), "utf8")
      .matchAll(/^(?:import|export) (?!type)[^;]*? from "@cdktf\/provider-alicloud\/lib\/([\w-]+)"/gm),
  ]);
  return [...new Set(imports.map(([, binding]) => binding))].sort();
}

/** The files of a directory of the repository that git has, or would take. */
function repositoryFiles(directory: string, ending = ""): string[] {
  return execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", directory], {
    cwd: ROOT,
    encoding: "utf8",
  })
    .split("\n")
    .filter((file) => file !== "" && file.endsWith(ending) && fs.existsSync(path.join(ROOT, file)));
}

/** The files below a directory, relative, sorted. */
export function filesBelow(directory: string): string[] {
  return fs
    .readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name)))
    .sort();
}

/** The files below a directory with their contents, for comparisons. */
export function contentsBelow(directory: string): Record<string, string> {
  return Object.fromEntries(
    filesBelow(directory).map((file) => [file, fs.readFileSync(path.join(directory, file), "utf8")]),
  );
}
