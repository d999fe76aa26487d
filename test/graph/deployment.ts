// Stacks of the library's constructs, or what an older version of it synthesized, applied by the real Terraform to the
// emulated API. All stacks of a deployment share one directory and so each other's states.
import { AlicloudProvider } from "@cdktf/provider-alicloud/lib/provider";
import { NullProvider } from "@cdktf/provider-null/lib/provider";
import { App, LocalBackend, TerraformStack, Testing } from "cdktf";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { startEmulatedCloud, type EmulatedCloud } from "../../lab/cloud/server";
import { prepareProviders } from "../../lab/terraform/providers";
import { assertEmulated, DUMMY_KEYS, runTerraform } from "../../lab/terraform/terraform";
import { NO_DELAYS } from "../cloud/gate";
import { CACHE } from "../provider/workspace";
import type { StandInBox } from "./box";

export const REGION = "ap-southeast-1";

/** A planned change of a resource, as `terraform show -json` tells it. */
export interface Change {
  readonly address: string;
  readonly previous_address?: string;
  readonly action_reason?: string;
  readonly change: { readonly actions: readonly string[] };
}

export class Deployment {
  static async start(options: { readonly busy?: number } = {}): Promise<Deployment> {
    const ipsecAddresses = Array.from({ length: 200 }, (_, index) => `192.0.2.${index + 1}`);
    const cloud = await startEmulatedCloud({ delays: { ...NO_DELAYS, ...options }, ipsecAddresses });
    const { env } = await prepareProviders({ cacheDir: CACHE, choice: "stand-in" });
    return new Deployment(cloud, env);
  }

  readonly directory = fs.mkdtempSync(path.join(os.tmpdir(), "dual-tunnel-vpn-graph-"));
  /** Terraform variables for all stacks. */
  variables: Readonly<Record<string, string>> = {};
  private readonly initialized = new Set<string>();

  private constructor(
    readonly cloud: EmulatedCloud,
    private readonly env: NodeJS.ProcessEnv,
  ) {}

  /** Synthesizes stacks that have the providers and a state file of their own. */
  synthesize(stacks: Readonly<Record<string, (stack: TerraformStack) => void>>): void {
    const app = Testing.stubVersion(new App({ outdir: this.directory, stackTraces: false }));
    const made = Object.keys(stacks).map((name) => {
      const stack = new TerraformStack(app, name);
      new LocalBackend(stack, { path: path.join(this.directory, `${name}.tfstate`) });
      new AlicloudProvider(stack, "alicloud", {
        ...DUMMY_KEYS,
        region: REGION,
        protocol: "HTTP",
        accountType: "International",
        skipRegionValidation: true,
        endpoints: [{ vpc: this.cloud.endpoint }],
      });
      new NullProvider(stack, "null");
      return stack;
    });
    made.forEach((stack) => stacks[stack.node.id](stack));
    app.synth();
  }

  /** Puts the stack there that version 0.1.0 synthesized of `landedStack`. */
  putLanded(name: string, box: StandInBox): void {
    const text = fs
      .readFileSync(path.join(__dirname, "landed.json"), "utf8")
      .replaceAll("@ENDPOINT@", this.cloud.endpoint)
      .replaceAll("@DIRECTORY@", this.directory)
      .replaceAll("@KEY@", box.keyPath)
      .replaceAll("@HOST_KEY@", box.hostKey)
      .replaceAll('"port": 2222', `"port": ${box.ssh.port}`);
    for (const [, assets] of text.matchAll(/\{path\.module\}\/(assets\/[^"]+)"/g)) {
      fs.mkdirSync(path.join(this.stackDirectory(name), assets), { recursive: true });
    }
    fs.writeFileSync(path.join(this.stackDirectory(name), "cdk.tf.json"), text);
  }

  stackDirectory(name: string): string {
    return path.join(this.directory, "stacks", name);
  }

  async apply(name: string): Promise<string> {
    return this.succeed(name, "apply", "-auto-approve");
  }

  async destroy(name: string): Promise<string> {
    return this.succeed(name, "destroy", "-auto-approve");
  }

  /** What a plan shows, and its changes. */
  async plan(name: string): Promise<{ readonly text: string; readonly changes: readonly Change[] }> {
    const text = await this.succeed(name, "plan", "-out=plan.bin");
    const json = JSON.parse(await this.succeed(name, "show", "-json", "plan.bin")) as { resource_changes?: Change[] };
    const changes = (json.resource_changes ?? []).filter(
      ({ change }) => !["no-op", "read"].includes(change.actions[0]),
    );
    return { text, changes };
  }

  /** The addresses of what a plan would make, change, replace or destroy, each with its actions. */
  async planned(name: string): Promise<Record<string, string>> {
    const { changes } = await this.plan(name);
    return Object.fromEntries(changes.map(({ address, change }) => [address, change.actions.join(" ")]));
  }

  /** What a plan would still change, as Terraform prints it; nothing when all is done. */
  async pending(name: string): Promise<string> {
    const { status, output } = await this.run(name, "plan", "-detailed-exitcode");
    return status === 0 ? "" : output;
  }

  /** The ids in a state, by address. */
  ids(name: string): Record<string, string> {
    const file = path.join(this.directory, `${name}.tfstate`);
    const { resources } = JSON.parse(fs.readFileSync(file, "utf8")) as {
      resources: { mode: string; type: string; name: string; instances: { attributes: { id: string } }[] }[];
    };
    return Object.fromEntries(
      resources
        .filter(({ mode }) => mode === "managed")
        .map(({ type, name: id, instances }) => [`${type}.${id}`, instances[0].attributes.id]),
    );
  }

  async run(name: string, ...args: string[]): Promise<{ status: number; output: string }> {
    const cwd = this.stackDirectory(name);
    assertEmulated(JSON.parse(fs.readFileSync(path.join(cwd, "cdk.tf.json"), "utf8")), this.cloud.endpoint);
    if (!this.initialized.has(name)) {
      this.initialized.add(name);
      await this.succeed(name, "init");
    }
    const { status, stdout, stderr } = await runTerraform([...args, ...(args[0] === "show" ? [] : ["-no-color"])], {
      cwd,
      env: {
        ...this.env,
        TF_INPUT: "0",
        ...Object.fromEntries(Object.entries(this.variables).map(([key, value]) => [`TF_VAR_${key}`, value])),
      },
    });
    return { status, output: stdout + stderr };
  }

  async succeed(name: string, ...args: string[]): Promise<string> {
    const { status, output } = await this.run(name, ...args);
    if (status !== 0) throw new Error(`terraform ${args[0]} of ${name} ended with ${status}:\n${output}`);
    return output;
  }

  async close(): Promise<void> {
    await this.cloud.close();
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}
