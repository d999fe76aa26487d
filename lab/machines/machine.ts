// One machine of the lab: a QEMU process, its shell over SSH, and what can be done to it from outside.
import { spawn, type ChildProcess } from "child_process";
import { constants, copyFileSync, existsSync, openSync, readFileSync, closeSync, rmSync } from "fs";
import { join } from "path";
import { setTimeout as delay } from "timers/promises";
import type { Channel, ClientChannel } from "ssh2";
import type { Qemu } from "../image/qemu";
import { runBound, spawnBound } from "../process";
import { awaitMigration, qmp } from "./qmp";
import { quote, Shell, type ExecuteOptions, type Result } from "./shell";
import { SshConnection } from "./ssh";

/** A box's NICs beside the management one. */
export type Nic = "uplink1" | "uplink2" | "lan";

/** What is needed to reach a running machine; written to disk for a lab that is left up. */
export interface MachineState {
  readonly name: string;
  /** QEMU's process, or that of a wrapper that ends with it. */
  readonly pid: number;
  readonly directory: string;
  readonly image: string;
  readonly qemu: Qemu;
  readonly qemuArguments: readonly string[];
  readonly sockets: readonly string[];
  readonly sshPort: number;
  readonly altSshPort: number;
  readonly hostKeyEcdsa: string;
  readonly keyPath: string;
}

export interface MachineProps {
  readonly name: string;
  /** Holds the machine's disk, its sockets and its console log. */
  readonly directory: string;
  /** The raw image that its disk begins as. */
  readonly image: string;
  readonly qemu: Qemu;
  /** QEMU's arguments but for the disk `disk`, the management NIC's network and the console. */
  readonly qemuArguments: readonly string[];
  /** The sockets of its NICs, which QEMU makes and leaves behind. */
  readonly sockets: readonly string[];
  /** Ports on 127.0.0.1 that lead to the machine's port 22. */
  readonly ports: readonly [number, number];
  readonly keyPath: string;
  /** `TYPE BASE64`. */
  readonly hostKeyEcdsa: string;
  /** True: lives on when this process ends. */
  readonly detached: boolean;
}

export class Machine extends Shell {
  /** Attaches to a machine that another process started. */
  static attach(state: MachineState): Machine {
    const ports = [state.sshPort, state.altSshPort] as const;
    const machine = new Machine({ ...state, ports, detached: true });
    machine.pid = state.pid;
    return machine;
  }

  readonly name: string;
  /** Path of the private key that enters as root, and as the machine's other users. */
  readonly keyPath: string;
  /** The host's ECDSA key as Terraform's `host_key` wants it: `ecdsa-sha2-nistp256 BASE64`. */
  readonly hostKeyEcdsa: string;
  private child?: ChildProcess;
  private pid?: number;
  private ssh?: SshConnection;

  constructor(private readonly props: MachineProps) {
    super();
    this.name = props.name;
    this.keyPath = props.keyPath;
    this.hostKeyEcdsa = props.hostKeyEcdsa;
  }

  /** Port on 127.0.0.1 that leads to the machine's port 22. */
  get sshPort(): number {
    return this.props.ports[0];
  }

  /** A second port on 127.0.0.1 that leads to the same. */
  get altSshPort(): number {
    return this.props.ports[1];
  }

  get qemuVersion(): string {
    return this.props.qemu.version;
  }

  get state(): MachineState {
    const { name, keyPath, hostKeyEcdsa, sshPort, altSshPort, pid = 0 } = this;
    const { directory, image, qemu, qemuArguments, sockets } = this.props;
    return { name, keyPath, hostKeyEcdsa, sshPort, altSshPort, pid, directory, image, qemu, qemuArguments, sockets };
  }

  private get qmpSocket(): string {
    return join(this.props.directory, `${this.name}.qmp`);
  }

  private get consolePath(): string {
    return join(this.props.directory, `${this.name}.console`);
  }

  private get connection(): SshConnection {
    this.ssh ??= this.connectionAs("root");
    return this.ssh;
  }

  /** A connection of its own, as another user of the machine; the caller closes it. */
  connectionAs(user: string): SshConnection {
    return new SshConnection({
      port: this.sshPort,
      user,
      privateKey: readFileSync(this.keyPath, "utf8"),
      hostKey: this.hostKeyEcdsa.split(" ")[1],
    });
  }

  /** Switches the machine on; does not wait for its boot. */
  async start(): Promise<void> {
    await this.makeDisk("raw", this.props.image);
    await this.startQemu();
  }

  /** Writes what the halted machine is, disk and memory, to files in a directory. */
  async save(directory: string): Promise<void> {
    // Without a limit of its own, the file's speed is the limit.
    await qmp(this.qmpSocket, "migrate-set-parameters", { "max-bandwidth": 2 ** 40 });
    await qmp(this.qmpSocket, "migrate", { uri: `exec:cat >${quote(this.memoryIn(directory))}` });
    await awaitMigration(this.qmpSocket);
    // QEMU has let go of the disk until it goes on.
    copyFileSync(this.disk, this.diskIn(directory), constants.COPYFILE_FICLONE);
  }

  /** Switches the machine on as it was saved there, halted. */
  async load(directory: string): Promise<void> {
    await this.makeDisk("qcow2", this.diskIn(directory));
    await this.startQemu("-S", "-incoming", "defer");
    await qmp(this.qmpSocket, "migrate-incoming", { uri: `exec:cat ${quote(this.memoryIn(directory))}` });
    await awaitMigration(this.qmpSocket);
  }

  /** Halts the machine: its time stands still. */
  async halt(): Promise<void> {
    await qmp(this.qmpSocket, "stop");
  }

  /** Lets a halted machine go on. */
  async goOn(): Promise<void> {
    await qmp(this.qmpSocket, "cont");
  }

  private get disk(): string {
    return this.diskIn(this.props.directory);
  }

  private diskIn(directory: string): string {
    return join(directory, `${this.name}.qcow2`);
  }

  private memoryIn(directory: string): string {
    return join(directory, `${this.name}.memory`);
  }

  private async makeDisk(format: "raw" | "qcow2", backing: string): Promise<void> {
    rmSync(this.disk, { force: true });
    const argumentsOf = ["create", "-q", "-f", "qcow2", "-F", format, "-b", backing, this.disk];
    const { status, stderr } = await runBound(this.props.qemu.img, argumentsOf);
    if (status !== 0) throw new Error(`${this.name}: its disk could not be made: ${stderr.trim()}`);
  }

  private async startQemu(...more: readonly string[]): Promise<void> {
    const { directory, qemu, qemuArguments, ports, detached } = this.props;
    const forwards = ports.map((port) => `hostfwd=tcp:127.0.0.1:${port}-:22`).join(",");
    const argumentsOf = [
      ...["-drive", `file=${this.disk},if=virtio,format=qcow2,cache=unsafe`],
      ...["-netdev", `user,id=management,restrict=on,${forwards}`],
      ...qemuArguments,
      ...["-name", this.name, "-chardev", `file,id=console,append=on,path=${this.consolePath}`],
      ...["-serial", "chardev:console", "-qmp", `unix:${this.qmpSocket},server=on,wait=off`],
      ...more,
    ];
    for (const socket of [this.qmpSocket, ...this.props.sockets]) rmSync(socket, { force: true });
    const logPath = join(directory, `${this.name}.qemu`);
    const log = openSync(logPath, "w");
    const stdio = ["ignore", log, log] as ("ignore" | number)[];
    const child = detached
      ? spawn(qemu.system, argumentsOf, { stdio, detached: true, cwd: directory })
      : spawnBound(qemu.system, argumentsOf, { stdio, cwd: directory });
    closeSync(log);
    if (detached) child.unref();
    this.child = child;
    this.pid = child.pid;
    const deadline = Date.now() + 20_000;
    // It opens its socket before it looks at all of its arguments: what counts is that it answers.
    while (!(await this.answers())) {
      if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
        const said = readFileSync(logPath, "utf8").trim();
        throw new Error(`${this.name}: QEMU did not start: ${said}`);
      }
      await delay(20);
    }
  }

  private async answers(): Promise<boolean> {
    return (
      existsSync(this.qmpSocket) &&
      (await qmp(this.qmpSocket, "query-status").then(
        () => true,
        () => false,
      ))
    );
  }

  /** Waits until a command can be run. */
  async waitForSsh({ timeoutS = 300 } = {}): Promise<void> {
    try {
      await this.connection.connect(timeoutS);
    } catch (error) {
      throw new Error(`${this.name}: ${(error as Error).message}\n${this.context()}`);
    }
  }

  async execute(command: string, options?: ExecuteOptions): Promise<Result> {
    try {
      return await this.connection.execute(command, options);
    } catch (error) {
      throw new Error(`${this.name}: ${(error as Error).message}\n${this.context()}`);
    }
  }

  /** Starts a command whose streams the caller handles. */
  channel(command: string): Promise<ClientChannel> {
    return this.connection.channel(command);
  }

  /** Connects to a Unix socket on the machine; no process is started there. */
  socket(path: string): Promise<Channel> {
    return this.connection.socket(path);
  }

  /** Joins this process's terminal to a login shell; gives the shell's exit status. */
  async interactiveShell(): Promise<number> {
    const client = await this.connection.connect(30);
    const size = () => ({ rows: process.stdout.rows ?? 24, cols: process.stdout.columns ?? 80 });
    const channel = await new Promise<ClientChannel>((resolve, reject) => {
      const terminal = { term: process.env.TERM ?? "vt100", ...size() };
      client.shell(process.stdin.isTTY ? terminal : false, (error, opened) =>
        error ? reject(error) : resolve(opened),
      );
    });
    if (process.stdin.isTTY) process.stdin.setRawMode(true);
    const resized = () => channel.setWindow(size().rows, size().cols, 0, 0);
    process.stdout.on("resize", resized);
    process.stdin.pipe(channel);
    channel.pipe(process.stdout);
    channel.stderr.pipe(process.stderr);
    let status = 1;
    channel.on("exit", (code: number | null) => (status = code ?? 1));
    await new Promise((resolve) => channel.once("close", resolve));
    if (process.stdin.isTTY) process.stdin.setRawMode(false);
    process.stdout.off("resize", resized);
    process.stdin.unref();
    return status;
  }

  /** Copies a file to the machine. @param mode permission bits @default 0o644 */
  async upload(local: string, remote: string, mode = 0o644): Promise<void> {
    await this.connection.upload(readFileSync(local), remote, mode);
  }

  /** Writes a file on the machine. @param mode permission bits @default 0o644 */
  async write(content: string, remote: string, mode = 0o644): Promise<void> {
    await this.connection.upload(content, remote, mode);
  }

  private bootId(): Promise<string> {
    return this.succeed("cat /proc/sys/kernel/random/boot_id");
  }

  /** Reboots in good order and waits until the machine is back: another boot, its SSH server answering. */
  async reboot({ timeoutS = 300 } = {}): Promise<void> {
    const before = await this.bootId();
    const deadline = Date.now() + timeoutS * 1000;
    await this.succeed("systemctl --no-block reboot");
    for (;;) {
      this.connection.close();
      await this.waitForSsh({ timeoutS: Math.max(1, (deadline - Date.now()) / 1000) });
      // Until the old system's SSH server is gone a connection may still be its.
      const now = await this.connection
        .execute("cat /proc/sys/kernel/random/boot_id", { timeoutS: 20 })
        .catch(() => undefined);
      if (now?.status === 0 && now.stdout !== before) return;
      if (Date.now() > deadline) {
        throw new Error(`${this.name} did not reboot within ${timeoutS} s.\n${this.context()}`);
      }
      await delay(200);
    }
  }

  /**
   * Cuts the machine's power and gives it back: nothing is written back, nobody is told. Does not wait. QEMU's own reset
   * would do, but for a disk that once never answered again after it.
   */
  async crash(): Promise<void> {
    await this.stop();
    await this.powerOn();
  }

  /** Gives a machine that was switched off its power back, with its disk as it was then. Does not wait. */
  async powerOn(): Promise<void> {
    await this.startQemu();
  }

  /** Pulls a NIC's cable: the machine sees its carrier go. */
  async unplug(nic: Nic): Promise<void> {
    await qmp(this.qmpSocket, "set_link", { name: nic, up: false });
  }

  /** Puts a NIC's cable back. */
  async plug(nic: Nic): Promise<void> {
    await qmp(this.qmpSocket, "set_link", { name: nic, up: true });
  }

  /** What the machine printed on its serial console so far. */
  consoleLog(): string {
    return existsSync(this.consolePath) ? readFileSync(this.consolePath, "utf8") : "";
  }

  protected context(): string {
    const tail = this.consoleLog().trimEnd().split("\n").slice(-150).join("\n").trim();
    return tail ? `--- end of ${this.name}'s console\n${tail}` : "";
  }

  /** True while QEMU runs. */
  isRunning(): boolean {
    if (this.child) return this.child.exitCode === null && this.child.signalCode === null;
    try {
      return this.pid !== undefined && readFileSync(`/proc/${this.pid}/cmdline`, "utf8").includes(this.props.directory);
    } catch {
      return false;
    }
  }

  /** Switches the machine off at once. */
  async stop(): Promise<void> {
    this.ssh?.close();
    if (!this.isRunning()) return;
    await qmp(this.qmpSocket, "quit").catch(() => undefined);
    const deadline = Date.now() + 5000;
    while (this.isRunning()) {
      if (Date.now() > deadline) {
        if (this.child) this.child.kill("SIGKILL");
        else process.kill(this.pid as number, "SIGKILL");
      }
      await delay(20);
    }
  }
}
