// The lab machines' disk images: built once by mmdebstrap, cached by the hash of all that they are made of.
import { execFileSync } from "child_process";
import { createHash } from "crypto";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "fs";
import { homedir, tmpdir } from "os";
import { join } from "path";
import { runBound } from "../process";
import { aptSources } from "./sources";
import { ensureTools } from "./tools";

/** Installed in both machines before they differ. */
const BASE_PACKAGES = [
  "systemd",
  "systemd-sysv",
  "udev",
  "dbus",
  "openssh-server",
  "sudo",
  "iproute2",
  "iputils-ping",
  "kmod",
  "linux-image-cloud-amd64",
  "cpio",
  "procps",
  "less",
  "netbase",
];

/** In the box's own package repository, not installed: what an installer of a VPN may ask for. */
const BOX_REPOSITORY = [
  "charon-systemd",
  "strongswan-swanctl",
  "libstrongswan-standard-plugins",
  "libcharon-extra-plugins",
  "python3",
  "nftables",
  "conntrack",
  "tcpdump",
  "iperf3",
  "ethtool",
  "ca-certificates",
];

/** Installed in the world; taken from the repository above. */
const WORLD_PACKAGES = BOX_REPOSITORY.filter((name) => name !== "ca-certificates");

export interface Images {
  readonly box: string;
  readonly world: string;
  readonly kernel: string;
  readonly initrd: string;
}

/** Where the lab keeps what may be made again: images, the verdict on KVM, the state of a lab left up. */
export function cacheDirectory(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "cdktf-alicloud-dual-tunnel-vpn");
}

const CUSTOMIZE = join(__dirname, "customize.sh");

function mmdebstrapArguments(mode: string): string[] {
  return [
    `--mode=${mode}`,
    "--variant=minbase",
    "--format=null",
    "--skip=cleanup/reproducible",
    `--include=${BASE_PACKAGES.join(",")}`,
    "--aptopt=Acquire::Languages none",
    "--aptopt=Acquire::Check-Valid-Until false",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
  ];
}

/** The name of the images' directory: the hash of everything that they are made of. */
export function imageKey(sources: string[]): string {
  const hash = createHash("sha256");
  for (const part of [...mmdebstrapArguments("any"), ...BOX_REPOSITORY, ...WORLD_PACKAGES, ...sources]) {
    hash.update(`${part}\n`);
  }
  hash.update(readFileSync(CUSTOMIZE));
  return hash.digest("hex").slice(0, 16);
}

function imagesIn(directory: string): Images {
  return {
    box: join(directory, "box.ext4"),
    world: join(directory, "world.ext4"),
    kernel: join(directory, "vmlinuz"),
    initrd: join(directory, "initrd"),
  };
}

function hostProxy(): string[] {
  try {
    const text = execFileSync("apt-config", ["dump", "Acquire::http::Proxy"], { encoding: "utf8" });
    const proxy = /^Acquire::http::Proxy "(.+)";$/m.exec(text)?.[1];
    return proxy ? [`--aptopt=Acquire::http::Proxy "${proxy}"`] : [];
  } catch {
    return [];
  }
}

async function build(directory: string, sources: string[]): Promise<void> {
  const root = process.getuid?.() === 0;
  const unpacked = mkdtempSync(join(tmpdir(), "lab-image-"));
  chmodSync(unpacked, 0o755);
  // Without root the hook runs under another user id, which can write only inside the tree: images go out through it.
  const hooks = root
    ? [`--customize-hook=sh '${CUSTOMIZE}' "$1" '${directory}'`]
    : [
        `--customize-hook=out=$(mktemp -d) && sh '${CUSTOMIZE}' "$1" "$out" && mv "$out" "$1/lab-out"`,
        `--customize-hook=sync-out /lab-out '${directory}'`,
      ];
  try {
    const result = await runBound(
      "mmdebstrap",
      [
        ...mmdebstrapArguments(root ? "root" : "unshare"),
        ...hostProxy(),
        ...hooks,
        "bookworm",
        "/dev/null",
        ...sources,
      ],
      {
        env: {
          ...process.env,
          PATH: `${process.env.PATH}:/usr/sbin:/sbin`,
          TMPDIR: unpacked,
          INITRD: "No",
          BOX_REPOSITORY: BOX_REPOSITORY.join(" "),
          WORLD_PACKAGES: WORLD_PACKAGES.join(" "),
        },
      },
    );
    if (result.status !== 0) {
      const last = (result.stdout + result.stderr).slice(-4000);
      throw new Error(`The lab's images could not be built; mmdebstrap ended with ${result.status}:\n${last}`);
    }
  } finally {
    rmSync(unpacked, { recursive: true, force: true });
  }
}

/**
 * The images of both machines; builds them when nothing in the cache is made of the same things.
 * @param log told of anything that takes time
 */
export async function ensureImages(log: (line: string) => void): Promise<Images> {
  ensureTools(log);
  const sources = aptSources();
  const cache = join(cacheDirectory(), "images");
  const directory = join(cache, imageKey(sources));
  if (!existsSync(directory)) {
    mkdirSync(cache, { recursive: true });
    const staging = mkdtempSync(join(cache, ".building-"));
    try {
      log("building the machines' images (about a minute)");
      await build(staging, sources);
      if (!existsSync(directory)) {
        renameSync(staging, directory);
      }
    } finally {
      rmSync(staging, { recursive: true, force: true });
    }
  }
  return imagesIn(directory);
}
