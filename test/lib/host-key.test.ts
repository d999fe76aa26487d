// The box's host key: which keys are taken, and which one of a box's keys Terraform compares.
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as net from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { TerraformVariable } from "cdktf";
import * as fc from "fast-check";
import { Server, utils } from "ssh2";
import { makeKey } from "../../lab/machines/run-disk";
import { DualTunnelVpn, HostKey } from "../../lib";
import { evaluated } from "./evaluated";
import { HOST_KEY, newStack, problems, SITE, siteStack, synthesized } from "./site";

const make = (pair: { public: string; private: string }) => ({
  ...pair,
  public: pair.public.split(" ").slice(0, 2).join(" "),
});
const KEYS = {
  ecdsa: make(utils.generateKeyPairSync("ecdsa", { bits: 256 })),
  ecdsa384: make(utils.generateKeyPairSync("ecdsa", { bits: 384 })),
  ecdsa521: make(utils.generateKeyPairSync("ecdsa", { bits: 521 })),
  rsa: make(utils.generateKeyPairSync("rsa", { bits: 2048 })),
  ed25519: make(makeKey("ed25519")),
};
type Kind = keyof typeof KEYS;
const kinds = Object.keys(KEYS) as Kind[];

const complaints = (hostKey: HostKey) => problems(siteStack({ ssh: { ...SITE.ssh, hostKey } }));
const refused = (publicKey: string) => complaints(HostKey.of(publicKey)).length === 1;

describe("a host key", () => {
  it.each(kinds)("may be of the kind %s", (kind) => {
    expect(complaints(HostKey.of(KEYS[kind].public))).toEqual([]);
    expect(complaints(HostKey.of(`${KEYS[kind].public} root@box\n`))).toEqual([]);
    const its = kind.startsWith("ecdsa") ? "ecdsa" : (kind as "rsa" | "ed25519");
    expect(complaints(HostKey[its](KEYS[kind].public))).toEqual([]);
  });

  it("that is empty is refused, because Terraform would check none", () => {
    for (const empty of ["", "  \n"]) {
      expect(complaints(HostKey.ecdsa(empty))).toEqual([
        'ssh.hostKey is empty, and no key would be checked; give the ECDSA one, as "ssh-keyscan -t ecdsa box.example.com" prints it after the name.',
      ]);
    }
    expect(complaints(HostKey.of(""))).toEqual([
      'ssh.hostKey is empty, and no key would be checked; give the ECDSA, RSA or Ed25519 one, as "ssh-keyscan box.example.com" prints it after the name.',
    ]);
    const bastion = { host: "jump.example.com", hostKey: HostKey.of("") };
    expect(problems(siteStack({ ssh: { ...SITE.ssh, bastion } }))).toEqual([
      expect.stringMatching(/^ssh\.bastion\.hostKey is empty, .* "ssh-keyscan jump\.example\.com"/),
    ]);
  });

  it("of another kind than was named is refused", () => {
    expect(complaints(HostKey.rsa(KEYS.ed25519.public))).toEqual([
      'ssh.hostKey is an ssh-ed25519 key; give the RSA one, as "ssh-keyscan -t rsa box.example.com" prints it after the name.',
    ]);
    expect(complaints(HostKey.of("box.example.com " + KEYS.ed25519.public))).toEqual([
      'ssh.hostKey is not an ECDSA, RSA or Ed25519 public key; give the ECDSA, RSA or Ed25519 one, as "ssh-keyscan box.example.com" prints it after the name.',
    ]);
  });

  it("whose inside is another than its type says is refused", () => {
    expect(complaints(HostKey.ecdsa(HOST_KEY.replace("nistp256", "nistp384")))).toEqual([
      'ssh.hostKey says ecdsa-sha2-nistp384 and its key is of type ecdsa-sha2-nistp256; give the ECDSA one, as "ssh-keyscan -t ecdsa box.example.com" prints it after the name.',
    ]);
    expect(refused("ecdsa-sha2-nistp256 AAAA")).toBe(true);
    expect(refused("ssh-rsa " + KEYS.ed25519.public.split(" ")[1])).toBe(true);
  });

  it("of which anything is missing, or to which anything is added, is refused", () => {
    const cut = fc.constantFrom(...kinds).chain((kind) => {
      const [type, blob] = KEYS[kind].public.split(" ");
      const bytes = Buffer.from(blob, "base64");
      return fc.oneof(
        fc.integer({ min: 0, max: blob.length - 1 }).map((length) => `${type} ${blob.slice(0, length)}`),
        fc
          .integer({ min: 0, max: bytes.length - 1 })
          .map((to) => `${type} ${bytes.subarray(0, to).toString("base64")}`),
        fc
          .uint8Array({ minLength: 1, maxLength: 9 })
          .map((more) => `${type} ${Buffer.concat([bytes, more]).toString("base64")}`),
      );
    });
    fc.assert(
      fc.property(cut, (key) => expect(refused(key)).toBe(true)),
      { numRuns: 150 },
    );
  }, 60_000);

  it("that is no text is refused in a sentence", () => {
    for (const nothing of [undefined, null, 7, {}]) expect(complaints(HostKey.of(nothing as string))).toHaveLength(1);
  });
});

describe("a host key that only Terraform knows", () => {
  const families = ["of", "ecdsa", "rsa", "ed25519"] as const;

  it.each(families)(
    "is judged as at synth (HostKey.%s)",
    (family) => {
      const cut = (key: string) => [
        key,
        `${key} root@box`,
        `${key} root@box\n`,
        key.slice(0, -1),
        `${key}\n${key}`,
        ` ${key}`,
      ];
      const texts = ["", "ecdsa-sha2-nistp256 AAAA", "box", ...kinds.flatMap((kind) => cut(KEYS[kind].public))];
      texts.push(HOST_KEY, HOST_KEY.replace("nistp256", "nistp384"), KEYS.rsa.public.replace("ssh-rsa", "ssh-ed25519"));
      const condition = (key: string) => {
        const stack = newStack();
        const hostKey = HostKey[family](key);
        new DualTunnelVpn(stack, "vpn", { ...SITE, ssh: { ...SITE.ssh, hostKey } });
        const { lifecycle } = synthesized(stack).resource.terraform_data.singapore_box_presence;
        return (lifecycle as { precondition: { condition: string }[] }).precondition[0].condition;
      };
      // An expression as text, because the helper's variable is of another stack.
      const holds = evaluated(
        () => condition("${var.a}"),
        texts.map((text) => [text, ""]),
      );
      // At synth a key may have space around it, and what follows the key is left out.
      const atSynth = texts.map(
        (text) => !text.startsWith(" ") && !/\n./.test(text) && complaints(HostKey[family](text)).length === 0,
      );
      expect(texts.filter((_, index) => holds[index])).toEqual(texts.filter((_, index) => atSynth[index]));
      expect(new Set(holds).size).toBe(2);
    },
    60_000,
  );

  it("is checked on what is made first, for the bastion too", () => {
    const stack = newStack();
    const variable = (id: string) => new TerraformVariable(stack, id, { type: "string" }).stringValue;
    const bastion = { host: "jump.example.com", hostKey: HostKey.of(variable("jump")) };
    const ssh = { host: variable("host"), hostKey: HostKey.of(variable("key")), bastion };
    new DualTunnelVpn(stack, "vpn", { ...SITE, ssh });
    expect(problems(stack)).toEqual([]);
    const presence = synthesized(stack).resource.terraform_data.singapore_box_presence;
    expect(presence.depends_on).toBeUndefined();
    expect(
      (presence.lifecycle as { precondition: { error_message: string }[] }).precondition.map(
        (each) => each.error_message,
      ),
    ).toEqual([
      "ssh.host of singapore is neither a name nor an address; write it as box.example.com or 192.0.2.1.",
      "ssh.hostKey of singapore is not an ECDSA, RSA or Ed25519 public key; give the two words that ssh-keyscan prints after the name.",
      "ssh.bastion.hostKey of singapore is not an ECDSA, RSA or Ed25519 public key; give the two words that ssh-keyscan prints after the name.",
    ]);
  });
});

describe("Terraform's SSH client", () => {
  const cases: readonly { readonly box: readonly Kind[]; readonly compares: Kind }[] = [
    { box: ["ed25519", "rsa", "ecdsa"], compares: "ecdsa" },
    { box: ["ed25519", "ecdsa384"], compares: "ecdsa384" },
    { box: ["ed25519", "ecdsa521", "rsa"], compares: "ecdsa521" },
    { box: ["ed25519", "rsa"], compares: "rsa" },
    { box: ["rsa"], compares: "rsa" },
    { box: ["ed25519"], compares: "ed25519" },
  ];
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "dual-tunnel-vpn-host-keys-"));
  const servers: Server[] = [];
  /** Boxes by name: those to which Terraform went on to show who it is, because their key was the one it was given. */
  const trusted = new Set<string>();

  /** A box that has these host keys, and lets nobody in. */
  async function startBox(name: string, has: readonly Kind[]): Promise<number> {
    const server = new Server({ hostKeys: has.map((kind) => KEYS[kind].private) }, (client) => {
      client.on("error", () => undefined);
      client.on("authentication", (context) => {
        trusted.add(name);
        context.reject();
      });
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return (server.address() as net.AddressInfo).port;
  }

  beforeAll(async () => {
    const resources: Record<string, object> = {};
    for (const [index, { box }] of cases.entries()) {
      for (const given of box) {
        const name = `box_${index}_${given}`;
        const connection = {
          type: "ssh",
          host: "127.0.0.1",
          port: await startBox(name, box),
          password: "x",
          agent: false,
          timeout: "4s",
          host_key: KEYS[given].public,
        };
        resources[name] = { provisioner: { "remote-exec": { inline: ["true"], connection } } };
      }
    }
    fs.writeFileSync(path.join(directory, "main.tf.json"), JSON.stringify({ resource: { terraform_data: resources } }));
    const env = { PATH: process.env.PATH, HOME: directory, CHECKPOINT_DISABLE: "1" };
    const run = (...args: string[]) =>
      new Promise<void>((resolve) =>
        spawn("terraform", args, { cwd: directory, env, stdio: "ignore" }).once("exit", () => resolve()),
      );
    await run("init", "-input=false");
    await run("apply", "-input=false", "-auto-approve", "-parallelism=20");
  }, 120_000);
  afterAll(() => {
    for (const server of servers) server.close();
    fs.rmSync(directory, { recursive: true, force: true });
  });

  it.each(cases)("compares of a box with $box the $compares key alone", ({ box, compares }) => {
    const index = cases.findIndex((each) => each.box === box);
    expect(box.filter((kind) => trusted.has(`box_${index}_${kind}`))).toEqual([compares]);
  });
});
