// One machine of the lab: a QEMU process, its shell over SSH, and what can be done to it from outside.
import { spawn, type ChildProcess } from "child_process";
import { existsSync, openSync, readFileSync, closeSync } from "fs";
import { join } from "path";
import { setTimeout as delay } from "timers/promises";
import type { ClientChannel } from "ssh2";
import { spawnBound } from "../process";
import { qmp } from "./qmp";
import { Shell, type ExecuteOptions, type Result } from "./shell";
import { SshConnection } from "./ssh";

/** A machine's NICs beside the management one. */
export type Nic = "uplink1" | "uplink2" | "lan";

/** What is needed to reach a running machine; written to disk for a lab that is left up. */
export interface MachineState {
  readonly name: string;
  /** QEMU's process, or that of a wrapper that ends with it. */
  readonly pid: number;
  readonly directory: string;
  readonly sshPort: number;
  readonly altSshPort: number;
  readonly hostKeyEcdsa: string;
  readonly keyPath: string;
}

export interface MachineProps {
  readonly name: string;
  /** Holds the machine's sockets and its console log. */
  readonly directory: string;
  readonly qemuArguments: readonly string[];
  readonly keyPath: string;
  /** `TYPE BASE64`. */
  readonly hostKeyEcdsa: string;
  /** True: lives on when this process ends. */
  readonly detached: boolean;
}

export class Machine extends Shell {
  /** Attaches to a machine that another process started. */
  static attach(state: MachineState): Machine {
    const machine = new Machine({ ...state, qemuArguments: [], detached: true });
    machine.pid = state.pid;
    machine.ports = [state.sshPort, state.altSshPort];
    return machine;
  }

  readonly name: string;
  /** Path of the private key that enters as root, and as the machine's other users. */
  readonly keyPath: string;
  /** The host's ECDSA key as Terraform's `host_key` wants it: `ecdsa-sha2-nistp256 BASE64`. */
  readonly hostKeyEcdsa: string;
  private child?: ChildProcess;
  private pid?: number;
  private ports: number[] = [];
  private ssh?: SshConnection;

  constructor(private readonly props: MachineProps) {
    super();
    this.name = props.name;
    this.keyPath = props.keyPath;
    this.hostKeyEcdsa = props.hostKeyEcdsa;
  }

  /** Port on 127.0.0.1 that leads to the machine's port 22. */
  get sshPort(): number {
    return this.ports[0];
  }

  /** A second port on 127.0.0.1 that leads to the same. */
  get altSshPort(): number {
    return this.ports[1];
  }

  get state(): MachineState {
    const { name, keyPath, hostKeyEcdsa, sshPort, altSshPort } = this;
    return { name, keyPath, hostKeyEcdsa, sshPort, altSshPort, pid: this.pid ?? 0, directory: this.props.directory };
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
    const { directory, qemuArguments, detached } = this.props;
    const argumentsOf = [
      ...qemuArguments,
      ...["-name", this.name, "-chardev", `file,id=console,path=${this.consolePath}`, "-serial", "chardev:console"],
      ...["-qmp", `unix:${this.qmpSocket},server=on,wait=off`],
    ];
    const log = openSync(join(directory, `${this.name}.qemu`), "a");
    const stdio = ["ignore", log, log] as ("ignore" | number)[];
    const child = detached
      ? spawn("qemu-system-x86_64", argumentsOf, { stdio, detached: true, cwd: directory })
      : spawnBound("qemu-system-x86_64", argumentsOf, { stdio, cwd: directory });
    closeSync(log);
    if (detached) child.unref();
    this.child = child;
    this.pid = child.pid;
    const deadline = Date.now() + 20_000;
    while (!existsSync(this.qmpSocket)) {
      if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
        throw new Error(
          `${this.name}: QEMU did not start: ${readFileSync(join(directory, `${this.name}.qemu`), "utf8").trim()}`,
        );
      }
      await delay(20);
    }
    // The kernel chose the ports; QEMU tells them.
    const info = String(await qmp(this.qmpSocket, "human-monitor-command", { "command-line": "info usernet" }));
    this.ports = [...info.matchAll(/HOST_FORWARD\]\s+\S+\s+127\.0\.0\.1\s+(\d+)/g)]
      .map((match) => Number(match[1]))
      .sort();
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

  /** Resets the machine as its reset button does: nothing is written back, nobody is told. Does not wait. */
  async crash(): Promise<void> {
    await qmp(this.qmpSocket, "system_reset");
    this.connection.close();
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
