// The example stack (bin/) as a customer deploys it: `cdktf synth`, `cdktf deploy`, `cdktf destroy`, run in a
// directory outside the tree, with parameters for the lab given by DUAL_TUNNEL_VPN_CONFIG.
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { assertEmulated, DUMMY_KEYS, scrubbedEnvironment } from "../terraform/terraform";
import type { Lab } from "../machines/lab";
import { DATA_CENTER_CIDR, VPC_CIDR } from "../network";
import { runBound } from "../process";

const root = path.resolve(__dirname, "../..");

/** What one run of the command line printed. */
export interface CommandOutput {
  readonly text: string;
  readonly seconds: number;
}

export interface DeploymentOptions {
  /** A directory of this run's own; the Terraform state is in it. */
  readonly directory: string;
  /** The emulated API, `127.0.0.1:PORT`. */
  readonly endpoint: string;
  /** What `prepareProviders` returned. */
  readonly providerEnv: NodeJS.ProcessEnv;
  /** The example's parameters, without `provider`. */
  readonly config: Record<string, unknown>;
  /** Terraform variables: passed by the environment, never by the command line. @default new keys of the example */
  readonly variables?: Readonly<Record<string, string>>;
  /** The CDKTF app. @default the example's */
  readonly app?: string;
  /** Called with each line that the command prints. */
  readonly onLine?: (line: string) => void;
}

/** The example's parameters for the lab's box and network. */
export function exampleConfig(lab: Pick<Lab, "box" | "keyPath">, agent: object = {}): Record<string, unknown> {
  return {
    vpcCidr: VPC_CIDR,
    dataCenterCidrs: [DATA_CENTER_CIDR],
    box: {
      host: "127.0.0.1",
      port: lab.box.sshPort,
      user: "admin",
      privateKeyPath: lab.keyPath,
      hostKey: lab.box.hostKeyEcdsa,
    },
    agent,
  };
}

/** A pre-shared key of 24 characters, of kinds that need care on the way to both ends. */
export function newPsk(): string {
  return `${randomBytes(15).toString("base64url")}#'$;`;
}

export class CommandFailed extends Error {
  constructor(
    message: string,
    /** All that the command printed. */
    readonly output: string,
  ) {
    super(message);
  }
}

export class Deployment {
  config: Record<string, unknown>;
  readonly variables: Record<string, string>;

  constructor(private readonly options: DeploymentOptions) {
    this.config = options.config;
    this.variables = { ...(options.variables ?? { singapore_psk_active: newPsk(), singapore_psk_standby: newPsk() }) };
    fs.mkdirSync(options.directory, { recursive: true });
    this.useApp(options.app ?? path.join(root, "bin/main.ts"));
  }

  /** From now on this app is synthesized, into the same state. */
  useApp(app: string): void {
    fs.writeFileSync(
      path.join(this.options.directory, "cdktf.json"),
      JSON.stringify({
        language: "typescript",
        projectId: "dual-tunnel-vpn-lab",
        sendCrashReports: "false",
        app: [
          JSON.stringify(process.execPath),
          "-r",
          JSON.stringify(path.join(root, "node_modules/ts-node/register/transpile-only")),
          JSON.stringify(app),
        ].join(" "),
      }),
    );
  }

  /** Synthesizes, and refuses to go on unless nothing in the result can reach a real account. */
  async synth(): Promise<CommandOutput> {
    const { endpoint } = this.options;
    fs.writeFileSync(
      this.configFile,
      JSON.stringify({
        ...this.config,
        provider: {
          ...DUMMY_KEYS,
          protocol: "HTTP",
          accountType: "International",
          skipRegionValidation: true,
          endpoints: [{ vpc: endpoint }],
        },
      }),
    );
    const output = await this.run(["synth"]);
    const stacks = path.join(this.options.directory, "cdktf.out/stacks");
    for (const stack of fs.readdirSync(stacks)) {
      assertEmulated(JSON.parse(fs.readFileSync(path.join(stacks, stack, "cdk.tf.json"), "utf8")), endpoint);
    }
    return output;
  }

  /** `cdktf deploy` of what `synth` makes of the present parameters. */
  async deploy(): Promise<CommandOutput> {
    await this.synth();
    return this.run(["deploy", "--auto-approve", "--skip-synth", "--skip-provider-lock"]);
  }

  /** `cdktf diff` of what `synth` makes of the present parameters, and what that said. */
  async diff(): Promise<string> {
    const { text } = await this.synth();
    return text + (await this.run(["diff", "--skip-synth", "--skip-provider-lock"])).text;
  }

  /** `cdktf destroy`. */
  async destroy(): Promise<CommandOutput> {
    await this.synth();
    return this.run(["destroy", "--auto-approve", "--skip-synth", "--skip-provider-lock"]);
  }

  private get configFile(): string {
    return path.join(this.options.directory, "config.json");
  }

  private async run(args: string[]): Promise<CommandOutput> {
    const began = Date.now();
    const { status, stdout, stderr } = await runBound(
      process.execPath,
      [require.resolve("cdktf-cli/bundle/bin/cdktf"), ...args],
      {
        cwd: this.options.directory,
        env: {
          ...scrubbedEnvironment(),
          ...this.options.providerEnv,
          TS_NODE_PROJECT: path.join(root, "tsconfig.json"),
          DUAL_TUNNEL_VPN_CONFIG: this.configFile,
          // One cache for all, in the home directory: two deployments at once break each other's.
          CDKTF_DISABLE_PLUGIN_CACHE_ENV: "1",
          FORCE_COLOR: "0",
          TF_CLI_ARGS: "-no-color",
          ...Object.fromEntries(Object.entries(this.variables).map(([name, value]) => [`TF_VAR_${name}`, value])),
        },
        onLine: this.options.onLine,
      },
    );
    const text = stdout + stderr;
    if (status === 0) return { text, seconds: (Date.now() - began) / 1000 };
    const tail = text.trimEnd().split("\n").slice(-40).join("\n");
    throw new CommandFailed(`cdktf ${args[0]} ended with exit status ${status}; its last lines:\n${tail}`, text);
  }
}
