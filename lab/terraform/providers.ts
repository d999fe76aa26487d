// Decides which providers a run uses: the real ones wherever `terraform init` can find them, else stand-ins of ours.
// The stand-ins reach Terraform as any provider does: programs in a filesystem mirror that a CLI configuration names.
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { runTerraform } from "./terraform";

/** The environment variable by which a user chooses. */
export const CHOICE_VARIABLE = "DUAL_TUNNEL_VPN_PROVIDERS";

export interface ProviderOptions {
  /** A directory outside the tree that survives runs: the stand-ins' mirror goes there. */
  readonly cacheDir: string;
  /** `real`, `stand-in`, or undefined: the real ones if `terraform init` finds them. @default the environment's DUAL_TUNNEL_VPN_PROVIDERS */
  readonly choice?: string;
  /** Seconds that `terraform init` may take to find the real ones. @default 300: alicloud is a download of 100 MB */
  readonly patience?: number;
}

export interface PreparedProviders {
  /** To be laid over a scrubbed environment when Terraform or cdktf is run. */
  readonly env: NodeJS.ProcessEnv;
  readonly standIn: boolean;
  /** One line that says which providers are used and why. */
  readonly description: string;
}

const HOST = "registry.terraform.io";
/** What the stand-ins stand in for; null's and random's versions are those that cdktf's bindings pin. */
const PROVIDERS = [
  { namespace: "aliyun", type: "alicloud", version: "1.289.0", constraint: ">= 1.246.0, < 2.0.0" },
  { namespace: "hashicorp", type: "null", version: "3.2.4", constraint: "3.2.4" },
  { namespace: "hashicorp", type: "random", version: "3.7.2", constraint: "3.7.2" },
] as const;

const checkout = path.resolve(__dirname, "../..");

/**
 * Finds providers for the demo and the tests.
 * @throws Error when the choice is none that we know, or is `real` and `terraform init` finds none
 */
export async function prepareProviders(options: ProviderOptions): Promise<PreparedProviders> {
  const choice = (options.choice ?? process.env[CHOICE_VARIABLE] ?? "") || "auto";
  if (!["auto", "real", "stand-in"].includes(choice))
    throw new Error(`${CHOICE_VARIABLE} is ${choice}; it must be real, stand-in or unset.`);
  if (choice === "stand-in") return standIns(options.cacheDir, `${CHOICE_VARIABLE} asks for them`);
  const env = inheritedConfiguration();
  const problem = await initProblem(env, options.patience ?? 300);
  if (problem === undefined)
    return { env, standIn: false, description: "Providers: the real alicloud and null, by terraform init." };
  if (choice === "real") throw new Error(`No real provider could be installed: ${problem}`);
  return standIns(options.cacheDir, `terraform init found no real ones: ${problem}`);
}

/** A TF_CLI_CONFIG_FILE of the user's that exists is the user's mirror; one that does not exist is dropped. */
function inheritedConfiguration(): NodeJS.ProcessEnv {
  const file = process.env.TF_CLI_CONFIG_FILE;
  return { TF_CLI_CONFIG_FILE: file !== undefined && fs.existsSync(file) ? file : undefined };
}

/** Why `terraform init` cannot install the real providers; undefined when it can. */
async function initProblem(env: NodeJS.ProcessEnv, patience: number): Promise<string | undefined> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "dual-tunnel-vpn-init-"));
  try {
    const required = Object.fromEntries(
      // random serves generated keys only: a user's mirror without it is no reason to stand in for the others.
      PROVIDERS.filter(({ type }) => type !== "random").map(({ namespace, type, constraint }) => [
        type,
        { source: `${namespace}/${type}`, version: constraint },
      ]),
    );
    fs.writeFileSync(
      path.join(directory, "main.tf.json"),
      JSON.stringify({ terraform: { required_providers: required } }),
    );
    const { status, stderr } = await runTerraform(["init", "-backend=false", "-input=false", "-no-color"], {
      cwd: directory,
      timeoutMs: patience * 1000,
      // A registry that cannot be reached is given up on at once.
      env: { TF_REGISTRY_DISCOVERY_RETRY: "0", TF_REGISTRY_CLIENT_TIMEOUT: "5", ...env },
    });
    if (status === 0) return undefined;
    const text = stderr.replace(/[│╷╵]/g, " ").replace(/\s+/g, " ");
    return (/Error: (.{0,160})/.exec(text)?.[1] ?? `exit status ${status}`).trim();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

/** Puts the stand-ins' mirror in place, once for each content. */
async function standIns(cacheDir: string, reason: string): Promise<PreparedProviders> {
  const files = await mirrorFiles();
  const hash = createHash("sha256");
  for (const [name, content] of Object.entries(files)) hash.update(`${name}\n`).update(content);
  const home = path.join(path.resolve(cacheDir), `stand-in-providers-${hash.digest("hex").slice(0, 16)}`);
  const configuration = path.join(home, "terraform.rc");
  if (!fs.existsSync(configuration)) {
    fs.mkdirSync(cacheDir, { recursive: true });
    const staging = fs.mkdtempSync(path.join(cacheDir, "stand-in-providers-new-"));
    for (const [name, content] of Object.entries(files)) {
      const file = path.join(staging, "mirror", name);
      fs.mkdirSync(path.dirname(file), { recursive: true });
      fs.writeFileSync(file, content, { mode: 0o755 });
    }
    fs.writeFileSync(path.join(staging, "terraform.rc"), cliConfiguration(path.join(home, "mirror")));
    try {
      fs.renameSync(staging, home);
    } catch (error) {
      fs.rmSync(staging, { recursive: true, force: true });
      // Another run has just made the same.
      if (!fs.existsSync(configuration)) throw error;
    }
  }
  return {
    env: { TF_CLI_CONFIG_FILE: configuration },
    standIn: true,
    description: `Providers: stand-ins for alicloud, null and random (${reason}).`,
  };
}

/**
 * The mirror's files. Terraform starts a provider four or five times for one apply, so that its start counts: each
 * stand-in is one bundled file, with Alibaba's SDK, which is large and needed late, beside alicloud's.
 */
async function mirrorFiles(): Promise<Record<string, string>> {
  // Only who stands in needs the bundler.
  const { buildSync } = await import("esbuild");
  const bundle = (entry: string, banner = "") =>
    buildSync({
      entryPoints: [path.join("lab/provider", entry)],
      absWorkingDir: checkout,
      bundle: true,
      minify: true,
      platform: "node",
      target: "node20",
      format: "cjs",
      external: ["./sdk"],
      // import() would look for an ES module.
      supported: { "dynamic-import": false },
      banner: { js: banner },
      legalComments: "none",
      write: false,
    }).outputFiles[0].text;
  const program = bundle("main.ts", "#!/usr/bin/env node");
  const protocol = ["tfplugin5.proto", "controller.proto"].map((name): [string, string] => [
    name,
    fs.readFileSync(path.join(checkout, "lab/provider", name), "utf8"),
  ]);
  const architecture =
    { x64: "amd64", arm64: "arm64", arm: "arm", ia32: "386" }[process.arch as string] ?? process.arch;
  return Object.fromEntries(
    PROVIDERS.flatMap(({ namespace, type, version }) => {
      const directory = `${HOST}/${namespace}/${type}/${version}/${process.platform}_${architecture}`;
      const files: [string, string][] = [[`terraform-provider-${type}_v${version}`, program], ...protocol];
      if (type === "alicloud") files.push(["sdk.js", bundle("alicloud/sdk.ts")]);
      return files.map(([name, content]): [string, string] => [`${directory}/${name}`, content]);
    }),
  );
}

function cliConfiguration(mirror: string): string {
  const names = JSON.stringify(PROVIDERS.map(({ namespace, type }) => `${HOST}/${namespace}/${type}`));
  return `disable_checkpoint = true
provider_installation {
  filesystem_mirror {
    path    = ${JSON.stringify(mirror)}
    include = ${names}
  }
  direct {
    exclude = ${names}
  }
}
`;
}
