// A Terraform configuration in a directory of its own, run by the real Terraform with the stand-in providers.
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import type { Finished } from "../../lab/process";
import { prepareProviders } from "../../lab/terraform/providers";
import { DUMMY_KEYS, runTerraform } from "../../lab/terraform/terraform";

/** The stand-ins' mirror of all test files: made once, by whoever comes first. */
export const CACHE = path.join(os.tmpdir(), `dual-tunnel-vpn-test-${process.getuid?.() ?? 0}`);

interface StateResource {
  readonly mode: string;
  readonly type: string;
  readonly name: string;
  readonly instances: { readonly index_key?: number; readonly attributes: Record<string, unknown> }[];
}

/** The provider blocks of a lab's configuration. */
export const providerBlocks = (endpoint: string): string => `
terraform {
  required_providers {
    alicloud = { source = "aliyun/alicloud" }
    null     = { source = "hashicorp/null" }
    random   = { source = "hashicorp/random" }
  }
}
provider "alicloud" {
  region                 = "ap-southeast-1"
  access_key             = "${DUMMY_KEYS.accessKey}"
  secret_key             = "${DUMMY_KEYS.secretKey}"
  protocol               = "HTTP"
  account_type           = "International"
  skip_region_validation = true
  endpoints { vpc = "${endpoint}" }
}
`;

export class Workspace {
  private constructor(
    readonly directory: string,
    readonly env: NodeJS.ProcessEnv,
  ) {}

  /** @param endpoint of the emulated API; a closed port when a configuration does not call it */
  static async create(configuration: string, endpoint = "127.0.0.1:1"): Promise<Workspace> {
    const { env } = await prepareProviders({ cacheDir: CACHE, choice: "stand-in" });
    const workspace = new Workspace(fs.mkdtempSync(path.join(os.tmpdir(), "dual-tunnel-vpn-tf-")), env);
    fs.writeFileSync(path.join(workspace.directory, "provider.tf"), providerBlocks(endpoint));
    workspace.write(configuration);
    await workspace.succeed("init");
    return workspace;
  }

  /** Replaces the configuration. */
  write(configuration: string): void {
    fs.writeFileSync(path.join(this.directory, "main.tf"), configuration);
  }

  /** Replaces the variables. */
  setVariables(variables: Record<string, unknown>): void {
    fs.writeFileSync(path.join(this.directory, "terraform.tfvars.json"), JSON.stringify(variables));
  }

  run(...args: string[]): Promise<Finished> {
    return runTerraform(args, { cwd: this.directory, env: { ...this.env, TF_CLI_ARGS: "-no-color" } });
  }

  /** Runs what has to succeed and gives its standard output. */
  async succeed(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.run(...args);
    if (status !== 0) throw new Error(`terraform ${args.join(" ")}: exit status ${status}\n${stdout}\n${stderr}`);
    return stdout;
  }

  /** Runs what has to fail and gives both outputs. */
  async fail(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.run(...args);
    if (status === 0) throw new Error(`terraform ${args.join(" ")} did not fail\n${stdout}`);
    return `${stdout}\n${stderr}`;
  }

  readonly apply = (): Promise<string> => this.succeed("apply", "-auto-approve");
  readonly plan = (): Promise<string> => this.succeed("plan");

  /** Whether a plan wants to change anything. */
  async hasChanges(): Promise<boolean> {
    const { status, stdout, stderr } = await this.run("plan", "-detailed-exitcode");
    if (status === 1) throw new Error(`${stdout}\n${stderr}`);
    return status === 2;
  }

  private resources(): StateResource[] {
    const file = path.join(this.directory, "terraform.tfstate");
    if (!fs.existsSync(file)) return [];
    return (JSON.parse(fs.readFileSync(file, "utf8")) as { resources: StateResource[] }).resources;
  }

  /** Attributes in the state by address (`alicloud_vswitch.this[0]`). */
  state(): Record<string, Record<string, unknown>> {
    return Object.fromEntries(
      this.resources().flatMap(({ mode, type, name, instances }) =>
        instances.map(({ index_key: index, attributes }) => [
          `${mode === "data" ? "data." : ""}${type}.${name}${index === undefined ? "" : `[${index}]`}`,
          attributes,
        ]),
      ),
    );
  }

  remove(): void {
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}
