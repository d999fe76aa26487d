// Debian's packages, unpacked beside the host: nothing is installed, so that no daemon is ever started by a package.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { cacheDirectory } from "../lab/cache";

function apt(args: readonly string[], cwd?: string): string {
  return execFileSync("apt-get", ["-qq", ...args], { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

/** Where apt would download the packages from: names and versions. An empty package list is filled first. */
function sources(packages: readonly string[]): string {
  const ask = () => apt(["download", "--print-uris", ...packages]);
  try {
    return ask();
  } catch (error) {
    if (process.getuid?.() !== 0) throw error;
    apt(["update"]);
    return ask();
  }
}

/**
 * The directory with the packages, unpacked; the host's own apt downloads them into the cache.
 * @param name of the place in the cache
 * @param what they are, as the error says it
 * @throws one sentence that says why they cannot be had
 */
export function unpacked(name: string, packages: readonly string[], what: string): string {
  try {
    const key = createHash("sha256").update(sources(packages)).digest("hex").slice(0, 16);
    const directory = path.join(cacheDirectory(), name, key);
    if (fs.existsSync(directory)) return directory;
    fs.mkdirSync(path.dirname(directory), { recursive: true });
    const staging = fs.mkdtempSync(`${directory}.`);
    try {
      apt(["download", ...packages], staging);
      for (const file of fs.readdirSync(staging).filter((each) => each.endsWith(".deb"))) {
        execFileSync("dpkg-deb", ["-x", path.join(staging, file), staging]);
        fs.rmSync(path.join(staging, file));
      }
      fs.chmodSync(staging, 0o755);
      fs.renameSync(staging, directory);
    } catch (error) {
      // Another process may have been faster; its directory holds the same.
      if (!fs.existsSync(directory)) throw error;
    } finally {
      fs.rmSync(staging, { recursive: true, force: true });
    }
    return directory;
  } catch (error) {
    throw new Error(
      `${what} cannot be had (on Debian and Ubuntu "apt-get update" may help): ${(error as Error).message}`,
    );
  }
}
