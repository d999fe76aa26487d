// How Terraform reaches a box over SSH, and how that is written in a provisioner's `connection`:
// once from the stack's values, once from `self.input` for the provisioner that runs at destroy.
import { Fn, Precondition, SSHProvisionerConnection, Token } from "cdktf";
import { innerExpression, matches } from "../expressions";
import { Findings } from "../findings";
import { bag, flag, having, isStandIn, number, optional, Shape, text } from "../guard";
import { isLiteral } from "../structural";
import { HostKey } from "./host-key";
import { hostProblem } from "./host-name";
import { keyFileProblem } from "./key-file";

/** A machine on the way to the box. */
export interface BastionOptions {
  /** Name or address. */
  readonly host: string;
  /**
   * Port of its SSH server, 1 to 65535.
   * @default 22
   */
  readonly port?: number;
  /**
   * Who logs in there.
   * @default - the box's user
   */
  readonly user?: string;
  /**
   * Path of a private key file on the machine that runs Terraform.
   * @default - the box's private key
   */
  readonly privateKeyPath?: string;
  /** The key that the bastion must show. */
  readonly hostKey: HostKey;
}

/** How Terraform reaches the box. */
export interface SshOptions {
  /** Name or address of the box. */
  readonly host: string;
  /**
   * Port of the box's SSH server, 1 to 65535.
   * @default 22
   */
  readonly port?: number;
  /**
   * Who logs in: root, or someone whom sudo asks no password of.
   * @default root
   */
  readonly user?: string;
  /**
   * Path of a private key file on the machine that runs Terraform; `~` is its home directory. A key's content cannot be
   * given: Terraform keeps nothing secret for the provisioner that runs at destroy.
   * @default - the SSH agent
   */
  readonly privateKeyPath?: string;
  /** The key that the box must show. */
  readonly hostKey: HostKey;
  /**
   * How long Terraform tries to reach the box, for example `30s` or `2m`.
   * @default 50s
   */
  readonly timeout?: string;
  /**
   * Directory on the box for the scripts that Terraform runs there; relative to the user's home. It must be there, only
   * its user may enter it (`chmod 700`), because Terraform makes the scripts writable for everybody, and its file system
   * must not be mounted `noexec`.
   * @default .ssh
   */
  readonly scriptDirectory?: string;
  /**
   * A machine through which the box is reached.
   * @default - none: the box is reached directly
   */
  readonly bastion?: BastionOptions;
  /**
   * The `host` under which this same box was first installed. Another `host` means another box: the connection is
   * uninstalled from the old one and installed on the new one. Where only the name or the address of the box changed, give
   * the former here, and leave it.
   * @default - `host`
   */
  readonly formerHost?: string;
  /**
   * Go on where the connection cannot be uninstalled from a box, because the box is gone: at destroy, and when another
   * `host` takes its place. Terraform tries for `timeout`, then forgets the box, and prints the one command that removes
   * the connection there, should the box come back.
   * @default false: Terraform stops, and tries again at the next deploy
   */
  readonly boxMayBeGone?: boolean;
}

const HOST_KEY = having<HostKey>(
  "a HostKey, for example HostKey.of(publicKey)",
  ["publicKey", "problem", "pattern"],
  () => HostKey.unchecked(),
);

const BASTION_SHAPE: Shape<BastionOptions> = {
  host: text("jump.example.com"),
  port: optional(number),
  user: optional(text("admin")),
  privateKeyPath: optional(text("~/.ssh/id_ed25519")),
  hostKey: HOST_KEY,
};

const SSH_SHAPE: Shape<SshOptions> = {
  ...BASTION_SHAPE,
  host: text("box.example.com"),
  timeout: optional(text("50s")),
  bastion: optional(bag(BASTION_SHAPE, "an object with host and hostKey")),
  scriptDirectory: optional(text(".ssh")),
  formerHost: optional(text("box.example.com")),
  boxMayBeGone: optional(flag),
};

/** How Terraform reaches a box, as a construct's option. */
export const SSH = bag(SSH_SHAPE, "an object with host and hostKey");

/** The SSH connection as plain values, all present, so that a destroy-time provisioner can rely on each. */
export interface SshInput {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly private_key_path: string;
  readonly host_key: string;
  readonly timeout: string;
  readonly script_directory: string;
  readonly bastion_host: string;
  readonly bastion_port: number;
  readonly bastion_user: string;
  readonly bastion_private_key_path: string;
  readonly bastion_host_key: string;
}

/** The one directory that a user whom sshd lets in by a key nearly always has, closed to others. */
const SCRIPT_DIRECTORY = ".ssh";

/** Of the directory for scripts, which Terraform gives to the box's shell as it is. */
const SCRIPT_DIRECTORY_FORM = "^[A-Za-z0-9_./][A-Za-z0-9_./-]*$";

function scriptPath(directory: string): string {
  return `${directory}/dual-tunnel-vpn-%RAND%.sh`;
}

/** Flattens the options; what is absent is empty text. */
export function sshInput(ssh: SshOptions): SshInput {
  return {
    host: ssh.host,
    port: ssh.port ?? 22,
    user: ssh.user ?? "root",
    private_key_path: ssh.privateKeyPath ?? "",
    host_key: ssh.hostKey.publicKey,
    timeout: ssh.timeout ?? "50s",
    script_directory: ssh.scriptDirectory ?? SCRIPT_DIRECTORY,
    bastion_host: ssh.bastion?.host ?? "",
    bastion_port: ssh.bastion?.port ?? 22,
    bastion_user: ssh.bastion?.user ?? ssh.user ?? "root",
    bastion_private_key_path: ssh.bastion?.privateKeyPath ?? ssh.privateKeyPath ?? "",
    bastion_host_key: ssh.bastion?.hostKey.publicKey ?? "",
  };
}

/** `connection` of a provisioner that runs at create. */
export function connectionFrom(ssh: SshOptions): SSHProvisionerConnection {
  const input = sshInput(ssh);
  const withKey = ssh.privateKeyPath !== undefined;
  return {
    type: "ssh",
    host: ssh.host,
    port: input.port,
    user: input.user,
    timeout: input.timeout,
    agent: withKey ? "false" : "true",
    privateKey: withKey ? keyFile(input.private_key_path) : undefined,
    hostKey: ssh.hostKey.publicKey || undefined,
    scriptPath: scriptPath(input.script_directory),
    ...(ssh.bastion && {
      bastionHost: ssh.bastion.host,
      bastionPort: input.bastion_port,
      bastionUser: input.bastion_user,
      bastionPrivateKey: input.bastion_private_key_path ? keyFile(input.bastion_private_key_path) : undefined,
      bastionHostKey: ssh.bastion.hostKey.publicKey || undefined,
    }),
  };
}

/** `connection` of a provisioner that runs at destroy: it may refer to nothing but `self`. */
export function connectionFromSelf(): SSHProvisionerConnection {
  const self = (field: keyof SshInput) => `\${self.input.${field}}`;
  const unlessEmpty = (field: keyof SshInput) => `\${self.input.${field} == "" ? null : self.input.${field}}`;
  const keyUnlessEmpty = (field: keyof SshInput) =>
    `\${self.input.${field} == "" ? null : file(pathexpand(self.input.${field}))}`;
  return {
    type: "ssh",
    host: self("host"),
    port: Token.asNumber(self("port")),
    user: self("user"),
    timeout: self("timeout"),
    agent: `\${self.input.private_key_path == ""}`,
    privateKey: keyUnlessEmpty("private_key_path"),
    hostKey: unlessEmpty("host_key"),
    // The state of an older version has no such field.
    scriptPath: scriptPath(`\${try(self.input.script_directory, "${SCRIPT_DIRECTORY}")}`),
    bastionHost: unlessEmpty("bastion_host"),
    bastionPort: Token.asNumber(self("bastion_port")),
    bastionUser: unlessEmpty("bastion_user"),
    bastionPrivateKey: keyUnlessEmpty("bastion_private_key_path"),
    bastionHostKey: unlessEmpty("bastion_host_key"),
  };
}

function keyFile(path: string): string {
  const inner = isLiteral(path) ? JSON.stringify(path) : innerExpression(path);
  return inner === undefined ? Token.asString(Fn.file(Fn.pathexpand(path))) : `\${file(pathexpand(${inner}))}`;
}

/** Checks how the box is to be reached; `where` names the options in the sentences. */
export function checkSsh(ssh: SshOptions, findings: Findings): void {
  checkMachine("ssh", ssh, findings);
  const { formerHost } = ssh;
  const former = formerHost !== undefined && isLiteral(formerHost) ? hostProblem(formerHost, "ssh") : undefined;
  if (former) findings.error(`ssh.formerHost "${formerHost}" ${former}.`);
  if (ssh.bastion) checkMachine("ssh.bastion", ssh.bastion, findings);
  if (ssh.timeout !== undefined && isLiteral(ssh.timeout) && !/^([1-9]\d*[hms])+$/.test(ssh.timeout)) {
    findings.error(`ssh.timeout "${ssh.timeout}" is not a duration; write it as 50s or 2m.`);
  }
  const { scriptDirectory } = ssh;
  if (
    scriptDirectory !== undefined &&
    isLiteral(scriptDirectory) &&
    !new RegExp(SCRIPT_DIRECTORY_FORM).test(scriptDirectory)
  ) {
    findings.error(
      `ssh.scriptDirectory "${scriptDirectory}" is not a path of letters, digits and . _ - /; write it as .ssh or /opt/deploy.`,
    );
  }
}

type Machine = Pick<SshOptions, "host" | "port" | "user" | "privateKeyPath" | "hostKey">;

function checkMachine(where: string, machine: Machine, findings: Findings): void {
  const host = isLiteral(machine.host) ? hostProblem(machine.host, where) : undefined;
  if (host) findings.error(`${where}.host "${machine.host}" ${host}.`);
  const { port, user, privateKeyPath } = machine;
  if (port !== undefined && isLiteral(port) && !(Number.isInteger(port) && port >= 1 && port <= 65535)) {
    findings.error(`${where}.port ${port} is not a port; give 1 to 65535.`);
  }
  if (user !== undefined && isLiteral(user) && !/^[A-Za-z_][A-Za-z0-9_.-]*$/.test(user)) {
    findings.error(`${where}.user "${user}" is not a user name; write it as root or admin.`);
  }
  if (privateKeyPath !== undefined && isLiteral(privateKeyPath)) {
    if (privateKeyPath.includes("PRIVATE KEY")) {
      findings.error(
        `${where}.privateKeyPath is a key; give the path of its file, or leave it out and use the SSH agent.`,
      );
    } else if (/["\p{Cc}]|%\{/u.test(privateKeyPath)) {
      findings.error(
        `${where}.privateKeyPath has a character that Terraform cannot be given there; use a path without quotes and control characters.`,
      );
    } else if (!/^(\/|~\/|[A-Za-z]:[\\/])/.test(privateKeyPath)) {
      findings.error(
        `${where}.privateKeyPath "${privateKeyPath}" is relative, and Terraform runs elsewhere; start it with / or ~/.`,
      );
    } else {
      const file = keyFileProblem(privateKeyPath);
      if (file) findings.error(`${where}.privateKeyPath "${privateKeyPath}" ${file}.`);
    }
  }
  const { hostKey } = machine;
  if (isStandIn(hostKey)) return;
  if (hostKey.isUnchecked) {
    findings.warning(
      `${where}.hostKey is not checked: whoever answers at that address receives the pre-shared keys; give HostKey.of.`,
    );
  }
  const key = hostKey.problem(machine.host);
  if (key) findings.error(`${where}.hostKey ${key}.`);
}

/** What of the way to the box only Terraform can check. An empty host key would have it check none. */
export function sshPreconditions(ssh: SshOptions, name: string): Precondition[] {
  const machines: [string, Machine][] = [
    ["ssh", ssh],
    ...(ssh.bastion ? [["ssh.bastion", ssh.bastion] as [string, Machine]] : []),
  ];
  const { scriptDirectory } = ssh;
  const ofScripts =
    scriptDirectory === undefined || isLiteral(scriptDirectory) || isStandIn(scriptDirectory)
      ? []
      : [
          {
            condition: matches(SCRIPT_DIRECTORY_FORM, scriptDirectory),
            errorMessage: `ssh.scriptDirectory of ${name} is not a path of letters, digits and . _ - /; write it as .ssh or /opt/deploy.`,
          },
        ];
  const ofMachines = machines.flatMap(([where, { host, hostKey }]) => {
    if (isStandIn(hostKey) || isStandIn(host)) return [];
    const key = hostKey.pattern;
    return [
      ...(isLiteral(host)
        ? []
        : [
            {
              condition: matches("^[A-Za-z0-9_.:-]+$", host),
              errorMessage: `${where}.host of ${name} is neither a name nor an address; write it as box.example.com or 192.0.2.1.`,
            },
          ]),
      ...(key === undefined
        ? []
        : [
            {
              condition: matches(key.regex, hostKey.publicKey),
              errorMessage: `${where}.hostKey of ${name} is not an ${key.words} public key; give the two words that ssh-keyscan prints after the name.`,
            },
          ]),
    ];
  });
  return [...ofScripts, ...ofMachines];
}
