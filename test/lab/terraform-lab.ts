// A lab that Terraform deploys into: its machines, the emulated API with the gateway behind it, a directory for stacks.
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { cacheDirectory } from "../../lab/cache";
import { startEmulatedCloud, type EmulatedCloud } from "../../lab/cloud/server";
import { WorldCloudEnd } from "../../lab/cloud-end";
import type { DeploymentOptions } from "../../lab/deployment/deployment";
import { Lab, type LabOptions } from "../../lab/machines/lab";
import { prepareProviders } from "../../lab/terraform/providers";

export class TerraformLab {
  readonly lab: Lab;
  readonly cloudEnd: WorldCloudEnd;
  /** Goes with `stop`. */
  readonly directory: string;
  private started?: { readonly cloud: EmulatedCloud; readonly providerEnv: NodeJS.ProcessEnv };

  /** @param name part of the directory's name. @param options @default the packages are on the box already */
  constructor(name: string, options: LabOptions = {}) {
    this.lab = new Lab({ packages: true, ...options });
    this.cloudEnd = new WorldCloudEnd(this.lab);
    this.directory = fs.mkdtempSync(path.join(os.tmpdir(), `${name}-`));
  }

  async start(): Promise<void> {
    const [{ env }] = await Promise.all([prepareProviders({ cacheDir: cacheDirectory() }), this.lab.start()]);
    await this.cloudEnd.start();
    this.started = { cloud: await startEmulatedCloud({ cloudEnd: this.cloudEnd }), providerEnv: env };
  }

  async stop(): Promise<void> {
    await this.started?.cloud.close();
    await this.lab.stop();
    fs.rmSync(this.directory, { recursive: true, force: true });
  }

  /** The emulated API. */
  get cloud(): EmulatedCloud {
    return this.parts.cloud;
  }

  /** What every deployment here is made with. */
  get deploysWith(): Pick<DeploymentOptions, "directory" | "endpoint" | "providerEnv"> {
    const { cloud, providerEnv } = this.parts;
    return { directory: this.directory, endpoint: cloud.endpoint, providerEnv };
  }

  private get parts() {
    if (!this.started) throw new Error("The lab has not been started.");
    return this.started;
  }
}
