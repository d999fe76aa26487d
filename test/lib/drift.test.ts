// detectDrift: what a box answers becomes a warning and a trigger, once by a stand-in for the `ssh` command and once by
// OpenSSH's own client.
import { ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import * as readline from "node:readline";
import { AnnotationMetadataEntryType, App, TerraformStack, TerraformVariable, Testing } from "cdktf";
import { utils } from "ssh2";
import { DualTunnelVpnProps, HostKey, SshOptions } from "../../lib";
import { HOST_KEY, problems, Resource, SITE, siteStack, Synthesized, synthesized, synthesizedSite } from "./site";
import type { SshBox } from "./ssh-box";

const NOW = "2026-05-06T07:08:09.010Z";
const BEFORE = "2026-01-02T03:04:05.006Z";
const { PATH } = process.env;

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "dual-tunnel-vpn-drift-"));
const seen = (file: string) => fs.readFileSync(path.join(directory, file), "utf8");
const wasAsked = () => fs.existsSync(path.join(directory, "arguments"));

/** Puts a stand-in for the `ssh` command on the path, which notes what it is given and answers as told. */
function standIn(answer: string, status = 0, errors = ""): void {
  fs.writeFileSync(path.join(directory, "answer"), answer);
  fs.writeFileSync(path.join(directory, "errors"), errors);
  const script = [
    "#!/bin/sh",
    `printf '%s\\n' "$@" >'${directory}/arguments'`,
    `cp config known_hosts '${directory}'`,
    `pwd >'${directory}/place'`,
    `cat '${directory}/answer'`,
    `cat '${directory}/errors' >&2`,
    `exit ${status}`,
  ];
  fs.writeFileSync(path.join(directory, "ssh"), script.join("\n"), { mode: 0o755 });
  process.env.PATH = `${directory}:${PATH}`;
}

const says = (answer: object) =>
  standIn(`Welcome!\n${JSON.stringify({ installed: true, mark: "", differences: [], added: [], ...answer })}\n`);

interface Seen {
  readonly stack: TerraformStack;
  readonly json: Synthesized;
  readonly configuration: Resource;
  readonly trigger: string | undefined;
  readonly notes: string[];
}

/** Synthesizes the site as `cdktf synth` does. */
function synth(changes: Partial<DualTunnelVpnProps> = {}): Seen {
  const stack = siteStack({ detectDrift: true, ...changes });
  const app = App.of(stack);
  let failed = "";
  try {
    app.synth();
  } catch (error) {
    failed = String(error);
  }
  const notes = stack.node
    .findAll()
    .flatMap(({ node }) => node.metadata)
    .filter(({ type }) => Object.values(AnnotationMetadataEntryType).includes(type as AnnotationMetadataEntryType))
    .map(({ type, data }) => `${type.replace("@cdktf/", "")}: ${data}`);
  if (failed !== "") return { stack, json: { resource: {} }, configuration: {}, trigger: undefined, notes };
  const json = JSON.parse(
    fs.readFileSync(path.join(app.outdir, "stacks", stack.node.id, "cdk.tf.json"), "utf8"),
  ) as Synthesized;
  const configuration = json.resource.null_resource.singapore_configure_box_over_ssh;
  return { stack, json, configuration, trigger: (configuration.triggers as Record<string, string>).drift, notes };
}

beforeEach(() => {
  jest.useFakeTimers({ now: new Date(NOW), doNotFake: ["nextTick", "setImmediate", "setTimeout", "clearTimeout"] });
});
afterEach(() => {
  jest.useRealTimers();
  process.env.PATH = PATH;
  for (const file of fs.readdirSync(directory)) fs.rmSync(path.join(directory, file), { recursive: true });
});
afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));

describe("a stack without detectDrift", () => {
  it("asks nobody and is the same as ever, as it is with false", () => {
    says({ differences: ["/etc/a was changed"] });
    expect(synth({ detectDrift: false }).trigger).toBeUndefined();
    expect(synthesizedSite({ detectDrift: false })).toEqual(synthesizedSite());
    expect(JSON.stringify(synthesizedSite())).not.toContain("drift");
    expect(wasAsked()).toBe(false);
  });
});

describe("a box that is asked for drift", () => {
  it("has no trigger where nothing was ever found and nothing differs", () => {
    says({});
    expect(synth()).toMatchObject({ trigger: undefined, notes: [] });
    expect(wasAsked()).toBe(true);
  });

  it("has the trigger that the last apply noted where nothing differs", () => {
    says({ mark: BEFORE });
    expect(synth()).toMatchObject({ trigger: BEFORE, notes: [] });
  });

  it("has another trigger where something differs, and a warning for each thing", () => {
    says({ mark: BEFORE, differences: ["/etc/a was changed since we installed it", "x.service is not active"] });
    expect(synth()).toMatchObject({
      trigger: NOW,
      notes: [
        "warn: the box box.example.com has drifted: /etc/a was changed since we installed it; the next apply puts it right.",
        "warn: the box box.example.com has drifted: x.service is not active; the next apply puts it right.",
      ],
    });
  });

  it("keeps its trigger where others only added something, and has a warning of it", () => {
    says({ mark: BEFORE, added: ["/etc/x.conf changes a unit of ours and is not ours"] });
    expect(synth()).toMatchObject({
      trigger: BEFORE,
      notes: [
        "warn: on the box box.example.com /etc/x.conf changes a unit of ours and is not ours; an apply leaves it.",
      ],
    });
  });

  it.each<[string, () => void]>([
    ["without the command", () => standIn("", 127, "sh: 1: /usr/local/sbin/dual-tunnel-vpn: not found\n")],
    ["with other connections", () => says({ installed: false })],
  ])("has another trigger each time %s, so that one that lost the connection gets it again", (_, stand) => {
    stand();
    expect(synth()).toMatchObject({
      trigger: NOW,
      notes: ["info: the box box.example.com has no connection singapore: the next apply installs it."],
    });
    jest.setSystemTime(new Date(BEFORE));
    expect(synth().trigger).toBe(BEFORE);
  });

  it.each<[string, string, number, string, RegExp]>([
    ["of damaged programs", "", 1, "Traceback\nSyntaxError: invalid syntax\n", /SyntaxError: invalid syntax/],
    ["of an older version", "", 2, "usage: …\ndual-tunnel-vpn: error: invalid choice: 'drift'\n", /invalid choice/],
    ["that is no JSON", "hello\n", 0, "", /hello/],
    ["that is other JSON", '{"installed": 1}\n', 0, "", /installed/],
    ["that is nothing", "", 3, "", /exit status 3/],
  ])("has drifted where its answer is one %s", (_, answer, status, errors, words) => {
    standIn(answer, status, errors);
    const { trigger, notes } = synth();
    expect(trigger).toBe(NOW);
    expect(notes).toEqual([
      expect.stringMatching(/^warn: the box box\.example\.com has drifted: its programs do not say how it is: /),
    ]);
    expect(notes[0]).toMatch(words);
  });

  it.each<[string, () => void, string]>([
    [
      "is not reached",
      () => standIn("", 255, "ssh: connect to host box.example.com port 22: Connection refused\r\n"),
      "ssh: connect to host box.example.com port 22: Connection refused",
    ],
    [
      "is reached with a key file that others may read",
      () =>
        standIn("", 255, "@@@\nPermissions 0644 for '/k' are too open.\nLoad key: bad\nroot@box: Permission denied.\n"),
      "Permissions 0644 for '/k' are too open.",
    ],
    [
      "lets its user not become root",
      () => standIn("dual-tunnel-vpn: the SSH user admin cannot run sudo without a password\n", 1),
      "the SSH user admin cannot run sudo without a password",
    ],
    ["is asked by a machine without ssh", () => (process.env.PATH = directory), "this machine has no ssh command"],
  ])("is an error in one sentence where it %s", (_, stand, words) => {
    stand();
    expect(synth().notes).toEqual([
      `error: detectDrift: the box box.example.com cannot be asked whether it has drifted: ${words}; see to it that ssh reaches it as Terraform does, or set detectDrift to false to go on without.`,
    ]);
  });

  it("is given up after 15 seconds", () => {
    standIn("");
    fs.writeFileSync(path.join(directory, "ssh"), "#!/bin/sh\nexec sleep 60\n", { mode: 0o755 });
    expect(synth().notes).toEqual([expect.stringContaining("it did not answer within 15 s; see to it")]);
  }, 30_000);

  it("puts nothing of its words into the synthesized text, and no expression and no control character into a warning", () => {
    const words = '${file("/etc/passwd")} %{if true} $${x} #{TfToken[TOKEN.1]} \u001b[31mred\nline\u202e';
    for (const mark of [words, `${BEFORE}\${x}`, "1"]) {
      says({ mark, differences: [] });
      expect(synth().trigger).toBeUndefined();
    }
    says({ differences: [words, ...Array.from({ length: 30 }, () => "x".repeat(999))] });
    const { json, notes } = synth();
    expect(JSON.stringify(json)).not.toContain("passwd");
    expect(notes).toHaveLength(21);
    expect(notes[0]).toContain('{file("/etc/passwd")} {if true} {x} {TfToken[TOKEN.1]} [31mred line;');
    expect(Math.max(...notes.map((note) => note.length))).toBeLessThan(420);
    expect(notes[20]).toContain("11 more");
  });

  it("notes what the trigger says, in the upload and in no other trigger", () => {
    says({});
    const { configuration, json } = synth();
    const { content } = (configuration.provisioner as { file: { content: string } }[])[2].file;
    expect(content.split("\n").slice(-4)).toEqual([
      'drift ${base64encode(lookup(self.triggers, "drift", ""))}',
      "time ${base64encode(timestamp())}",
      "end",
      "",
    ]);
    const without = synthesizedSite();
    expect(configuration.triggers).toEqual(without.resource.null_resource.singapore_configure_box_over_ssh.triggers);
    expect(json.locals).toEqual(without.locals);
  });

  it("is asked by nobody's snapshot test", () => {
    says({ differences: ["/etc/a was changed"] });
    const stack = siteStack({ detectDrift: true });
    expect(problems(stack)).toEqual([]);
    expect(JSON.parse(Testing.synth(stack, true))).toEqual(synthesized(stack));
    expect(wasAsked()).toBe(false);
  });

  it("is not asked where the stack is wrong", () => {
    says({});
    synth({ routeMetric: 0 });
    expect(wasAsked()).toBe(false);
  });

  it("has to be known while the stack is synthesized", () => {
    const stack = siteStack();
    const token = () => new TerraformVariable(stack, `v${stack.node.children.length}`, { type: "string" }).stringValue;
    const bastion = { host: "jump.example.com", hostKey: HostKey.of(HOST_KEY) };
    for (const [input, ssh] of [
      ["ssh.host", { host: token() }],
      ["ssh.user", { user: "${var.user}" }],
      ["ssh.privateKeyPath", { privateKeyPath: token() }],
      ["ssh.hostKey", { hostKey: HostKey.of(token()) }],
      ["ssh.bastion.hostKey", { bastion: { ...bastion, hostKey: HostKey.of(token()) } }],
      ["ssh.bastion.host", { bastion: { ...bastion, host: token() } }],
    ] as [string, Partial<SshOptions>][]) {
      expect(problems(siteStack({ detectDrift: true, ssh: { ...SITE.ssh, ...ssh } }))).toContain(
        `detectDrift asks the box during synth, where ${input} is known only to Terraform; give it as text, or leave detectDrift out.`,
      );
      expect(problems(siteStack({ ssh: { ...SITE.ssh, ...ssh } }))).toEqual([]);
    }
    expect(problems(siteStack({ detectDrift: true, ssh: { ...SITE.ssh, bastion } }))).toEqual([]);
  });
});

describe("the ssh command", () => {
  const lines = (file: string) => seen(file).trimEnd().split("\n");

  it("is run without a shell, for one command, and leaves nothing behind", () => {
    says({});
    synth();
    expect(lines("arguments")).toEqual(["-F", "config", "box", "/usr/local/sbin/dual-tunnel-vpn drift singapore"]);
    expect(fs.existsSync(seen("place").trim())).toBe(false);
  });

  it("logs in by the agent as root at port 22, asks no questions and trusts the one key", () => {
    says({});
    synth();
    const config = lines("config");
    expect(config.slice(0, 7)).toEqual([
      "Host box",
      "HostName box.example.com",
      "Port 22",
      "User root",
      "HostKeyAlias box",
      "StrictHostKeyChecking yes",
      "IdentityFile none",
    ]);
    expect(config).toEqual(expect.arrayContaining(["BatchMode yes", "GlobalKnownHostsFile none"]));
    expect(seen("known_hosts")).toBe(`box ${HOST_KEY}\n`);
  });

  it("is given port, user, key and bastion as Terraform is", () => {
    says({});
    const hostKey = HostKey.of(HOST_KEY);
    const key = path.join(os.homedir(), "100%\\ours/id");
    const bastion = { host: "192.0.2.7", port: 2200, hostKey: HostKey.unchecked() };
    synth({ ssh: { ...SITE.ssh, hostKey, port: 2222, user: "admin", privateKeyPath: "~/100%\\ours/id", bastion } });
    const quoted = `IdentityFile "${key.replace("%", "%%").replace("\\", "\\\\")}"`;
    const of = (alias: string, more: string[]) => [`HostKeyAlias ${alias}`, ...more, quoted, "IdentitiesOnly yes"];
    expect(lines("config").slice(0, 18)).toEqual([
      ...["Host box", "HostName box.example.com", "Port 2222", "User admin"],
      ...of("box", ["StrictHostKeyChecking yes"]),
      ...["IdentityAgent none", "ProxyJump bastion", "Host bastion", "HostName 192.0.2.7", "Port 2200", "User admin"],
      ...of("bastion", ["StrictHostKeyChecking no"]),
    ]);
    expect(seen("known_hosts")).toBe(`box ${HOST_KEY}\n`);
  });
});

describe("OpenSSH's client", () => {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), "dual tunnel 100% ü-"));
  const key = (name: string) => {
    const pair = utils.generateKeyPairSync("ecdsa", { bits: 256 });
    fs.writeFileSync(path.join(home, name), pair.private, { mode: 0o600 });
    return { ...pair, public: pair.public.split(" ").slice(0, 2).join(" "), path: path.join(home, name) };
  };
  const [ofBox, ofBastion] = [
    utils.generateKeyPairSync("ecdsa", { bits: 256 }),
    utils.generateKeyPairSync("rsa", { bits: 2048 }),
  ].map((pair) => ({ ...pair, public: pair.public.split(" ").slice(0, 2).join(" ") }));
  const [mine, another] = [key("mine"), key("another")];
  const processes: ChildProcess[] = [];
  let [port, bastionPort] = [0, 0];

  async function start(box: SshBox): Promise<number> {
    const args = ["-r", "ts-node/register/transpile-only", path.join(__dirname, "ssh-box.ts"), JSON.stringify(box)];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    processes.push(child);
    const [first] = (await once(readline.createInterface(child.stdout), "line")) as [string];
    return Number(first);
  }

  const ssh = (changes: Partial<SshOptions> = {}): SshOptions => ({
    host: "127.0.0.1",
    port,
    user: "admin",
    privateKeyPath: mine.path,
    hostKey: HostKey.of(ofBox.public),
    ...changes,
  });
  const errors = (changes: Partial<SshOptions>) => synth({ ssh: ssh(changes) }).notes;

  beforeAll(async () => {
    const answer = `${JSON.stringify({ installed: true, mark: BEFORE, differences: [], added: [] })}\n`;
    const command = "/usr/local/sbin/dual-tunnel-vpn drift singapore";
    const common = { key: mine.public, user: "admin" };
    [port, bastionPort] = await Promise.all([
      start({ ...common, hostKey: ofBox.private, command, answer }),
      start({ ...common, hostKey: ofBastion.private }),
    ]);
  }, 60_000);
  afterAll(() => {
    for (const child of processes) child.kill();
    fs.rmSync(home, { recursive: true, force: true });
  });

  it("brings the answer, by a key in a file with any name", () => {
    expect(synth({ ssh: ssh() })).toMatchObject({ trigger: BEFORE, notes: [] });
  }, 30_000);

  it("brings it by a bastion", () => {
    const bastion = { host: "127.0.0.1", port: bastionPort, hostKey: HostKey.of(ofBastion.public) };
    expect(synth({ ssh: ssh({ bastion }) })).toMatchObject({ trigger: BEFORE, notes: [] });
    expect(errors({ bastion: { ...bastion, hostKey: HostKey.of(ofBox.public) } })).toEqual([
      expect.stringMatching(/^error: detectDrift: the box 127\.0\.0\.1 cannot be asked /),
    ]);
  }, 60_000);

  it("speaks to no other box, and takes any where the host key is not checked", () => {
    expect(errors({ hostKey: HostKey.of(ofBastion.public) })).toEqual([
      expect.stringContaining("whether it has drifted: Host key verification failed.; see to it"),
    ]);
    expect(synth({ ssh: ssh({ hostKey: HostKey.unchecked() }) }).trigger).toBe(BEFORE);
  }, 30_000);

  it("says that it is not let in, or not given a key that only its owner reads", () => {
    expect(errors({ privateKeyPath: another.path })).toEqual([
      expect.stringMatching(/Permission denied \(publickey\)/),
    ]);
    fs.chmodSync(mine.path, 0o644);
    try {
      expect(errors({})).toEqual([expect.stringMatching(/Permissions 0644 for .* are too open\.; see to it/)]);
    } finally {
      fs.chmodSync(mine.path, 0o600);
    }
  }, 30_000);
});
