// A box as Terraform's provisioners see one: an SSH server on 127.0.0.1 that takes every login and every upload and
// remembers which scripts it was asked to run. Nothing of them is executed.
import { generateKeyPairSync } from "node:crypto";
import * as fs from "node:fs";
import type { AddressInfo } from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { Server, utils, type Connection, type ServerChannel } from "ssh2";
import { HostKey, type SshOptions } from "../../lib";

const KEYS = fs.mkdtempSync(path.join(os.tmpdir(), "dual-tunnel-vpn-boxes-"));
afterAll(() => fs.rmSync(KEYS, { recursive: true, force: true }));

export class StandInBox {
  /** @param ports by how many it is reached; to the library each is a box of its own */
  static async start(ports = 1): Promise<StandInBox> {
    const { privateKey } = generateKeyPairSync("ec", {
      namedCurve: "P-256",
      privateKeyEncoding: { type: "sec1", format: "pem" },
      publicKeyEncoding: { type: "spki", format: "pem" },
    });
    const box = new StandInBox(privateKey, ports);
    for (const server of box.servers) await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return box;
  }

  /** As `ssh-keyscan` prints it. */
  readonly hostKey: string;
  /** The text of each script that was run, oldest first. */
  readonly scripts: string[] = [];
  /** Told of each script as it is run, and by which port. */
  onScript: (port: number, script: string) => void = () => undefined;
  private readonly servers: readonly Server[];
  private readonly clients = new Set<Connection>();
  /** Of a private key that opens it; it outlives the box, because Terraform reads it even for a box that is dead. */
  readonly keyPath = path.join(fs.mkdtempSync(path.join(KEYS, "box-")), "key");
  /** The files that came, by their names without directory. */
  private readonly uploads = new Map<string, string>();

  private constructor(privateKey: string, ports: number) {
    fs.writeFileSync(this.keyPath, privateKey, { mode: 0o600 });
    const key = utils.parseKey(privateKey);
    if (key instanceof Error) throw key;
    this.hostKey = `${key.type} ${key.getPublicSSH().toString("base64")}`;
    this.servers = Array.from({ length: ports }, (_, port) => this.newServer(privateKey, port));
  }

  private newServer(privateKey: string, port: number): Server {
    return new Server({ hostKeys: [privateKey] }, (client) => {
      this.clients.add(client);
      client.on("close", () => this.clients.delete(client));
      client.on("authentication", (context) => context.accept());
      client.on("error", () => undefined);
      client.on("ready", () =>
        client.on("session", (accept) => {
          accept()
            .on("pty", (acceptTerminal) => acceptTerminal())
            .on("exec", (acceptExec, _, { command }) => this.run(port, command, acceptExec()));
        }),
      );
    });
  }

  /** How Terraform reaches it. */
  get ssh(): SshOptions {
    return this.sshBy(0);
  }

  /** How Terraform reaches it by one of its ports. */
  sshBy(port: number): SshOptions {
    return {
      host: "127.0.0.1",
      port: this.ports[port],
      user: "root",
      timeout: "10s",
      privateKeyPath: this.keyPath,
      hostKey: HostKey.ecdsa(this.hostKey),
    };
  }

  private get ports(): number[] {
    return this.servers.map((server) => (server.address() as AddressInfo).port);
  }

  /** The names given to `uninstall`, oldest first. */
  get uninstalled(): string[] {
    return this.scripts.flatMap((script) =>
      [...script.matchAll(/dual-tunnel-vpn uninstall (\S+)/g)].map(([, name]) => name),
    );
  }

  /** The names that were applied, oldest first. */
  get applied(): string[] {
    return this.scripts.flatMap((script) =>
      [...script.matchAll(/install\.sh.* apply (?:--\S+ )*\S*\/([^\s.]+)/g)].map(([, n]) => n),
    );
  }

  /** The last content of a file of the bundle that Terraform put there. */
  uploaded(name: string): string {
    const bundle = this.uploads.get("bundle") ?? "";
    const found = bundle.split("\n").find((line) => line.startsWith(`${name} `));
    if (!found) throw new Error(`nothing named ${name} came, but ${[...this.uploads.keys()].join(", ")}`);
    return Buffer.from(found.slice(name.length + 1), "base64").toString();
  }

  async close(): Promise<void> {
    const closed = Promise.all(
      this.servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))),
    );
    for (const client of this.clients) client.end();
    await closed;
  }

  private run(port: number, command: string, channel: ServerChannel): void {
    if (/\bscp\b/.test(command)) return this.receive(channel);
    for (const [script, text] of this.uploads) {
      if (!command.includes(script) || /^\s*(chmod|rm) /.test(command)) continue;
      this.scripts.push(text);
      this.onScript(port, text);
    }
    channel.exit(0);
    channel.end();
  }

  /** The sink's end of the scp protocol: each header and each content is answered by a zero byte. */
  private receive(channel: ServerChannel): void {
    let data = Buffer.alloc(0);
    let awaited: { readonly name: string; readonly size: number } | undefined;
    channel.write("\0");
    channel.on("data", (chunk: Buffer) => {
      data = Buffer.concat([data, chunk]);
      for (;;) {
        const length = awaited === undefined ? data.indexOf("\n") + 1 : awaited.size + 1;
        if (length === 0 || data.length < length) return;
        const text = data.subarray(0, length - 1).toString();
        data = data.subarray(length);
        if (awaited === undefined) {
          const header = /^C\d+ (\d+) (.+)$/.exec(text);
          awaited = header ? { name: header[2], size: Number(header[1]) } : undefined;
        } else {
          // Terraform empties a script that it ran.
          if (text !== "") this.uploads.set(awaited.name, text);
          awaited = undefined;
        }
        channel.write("\0");
      }
    });
    channel.on("end", () => {
      channel.exit(0);
      channel.end();
    });
  }
}
