// The lab machines' disk images: built once for each system by mmdebstrap, cached by the hash of all that they are made of.
import { execFileSync } from "child_process";
import { createHash } from "crypto";
import { existsSync, mkdirSync, readFileSync, utimesSync } from "fs";
import { dirname, join } from "path";
import { cacheDirectory } from "../cache";
import { runBound } from "../process";
import { aptSources } from "./sources";
import { SYSTEMS, USUAL_SYSTEM, type System, type SystemId } from "./systems";
import { ensureTools } from "./tools";

/** Debian's kernels that the machines can run: that of virtual machines, and that of any hardware, which has PPP. */
const KERNELS = { cloud: "linux-image-cloud-amd64", generic: "linux-image-amd64" } as const;

export type Kernel = keyof typeof KERNELS;

/** Installed in box and world before they differ, with a kernel. */
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
  "keepalived",
  "conntrack",
  "tcpdump",
  "iperf3",
  "ethtool",
  "ca-certificates",
];

/** What an internet provider has: servers for DHCP and PPPoE. */
const PROVIDER_PACKAGES = ["dnsmasq-base", "pppoe"];

/**
 * In that repository too: what else may keep a packet filter or configure interfaces on the box, and what a provider has.
 * Each is fetched alone, as some exclude others.
 */
const FETCHED_ALONE = [
  ...["iptables", "firewalld", "iptables-persistent", "ufw"],
  ...["ifupdown", "network-manager", "netplan.io"],
  ...PROVIDER_PACKAGES,
];

/** Installed in the world; taken from the repository above. */
const WORLD_PACKAGES = [
  ...BOX_REPOSITORY.filter((name) => !["ca-certificates", "bird2", "keepalived"].includes(name)),
  ...PROVIDER_PACKAGES,
];

/** Installed in the world and in no repository of the box's: the VPN gateway's BGP is another program than the box's. */
const WORLD_ONLY = ["frr"];

/**
 * What RPMs are made with, what of EL9's strongSwan is a package of its own in Debian, and SELinux's policy; fetched as
 * those above.
 */
const FOR_EL9_LIKE = [
  ...["dnf", "rpm", "createrepo-c", "strongswan-starter", "strongswan-charon"],
  "selinux-policy-default",
];

/** What a machine boots from. */
export interface Image {
  readonly disk: string;
  readonly kernel: string;
  readonly initrd: string;
}

export interface Images {
  readonly box: Image;
  readonly world: Image;
}

const CUSTOMIZE = join(__dirname, "customize.sh");
const BUILD = join(__dirname, "build.sh");
const EL9_LIKE = join(__dirname, "el9-like.sh");
const RPMS = join(__dirname, "rpms.py");

function mmdebstrapArguments(kernel: Kernel): string[] {
  return [
    "--variant=minbase",
    "--format=null",
    "--skip=cleanup/reproducible",
    `--include=${[...BASE_PACKAGES, KERNELS[kernel]].join(",")}`,
    "--aptopt=Acquire::Languages none",
    "--aptopt=Acquire::Check-Valid-Until false",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
  ];
}

/** The world is made of one system only. */
const ofWorld = (system: System, packages: readonly string[]) => (system === SYSTEMS[USUAL_SYSTEM] ? packages : []);
const worldPackages = (system: System) => ofWorld(system, WORLD_PACKAGES);
const worldOnly = (system: System) => ofWorld(system, WORLD_ONLY);
const fetchedAlone = ({ manager }: System) => [...FETCHED_ALONE, ...(manager === "dnf" ? FOR_EL9_LIKE : [])];

/**
 * mmdebstrap's arguments after those of build.sh, whose ways they go: what makes another box of Debian's, with apt gone,
 * which mmdebstrap would clean up.
 */
function otherBox({ manager }: System, directory: string): string[] {
  if (manager === "apt") return [];
  const staging = `${directory}.building`;
  const make = (out: string) => `sh '${EL9_LIKE}' "$1" ${out}`;
  const hooks =
    process.getuid?.() === 0
      ? [make(`'${staging}'`)]
      : [
          `OUT=$(mktemp -d) && ${make('"$OUT"')} && rm -rf "$1/lab-out" && mv "$OUT" "$1/lab-out"`,
          `sync-out /lab-out '${staging}'`,
        ];
  return [...hooks.map((hook) => `--customize-hook=${hook}`), "--skip=cleanup"];
}

/** The name of a system's directory: the hash of everything that its images are made of. */
export function imageKey(system: System, sources: string[], kernel: Kernel = "cloud"): string {
  const hash = createHash("sha256");
  const packages = [...BOX_REPOSITORY, ...fetchedAlone(system), ...worldPackages(system), ...worldOnly(system)];
  for (const part of [system.codename, ...mmdebstrapArguments(kernel), ...packages, ...sources]) {
    hash.update(`${part}\n`);
  }
  hash.update(readFileSync(CUSTOMIZE));
  hash.update(readFileSync(BUILD));
  if (system.manager === "dnf") for (const file of [EL9_LIKE, RPMS]) hash.update(readFileSync(file));
  return hash.digest("hex").slice(0, 16);
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

async function build(system: System, kernel: Kernel, directory: string, sources: string[]): Promise<void> {
  const result = await runBound(
    "flock",
    [
      join(dirname(directory), "lock"),
      "sh",
      BUILD,
      directory,
      ...mmdebstrapArguments(kernel),
      ...hostProxy(),
      ...otherBox(system, directory),
      system.codename,
      "/dev/null",
      ...sources,
    ],
    {
      env: {
        ...process.env,
        PATH: `${process.env.PATH}:/usr/sbin:/sbin`,
        BOX_REPOSITORY: BOX_REPOSITORY.join(" "),
        FETCHED_ALONE: fetchedAlone(system).join(" "),
        WORLD_PACKAGES: worldPackages(system).join(" "),
        WORLD_ONLY: worldOnly(system).join(" "),
      },
    },
  );
  if (result.status !== 0) {
    const last = (result.stdout + result.stderr).slice(-4000);
    const key = /NO_PUBKEY/.test(last)
      ? " This host does not know the release's keys: update debian-archive-keyring."
      : "";
    throw new Error(
      `The lab's images of ${system.name} could not be built: mmdebstrap ended with ${result.status}.${key}\n${last}`,
    );
  }
}

/** The directory with a system's images; builds them when nothing in the cache is made of the same things. */
async function ensureSystem(system: System, kernel: Kernel, log: (line: string) => void): Promise<string> {
  const sources = aptSources(system);
  const cache = join(cacheDirectory(), "images");
  const directory = join(cache, imageKey(system, sources, kernel));
  if (!existsSync(directory)) {
    mkdirSync(cache, { recursive: true });
    log(`building the machines' images of ${system.name} (about a minute)`);
    await build(system, kernel, directory, sources);
  }
  utimesSync(directory, new Date(), new Date());
  return directory;
}

/**
 * The images of both machines, built where they have to be.
 * @param system the box's
 * @param log told of anything that takes time
 * @param kernel both machines'
 */
export async function ensureImages(
  system: SystemId,
  log: (line: string) => void,
  kernel: Kernel = "cloud",
): Promise<Images> {
  ensureTools(log);
  const image = async (name: "box" | "world", id: SystemId): Promise<Image> => {
    const directory = await ensureSystem(SYSTEMS[id], kernel, log);
    const file = (of: string) => join(directory, of);
    return { disk: file(`${name}.ext4`), kernel: file("vmlinuz"), initrd: file("initrd") };
  };
  return { world: await image("world", USUAL_SYSTEM), box: await image("box", system) };
}
