// A stack of the library's constructs, synthesized in this process and applied by the real Terraform to the emulated API.
import { AlicloudProvider } from "@cdktf/provider-alicloud/lib/provider";
import { NullProvider } from "@cdktf/provider-null/lib/provider";
import { RandomProvider } from "@cdktf/provider-random/lib/provider";
import { App, LocalBackend, TerraformStack, Testing } from "cdktf";
import * as fs from "node:fs";
import * as path from "node:path";
import { REGION } from "../../lab/deployment/new-network";
import type { Finished } from "../../lab/process";
import { assertEmulated, DUMMY_KEYS, runTerraform } from "../../lab/terraform/terraform";

export interface StackDeploymentOptions {
  /** The stack's name. */
  readonly name: string;
  /** A directory that holds the synthesized stack and its state; several stacks may share one. */
  readonly directory: string;
  /** The emulated API, `127.0.0.1:PORT`. */
  readonly endpoint: string;
  /** What `prepareProviders` returned. */
  readonly providerEnv: NodeJS.ProcessEnv;
  /** Puts the constructs into a stack that has the providers. */
  readonly build: (stack: TerraformStack) => void;
  /** Terraform variables: passed by the environment, never by the command line. */
  readonly variables?: Readonly<Record<string, string>>;
}

export class StackDeployment {
  private initialized = false;

  constructor(private readonly options: StackDeploymentOptions) {}

  /** Applies what the stack is now; gives what Terraform printed. @param only addresses that are applied with what they need */
  async apply(...only: readonly string[]): Promise<string> {
    await this.synthesize();
    return this.succeed("apply", "-auto-approve", ...only.map((address) => `-target=${address}`));
  }

  /** Applies what has to fail; gives what Terraform printed. */
  async failToApply(): Promise<string> {
    await this.synthesize();
    const { status, stdout, stderr } = await this.run("apply", "-auto-approve");
    if (status === 0)
      throw new Error(`terraform apply of ${this.options.name} succeeded, should have failed:\n${stdout}`);
    return stdout + stderr;
  }

  /** What a plan would change, as Terraform prints it; undefined when nothing. */
  async pendingChanges(): Promise<string | undefined> {
    await this.synthesize();
    const { status, stdout, stderr } = await this.run("plan", "-detailed-exitcode");
    return status === 0 ? undefined : stdout + stderr;
  }

  async destroy(): Promise<string> {
    return this.succeed("destroy", "-auto-approve");
  }

  /** The stack's outputs, sensitive ones too. */
  async outputs(): Promise<Record<string, string>> {
    const outputs = JSON.parse(await this.succeed("output", "-json")) as Record<string, { value: string }>;
    return Object.fromEntries(Object.entries(outputs).map(([name, { value }]) => [name, value]));
  }

  private get stackDirectory(): string {
    return path.join(this.options.directory, "stacks", this.options.name);
  }

  /** Synthesizes anew, and refuses to go on unless nothing in the result can reach a real account. */
  private async synthesize(): Promise<void> {
    const { name, directory, endpoint, build } = this.options;
    const app = Testing.stubVersion(new App({ outdir: directory, stackTraces: false }));
    const stack = new TerraformStack(app, name);
    new LocalBackend(stack, { path: path.join(directory, `${name}.tfstate`) });
    new AlicloudProvider(stack, "alicloud", {
      ...DUMMY_KEYS,
      region: REGION,
      protocol: "HTTP",
      accountType: "International",
      skipRegionValidation: true,
      endpoints: [{ vpc: endpoint }],
    });
    new NullProvider(stack, "null");
    new RandomProvider(stack, "random");
    build(stack);
    app.synth();
    assertEmulated(JSON.parse(fs.readFileSync(path.join(this.stackDirectory, "cdk.tf.json"), "utf8")), endpoint);
    if (this.initialized) return;
    await this.succeed("init");
    this.initialized = true;
  }

  private run(...args: string[]): Promise<Finished> {
    const { providerEnv, variables = {} } = this.options;
    return runTerraform([...args, "-no-color"], {
      cwd: this.stackDirectory,
      env: {
        ...providerEnv,
        TF_INPUT: "0",
        ...Object.fromEntries(Object.entries(variables).map(([name, value]) => [`TF_VAR_${name}`, value])),
      },
    });
  }

  private async succeed(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.run(...args);
    if (status !== 0) throw new Error(`terraform ${args[0]} of ${this.options.name}:\n${stdout}${stderr}`);
    return stdout;
  }
}
