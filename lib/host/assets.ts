// What is the same for every box (assets/ of this package), copied into cdktf.out once for each stack.
// The path in the synthesized JSON is relative and ends with a hash of the content: the same on every machine.
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { AssetType, TerraformAsset, TerraformStack } from "cdktf";

const CHILD = "dual-tunnel-vpn-assets";

/** The directory of assets, in the repository (`lib/host` beside `assets`) and in the package (`dist/lib/host`). */
export function assetsDirectory(): string {
  const found = ["../../assets", "../../../assets"]
    .map((relative) => path.resolve(__dirname, relative))
    .find((directory) => fs.existsSync(directory));
  if (!found)
    throw new Error("the package cdktf-alicloud-dual-tunnel-vpn is incomplete: its directory assets is missing");
  return found;
}

/** The files below a directory, relative, sorted; what Python leaves behind is not among them. */
export function assetFiles(directory: string): string[] {
  return fs
    .readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name)).split(path.sep).join("/"))
    .filter((file) => !file.split("/").includes("__pycache__"))
    .sort();
}

/** A hash over names and contents. */
export function hashAssets(directory: string): string {
  const hash = createHash("sha256");
  for (const file of assetFiles(directory)) {
    const content = fs.readFileSync(path.join(directory, file));
    hash.update(`${file}\0${content.length}\0`).update(content);
  }
  return hash.digest("hex").slice(0, 32);
}

/** The stack's copy of the assets, made at the first call. */
export function assetsOf(stack: TerraformStack): TerraformAsset {
  const existing = stack.node.tryFindChild(CHILD);
  if (existing) return existing as TerraformAsset;
  const directory = assetsDirectory();
  return new TerraformAsset(stack, CHILD, {
    path: directory,
    type: AssetType.DIRECTORY,
    assetHash: hashAssets(directory),
  });
}
