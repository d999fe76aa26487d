// The small second disk of a machine: what one lab run brings to a cached image (keys, host name, network, files).
import { execFileSync } from "child_process";
import { chmodSync, existsSync, linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "fs";
import { dirname, join } from "path";
import { utils } from "ssh2";
import { cacheDirectory } from "../cache";

export interface KeyPair {
  /** OpenSSH private key. */
  readonly private: string;
  /** `TYPE BASE64`. */
  readonly public: string;
}

export function makeKey(type: "ed25519" | "ecdsa"): KeyPair {
  const pair = type === "ed25519" ? makeEd25519() : utils.generateKeyPairSync("ecdsa", { bits: 256 });
  return { private: pair.private.endsWith("\n") ? pair.private : `${pair.private}\n`, public: pair.public };
}

/** Of the Ed25519 keys that ssh2 1.17 makes one in about 120 is none: it drops the first byte where that is 0. */
function makeEd25519(): KeyPair {
  for (;;) {
    const pair = utils.generateKeyPairSync("ed25519");
    if ([pair.private, pair.public].every((text) => !(utils.parseKey(text) instanceof Error))) return pair;
  }
}

/** The key that enters every lab's machines: one for all, so that what is kept of a lab can be entered later. */
export function loginKey(): KeyPair & { readonly path: string } {
  const path = join(cacheDirectory(), "id_ed25519");
  if (!existsSync(path)) {
    mkdirSync(dirname(path), { recursive: true });
    const making = mkdtempSync(join(dirname(path), "making-"));
    writeFileSync(join(making, "key"), makeKey("ed25519").private, { mode: 0o600 });
    try {
      linkSync(join(making, "key"), path);
    } catch (error) {
      // Another process was sooner: its key is everyone's.
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    } finally {
      rmSync(making, { recursive: true });
    }
  }
  const pem = readFileSync(path, "utf8");
  const key = utils.parseKey(pem);
  if (key instanceof Error) throw new Error(`${path} is no private key: remove it and run this again.`);
  return { private: pem, public: `${key.type} ${key.getPublicSSH().toString("base64")}`, path };
}

export interface RunFile {
  readonly path: string;
  readonly content: string;
  /** @default 0o644 */
  readonly mode?: number;
}

/** Writes a tar archive of the files, owned by root, that the machine unpacks over its root at first boot. */
export function writeRunDisk(image: string, files: readonly RunFile[]): void {
  const staging = mkdtempSync(join(dirname(image), "run-disk-"));
  try {
    // As ssh-copy-id and cloud-init make it; other directories are the image's own.
    const closed = new Set(files.map((file) => dirname(file.path)).filter((directory) => directory.endsWith("/.ssh")));
    for (const { path, content, mode = 0o644 } of files) {
      const target = join(staging, path);
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, content);
      chmodSync(target, mode);
    }
    for (const directory of closed) chmodSync(join(staging, directory), 0o700);
    execFileSync("tar", [
      "--owner=0",
      "--group=0",
      "-C",
      staging,
      "-cf",
      image,
      "--no-recursion",
      ...[...closed, ...files.map((file) => file.path)].map((path) => path.replace(/^\//, "")),
    ]);
    chmodSync(image, 0o600);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/** Keys by which a machine is entered and known. */
export function keyFiles(login: KeyPair, ecdsa: KeyPair, ed25519: KeyPair, users: readonly string[]): RunFile[] {
  const authorized = `${login.public}\n`;
  const home = (user: string) => (user === "root" ? "/root" : `/home/${user}`);
  return [
    { path: "/etc/ssh/ssh_host_ecdsa_key", content: ecdsa.private, mode: 0o600 },
    { path: "/etc/ssh/ssh_host_ecdsa_key.pub", content: `${ecdsa.public}\n` },
    { path: "/etc/ssh/ssh_host_ed25519_key", content: ed25519.private, mode: 0o600 },
    { path: "/etc/ssh/ssh_host_ed25519_key.pub", content: `${ed25519.public}\n` },
    ...users.map((user) => ({ path: `${home(user)}/.ssh/authorized_keys`, content: authorized, mode: 0o600 })),
  ];
}
