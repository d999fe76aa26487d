// Asks a box, while the stack is synthesized, whether it is still as the last apply left it: the one place where the
// library speaks to another machine, and only where `detectDrift` is on. By the system's OpenSSH client, which is told
// all that Terraform's own is told and reads nobody's configuration.
import { spawnSync, SpawnSyncReturns } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { Findings } from "../findings";
import { isStandIn } from "../guard";
import { isLiteral } from "../structural";
import { localPath } from "./key-file";
import { COMMAND } from "./provisioners";
import type { BastionOptions, SshOptions } from "./ssh";

/** How long the box may take to answer, in seconds, and the way to it to be made. */
const [ANSWER_SECONDS, CONNECT_SECONDS] = [15, 10];

/** How much of an answer is read, in bytes. */
const ENOUGH = 2 ** 20;

/** What is shown of an answer: so many sentences, of so many characters each. */
const [SENTENCES, CHARACTERS] = [20, 300];

/** A mark, which becomes part of the synthesized text: nothing but a time is taken for one. */
const MARK_FORM = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** How a box is. */
export interface Drift {
  /** What the configuration's trigger `drift` is to be: what the box noted, or, where it differs, another. */
  readonly trigger: string | undefined;
  /** What differs and the next apply puts right, in words. */
  readonly differences: readonly string[];
  /** What others added to our units, which stays. */
  readonly added: readonly string[];
  readonly installed: boolean;
}

/** Checks that all that it takes to ask a box is known while the stack is synthesized. */
export function checkDriftInputs(name: string, ssh: SshOptions, findings: Findings): void {
  const inputs: [string, unknown][] = [["name", name], ...inputsOf("ssh", ssh)];
  if (ssh.bastion) inputs.push(...inputsOf("ssh.bastion", ssh.bastion));
  const unknown = inputs.find(([, value]) => value !== undefined && !isStandIn(value) && !isLiteral(value));
  if (unknown === undefined) return;
  findings.error(
    `detectDrift asks the box during synth, where ${unknown[0]} is known only to Terraform; give it as text, or leave detectDrift out.`,
  );
}

function inputsOf(where: string, machine: SshOptions | BastionOptions): [string, unknown][] {
  const { host, port, user, privateKeyPath, hostKey } = machine;
  return [
    [`${where}.host`, host],
    [`${where}.port`, port],
    [`${where}.user`, user],
    [`${where}.privateKeyPath`, privateKeyPath],
    [`${where}.hostKey`, isStandIn(hostKey) ? undefined : hostKey.publicKey],
  ];
}

/**
 * Asks a box.
 * @param now what a box that differs is marked with: no mark of before
 * @returns how the box is, or why it cannot be asked, as words that go on from a colon
 */
export function askForDrift(name: string, ssh: SshOptions, now = new Date()): Drift | string {
  const answer = run(ssh, `${COMMAND} drift ${name}`);
  if (typeof answer === "string") return answer;
  const mark = now.toISOString();
  const nothing = { differences: [], added: [], installed: true };
  // The shell's word for a command that is not there: nothing was installed yet, or somebody removed it.
  if (answer.status === 127) return { ...nothing, trigger: mark, installed: false };
  const said = read(answer.stdout);
  if (said === undefined) {
    const refusal = /^dual-tunnel-vpn: (.+)$/m.exec(answer.stdout);
    if (refusal) return harmless(refusal[1]);
    const words = harmless(lastLine(answer.stderr) || lastLine(answer.stdout) || `exit status ${answer.status}`);
    return { ...nothing, trigger: mark, differences: [`its programs do not say how it is: ${words}`] };
  }
  if (!said.installed) return { ...said, trigger: mark };
  const noted = MARK_FORM.test(said.mark) ? said.mark : undefined;
  return { ...said, trigger: said.differences.length > 0 ? mark : noted };
}

type Said = Omit<Drift, "trigger"> & { readonly mark: string };

/** What the box's command said; undefined where it said nothing that makes sense. */
function read(stdout: string): Said | undefined {
  let said: Partial<Record<keyof Said, unknown>>;
  try {
    // A login shell may have printed something before.
    said = JSON.parse(lastLine(stdout)) as typeof said;
  } catch {
    return undefined;
  }
  const { installed, mark, differences, added } = said ?? {};
  if (typeof installed !== "boolean" || typeof mark !== "string") return undefined;
  if (!Array.isArray(differences) || !Array.isArray(added)) return undefined;
  return { installed, mark, differences: shown(differences), added: shown(added) };
}

function shown(sentences: readonly unknown[]): string[] {
  const more = sentences.length - SENTENCES;
  return [
    ...sentences.slice(0, SENTENCES).map((each) => harmless(String(each))),
    ...(more > 0 ? [`${more} more`] : []),
  ];
}

/** Another machine's words as text that is no expression and no token of CDKTF's, and does nothing to a terminal. */
function harmless(words: string): string {
  return words
    .replace(/[\p{C}\s]+/gu, " ")
    .replace(/[$#%]+\{/g, "{")
    .trim()
    .slice(0, CHARACTERS);
}

function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1)!.trim();
}

type Answer = SpawnSyncReturns<string>;

/** Runs a command on the box; text says why it cannot be asked. */
function run(ssh: SshOptions, command: string): Answer | string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "dual-tunnel-vpn-"));
  try {
    fs.writeFileSync(path.join(directory, "config"), clientConfiguration(ssh));
    fs.writeFileSync(path.join(directory, "known_hosts"), knownHosts(ssh));
    // By name in its directory: the client gives its configuration's name to a shell when there is a bastion.
    const answer = spawnSync("ssh", ["-F", "config", "box", command], {
      cwd: directory,
      env: process.env,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      timeout: ANSWER_SECONDS * 1000,
      maxBuffer: ENOUGH,
      windowsHide: true,
    });
    return unreached(answer) ?? answer;
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

/** Why there is no answer of the box's; undefined where there is one. */
function unreached({ error, status, stderr }: Answer): string | undefined {
  const code = error && "code" in error ? error.code : undefined;
  if (code === "ENOENT") return "this machine has no ssh command";
  if (code === "ETIMEDOUT") return `it did not answer within ${ANSWER_SECONDS} s`;
  if (error) return harmless(error.message);
  if (status !== 255 && status !== null) return undefined;
  // A key file that others may read is left out, which is told before the login is refused.
  return harmless(/^Permissions .* too open\.$/m.exec(stderr)?.[0] ?? lastLine(stderr)) || "ssh ended without a word";
}

/** ssh_config(5) for the way to the box: of two lines with one keyword the first counts. */
function clientConfiguration(ssh: SshOptions): string {
  const { bastion } = ssh;
  const user = ssh.user ?? "root";
  const machines = [machine("box", { ...ssh, user }, bastion && "bastion")];
  if (bastion) {
    const privateKeyPath = bastion.privateKeyPath ?? ssh.privateKeyPath;
    machines.push(machine("bastion", { ...bastion, user: bastion.user ?? user, privateKeyPath }));
  }
  const all = [
    "Host *",
    "BatchMode yes",
    `ConnectTimeout ${CONNECT_SECONDS}`,
    "PreferredAuthentications publickey",
    "UserKnownHostsFile known_hosts",
    "GlobalKnownHostsFile none",
    "UpdateHostKeys no",
    "CheckHostIP no",
    "RequestTTY no",
    "LogLevel ERROR",
  ];
  return [...machines.flat(), ...all].map((line) => `${line}\n`).join("");
}

function machine(alias: string, of: SshOptions | BastionOptions, by?: string): string[] {
  const key = of.privateKeyPath;
  return [
    `Host ${alias}`,
    `HostName ${of.host}`,
    `Port ${of.port ?? 22}`,
    `User ${of.user}`,
    `HostKeyAlias ${alias}`,
    `StrictHostKeyChecking ${of.hostKey.isUnchecked ? "no" : "yes"}`,
    ...(key === undefined
      ? ["IdentityFile none"]
      : [`IdentityFile "${quoted(localPath(key))}"`, "IdentitiesOnly yes", "IdentityAgent none"]),
    ...(by === undefined ? [] : [`ProxyJump ${by}`]),
  ];
}

/** Of a path without quotes and control characters: the client expands what follows a percent sign. */
function quoted(file: string): string {
  return (path.sep === "\\" ? file.replace(/\\/g, "/") : file.replace(/\\/g, "\\\\")).replace(/%/g, "%%");
}

function knownHosts({ hostKey, bastion }: SshOptions): string {
  const keys: [string, string][] = [["box", hostKey.publicKey]];
  if (bastion) keys.push(["bastion", bastion.hostKey.publicKey]);
  return keys.map(([alias, key]) => (key === "" ? "" : `${alias} ${key}\n`)).join("");
}
