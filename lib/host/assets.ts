// What is the same for every box (assets/ of this package), copied into cdktf.out once for each stack.
// The path in the synthesized JSON is relative and ends with a hash of the content: the same on every machine.
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { TerraformStack } from "cdktf";
import { addCustomSynthesis } from "cdktf/lib/synthesize/synthesizer";
import { Construct } from "constructs";

const CHILD = "dual-tunnel-vpn";

/** The directory of assets, in the repository (`lib/host` beside `assets`) and in the package (`dist/lib/host`). */
export function assetsDirectory(): string {
  const found = ["../../assets", "../../../assets"]
    .map((relative) => path.resolve(__dirname, relative))
    .find((directory) => fs.existsSync(directory));
  if (!found)
    throw new Error("the package cdktf-alicloud-dual-tunnel-vpn is incomplete: its directory assets is missing");
  return found;
}

/** The files below a directory, relative, sorted; what Python and its checkers leave behind is not among them. */
export function assetFiles(directory: string): string[] {
  return fs
    .readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name)).split(path.sep).join("/"))
    .filter((file) => !file.split("/").some((part) => part === "__pycache__" || part.startsWith(".")))
    .sort();
}

/** A hash over names and contents. */
export function hashAssets(directory: string, files = assetFiles(directory)): string {
  const hash = createHash("sha256");
  for (const file of files) {
    const content = fs.readFileSync(path.join(directory, file));
    hash.update(`${file}\0${content.length}\0`).update(content);
  }
  return hash.digest("hex").slice(0, 32);
}

/** The stack's copy of the assets. cdktf's own TerraformAsset would copy what Python leaves behind, too. */
export class BoxAssets extends Construct {
  /** The stack's assets, made at the first call. */
  static of(stack: TerraformStack): BoxAssets {
    const assets = BoxAssets.ofStacks.get(stack) ?? new BoxAssets(stack);
    BoxAssets.ofStacks.set(stack, assets);
    return assets;
  }

  private static readonly ofStacks = new WeakMap<TerraformStack, BoxAssets>();

  /** Hash over the assets' names and contents. */
  readonly hash: string;
  /** Where the copy is, relative to the stack's directory in cdktf.out. */
  readonly path: string;

  private constructor(stack: TerraformStack) {
    // Beside the constructs of the stack's author, who may well call a site as we call the directory.
    super(stack, `cdktf-alicloud-${CHILD}-assets`);
    const source = assetsDirectory();
    const files = assetFiles(source);
    this.hash = hashAssets(source, files);
    this.path = `assets/${CHILD}/${this.hash}`;
    addCustomSynthesis(this, {
      onSynthesize: (session) => {
        const stackFile = session.manifest.forStack(stack).synthesizedStackPath;
        const copy = path.join(session.outdir, path.dirname(stackFile), this.path);
        fs.rmSync(path.dirname(copy), { recursive: true, force: true });
        for (const directory of new Set(files.map((file) => path.dirname(file)))) {
          fs.mkdirSync(path.join(copy, directory), { recursive: true });
        }
        for (const file of files) fs.copyFileSync(path.join(source, file), path.join(copy, file));
      },
    });
  }
}
