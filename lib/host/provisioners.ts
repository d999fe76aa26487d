// What Terraform runs and puts on a box, in its order; docs/architecture.md, "What reaches the box", says why.
import { FileProvisioner, LocalExecProvisioner, RemoteExecProvisioner, SSHProvisionerConnection } from "cdktf";

/** Where uploads wait for install.sh: only root can make names there, and a reboot empties it. */
export const STAGING = "/run/dual-tunnel-vpn-staging";

/** The command on the box. */
export const COMMAND = "/usr/local/sbin/dual-tunnel-vpn";
/** What the box's programs note. */
export const STATE = "/etc/dual-tunnel-vpn";
/** The box's programs. */
export const PROGRAMS = "/usr/local/lib/dual-tunnel-vpn";

type Step = (FileProvisioner | RemoteExecProvisioner) & { readonly onFailure?: "continue" };
type AtDestroy = (RemoteExecProvisioner | LocalExecProvisioner) & {
  readonly when: "destroy";
  readonly onFailure?: "continue";
};

/** How long the last step tries to connect: until a box that took the change back is surely reached again. */
const CONFIRMATION_TIMEOUT = "4m";

/** What is to reach a box. */
export interface Delivery {
  /** The connection's NAME on the box. */
  readonly name: string;
  /** How the box is reached. */
  readonly connection: SSHProvisionerConnection;
  /** Directory of the assets, relative to the stack's. */
  readonly assets: string;
  /** The rendered files: by their names on the box the Terraform locals that hold them. */
  readonly files: Readonly<Record<string, string>>;
  /** Whether the box notes what the trigger `drift` says, so that the next synth can compare. */
  readonly notesDrift?: boolean;
}

/** The lines of the bundle: each file's name and its content. */
function bundle(files: Delivery["files"], ...more: readonly string[]): string {
  const lines = [
    ...Object.entries(files).map(([file, source]) => `${file} \${base64encode(local.${source})}`),
    ...more,
    // Told apart by this: an upload that was cut off.
    "end",
  ];
  return lines.map((line) => `${line}\n`).join("");
}

/**
 * The provisioners of the `null_resource` that makes a box ready for a change before the cloud's end changes: three
 * connections. The box's own programs do it; where it has none that can, nothing is done.
 *
 * @param allowOutage go on where no tunnel will carry traffic meanwhile
 */
export function preparationSteps({ name, connection, assets, files }: Delivery, allowOutage = false): Step[] {
  const ours = assetScript(name, assets);
  return [
    { type: "remote-exec", inline: ours("begin.sh"), connection },
    { type: "file", content: bundle(files), destination: `${staging(name)}/bundle`, connection },
    {
      type: "remote-exec",
      inline: ours("prepare.sh", `option=${allowOutage ? "--allow-outage" : ""}`),
      connection,
    },
  ];
}

/** Where a resource's upload goes on the box. */
function staging(name: string): string {
  return `${STAGING}/${name}.\${self.id}`;
}

/** Makes scripts of our own assets, with what they are told in front. */
function assetScript(name: string, assets: string): (asset: string, ...told: readonly string[]) => string[] {
  return (asset, ...told) =>
    script([`name=${name}`, "upload=${self.id}", ...told, `\${file("\${path.module}/${assets}/${asset}")}`]);
}

/**
 * The provisioners of the `null_resource` that configures a box: five connections, as a rate limit counts them.
 * Each apply uploads to a directory of its own, named by the id that the resource gets when it is made. The last
 * connection is the proof that the box lets new ones in: it ends as the installer did, and without it the box takes
 * back what the installer changed of routes and packet filter.
 */
export function configurationSteps({ name, connection, assets, files, notesDrift }: Delivery): Step[] {
  const ours = assetScript(name, assets);
  const upload = staging(name);
  const content = bundle(
    files,
    ...(notesDrift ? [`drift \${base64encode(lookup(self.triggers, "drift", ""))}`] : []),
    // So that the box can tell that its clock is wrong.
    "time ${base64encode(timestamp())}",
  );
  return [
    { type: "remote-exec", inline: ours("begin.sh"), connection },
    { type: "file", source: `\${path.module}/${assets}/`, destination: `${upload}/assets`, connection },
    { type: "file", content, destination: `${upload}/bundle`, connection },
    // install.sh becomes root by itself and leaves nothing of the upload whatever the outcome.
    {
      type: "remote-exec",
      inline: script([`exec sh ${upload}/assets/install.sh apply --confirmed ${upload}`]),
      // The next one tells, also of a box that cut this one's session off.
      onFailure: "continue",
      connection,
    },
    {
      type: "remote-exec",
      inline: ours("confirm.sh"),
      connection: { ...connection, timeout: CONFIRMATION_TIMEOUT },
    },
  ];
}

/** A hash over locals that hold files, sensitive where one of them is. */
function hash(files: Delivery["files"], ...names: readonly string[]): string {
  return `\${sha256(jsonencode([${names.map((name) => `local.${files[name]}`).join(", ")}]))}`;
}

/** What a plan shows of a changed file. */
export function contentTriggers(files: Delivery["files"]): Record<string, string> {
  return { site: hash(files, "site.json"), owner: hash(files, "owner.json"), ...tunnelTriggers(files) };
}

/** What a plan shows of a changed tunnel, of both or of the one that the box has. */
export function tunnelTriggers(files: Delivery["files"]): Record<string, string> {
  const named = (beginning: string) => Object.keys(files).filter((name) => name.startsWith(beginning));
  return {
    ...Object.fromEntries(named("tunnel-").map((name) => [name.replace(/-(.)\.conf$/, "_$1"), hash(files, name)])),
    // Sensitive as the pre-shared keys in it are; without them it would miss a change of a key.
    keys: hash(files, ...named("secrets-")),
  };
}

/**
 * The provisioners of the presence: remove the connection from the box, unless another stack has it there.
 * @param mayBeGone go on where that fails, because the box is gone, and say what its owner is to run if it is not
 */
export function uninstallSteps(connection: SSHProvisionerConnection, mayBeGone = false): AtDestroy[] {
  const uninstall: AtDestroy = {
    type: "remote-exec",
    when: "destroy",
    onFailure: mayBeGone ? "continue" : undefined,
    connection,
    inline: script([
      // A first installation that was cut off before the command was there has noted and copied, and changed nothing.
      `if ! test -e ${COMMAND}; then`,
      `  test -e ${STATE} || test -e ${PROGRAMS} || exit 0`,
      `  test "$(id -u)" -eq 0 && exec rm -rf ${STATE} ${PROGRAMS}`,
      `  exec sudo -n rm -rf ${STATE} ${PROGRAMS}`,
      "fi",
      "test -x /usr/bin/python3 || { echo 'dual-tunnel-vpn: this box has lost /usr/bin/python3: install python3 and destroy again'; exit 1; }",
      // In the environment, which an older version of the command overlooks.
      `exec env DUAL_TUNNEL_VPN_OWNER=\${self.id} ${COMMAND} uninstall \${self.input.name}`,
    ]),
  };
  if (!mayBeGone) return [uninstall];
  // Terraform says nothing of a failure that it goes on after, and tells the next provisioner nothing of it.
  const told =
    "dual-tunnel-vpn: if \${self.input.host} was not reached and is not gone, run this there: " +
    `sudo ${COMMAND} uninstall \${self.input.name}`;
  return [uninstall, { type: "local-exec", when: "destroy", onFailure: "continue", command: `echo "${told}"` }];
}

/**
 * A script as Terraform is to run it. Terraform makes the file writable for everybody, so sh reads all of it before
 * anything of it runs, nothing after it, and the file is gone at once. Afterwards Terraform puts an empty file in its
 * place, which is awaited in the background and removed.
 */
function script(lines: readonly string[]): string[] {
  return [
    "{",
    'rm -f "$0"',
    "(",
    ...lines,
    ")",
    "status=$?",
    // Terraform runs it on a terminal, and hangs up.
    "trap '' HUP",
    '(tries=50; until rm "$0" || [ $tries -eq 0 ]; do sleep 0.2; tries=$((tries - 1)); done) </dev/null >/dev/null 2>&1 &',
    "exit $status",
    "}",
  ];
}
