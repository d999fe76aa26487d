// Which QEMU runs the machines: the host's own, or on Debian 12 that of its backports, kept in the cache beside the
// host's. Measured: QEMU 10.0 takes two thirds of 7.2's processor time for an installation, three fifths for Perl.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import * as path from "node:path";
import { contentOf, keyOf, Kept } from "../cache";
import { runBound } from "../process";
import { aptSources } from "./sources";
import { SYSTEMS } from "./systems";

/** QEMU's programs. */
export interface Qemu {
  /** The emulator's name or path. */
  readonly system: string;
  /** The disk tool's name or path. */
  readonly img: string;
  /** As in "10.0.2". */
  readonly version: string;
}

const NEW_ENOUGH = 10;
const FETCH = path.join(__dirname, "fetch-qemu.sh");

function installedIn(directory?: string): Qemu {
  const program = (name: string) => (directory === undefined ? name : path.join(directory, "usr", "bin", name));
  const system = program("qemu-system-x86_64");
  const said = execFileSync(system, ["--version"], { encoding: "utf8" });
  return { system, img: program("qemu-img"), version: /version (\S+)/.exec(said)?.[1] ?? said.trim() };
}

/** The sources of a host's backports; none unless its sources and its libraries are those of Debian bookworm. */
export function backports(sources: readonly string[], osRelease: string): string[] {
  if (!/^VERSION_CODENAME=bookworm$/m.test(osRelease)) return [];
  return sources
    .map((line) => line.split(" "))
    .filter(([, , suite]) => suite === "bookworm")
    .map(([, uri]) => `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${uri} bookworm-backports main`);
}

let found: Qemu | undefined;

/**
 * The QEMU to use, found once; on Debian 12 it fetches that of the backports when nothing in the cache is from the same
 * sources. Where that fails, the host's own serves.
 * @param log told of anything that takes time
 */
export async function ensureQemu(log: (line: string) => void): Promise<Qemu> {
  return (found ??= await find(log));
}

async function find(log: (line: string) => void): Promise<Qemu> {
  const own = installedIn();
  const sources = backports(aptSources(SYSTEMS["debian-12"]), readFileSync("/etc/os-release", "utf8"));
  if (parseInt(own.version, 10) >= NEW_ENOUGH || sources.length === 0) return own;
  const kept = new Kept("qemu", keyOf(contentOf(FETCH), ...sources));
  if (!kept.exists) {
    log("fetching QEMU of Debian's backports");
    try {
      await kept.put(async (directory) => {
        const { status, stderr } = await runBound("sh", [FETCH, directory, ...sources]);
        if (status !== 0) throw new Error(stderr.trim());
      });
    } catch (error) {
      log(
        `it could not be had, the host's QEMU ${own.version} serves, half as slow again: ${(error as Error).message}`,
      );
      return own;
    }
  }
  return installedIn(kept.path);
}
