// The lab: two machines, `box` and `world`, joined by three links, and the faults that can be made on them.
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync, existsSync, mkdirSync } from "fs";
import { tmpdir } from "os";
import { dirname, join } from "path";
import { cacheDirectory, contentOf, Kept, keyOf } from "../cache";
import { ensureImages, type Images, type Kernel } from "../image/image";
import { ensureQemu, type Qemu } from "../image/qemu";
import { systemOfEnvironment, SYSTEMS, USUAL_SYSTEM, type System, type SystemId } from "../image/systems";
import { LAN, UPLINKS } from "../network";
import { MACS, networkEnv } from "../world/network-env";
import { acceleratorArguments, kvmWorks } from "./accelerator";
import { Machine, type MachineState, type Nic } from "./machine";
import { freePorts } from "./ports";
import { keyFiles, loginKey, makeKey, writeRunDisk, type RunFile } from "./run-disk";
import { quote, Shell, type ExecuteOptions, type Result } from "./shell";

/** `branch` is there when a test has made it (test/lab/branch.ts). */
export type NamespaceName = "nat1" | "nat2" | "inet" | "cloud" | "ecs" | "dc" | "branch";

/**
 * A link whose traffic can be disturbed: uplinks and LAN between the box and its neighbours, `wan1` and `wan2` beyond
 * each uplink's NAT (the uplink's gateway still answers), `cloud` in front of the VPN gateway, `vpc` behind it.
 */
export type LinkName = "uplink1" | "uplink2" | "lan" | "wan1" | "wan2" | "cloud" | "vpc";

/** As the box sees it: `out` is away from it, `in` is towards it. */
export type Direction = "in" | "out" | "both";

export interface Impairment {
  /** Packets lost at random, percent. @default 0 */
  readonly lossPercent?: number;
  /** Delay added, milliseconds. @default 0 */
  readonly delayMs?: number;
}

/** The device at each link's far end, from the box: what comes in there goes `out`. */
const LINKS: Record<LinkName, { readonly namespace: NamespaceName; readonly device: string }> = {
  uplink1: { namespace: "nat1", device: "uplink1" },
  uplink2: { namespace: "nat2", device: "uplink2" },
  lan: { namespace: "dc", device: "lan" },
  wan1: { namespace: "inet", device: "nat1" },
  wan2: { namespace: "inet", device: "nat2" },
  cloud: { namespace: "cloud", device: "wan" },
  vpc: { namespace: "ecs", device: "eth0" },
};

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
  /** Which of Debian's kernels both machines run. @default "cloud" */
  readonly kernel?: Kernel;
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

const NAMES = ["box", "world"] as const;
type MachineName = (typeof NAMES)[number];
const NICS: readonly Nic[] = ["uplink1", "uplink2", "lan"];

/** What is saved beside the machines' disks and memories. */
interface SavedLab extends Readonly<Record<MachineName, Pick<MachineState, "hostKeyEcdsa">>> {
  readonly system: SystemId;
}

/** What the machines are made of and run by on this host. */
interface Host {
  readonly images: Images;
  readonly qemu: Qemu;
  readonly kvm: boolean;
}

/** The ports on 127.0.0.1 that lead to each machine. */
type Ports = Readonly<Record<MachineName, readonly [number, number]>>;

async function newPorts(): Promise<Ports> {
  const [first, second, third, fourth] = await freePorts(4);
  return { box: [first, second], world: [third, fourth] };
}

/** The file that says what a directory of saved machines holds. */
const SAVED = "lab.json";

const savedIn = (directory: string) => JSON.parse(readFileSync(join(directory, SAVED), "utf8")) as SavedLab;

interface LabState {
  readonly system: SystemId;
  readonly directory: string;
  readonly box: MachineState;
  readonly world: MachineState;
}

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

function boxFiles(): RunFile[] {
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
    { path: "/etc/hostname", content: "box\n" },
    { path: "/etc/hosts", content: "127.0.0.1 localhost\n127.0.1.1 box\n" },
    network("10-management", MACS.box.management, [
      "DHCP=ipv4",
      "",
      "[DHCPv4]",
      "UseGateway=no",
      "UseRoutes=no",
      "UseDNS=no",
    ]),
    ...UPLINKS.map((uplink) =>
      network(`20-uplink${uplink.number}`, MACS.box[`uplink${uplink.number}`], [
        `Address=${uplink.address}/${uplink.prefixLength}`,
        "",
        "[Route]",
        `Gateway=${uplink.gateway}`,
        `Metric=${uplink.number * 100}`,
      ]),
    ),
    network("30-lan", MACS.box.lan, [`Address=${LAN.box}/${LAN.network.split("/")[1]}`]),
  ];
}

function worldFiles(): RunFile[] {
  return [
    { path: "/etc/hostname", content: "world\n" },
    { path: "/etc/hosts", content: "127.0.0.1 localhost\n127.0.1.1 world\n" },
    {
      path: "/etc/systemd/network/10-management.network",
      content: `[Match]\nMACAddress=${MACS.world.management}\n\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n\n[DHCPv4]\nUseGateway=no\nUseDNS=no\n`,
    },
    { path: "/etc/lab/network.env", content: networkEnv() },
    { path: "/etc/lab/world.sh", content: readFileSync(join(__dirname, "../world/world.sh"), "utf8"), mode: 0o755 },
  ];
}

export class Lab {
  /** The lab that was left up, if there is one that runs. */
  static attach(): Lab | undefined {
    if (!existsSync(stateFile())) return undefined;
    const state = JSON.parse(readFileSync(stateFile(), "utf8")) as LabState;
    if (![state.box, state.world].some((machine) => Machine.attach(machine).isRunning())) return undefined;
    const lab = new Lab({ detached: true, system: state.system });
    lab.directory = state.directory;
    lab.machines = { box: Machine.attach(state.box), world: Machine.attach(state.world) };
    return lab;
  }

  private directory?: string;
  private machines?: { box: Machine; world: Machine };
  private readonly disturbed = new Set<LinkName>();
  private readonly began = Date.now();
  private runs: SystemId;

  constructor(private readonly options: LabOptions = {}) {
    this.runs = options.system ?? systemOfEnvironment();
  }

  /** What the box runs. */
  get system(): SystemId {
    return this.runs;
  }

  private get started(): { box: Machine; world: Machine } {
    if (!this.machines) throw new Error("The lab has not been started.");
    return this.machines;
  }

  /** The Linux machine on-prem. */
  get box(): Machine {
    return this.started.box;
  }

  /** The machine that holds everything around the box. */
  get world(): Machine {
    return this.started.world;
  }

  /** Private key that enters both machines. */
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
    const ports = await newPorts();
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
    await this.box.succeed(`date -u -s @${Math.round(Date.now() / 1000)}`);
  }

  private async bootAnew(host: Host, ports: Ports): Promise<void> {
    this.directory = this.makeDirectory();
    this.machines = {
      box: this.newMachine("box", host, ports.box, ["root", "admin", "nosudo"], boxFiles()),
      world: this.newMachine("world", host, ports.world, ["root"], worldFiles()),
    };
    await this.boot(host);
  }

  private async installPackages(): Promise<void> {
    this.log("installing packages on the box");
    const { manager } = SYSTEMS[this.runs];
    await this.box.succeed(`${INSTALL[manager]} ${PACKAGES[manager].join(" ")}`, { timeoutS: 400 });
  }

  /** Gives the lab that was saved in a directory, at ports of its own; its box runs what it ran then. */
  async open(directory: string): Promise<void> {
    this.runs = savedIn(directory).system;
    await this.take(directory, await this.prepare(), await newPorts());
  }

  private async take(directory: string, host: Host, ports: Ports): Promise<void> {
    this.directory = this.makeDirectory();
    try {
      const saved = savedIn(directory);
      const machine = (name: MachineName) => {
        copyFileSync(join(directory, `${name}.run`), join(this.directory as string, `${name}.run`));
        return this.machine(name, host, ports[name], saved[name].hostKeyEcdsa);
      };
      this.machines = { box: machine("box"), world: machine("world") };
      await this.bringBack(directory);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /**
   * Writes both machines as they are now, disk and memory, to an empty directory; they stand still meanwhile. Connections
   * to them should be closed: what a machine runs for one runs on in what is brought back.
   */
  async save(directory: string): Promise<void> {
    const machines = NAMES.map((name) => this.started[name]);
    await Promise.all(machines.map((machine) => machine.halt()));
    await Promise.all(machines.map((machine) => machine.save(directory)));
    for (const name of NAMES) {
      copyFileSync(join(this.directory as string, `${name}.run`), join(directory, `${name}.run`));
    }
    const [box, world] = machines.map(({ hostKeyEcdsa }) => ({ hostKeyEcdsa }));
    const saved: SavedLab = { system: this.system, box, world };
    writeFileSync(join(directory, SAVED), JSON.stringify(saved), { mode: 0o600 });
    await Promise.all(machines.map((machine) => machine.goOn()));
  }

  /** Makes both machines what they were when they were saved there; connections to them are gone. */
  async bringBack(directory: string): Promise<void> {
    const { system } = savedIn(directory);
    if (system !== this.system) {
      const [theirs, ours] = [system, this.system].map((id) => SYSTEMS[id].name);
      throw new Error(
        `The box was saved as ${theirs} and this lab's is ${ours}: switch this lab off and open that one.`,
      );
    }
    const machines = NAMES.map((name) => this.started[name]);
    await Promise.all(machines.map((machine) => machine.stop()));
    this.disturbed.clear();
    await Promise.all(machines.map((machine) => machine.load(directory)));
    await Promise.all(machines.map((machine) => machine.goOn()));
    if (this.options.detached) this.remember();
    await Promise.all(machines.map((machine) => machine.waitForSsh()));
    this.log("box and world are back as they were saved");
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
    const files = [...boxFiles(), ...worldFiles()];
    return keyOf(
      ...NAMES.map((name) => dirname(host.images[name].disk)),
      host.qemu.version,
      ...NAMES.flatMap((name) => this.qemuArguments(name, host, "")),
      ...files.flatMap(({ path, content, mode }) => [path, content, String(mode)]),
      contentOf(join(__dirname, "run-disk.ts")),
      loginKey().public,
    );
  }

  private newMachine(
    name: MachineName,
    host: Host,
    ports: readonly [number, number],
    users: string[],
    files: RunFile[],
  ): Machine {
    const ecdsa = makeKey("ecdsa");
    writeRunDisk(join(this.directory as string, `${name}.run`), [
      ...keyFiles(loginKey(), ecdsa, makeKey("ed25519"), users),
      ...files,
    ]);
    return this.machine(name, host, ports, ecdsa.public.split(" ").slice(0, 2).join(" "));
  }

  private machine(name: MachineName, host: Host, ports: readonly [number, number], hostKeyEcdsa: string): Machine {
    const directory = this.directory as string;
    return new Machine({
      name,
      directory,
      image: host.images[name].disk,
      qemu: host.qemu,
      qemuArguments: this.qemuArguments(name, host, directory),
      sockets: NICS.map((nic) => this.socket(name, nic)),
      ports,
      keyPath: loginKey().path,
      hostKeyEcdsa,
      detached: this.options.detached ?? false,
    });
  }

  private async boot({ kvm }: Host): Promise<void> {
    const { box, world } = this.started;
    this.log(`booting box (${SYSTEMS[this.system].name}) and world (${kvm ? "KVM" : "emulated"})`);
    await Promise.all([box.start(), world.start()]);
    await Promise.all([
      box.waitForSsh().then(() => this.log("box answers")),
      world.waitForSsh().then(async () => {
        this.log("world answers");
        await world.waitForUnit("lab-world.service", BOOT);
        this.log("world's namespaces stand");
      }),
    ]);
    const reaches = (address: string) => box.waitUntilSucceeds(`ping -q -c 1 -W 1 ${address}`, BOOT);
    await Promise.all([...UPLINKS.map((uplink) => reaches(uplink.gateway)), reaches(LAN.server)]);
    this.log("box reaches both gateways and the LAN");
  }

  /** Notes where the lab is, for processes to come. */
  private remember(): void {
    const { box, world } = this.started;
    mkdirSync(cacheDirectory(), { recursive: true });
    const state: LabState = {
      system: this.system,
      directory: this.directory as string,
      box: box.state,
      world: world.state,
    };
    writeFileSync(stateFile(), JSON.stringify(state), { mode: 0o600 });
  }

  private socket(machine: MachineName, nic: Nic, directory = this.directory as string): string {
    return join(directory, `${machine}-${nic}`);
  }

  private kernelArguments(name: MachineName): string {
    if (name === "world") return "net.ifnames=0 ipv6.disable_ipv6=1";
    const system: System = SYSTEMS[this.system];
    return system.kernelArguments ?? "";
  }

  private qemuArguments(name: MachineName, { images, kvm }: Host, directory: string): string[] {
    const peer = name === "box" ? "world" : "box";
    return [
      ...["-machine", "pc", ...acceleratorArguments(kvm), "-smp", "1", "-m", "1024"],
      ...["-nodefaults", "-display", "none", "-no-user-config"],
      ...["-kernel", images[name].kernel, "-initrd", images[name].initrd],
      ...["-append", `${KERNEL_ARGUMENTS} ${this.kernelArguments(name)}`],
      ...["-drive", `file=${join(directory, `${name}.run`)},if=virtio,format=raw,readonly=on`],
      ...["-device", "virtio-rng-pci"],
      ...["-device", `virtio-net-pci,netdev=management,mac=${MACS[name].management},romfile=,addr=0x10`],
      ...NICS.flatMap((nic, index) => [
        "-netdev",
        `dgram,id=${nic}-net,local.type=unix,local.path=${this.socket(name, nic, directory)},` +
          `remote.type=unix,remote.path=${this.socket(peer, nic, directory)}`,
        "-device",
        `virtio-net-pci,id=${nic},netdev=${nic}-net,mac=${MACS[name][nic]},romfile=,addr=0x${(0x11 + index).toString(16)}`,
      ]),
    ];
  }

  private async onLink(link: LinkName, commands: string): Promise<void> {
    const { namespace } = LINKS[link];
    await this.in(namespace, `set -e\n${commands}`);
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
    const { device } = LINKS[link];
    this.disturbed.add(link);
    const commands = [
      ...(direction === "in" ? [] : Lab.filter(device, "ingress", 1, "drop")),
      ...(direction === "out" ? [] : Lab.filter(device, "egress", 1, "drop")),
    ];
    await this.onLink(link, [...new Set(commands)].join("\n"));
  }

  /** Takes back every cut and impairment of a link. */
  async restore(link: LinkName): Promise<void> {
    const { device } = LINKS[link];
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
  }

  /** Makes a link lossy or slow; replaces an earlier impairment of the same direction. */
  async impair(link: LinkName, impairment: Impairment, direction: Direction = "both"): Promise<void> {
    const { device } = LINKS[link];
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
    return NAMES.map((name) => {
      const machine = this.started[name];
      const system = name === "box" ? this.system : USUAL_SYSTEM;
      const ssh = `ssh -i ${machine.keyPath} -p ${machine.sshPort} root@127.0.0.1`;
      return `${name} (${SYSTEMS[system].name}): ${machine.isRunning() ? `running (process ${machine.state.pid}); ${ssh}` : "not running"}`;
    });
  }

  /** Switches both machines off and removes what the run left. */
  async stop(): Promise<void> {
    if (this.machines) await Promise.all([this.machines.box.stop(), this.machines.world.stop()]);
    if (this.directory) rmSync(this.directory, { recursive: true, force: true });
    if (this.options.detached) rmSync(stateFile(), { force: true });
    this.machines = undefined;
    this.directory = undefined;
  }
}
