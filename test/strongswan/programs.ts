// The real swanctl and charon, out of the packages that a Debian box gets.
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { runBound } from "../../lab/process";
import { unpacked } from "../debian-packages";

/** What assets/install.sh asks apt for, and what that depends on within strongSwan. */
const PACKAGES = [
  "charon-systemd",
  "strongswan-libcharon",
  "strongswan-swanctl",
  "libstrongswan",
  "libstrongswan-standard-plugins",
];

const TEST = path.join(__dirname, "..");

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
  const packages = unpacked("strongswan", PACKAGES, "The real swanctl and charon");
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
