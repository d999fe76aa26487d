// The product on the lab's box, put there as a user puts it: `cdktf deploy` of the example.
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { startEmulatedCloud, type EmulatedCloud } from "../cloud/server";
import type { WorldCloudEnd } from "../cloud-end";
import { Console } from "../demo/console";
import { Deployment, exampleConfig } from "../demo/deployment";
import { cacheDirectory } from "../cache";
import type { Lab } from "../machines/lab";
import { prepareProviders } from "../terraform/providers";
import type { Contender } from "./contender";

const NAME = "singapore";
/** The unit of its failover agent. */
export const AGENT = `dual-tunnel-vpn-agent@${NAME}`;
const STATE = `/run/dual-tunnel-vpn/${NAME}/agent.json`;

/** The agent's state file, as far as it is read here; docs/architecture.md describes it. */
export interface AgentState {
  readonly traffic: number | null;
  readonly switches: number;
  readonly tunnels: readonly { number: number; installed: boolean; usable: boolean; phase: string }[];
  readonly paths: readonly { uplink: number; tunnel: number; health: string; loss: number }[];
  readonly history: readonly { time: number; text: string }[];
}

/** The example's agent options, as bin/config.ts takes them. */
export type AgentParameters = Readonly<Record<string, unknown>>;

export class Product implements Contender {
  readonly id = "product";
  readonly interfaces = [`${NAME}-1`, `${NAME}-2`] as const;
  readonly connections = this.interfaces;
  readonly children = this.interfaces;
  private api?: EmulatedCloud;
  private deployment?: Deployment;
  private readonly directory = fs.mkdtempSync(path.join(os.tmpdir(), "dual-tunnel-vpn-faults-"));

  constructor(
    private readonly lab: Lab,
    private readonly cloudEnd: WorldCloudEnd,
    private readonly agent: AgentParameters = {},
  ) {}

  async install(): Promise<void> {
    const { lab } = this;
    const providers = await prepareProviders({ cacheDir: cacheDirectory() });
    this.api = await startEmulatedCloud({ cloudEnd: this.cloudEnd });
    const newPsk = () => randomBytes(18).toString("base64url");
    this.deployment = new Deployment({
      directory: this.directory,
      endpoint: this.api.endpoint,
      providerEnv: providers.env,
      config: exampleConfig(lab, this.agent),
      variables: { singapore_psk_active: newPsk(), singapore_psk_standby: newPsk() },
    });
    await this.deployment.deploy();
  }

  async remove(): Promise<void> {
    await this.deployment?.destroy();
    await this.close();
  }

  /** Ends the emulated API; the box stays as it is. */
  async close(): Promise<void> {
    await this.api?.close();
    this.api = undefined;
    fs.rmSync(this.directory, { recursive: true, force: true });
  }

  async refresh(): Promise<void> {
    await this.lab.box.succeed(`systemctl stop ${AGENT}; rm -f ${STATE}; systemctl start ${AGENT}`);
  }

  async state(): Promise<AgentState | undefined> {
    const { status, stdout } = await this.lab.box.execute(`cat ${STATE}`);
    return status === 0 ? (JSON.parse(stdout) as AgentState) : undefined;
  }

  async trouble(): Promise<string> {
    const state = await this.state();
    if (!state) return "the agent has not written its state";
    if (state.traffic !== 1) return `traffic takes tunnel ${state.traffic}`;
    const tunnel = state.tunnels.find(({ usable, phase }) => !usable || phase !== "none");
    if (tunnel) return `tunnel ${tunnel.number} is ${tunnel.installed ? tunnel.phase : "not installed"}`;
    const down = state.paths.find(({ health, loss }) => health !== "up" || loss > 0.3);
    return down ? `uplink ${down.uplink} to tunnel ${down.tunnel} is ${down.health}` : "";
  }

  async switches(): Promise<number | undefined> {
    return (await this.state())?.switches;
  }

  async story(sinceS: number): Promise<readonly string[]> {
    const history = (await this.state())?.history ?? [];
    return history
      .filter(({ time }) => time >= sinceS)
      .map(({ time, text }) => `${(time - sinceS).toFixed(2)} s: ${text}`);
  }

  async breakActivePsk(): Promise<() => Promise<void>> {
    if (!this.api || !this.deployment) throw new Error("The product has not been deployed.");
    const console_ = new Console(this.api.endpoint);
    const right = this.deployment.variables.singapore_psk_active;
    await console_.changeActivePsk(randomBytes(18).toString("base64url"));
    return () => console_.changeActivePsk(right);
  }
}
