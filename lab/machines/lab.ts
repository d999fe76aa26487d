// The lab: the machines `box` and `world`, joined by three links, or two boxes and the world, joined by four, and the
// faults that can be made on them.
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync, existsSync, mkdirSync } from "fs";
import { tmpdir } from "os";
import { dirname, join } from "path";
import { cacheDirectory, contentOf, Kept, keyOf } from "../cache";
import { ensureImages, type Images, type Kernel } from "../image/image";
import { ensureQemu, type Qemu } from "../image/qemu";
import { systemOfEnvironment, SYSTEMS, USUAL_SYSTEM, type System, type SystemId } from "../image/systems";
import { LAN, TWO_BOXES, UPLINKS } from "../network";
import { MACS, networkEnv } from "../world/network-env";
import { acceleratorArguments, kvmWorks } from "./accelerator";
import { Machine, type MachineState, type Nic } from "./machine";
import { freePorts } from "./ports";
import { keyFiles, loginKey, makeKey, writeRunDisk, type RunFile } from "./run-disk";
import { quote, Shell, type ExecuteOptions, type Result } from "./shell";

/** `branch` is there when a test has made it (test/lab/branch.ts), `switch` where there are two boxes. */
export type NamespaceName = "nat1" | "nat2" | "inet" | "cloud" | "ecs" | "dc" | "branch" | "switch";

/**
 * A link whose traffic can be disturbed: uplinks and LAN between the box and its neighbours, `wan1` and `wan2` beyond
 * each uplink's NAT (the uplink's gateway still answers), `cloud` in front of the VPN gateway, `vpc` behind it. Of two
 * boxes the first has `uplink1` and `lan`, the second `uplink2` and `lan2`.
 */
export type LinkName = "uplink1" | "uplink2" | "lan" | "lan2" | "wan1" | "wan2" | "cloud" | "vpc";

/** As the box at the link's end sees it: `out` is away from it, `in` is towards it. */
export type Direction = "in" | "out" | "both";

export interface Impairment {
  /** Packets lost at random, percent. @default 0 */
  readonly lossPercent?: number;
  /** Delay added, milliseconds. @default 0 */
  readonly delayMs?: number;
}

interface FarEnd {
  readonly namespace: NamespaceName;
  readonly device: string;
}

/** The device at each link's far end, from the box: what comes in there goes `out`. */
const LINKS: Record<LinkName, FarEnd> = {
  uplink1: { namespace: "nat1", device: "uplink1" },
  uplink2: { namespace: "nat2", device: "uplink2" },
  lan: { namespace: "dc", device: "lan" },
  lan2: { namespace: "switch", device: "lan2" },
  wan1: { namespace: "inet", device: "nat1" },
  wan2: { namespace: "inet", device: "nat2" },
  cloud: { namespace: "cloud", device: "wan" },
  vpc: { namespace: "ecs", device: "eth0" },
};

/** The same of the first box's LAN where it has a port of the switch. */
const SWITCHED_LAN: FarEnd = { namespace: "switch", device: "lan" };

/** A network namespace of the world machine. */
export class Namespace extends Shell {
  constructor(
    readonly name: NamespaceName,
    private readonly world: Machine,
  ) {
    super();
  }

  execute(command: string, options?: ExecuteOptions): Promise<Result> {
    return this.world.execute(`nsenter --net=/run/netns/${this.name} sh -c ${quote(command)}`, options);
  }

  protected context(): string {
    return "";
  }
}

// What is a matter of seconds takes minutes when the host runs several labs at once.
const BOOT = { timeoutS: 300 };

// Self-tests of ciphers and probes for hardware that is not there take seconds when emulated; on a busy host the test of
// the timer fails, and with it the boot. Where a kernel locks up, its console tells what each processor was at.
const KERNEL_ARGUMENTS =
  "root=/dev/vda rw console=ttyS0 loglevel=5 mitigations=off panic=10 systemd.show_status=error " +
  "softlockup_all_cpu_backtrace=1 " +
  "no_timer_check cryptomgr.notests 8250.nr_uarts=1 raid=noautodetect";

export interface LabOptions {
  /** What the box runs. @default what DUAL_TUNNEL_VPN_LAB_SYSTEM names, else "debian-12" */
  readonly system?: SystemId;
  /** Told of every phase, with seconds since the start. @default nobody */
  readonly log?: (line: string) => void;
  /** True: the machines live on when this process ends, until `npm run lab -- down`. @default false */
  readonly detached?: boolean;
  /** True: boots, although the cache may hold a lab that has booted. @default false */
  readonly fresh?: boolean;
  /** True: the packages that the product installs are on the box already. @default false */
  readonly packages?: boolean;
  /** Which of Debian's kernels the machines run. @default "cloud" */
  readonly kernel?: Kernel;
  /** 2: two boxes, each with one of the uplinks, share the LAN and its way to the VPC. @default 1 */
  readonly boxes?: 1 | 2;
}

/** What the product's installer adds to a system that has nothing of it. */
const PACKAGES = {
  apt: ["charon-systemd", "strongswan-swanctl", "libstrongswan-standard-plugins", "python3", "nftables"],
  dnf: ["strongswan", "python3", "nftables"],
};

/** How it does. */
const INSTALL = {
  apt: "export DEBIAN_FRONTEND=noninteractive; apt-get -qq update && apt-get -qq --yes --no-install-recommends install",
  dnf: "dnf -q -y install epel-release && dnf -q -y install",
};

type BoxName = "box" | "box2";
type MachineName = BoxName | "world";

/** Something of each machine; of the second box where there is one. */
interface Each<T> {
  readonly box: T;
  readonly box2?: T;
  readonly world: T;
}

/** The machines of a lab with so many boxes. */
const NAMES: Record<1 | 2, readonly MachineName[]> = { 1: ["box", "world"], 2: ["box", "box2", "world"] };

function each<T>(names: readonly MachineName[], make: (name: MachineName) => T): Each<T> {
  return Object.fromEntries(names.map((name) => [name, make(name)])) as unknown as Each<T>;
}

const boxesOf = (of: Each<unknown>): 1 | 2 => (of.box2 === undefined ? 1 : 2);

/** A NIC of a box, and the world's that it is joined with. */
interface Cable {
  readonly box: BoxName;
  readonly nic: Nic;
  readonly far: Nic | "lan2";
}

const CABLES: Record<1 | 2, readonly Cable[]> = {
  1: [
    { box: "box", nic: "uplink1", far: "uplink1" },
    { box: "box", nic: "uplink2", far: "uplink2" },
    { box: "box", nic: "lan", far: "lan" },
  ],
  2: [
    { box: "box", nic: "uplink1", far: "uplink1" },
    { box: "box2", nic: "uplink2", far: "uplink2" },
    { box: "box", nic: "lan", far: "lan" },
    { box: "box2", nic: "lan", far: "lan2" },
  ],
};

/** Where NICs are plugged in, on whichever machine. */
const SLOTS: Record<Cable["far"], string> = { uplink1: "0x11", uplink2: "0x12", lan: "0x13", lan2: "0x14" };

/** What is saved beside the machines' disks and memories. */
interface SavedLab extends Each<Pick<MachineState, "hostKeyEcdsa">> {
  readonly system: SystemId;
}

/** What the machines are made of and run by on this host. */
interface Host {
  readonly images: Images;
  readonly qemu: Qemu;
  readonly kvm: boolean;
}

/** The ports on 127.0.0.1 that lead to each machine. */
type Ports = Each<readonly [number, number]>;

async function newPorts(names: readonly MachineName[]): Promise<Ports> {
  const free = await freePorts(2 * names.length);
  return each(names, (name) => {
    const first = 2 * names.indexOf(name);
    return [free[first], free[first + 1]] as const;
  });
}

/** The file that says what a directory of saved machines holds. */
const SAVED = "lab.json";

const savedIn = (directory: string) => JSON.parse(readFileSync(join(directory, SAVED), "utf8")) as SavedLab;

interface LabState extends Each<MachineState> {
  readonly system: SystemId;
  readonly directory: string;
}

/** Both boxes are of one image. */
const imageOf = (name: MachineName, { images }: Host) => (name === "world" ? images.world : images.box);

const stateFile = () => join(cacheDirectory(), "lab.json");

/** Followed by the id of the process whose run it is. */
const RUN_DIRECTORY = "lab-run-";

/** Removes the directories of runs whose process was killed; its machines ended with it. */
function removeLeftovers(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = name.startsWith(RUN_DIRECTORY) ? name.slice(RUN_DIRECTORY.length).split("-")[0] : undefined;
    if (pid && !existsSync(`/proc/${pid}`)) rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

/** @param number which of the lab's boxes it is. @param boxes how many there are */
function boxFiles(number: 1 | 2, boxes: 1 | 2): RunFile[] {
  const name = number === 1 ? "box" : "box2";
  const macs: Readonly<Record<string, string>> = MACS[name];
  const uplinks = UPLINKS.filter((uplink) => boxes === 1 || uplink.number === number);
  const address = boxes === 1 ? LAN.box : TWO_BOXES.lan[number - 1];
  const network = (name: string, mac: string, lines: string[]) => ({
    path: `/etc/systemd/network/${name}.network`,
    content: [
      "[Match]",
      `MACAddress=${mac}`,
      "",
      "[Network]",
      "LinkLocalAddressing=no",
      "IPv6AcceptRA=no",
      ...lines,
      "",
    ].join("\n"),
  });
  return [
    { path: "/etc/hostname", content: `${name}\n` },
    { path: "/etc/hosts", content: `127.0.0.1 localhost\n127.0.1.1 ${name}\n` },
    network("10-management", macs.management, [
      "DHCP=ipv4",
      "",
      "[DHCPv4]",
      "UseGateway=no",
      "UseRoutes=no",
      "UseDNS=no",
    ]),
    ...uplinks.map((uplink) =>
      network(`20-uplink${uplink.number}`, macs[`uplink${uplink.number}`], [
        `Address=${uplink.address}/${uplink.prefixLength}`,
        "",
        "[Route]",
        `Gateway=${uplink.gateway}`,
        `Metric=${uplink.number * 100}`,
      ]),
    ),
    network("30-lan", macs.lan, [`Address=${address}/${LAN.network.split("/")[1]}`]),
  ];
}

function worldFiles(boxes: 1 | 2): RunFile[] {
  const script = (name: string) => readFileSync(join(__dirname, "../world", name), "utf8");
  return [
    { path: "/etc/hostname", content: "world\n" },
    { path: "/etc/hosts", content: "127.0.0.1 localhost\n127.0.1.1 world\n" },
    {
      path: "/etc/systemd/network/10-management.network",
      content: `[Match]\nMACAddress=${MACS.world.management}\n\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n\n[DHCPv4]\nUseGateway=no\nUseDNS=no\n`,
    },
    { path: "/etc/lab/network.env", content: networkEnv(boxes) },
    {
      path: "/etc/lab/world.sh",
      content: script("world.sh") + (boxes === 1 ? "" : script("switch.sh")),
      mode: 0o755,
    },
  ];
}

export class Lab {
  /** The lab that was left up, if there is one that runs. */
  static attach(): Lab | undefined {
    if (!existsSync(stateFile())) return undefined;
    const state = JSON.parse(readFileSync(stateFile(), "utf8")) as LabState;
    const boxes = boxesOf(state);
    const machines = each(NAMES[boxes], (name) => Machine.attach(state[name] as MachineState));
    const lab = new Lab({ detached: true, system: state.system, boxes });
    lab.directory = state.directory;
    lab.machines = machines;
    return lab.all.some((machine) => machine.isRunning()) ? lab : undefined;
  }

  private directory?: string;
  private machines?: Each<Machine>;
  private readonly disturbed = new Set<LinkName>();
  private separated = false;
  private readonly began = Date.now();
  private runs: SystemId;
  private count: 1 | 2;

  constructor(private readonly options: LabOptions = {}) {
    this.runs = options.system ?? systemOfEnvironment();
    this.count = options.boxes ?? 1;
  }

  /** What the boxes run. */
  get system(): SystemId {
    return this.runs;
  }

  private get names(): readonly MachineName[] {
    return NAMES[this.count];
  }

  private get started(): Each<Machine> {
    if (!this.machines) throw new Error("The lab has not been started.");
    return this.machines;
  }

  private get all(): readonly Machine[] {
    return this.names.map((name) => this.started[name] as Machine);
  }

  /** The Linux machine on-prem; the first of two. */
  get box(): Machine {
    return this.started.box;
  }

  /** The second Linux machine on-prem. @throws where the lab has one box only */
  get box2(): Machine {
    const { box2 } = this.started;
    if (!box2) throw new Error("This lab has one box; make it with boxes: 2.");
    return box2;
  }

  /** Every Linux machine on-prem. */
  get boxes(): readonly Machine[] {
    return this.all.filter((machine) => machine !== this.world);
  }

  /** The machine that holds everything around the boxes. */
  get world(): Machine {
    return this.started.world;
  }

  /** Private key that enters all machines. */
  get keyPath(): string {
    return this.box.keyPath;
  }

  /** A namespace of the world machine, to be spoken to as to a machine. */
  namespace(name: NamespaceName): Namespace {
    return new Namespace(name, this.world);
  }

  /** Runs a command that must succeed in a namespace of the world machine; gives its standard output. */
  in(name: NamespaceName, command: string, options?: ExecuteOptions): Promise<string> {
    return this.namespace(name).succeed(command, options);
  }

  private log(line: string): void {
    this.options.log?.(`${((Date.now() - this.began) / 1000).toFixed(1)} s  ${line}`);
  }

  /** Builds what has to be built, and gives a lab whose topology stands: booted now, or once and kept since. */
  async start(): Promise<void> {
    const { detached = false, fresh = false, packages = false } = this.options;
    const host = await this.prepare();
    const key = this.keyOfBoot(host);
    const booted = new Kept("booted", key);
    const installed = new Kept("booted", keyOf(key, ...PACKAGES[SYSTEMS[this.runs].manager]));
    const wanted = packages ? installed : booted;
    const ports = await newPorts(this.names);
    if (!fresh && wanted.exists) return this.takeBooted(wanted.path, host, ports);
    try {
      if (!fresh && booted.exists) {
        await this.takeBooted(booted.path, host, ports);
      } else {
        await this.bootAnew(host, ports);
        if (!fresh && !booted.exists) await booted.put((directory) => this.save(directory));
      }
      if (packages) {
        await this.installPackages();
        if (!fresh && !installed.exists) await installed.put((directory) => this.save(directory));
      }
      if (detached) this.remember();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  private async takeBooted(directory: string, host: Host, ports: Ports): Promise<void> {
    await this.take(directory, host, ports);
    // Its clock stood still since it was saved, for days perhaps; a box's is kept right by NTP.
    await Promise.all(this.boxes.map((box) => box.succeed(`date -u -s @${Math.round(Date.now() / 1000)}`)));
  }

  private async bootAnew(host: Host, ports: Ports): Promise<void> {
    this.directory = this.makeDirectory();
    this.machines = each(this.names, (name) => this.newMachine(name, host, ports));
    await this.boot(host);
  }

  /** What one run brings to a machine, beside keys. */
  private filesOf(name: MachineName): RunFile[] {
    return name === "world" ? worldFiles(this.count) : boxFiles(name === "box" ? 1 : 2, this.count);
  }

  private async installPackages(): Promise<void> {
    this.log(`installing packages on ${this.names.slice(0, -1).join(" and ")}`);
    const { manager } = SYSTEMS[this.runs];
    const command = `${INSTALL[manager]} ${PACKAGES[manager].join(" ")}`;
    await Promise.all(this.boxes.map((box) => box.succeed(command, { timeoutS: 400 })));
  }

  /** Gives the lab that was saved in a directory, at ports of its own, with as many boxes; they run what they ran then. */
  async open(directory: string): Promise<void> {
    const saved = savedIn(directory);
    this.runs = saved.system;
    this.count = boxesOf(saved);
    await this.take(directory, await this.prepare(), await newPorts(this.names));
  }

  private async take(directory: string, host: Host, ports: Ports): Promise<void> {
    this.directory = this.makeDirectory();
    try {
      const saved = savedIn(directory);
      this.machines = each(this.names, (name) => {
        copyFileSync(join(directory, `${name}.run`), join(this.directory as string, `${name}.run`));
        return this.machine(name, host, ports, (saved[name] as { hostKeyEcdsa: string }).hostKeyEcdsa);
      });
      await this.bringBack(directory);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /**
   * Writes the machines as they are now, disk and memory, to an empty directory; they stand still meanwhile. Connections
   * to them should be closed: what a machine runs for one runs on in what is brought back.
   */
  async save(directory: string): Promise<void> {
    const machines = this.all;
    await Promise.all(machines.map((machine) => machine.halt()));
    await Promise.all(machines.map((machine) => machine.save(directory)));
    for (const name of this.names) {
      copyFileSync(join(this.directory as string, `${name}.run`), join(directory, `${name}.run`));
    }
    const keys = each(this.names, (name) => ({ hostKeyEcdsa: (this.started[name] as Machine).hostKeyEcdsa }));
    const saved: SavedLab = { system: this.system, ...keys };
    writeFileSync(join(directory, SAVED), JSON.stringify(saved), { mode: 0o600 });
    await Promise.all(machines.map((machine) => machine.goOn()));
  }

  /** Makes the machines what they were when they were saved there; connections to them are gone. */
  async bringBack(directory: string): Promise<void> {
    const saved = savedIn(directory);
    const { system } = saved;
    if (system !== this.system) {
      const [theirs, ours] = [system, this.system].map((id) => SYSTEMS[id].name);
      throw new Error(
        `The box was saved as ${theirs} and this lab's is ${ours}: switch this lab off and open that one.`,
      );
    }
    if (boxesOf(saved) !== this.count) {
      throw new Error(
        `${boxesOf(saved)} of the boxes were saved and this lab has ${this.count}: switch this lab off and open that one.`,
      );
    }
    const machines = this.all;
    await Promise.all(machines.map((machine) => machine.stop()));
    this.disturbed.clear();
    this.separated = false;
    await Promise.all(machines.map((machine) => machine.load(directory)));
    await Promise.all(machines.map((machine) => machine.goOn()));
    if (this.options.detached) this.remember();
    await Promise.all(machines.map((machine) => machine.waitForSsh()));
    this.log(`${this.names.join(" and ")} are back as they were saved`);
  }

  /** Differs when a boot would make another lab. */
  async bootKey(): Promise<string> {
    return this.keyOfBoot(await this.prepare());
  }

  private async prepare(): Promise<Host> {
    if (this.options.detached && Lab.attach()) {
      throw new Error('A lab is up already; end it with "npm run lab -- down".');
    }
    const images = await ensureImages(this.system, (line) => this.log(line), this.options.kernel);
    const qemu = await ensureQemu((line) => this.log(line));
    removeLeftovers();
    return { images, qemu, kvm: await kvmWorks(images.world, qemu, (line) => this.log(line)) };
  }

  private makeDirectory(): string {
    return mkdtempSync(join(tmpdir(), this.options.detached ? "lab-kept-" : `${RUN_DIRECTORY}${process.pid}-`));
  }

  private keyOfBoot(host: Host): string {
    const files = this.names.flatMap((name) => this.filesOf(name));
    return keyOf(
      ...this.names.map((name) => dirname(imageOf(name, host).disk)),
      host.qemu.version,
      ...this.names.flatMap((name) => this.qemuArguments(name, host, "")),
      ...files.flatMap(({ path, content, mode }) => [path, content, String(mode)]),
      contentOf(join(__dirname, "run-disk.ts")),
      loginKey().public,
    );
  }

  private newMachine(name: MachineName, host: Host, ports: Ports): Machine {
    const ecdsa = makeKey("ecdsa");
    const users = name === "world" ? ["root"] : ["root", "admin", "nosudo"];
    writeRunDisk(join(this.directory as string, `${name}.run`), [
      ...keyFiles(loginKey(), ecdsa, makeKey("ed25519"), users),
      ...this.filesOf(name),
    ]);
    return this.machine(name, host, ports, ecdsa.public.split(" ").slice(0, 2).join(" "));
  }

  private machine(name: MachineName, host: Host, ports: Ports, hostKeyEcdsa: string): Machine {
    const directory = this.directory as string;
    return new Machine({
      name,
      directory,
      image: imageOf(name, host).disk,
      qemu: host.qemu,
      qemuArguments: this.qemuArguments(name, host, directory),
      sockets: this.nicsOf(name).map(({ nic }) => this.socket(name, nic)),
      ports: ports[name] as readonly [number, number],
      keyPath: loginKey().path,
      hostKeyEcdsa,
      detached: this.options.detached ?? false,
    });
  }

  private async boot({ kvm }: Host): Promise<void> {
    const { boxes, world } = this;
    const names = boxes.map(({ name }) => name).join(" and ");
    this.log(`booting ${names} (${SYSTEMS[this.system].name}) and world (${kvm ? "KVM" : "emulated"})`);
    await Promise.all(this.all.map((machine) => machine.start()));
    await Promise.all([
      ...boxes.map((box) => box.waitForSsh().then(() => this.log(`${box.name} answers`))),
      world.waitForSsh().then(async () => {
        this.log("world answers");
        await world.waitForUnit("lab-world.service", BOOT);
        this.log("world's namespaces stand");
      }),
    ]);
    const reaches = (box: Machine, address: string) => box.waitUntilSucceeds(`ping -q -c 1 -W 1 ${address}`, BOOT);
    await Promise.all([
      ...UPLINKS.map(({ gateway }, index) => reaches(boxes[index] ?? boxes[0], gateway)),
      ...boxes.map((box) => reaches(box, LAN.server)),
    ]);
    this.log(boxes.length === 1 ? "box reaches both gateways and the LAN" : "each box reaches its gateway and the LAN");
  }

  /** Notes where the lab is, for processes to come. */
  private remember(): void {
    mkdirSync(cacheDirectory(), { recursive: true });
    const state: LabState = {
      system: this.system,
      directory: this.directory as string,
      ...each(this.names, (name) => (this.started[name] as Machine).state),
    };
    writeFileSync(stateFile(), JSON.stringify(state), { mode: 0o600 });
  }

  private socket(machine: MachineName, nic: Cable["far"], directory = this.directory as string): string {
    return join(directory, `${machine}-${nic}`);
  }

  /** A machine's NICs but for the management one, each with whose NIC it is joined with. */
  private nicsOf(machine: MachineName) {
    return CABLES[this.count]
      .filter(({ box }) => machine === "world" || machine === box)
      .map(({ box, nic, far }) =>
        machine === "world" ? { nic: far, peer: box, peerNic: nic } : { nic, peer: "world" as const, peerNic: far },
      );
  }

  private kernelArguments(name: MachineName): string {
    if (name === "world") return "net.ifnames=0 ipv6.disable_ipv6=1";
    const system: System = SYSTEMS[this.system];
    return system.kernelArguments ?? "";
  }

  private qemuArguments(name: MachineName, host: Host, directory: string): string[] {
    const { kernel, initrd } = imageOf(name, host);
    const macs: Readonly<Record<string, string>> = MACS[name];
    return [
      ...["-machine", "pc", ...acceleratorArguments(host.kvm), "-smp", "1", "-m", "1024"],
      ...["-nodefaults", "-display", "none", "-no-user-config"],
      ...["-kernel", kernel, "-initrd", initrd],
      ...["-append", `${KERNEL_ARGUMENTS} ${this.kernelArguments(name)}`],
      ...["-drive", `file=${join(directory, `${name}.run`)},if=virtio,format=raw,readonly=on`],
      ...["-device", "virtio-rng-pci"],
      ...["-device", `virtio-net-pci,netdev=management,mac=${macs.management},romfile=,addr=0x10`],
      ...this.nicsOf(name).flatMap(({ nic, peer, peerNic }) => [
        "-netdev",
        `dgram,id=${nic}-net,local.type=unix,local.path=${this.socket(name, nic, directory)},` +
          `remote.type=unix,remote.path=${this.socket(peer, peerNic, directory)}`,
        "-device",
        `virtio-net-pci,id=${nic},netdev=${nic}-net,mac=${macs[nic]},romfile=,addr=${SLOTS[nic]}`,
      ]),
    ];
  }

  private farEnd(link: LinkName): FarEnd {
    if (link === "lan2" && this.count === 1) throw new Error("This lab has no lan2; make it with boxes: 2.");
    return link === "lan" && this.count === 2 ? SWITCHED_LAN : LINKS[link];
  }

  private async onLink(link: LinkName, commands: string): Promise<void> {
    await this.in(this.farEnd(link).namespace, `set -e\n${commands}`);
  }

  /** Shell commands that add an ingress or egress filter to a device, unless it is there. */
  private static filter(device: string, hook: "ingress" | "egress", priority: number, action: string): string[] {
    const filters = `dev ${device} ${hook}`;
    return [
      `tc qdisc show dev ${device} | grep -q clsact || tc qdisc add dev ${device} clsact`,
      `tc filter show ${filters} | grep -q 'pref ${priority} ' || tc filter add ${filters} prio ${priority} matchall action ${action}`,
    ];
  }

  /** Drops a link's packets silently: the carrier stays. */
  async cut(link: LinkName, direction: Direction = "both"): Promise<void> {
    const { device } = this.farEnd(link);
    this.disturbed.add(link);
    const commands = [
      ...(direction === "in" ? [] : Lab.filter(device, "ingress", 1, "drop")),
      ...(direction === "out" ? [] : Lab.filter(device, "egress", 1, "drop")),
    ];
    await this.onLink(link, [...new Set(commands)].join("\n"));
  }

  /** Takes back every cut and impairment of a link. */
  async restore(link: LinkName): Promise<void> {
    const { device } = this.farEnd(link);
    await this.onLink(
      link,
      [
        `if tc qdisc show dev ${device} | grep -q clsact; then tc qdisc del dev ${device} clsact; fi`,
        `if tc qdisc show dev ${device} | grep -q netem; then tc qdisc del dev ${device} root; fi`,
        `if ip link show ifb-${device} >/dev/null 2>&1; then ip link del ifb-${device}; fi`,
      ].join("\n"),
    );
    this.disturbed.delete(link);
  }

  /** Takes back every cut and impairment that was made here since the start. */
  async restoreAll(): Promise<void> {
    await Promise.all([...this.disturbed].map((link) => this.restore(link)));
    if (this.separated) await this.join();
  }

  /** From now on two boxes' LAN NICs do not hear each other; both hear the server, and it hears both. */
  async separate(): Promise<void> {
    await this.isolate("on");
    this.separated = true;
  }

  /** Takes `separate` back. */
  async join(): Promise<void> {
    await this.isolate("off");
    this.separated = false;
  }

  private async isolate(on: "on" | "off"): Promise<void> {
    const ports = (["lan", "lan2"] as const).map((link) => this.farEnd(link).device);
    await this.onLink("lan2", ports.map((port) => `ip link set ${port} type bridge_slave isolated ${on}`).join("\n"));
  }

  /** Makes a link lossy or slow; replaces an earlier impairment of the same direction. */
  async impair(link: LinkName, impairment: Impairment, direction: Direction = "both"): Promise<void> {
    const { device } = this.farEnd(link);
    this.disturbed.add(link);
    const netem = `netem delay ${impairment.delayMs ?? 0}ms loss ${impairment.lossPercent ?? 0}%`;
    const ifb = `ifb-${device}`;
    await this.onLink(
      link,
      [
        ...(direction === "out" ? [] : [`tc qdisc replace dev ${device} root ${netem}`]),
        ...(direction === "in"
          ? []
          : [
              `ip link show ${ifb} >/dev/null 2>&1 || ip link add ${ifb} type ifb`,
              `ip link set ${ifb} up`,
              `tc qdisc replace dev ${ifb} root ${netem}`,
              ...Lab.filter(device, "ingress", 2, `mirred egress redirect dev ${ifb}`),
            ]),
      ].join("\n"),
    );
  }

  /** What is needed to see how the machines are, one line each. */
  status(): string[] {
    return this.all.map((machine) => {
      const system = machine === this.world ? USUAL_SYSTEM : this.system;
      const ssh = `ssh -i ${machine.keyPath} -p ${machine.sshPort} root@127.0.0.1`;
      return `${machine.name} (${SYSTEMS[system].name}): ${machine.isRunning() ? `running (process ${machine.state.pid}); ${ssh}` : "not running"}`;
    });
  }

  /** Switches the machines off and removes what the run left. */
  async stop(): Promise<void> {
    if (this.machines) await Promise.all(this.all.map((machine) => machine.stop()));
    if (this.directory) rmSync(this.directory, { recursive: true, force: true });
    if (this.options.detached) rmSync(stateFile(), { force: true });
    this.machines = undefined;
    this.directory = undefined;
  }
}
