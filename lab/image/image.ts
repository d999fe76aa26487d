// The lab machines' disk images: built once by mmdebstrap, cached by the hash of all that they are made of.
import { execFileSync } from "child_process";
import { createHash } from "crypto";
import { existsSync, mkdirSync, readFileSync, utimesSync } from "fs";
import { dirname, join } from "path";
import { cacheDirectory } from "../cache";
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
  "bird2",
  "conntrack",
  "tcpdump",
  "iperf3",
  "ethtool",
  "ca-certificates",
];

/** In that repository too: what else may keep a packet filter on the box. Each is fetched alone, as some exclude others. */
const BOX_FIREWALLS = ["iptables", "firewalld", "iptables-persistent", "ufw"];

/** Installed in the world; taken from the repository above. */
const WORLD_PACKAGES = BOX_REPOSITORY.filter((name) => !["ca-certificates", "bird2"].includes(name));

/** Installed in the world and in no repository of the box's: the VPN gateway's BGP is another program than the box's. */
const WORLD_ONLY = ["frr"];

export interface Images {
  readonly box: string;
  readonly world: string;
  readonly kernel: string;
  readonly initrd: string;
}

const CUSTOMIZE = join(__dirname, "customize.sh");
const BUILD = join(__dirname, "build.sh");

function mmdebstrapArguments(): string[] {
  return [
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
  const packages = [...BOX_REPOSITORY, ...BOX_FIREWALLS, ...WORLD_PACKAGES, ...WORLD_ONLY];
  for (const part of [...mmdebstrapArguments(), ...packages, ...sources]) {
    hash.update(`${part}\n`);
  }
  hash.update(readFileSync(CUSTOMIZE));
  hash.update(readFileSync(BUILD));
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
  const result = await runBound(
    "flock",
    [
      join(dirname(directory), "lock"),
      "sh",
      BUILD,
      directory,
      ...mmdebstrapArguments(),
      ...hostProxy(),
      "bookworm",
      "/dev/null",
      ...sources,
    ],
    {
      env: {
        ...process.env,
        PATH: `${process.env.PATH}:/usr/sbin:/sbin`,
        BOX_REPOSITORY: BOX_REPOSITORY.join(" "),
        BOX_FIREWALLS: BOX_FIREWALLS.join(" "),
        WORLD_PACKAGES: WORLD_PACKAGES.join(" "),
        WORLD_ONLY: WORLD_ONLY.join(" "),
      },
    },
  );
  if (result.status !== 0) {
    const last = (result.stdout + result.stderr).slice(-4000);
    throw new Error(`The lab's images could not be built: mmdebstrap ended with ${result.status}.\n${last}`);
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
    log("building the machines' images (about a minute)");
    await build(directory, sources);
  }
  utimesSync(directory, new Date(), new Date());
  return imagesIn(directory);
}
