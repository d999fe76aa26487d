// The host's programs that the lab needs: found, or installed when we may, or asked for in one sentence.
import { spawnSync } from "child_process";
import { accessSync, constants, existsSync, readFileSync } from "fs";
import { delimiter, join } from "path";

/** Program to Debian package. */
const PACKAGES: Record<string, string> = {
  "qemu-system-x86_64": "qemu-system-x86",
  "qemu-img": "qemu-utils",
  mmdebstrap: "mmdebstrap",
  mke2fs: "e2fsprogs",
  "dpkg-scanpackages": "dpkg-dev",
  setpriv: "util-linux",
  flock: "util-linux",
  tar: "tar",
};

const SEARCH = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin", "/usr/bin", "/bin"];

function isInstalled(program: string): boolean {
  return SEARCH.some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** The packages that this host lacks, given how to tell whether a program is there. */
export function missingPackages(installed: (program: string) => boolean = isInstalled): string[] {
  const missing = Object.entries(PACKAGES)
    .filter(([program]) => !installed(program))
    .map(([, name]) => name);
  if (missing.includes("mmdebstrap") || !existsSync("/usr/share/keyrings/debian-archive-keyring.gpg")) {
    missing.push("debian-archive-keyring");
  }
  return [...new Set(missing)];
}

function isDebianKind(): boolean {
  try {
    return /^(ID|ID_LIKE)=.*(debian|ubuntu)/m.test(readFileSync("/etc/os-release", "utf8"));
  } catch {
    return false;
  }
}

/**
 * Makes sure that every program of the lab is on this host; installs what is missing when root on Debian or Ubuntu.
 * @throws one sentence with the command to run, when it may not install
 */
export function ensureTools(
  log: (line: string) => void,
  { missing, mayInstall } = { missing: missingPackages(), mayInstall: isDebianKind() && process.getuid?.() === 0 },
): void {
  if (missing.length === 0) {
    return;
  }
  const command = `apt-get install --yes --no-install-recommends ${missing.join(" ")}`;
  if (!mayInstall) {
    throw new Error(
      `The lab needs programs that this host lacks: install them with "sudo ${command}" and run it again.`,
    );
  }
  log(`installing ${missing.join(", ")}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  spawnSync("apt-get", ["-qq", "update"], { env, stdio: "ignore" });
  const result = spawnSync("sh", ["-c", command], { env, encoding: "utf8" });
  if (result.status !== 0) {
    throw new Error(`The lab could not install what it needs: "${command}" failed with: ${result.stderr.trim()}`);
  }
}
