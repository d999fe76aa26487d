// The real swanctl and charon, out of the packages that a Debian box gets. Nothing is installed on this host: they are
// downloaded by its own apt and unpacked into the cache, so that no daemon is ever started by a package.
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { cacheDirectory } from "../../lab/cache";
import { runBound } from "../../lab/process";

/** What assets/install.sh asks apt for, and what that depends on within strongSwan. */
const PACKAGES = [
  "charon-systemd",
  "strongswan-libcharon",
  "strongswan-swanctl",
  "libstrongswan",
  "libstrongswan-standard-plugins",
];

const TEST = path.join(__dirname, "..");

function apt(args: string[], cwd?: string): string {
  return execFileSync("apt-get", ["-qq", ...args], { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

/** Where apt would download the packages from: names and versions. An empty package list is filled first. */
function sources(): string {
  const ask = () => apt(["download", "--print-uris", ...PACKAGES]);
  try {
    return ask();
  } catch (error) {
    if (process.getuid?.() !== 0) throw error;
    apt(["update"]);
    return ask();
  }
}

/**
 * The directory with the unpacked packages.
 * @throws one sentence that says why they cannot be had
 */
function unpacked(): string {
  try {
    const key = createHash("sha256").update(sources()).digest("hex").slice(0, 16);
    const directory = path.join(cacheDirectory(), "strongswan", key);
    if (fs.existsSync(directory)) return directory;
    fs.mkdirSync(path.dirname(directory), { recursive: true });
    const staging = fs.mkdtempSync(`${directory}.`);
    try {
      apt(["download", ...PACKAGES], staging);
      for (const name of fs.readdirSync(staging).filter((file) => file.endsWith(".deb"))) {
        execFileSync("dpkg-deb", ["-x", path.join(staging, name), staging]);
        fs.rmSync(path.join(staging, name));
      }
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
      `The real swanctl and charon cannot be had (on Debian and Ubuntu "apt-get update" may help): ${(error as Error).message}`,
    );
  }
}

/** Which way this host lets us make namespaces; charon's own user namespace keeps it from everything of the host. */
function namespaces(): string[] {
  const bare = ["unshare", "--mount", "--net", "--"];
  const ways = [["unshare", "--user", "--map-root-user", ...bare.slice(1)], bare];
  const refusals: string[] = [];
  for (const [command, ...args] of ways) {
    const { status, stderr, error } = spawnSync(command, [...args, "true"], { encoding: "utf8" });
    if (status === 0) return [command, ...args];
    refusals.push(`"${[command, ...args].join(" ")}": ${error?.message ?? stderr.trim()}`);
  }
  throw new Error(`The real charon needs namespaces of its own, which this host refuses: ${refusals.join("; ")}.`);
}

/** Gives texts to swanctl as the files of its `conf.d`; answers what a Python module of this directory prints then. */
async function ask(module: string, texts: readonly string[], wrapper: readonly string[]): Promise<unknown> {
  const packages = unpacked();
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "strongswan-"));
  try {
    fs.cpSync(path.join(packages, "etc/swanctl"), path.join(scratch, "swanctl"), { recursive: true });
    texts.forEach((text, index) => fs.writeFileSync(path.join(scratch, `swanctl/conf.d/${index}.conf`), text));
    const [command, ...args] = [...wrapper, "python3", "-m", `strongswan.${module}`, packages, scratch];
    const { status, stdout, stderr } = await runBound(command, args, {
      cwd: TEST,
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" },
      timeoutMs: 120_000,
    });
    if (status !== 0) throw new Error(`"${[command, ...args].join(" ")}" ended with ${status}:\n${stderr}`);
    return JSON.parse(stdout);
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
  }
}

/** A secret as the real swanctl hands it to charon (vici's `load-shared`). */
export interface LoadedSecret {
  readonly id: string;
  readonly type: string;
  /** The key; bytes that are not UTF-8 are lone surrogates. */
  readonly data: string;
  readonly owners: readonly string[];
}

/** What the real swanctl hands to charon for texts with secrets. */
export async function loadedSecrets(texts: readonly string[]): Promise<LoadedSecret[]> {
  return (await ask("secrets", texts, [])) as LoadedSecret[];
}

/** What the real charon makes of a connection. */
export interface LoadedConnection {
  /** The settings that it reports as configured; `child.`, `local.` and `remote.` are in front of a section's. */
  readonly configured: Readonly<Record<string, string>>;
  /** The proposals in its first message, in numbers; charon.py says how. */
  readonly sent: readonly unknown[];
}

/** What the real charon makes of texts with connections, by the connections' names. */
export async function loadedConnections(texts: readonly string[]): Promise<Record<string, LoadedConnection>> {
  return (await ask("charon", texts, namespaces())) as Record<string, LoadedConnection>;
}

/** The commands that give tunnels to charon, each with its arguments: the real swanctl's, and the box's own. */
export interface Commands {
  readonly theirs: readonly unknown[];
  readonly ours: readonly unknown[];
}

/** What is sent to charon for tunnels' texts: a connection and its secrets, twice. */
export async function loadCommands(texts: readonly [string, string, string, string]): Promise<Commands> {
  return (await ask("commands", texts, [])) as Commands;
}
