// Whatever a stack is given is refused, or reaches the box's shell as it is: no text of a user's becomes a command.
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import * as fc from "fast-check";
import { Token } from "cdktf";
import { BoxPackages, DualTunnelVpnProps } from "../../lib";
import { COMMAND, STAGING } from "../../lib/host/provisioners";
import { problems, Resource, SITE, siteStack, synthesized, UPLINK_1, UPLINK_2 } from "./site";

/** Terraform's `self.id`. */
const ID = "5577006791947779410";
const OWNER = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

/** By its name what takes a user's text, and a site that has it there. */
const PLACES: Record<string, (text: string) => Partial<DualTunnelVpnProps>> = {
  name: (name) => ({ name }),
  "ssh.host": (host) => ({ ssh: { ...SITE.ssh, host } }),
  "ssh.formerHost": (formerHost) => ({ ssh: { ...SITE.ssh, formerHost } }),
  "ssh.user": (user) => ({ ssh: { ...SITE.ssh, user } }),
  "ssh.timeout": (timeout) => ({ ssh: { ...SITE.ssh, timeout } }),
  "ssh.privateKeyPath": (privateKeyPath) => ({ ssh: { ...SITE.ssh, privateKeyPath } }),
  "ssh.scriptDirectory": (scriptDirectory) => ({ ssh: { ...SITE.ssh, scriptDirectory } }),
  "uplinks.address": (address) => ({ uplinks: [{ ...UPLINK_1, address }, UPLINK_2] }),
  "uplinks.gateway": (gateway) => ({ uplinks: [{ ...UPLINK_1, gateway }, UPLINK_2] }),
  "uplinks.device": (device) => ({ uplinks: [{ ...UPLINK_1, device }, UPLINK_2] }),
  packages: (directory) => ({ packages: BoxPackages.fromDirectory(directory) }),
  dataCenterCidrs: (block) => ({ dataCenterCidrs: [block] }),
};

const PIECES = [
  ...["; ", "$(", ")", "`", "&& ", "|", ">", "\n", "'", '"', "\\", " ", "*", "~", "%{", "$", "${", "}", "#", "-", "--"],
  ...["touch owned", "owned", "singapore", ".ssh", "/opt/deploy", "eth0", "a", "1", ".", "/", "_", "172.16.1.253"],
];
const hostile = fc.oneof(
  fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 5 }).map((pieces) => pieces.join("")),
  fc.string({ minLength: 1, maxLength: 12 }),
);

interface Rendered {
  readonly name: string;
  /** Where Terraform puts its scripts on the box. */
  readonly paths: readonly string[];
  readonly scripts: Readonly<Record<"begin" | "install" | "confirm" | "uninstall", string>>;
}

/** What Terraform would run on the box; undefined where the site is refused. */
function rendered(changes: Partial<DualTunnelVpnProps>): Rendered | undefined {
  const stack = siteStack(changes);
  if (problems(stack).length > 0) return undefined;
  const { resource } = synthesized(stack);
  const [configuration] = Object.values(resource.null_resource);
  const presence = Object.values(resource.terraform_data).find((each) => "provisioner" in each)!;
  const { name, script_directory: directory } = presence.input as { name: string; script_directory: string };
  const steps = [configuration, presence].flatMap((each) => each.provisioner as Resource[]);
  const commands = steps.flatMap((step) => (step["remote-exec"] ? [step["remote-exec"] as Resource] : []));
  const paths = commands.map(({ connection }) =>
    String((connection as Resource).script_path).replace(/\$\{try\([^]*\)\}/, directory),
  );
  const [begin, install, confirm, uninstall] = commands.map(({ inline }) => (inline as string[]).join("\n"));
  return { name, paths, scripts: { begin, install, confirm, uninstall } };
}

describe("what a stack is given", () => {
  let directory: string;
  let scripts = 0;
  beforeEach(() => {
    directory = fs.mkdtempSync(path.join(os.tmpdir(), "hostile-"));
    fs.mkdirSync(path.join(directory, "bin"));
    for (const program of ["sh", "env", "chmod"]) {
      const stub = `#!/bin/sh\nprintf '%s\\n' ${program} "$@"\n`;
      fs.writeFileSync(path.join(directory, "bin", program), stub, { mode: 0o755 });
    }
    fs.writeFileSync(path.join(directory, "command"), "");
  });
  afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

  /** What a script says when it runs as Terraform makes it, with programs that say what they were given. */
  function run(template: string, name: string): string[] {
    const text = template
      .replace(/\$\{file\("[^"]*(?:begin|confirm)\.sh"\)\}/, `printf '%s\\n' "$name" "$upload"`)
      .replaceAll("${self.input.name}", () => name)
      .replaceAll(COMMAND, path.join(directory, "command"))
      // Nobody waits here for what Terraform would put in the script's place.
      .replace("tries=50", "tries=0");
    const own = text.includes("DUAL_TUNNEL_VPN_OWNER") ? OWNER : ID;
    // What the script before leaves in the background removes its own once more.
    const script = path.join(directory, `script-${++scripts}`);
    fs.writeFileSync(script, `#!/bin/sh\n${text.replaceAll("${self.id}", own)}\n`);
    expect(spawnSync("/bin/sh", ["-n", script], { encoding: "utf8" }).stderr).toBe("");
    return said(["/bin/sh", script]);
  }

  function said([program, ...words]: string[]): string[] {
    const { stdout, stderr } = spawnSync(program, words, {
      cwd: directory,
      encoding: "utf8",
      env: { PATH: `${directory}/bin:/usr/bin:/bin` },
    });
    expect(stderr).toBe("");
    return stdout.split("\n").slice(0, -1);
  }

  function reachesTheShellAsItIs({ name, paths, scripts: { begin, install, confirm, uninstall } }: Rendered): void {
    const staging = `${STAGING}/${name}.${ID}`;
    expect(run(begin, name)).toEqual([name, ID]);
    expect(run(confirm, name)).toEqual([name, ID]);
    expect(run(install, name)).toEqual(["sh", `${staging}/assets/install.sh`, "apply", "--confirmed", staging]);
    const removal = [`DUAL_TUNNEL_VPN_OWNER=${OWNER}`, path.join(directory, "command"), "uninstall", name];
    expect(run(uninstall, name)).toEqual(["env", ...removal]);
    // What holds an expression is Terraform's to evaluate: the result is checked at plan, as a test below says.
    for (const script of paths.filter((each) => !each.includes("${"))) {
      // As Terraform says it, without quotes; what begins with a hyphen would be an option.
      expect(said(["/bin/sh", "-c", `chmod 0777 ${script}`])).toEqual(["chmod", "0777", script]);
      expect(script).not.toMatch(/^-/);
    }
    expect(fs.readdirSync(directory).sort()).toEqual(["bin", "command"]);
  }

  it("reaches the shell as it is where it is what people write", () => {
    const site = rendered({ name: "a-1", ssh: { ...SITE.ssh, user: "deploy", scriptDirectory: "/opt/deploy_1" } });
    expect(site?.paths).toEqual(Array(4).fill("/opt/deploy_1/dual-tunnel-vpn-%RAND%.sh"));
    reachesTheShellAsItIs(site!);
  });

  it("ends in no stack trace where its quotes are within an expression, or within none that is whole", () => {
    const condition = (host: string) => {
      const { resource } = synthesized(siteStack({ ssh: { ...SITE.ssh, host } }));
      return JSON.stringify(Object.values(resource.terraform_data));
    };
    const whole = JSON.stringify('"${lookup(local.boxes, "a")}.example.com"').slice(1, -1);
    expect(condition('${lookup(local.boxes, "a")}.example.com')).toContain(`, ${whole}))`);
    expect(condition('${"; ')).toContain("${false}");
  });

  it("is refused or reaches the shell as it is, whatever it is and wherever it is given", () => {
    let refused = 0;
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(PLACES)), hostile, (place, text) => {
        const site = rendered(PLACES[place](text));
        if (site === undefined) refused += 1;
        else reachesTheShellAsItIs(site);
      }),
      { numRuns: 150, examples: Object.keys(PLACES).map((place) => [place, "a; touch owned"] as [string, string]) },
    );
    expect(refused).toBeGreaterThan(0);
  });

  it.each(["-rf", "a b", "$(touch owned)", "a;b", "a\nb"])("as a directory for scripts is refused: %j", (directory) => {
    expect(rendered(PLACES["ssh.scriptDirectory"](directory))).toBeUndefined();
  });

  it("as a directory for scripts that only Terraform knows is checked at plan", () => {
    const { resource } = synthesized(siteStack(PLACES["ssh.scriptDirectory"](Token.asString("${var.directory}"))));
    const conditions = Object.values(resource.terraform_data).flatMap(
      (each) => ((each.lifecycle as Resource)?.precondition as Resource[]) ?? [],
    );
    const [condition] = conditions.filter(({ error_message }) => /ssh\.scriptDirectory/.test(String(error_message)));
    expect(condition.condition).toBe('${can(regex("^[A-Za-z0-9_./][A-Za-z0-9_./-]*$", var.directory))}');
  });
});
