// A lasting SSH connection to a machine: one channel a command, connected again when the machine comes back.
import { setTimeout as delay } from "timers/promises";
import { Client, type Channel, type ClientChannel } from "ssh2";
import type { ExecuteOptions, Result } from "./shell";

export interface SshTarget {
  readonly port: number;
  readonly user: string;
  readonly privateKey: string;
  /** The server's ECDSA public key, base64 as in a known_hosts line. */
  readonly hostKey: string;
}

const SIGNALS: Record<string, number> = { HUP: 1, INT: 2, QUIT: 3, ABRT: 6, KILL: 9, SEGV: 11, PIPE: 13, TERM: 15 };

export class SshConnection {
  private client?: Client;

  constructor(private readonly target: SshTarget) {}

  private open(timeoutMs: number): Promise<Client> {
    return new Promise((resolve, reject) => {
      const client = new Client();
      const fail = (error: Error) => {
        client.destroy();
        reject(error);
      };
      client.once("ready", () => {
        client.on("close", () => {
          if (this.client === client) this.client = undefined;
        });
        resolve(client);
      });
      // An error may come more than once, and after "ready": it then shows in the channels and at the next command.
      client.on("error", fail);
      client.once("close", () => fail(new Error("the connection was closed")));
      client.connect({
        host: "127.0.0.1",
        port: this.target.port,
        username: this.target.user,
        privateKey: this.target.privateKey,
        readyTimeout: timeoutMs,
        keepaliveInterval: 5000,
        keepaliveCountMax: 6,
        algorithms: { serverHostKey: ["ecdsa-sha2-nistp256"], compress: ["none"] },
        hostVerifier: (key: Buffer) => key.toString("base64") === this.target.hostKey,
      });
    });
  }

  /** Connects unless connected; tries until `timeoutS` passed. */
  async connect(timeoutS: number): Promise<Client> {
    const deadline = Date.now() + timeoutS * 1000;
    for (;;) {
      if (this.client) return this.client;
      try {
        this.client = await this.open(Math.min(15_000, Math.max(1000, deadline - Date.now())));
        return this.client;
      } catch (error) {
        if (Date.now() >= deadline) {
          throw new Error(`no SSH within ${timeoutS} s: ${(error as Error).message}`);
        }
        await delay(200);
      }
    }
  }

  /** Ends the connection; the next command makes a new one. */
  close(): void {
    const client = this.client;
    this.client = undefined;
    client?.destroy();
  }

  /** Opens a channel for a command whose streams the caller handles. */
  async channel(command: string, connectTimeoutS = 30): Promise<ClientChannel> {
    const client = await this.connect(connectTimeoutS);
    return new Promise((resolve, reject) => {
      client.exec(command, (error, channel) => (error ? reject(error) : resolve(channel)));
    });
  }

  /** Connects to a Unix socket of the server's. */
  async socket(path: string): Promise<Channel> {
    const client = await this.connect(30);
    return new Promise((resolve, reject) => {
      client.openssh_forwardOutStreamLocal(path, (error, channel) =>
        error ? reject(new Error(`nobody answers at ${path}: ${error.message}`)) : resolve(channel),
      );
    });
  }

  async execute(command: string, { timeoutS = 120, stdin }: ExecuteOptions = {}): Promise<Result> {
    const channel = await this.channel(command, timeoutS);
    return new Promise((resolve, reject) => {
      const output: Buffer[] = [];
      const errors: Buffer[] = [];
      const timer = setTimeout(() => {
        channel.destroy();
        reject(
          new Error(
            `"${command}" did not end within ${timeoutS} s; it printed: ${Buffer.concat([...output, ...errors])
              .toString()
              .slice(-2000)}`,
          ),
        );
      }, timeoutS * 1000);
      channel.on("data", (chunk: Buffer) => output.push(chunk));
      channel.stderr.on("data", (chunk: Buffer) => errors.push(chunk));
      // What "exit" tells, "close" tells again: the former may have come with the channel, before anybody listened.
      channel.on("close", (code?: number | null, signal?: string) => {
        clearTimeout(timer);
        if (code === undefined) return reject(new Error(`the connection was lost during "${command}"`));
        const status = code ?? 128 + (SIGNALS[(signal ?? "").replace(/^SIG/, "")] ?? 0);
        resolve({ status, stdout: Buffer.concat(output).toString(), stderr: Buffer.concat(errors).toString() });
      });
      channel.end(stdin);
    });
  }

  /** Writes a file on the machine. @param mode permission bits */
  async upload(content: string | Buffer, remote: string, mode: number): Promise<void> {
    const client = await this.connect(30);
    await new Promise<void>((resolve, reject) => {
      client.sftp((error, sftp) => {
        if (error) return reject(error);
        sftp.writeFile(remote, content, { mode }, (failed) => {
          sftp.end();
          if (failed) reject(new Error(`cannot write ${remote}: ${failed.message}`));
          else resolve();
        });
      });
    });
  }
}
