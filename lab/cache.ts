// Where the lab keeps what may be made again, and how a thing kept there is named: by a hash of all that it is made of.
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { homedir } from "node:os";
import * as path from "node:path";

/** The directory of images, saved stages, providers, the verdict on KVM and the state of a lab left up. */
export function cacheDirectory(): string {
  return path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), ".cache"), "cdktf-alicloud-dual-tunnel-vpn");
}

/** How many of a kind are kept beside the one just made; others go when nobody has asked for them for some hours. */
const KEPT = 3;
const UNUSED_MS = 3 * 3600 * 1000;

/** Sixteen digits that differ when any of the parts does. */
export function keyOf(...parts: readonly string[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${part.length}:${part}`);
  return hash.digest("hex").slice(0, 16);
}

/** The names and contents of all files below these paths, as a part of a key. */
export function contentOf(...roots: readonly string[]): string {
  const hash = createHash("sha256");
  const add = (file: string, name: string) => {
    if (fs.statSync(file).isDirectory()) {
      for (const entry of fs.readdirSync(file).sort()) {
        if (entry !== "__pycache__" && entry !== "node_modules") add(path.join(file, entry), `${name}/${entry}`);
      }
    } else {
      hash.update(`${name}\0`).update(fs.readFileSync(file)).update("\0");
    }
  };
  for (const root of roots) add(root, path.basename(root));
  return hash.digest("hex");
}

/** A directory in the cache that is there as a whole or not at all. */
export class Kept {
  constructor(
    private readonly kind: string,
    private readonly key: string,
  ) {}

  /** Where it is, or would be. */
  get path(): string {
    return path.join(this.folder, this.key);
  }

  /** Whether it is there; its time of use is noted. */
  get exists(): boolean {
    try {
      fs.utimesSync(this.path, new Date(), new Date());
      return true;
    } catch {
      return false;
    }
  }

  private get folder(): string {
    return path.join(cacheDirectory(), this.kind);
  }

  /** Fills a directory and puts it in its place, unless another process was sooner. */
  async put(fill: (directory: string) => Promise<void>): Promise<void> {
    fs.mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    const making = fs.mkdtempSync(path.join(this.folder, "making-"));
    try {
      await fill(making);
      if (!this.exists) fs.renameSync(making, this.path);
    } finally {
      fs.rmSync(making, { recursive: true, force: true });
    }
    this.removeOld();
  }

  private removeOld(): void {
    const usedAt = (directory: string) => fs.statSync(directory).mtimeMs;
    const others = fs
      .readdirSync(this.folder)
      .filter((name) => name !== this.key)
      .map((name) => path.join(this.folder, name))
      .sort((a, b) => usedAt(b) - usedAt(a));
    for (const old of others.slice(KEPT)) {
      if (usedAt(old) < Date.now() - UNUSED_MS) fs.rmSync(old, { recursive: true, force: true });
    }
  }
}
