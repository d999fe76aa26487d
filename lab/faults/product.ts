// The product on the lab's box, put there as a user puts it: `cdktf deploy` of the example; or on its two boxes.
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { startEmulatedCloud, type EmulatedCloud } from "../cloud/server";
import type { WorldCloudEnd } from "../cloud-end";
import { Console } from "../deployment/console";
import { Deployment, exampleConfig, newPsk } from "../deployment/deployment";
import { NAME, twoBoxesConfig } from "../deployment/two-boxes";
import { cacheDirectory } from "../cache";
import { holdersOf } from "../box/gateway";
import type { Lab } from "../machines/lab";
import type { Machine } from "../machines/machine";
import { BGP } from "../network";
import { prepareProviders } from "../terraform/providers";
import type { Contender, Session, StagedContender, TunnelNumber } from "./contender";

/** The unit of its failover agent. */
export const AGENT = `dual-tunnel-vpn-agent@${NAME}`;
const STATE = `/run/dual-tunnel-vpn/${NAME}/agent.json`;

/** The agent's state file, as far as it is read here; docs/architecture.md describes it. */
export interface AgentState {
  readonly traffic: number | null;
  readonly switches: number;
  readonly tunnels: readonly {
    number: number;
    installed: boolean;
    usable: boolean;
    phase: string;
    /** Where the site routes by BGP. */
    bgp?: Session;
  }[];
  /** Where the site has two boxes. */
  readonly pair?: { readonly heard: boolean };
  readonly paths: readonly { uplink: number; tunnel: number; health: string; loss: number }[];
  readonly history: readonly { time: number; text: string }[];
}

/** The example's agent options, as bin/config.ts takes them. */
export type AgentParameters = Readonly<Record<string, unknown>>;

/** The example's parameters of a site that routes by BGP. */
const BY_BGP = { asn: BGP.asn, bgp: { tunnelCidrs: BGP.tunnels.map(({ cidr }) => cidr) } };

const TWO_BOXES_APP = path.join(__dirname, "../deployment/two-boxes-app.ts");

/** What the product is deployed with. */
export interface ProductOptions {
  /** Options of the failover agent. @default the library's */
  readonly agent?: AgentParameters;
  /** Whether the site routes by BGP. @default false */
  readonly bgp?: boolean;
  /** How many boxes the site has; with two each has one uplink and its tunnel. @default 1 */
  readonly boxes?: 1 | 2;
}

/** The cloud's API and the deployment that made the product there and on the box. */
export interface Deployed {
  readonly api: EmulatedCloud;
  readonly deployment: Deployment;
}

/** The product, whoever deployed it. */
export class DeployedProduct implements Contender {
  readonly id = "product";
  readonly interfaces = [`${NAME}-1`, `${NAME}-2`] as const;
  readonly connections = this.interfaces;
  readonly children = this.interfaces;

  constructor(
    protected readonly lab: Lab,
    private parts?: Deployed,
  ) {}

  protected get deployed(): Deployed {
    if (!this.parts) throw new Error("The product has not been deployed.");
    return this.parts;
  }

  protected set deployed(parts: Deployed) {
    this.parts = parts;
  }

  async refresh(): Promise<void> {
    const command = `systemctl stop ${AGENT}; rm -f ${STATE}; systemctl start ${AGENT}`;
    await Promise.all(this.lab.boxes.map((box) => box.succeed(command)));
  }

  /** What a box's agent has written. @param box @default the first */
  async state(box: Machine = this.lab.box): Promise<AgentState | undefined> {
    if (!box.isRunning()) return undefined;
    const { status, stdout } = await box.execute(`cat ${STATE}`);
    return status === 0 ? (JSON.parse(stdout) as AgentState) : undefined;
  }

  /** What the agents of all boxes have written. */
  private states(): Promise<(AgentState | undefined)[]> {
    return Promise.all(this.lab.boxes.map((box) => this.state(box)));
  }

  async trouble(): Promise<string> {
    const { boxes } = this.lab;
    if (boxes.length === 1) return this.troubleOf(await this.state(), 1);
    const found = (await this.states()).map((state, index) => {
      const trouble = this.troubleOf(state, index === 0 ? 1 : 2);
      return trouble && `${boxes[index].name}: ${trouble}`;
    });
    const holders = await holdersOf(this.lab);
    if (holders.join() !== "1") found.push(`the shared address is at box ${holders.join(" and ") || "none"}`);
    return found.filter(Boolean).join("; ");
  }

  /** @param usual the tunnel that a box's traffic takes when all is well */
  private troubleOf(state: AgentState | undefined, usual: TunnelNumber): string {
    if (!state) return "the agent has not written its state";
    if (state.traffic !== usual) return `traffic takes tunnel ${state.traffic}`;
    if (state.pair && !state.pair.heard) return "the other box is not heard";
    const tunnel = state.tunnels.find(({ usable, phase }) => !usable || phase !== "none");
    if (tunnel) return `tunnel ${tunnel.number} is ${tunnel.installed ? tunnel.phase : "not installed"}`;
    const session = state.tunnels.find(({ bgp }) => bgp && (bgp.takesOver || bgp.heard.length === 0));
    if (session) return `tunnel ${session.number}'s BGP session is ${JSON.stringify(session.bgp)}`;
    const down = state.paths.find(({ health, loss }) => health !== "up" || loss > 0.3);
    return down ? `uplink ${down.uplink} to tunnel ${down.tunnel} is ${down.health}` : "";
  }

  async switches(): Promise<number | undefined> {
    // Two agents: the change is from one box to the other, and each tells its own only.
    return this.lab.boxes.length === 1 ? (await this.state())?.switches : undefined;
  }

  async story(sinceS: number): Promise<readonly string[]> {
    const states = await this.states();
    const who = (index: number) => (states.length === 1 ? "" : `${this.lab.boxes[index].name}: `);
    return states
      .flatMap((state, index) => (state?.history ?? []).map((event) => ({ ...event, who: who(index) })))
      .filter(({ time }) => time >= sinceS)
      .sort((a, b) => a.time - b.time)
      .map(({ time, text, who: teller }) => `${(time - sinceS).toFixed(2)} s: ${teller}${text}`);
  }

  async sessions(): Promise<readonly (Session | undefined)[]> {
    return (await this.states()).flatMap((state) => state?.tunnels ?? []).map(({ bgp }) => bgp);
  }

  async breakActivePsk(): Promise<() => Promise<void>> {
    const { api, deployment } = this.deployed;
    const console_ = new Console(api.endpoint);
    const right = deployment.variables.singapore_psk_active;
    await console_.changeActivePsk(newPsk());
    return () => console_.changeActivePsk(right);
  }

  async changeKeys(...tunnels: readonly TunnelNumber[]): Promise<void> {
    const { deployment } = this.deployed;
    for (const tunnel of tunnels) {
      deployment.variables[`singapore_psk_${tunnel === 1 ? "active" : "standby"}`] = newPsk();
    }
    await deployment.deploy();
  }

  async reconfigure(): Promise<void> {
    const { deployment } = this.deployed;
    const agent = { ...(deployment.config.agent as AgentParameters), holdSeconds: 2 };
    deployment.config = { ...deployment.config, agent };
    await deployment.deploy();
  }
}

/** The product as a stage deploys it and brings it back. */
export class Product extends DeployedProduct implements StagedContender {
  private api?: EmulatedCloud;
  private providers?: ReturnType<typeof prepareProviders>;
  private readonly directory = fs.mkdtempSync(path.join(os.tmpdir(), "dual-tunnel-vpn-product-"));

  constructor(
    lab: Lab,
    private readonly cloudEnd: WorldCloudEnd,
    private readonly options: ProductOptions = {},
  ) {
    super(lab);
  }

  async install(): Promise<void> {
    this.api = await startEmulatedCloud({ cloudEnd: this.cloudEnd });
    await this.takeUp();
    await this.deployed.deployment.deploy();
  }

  async save(directory: string): Promise<void> {
    const { api, deployment } = this.deployed;
    fs.writeFileSync(path.join(directory, "cloud"), await api.save(), { mode: 0o600 });
    fs.writeFileSync(path.join(directory, "variables.json"), JSON.stringify(deployment.variables), { mode: 0o600 });
    copyDeployment(this.directory, path.join(directory, "deployment"));
  }

  async load(directory: string): Promise<void> {
    this.api ??= await startEmulatedCloud({ cloudEnd: this.cloudEnd });
    await this.api.load(fs.readFileSync(path.join(directory, "cloud")));
    fs.rmSync(this.directory, { recursive: true, force: true });
    copyDeployment(path.join(directory, "deployment"), this.directory);
    const variables = fs.readFileSync(path.join(directory, "variables.json"), "utf8");
    await this.takeUp(JSON.parse(variables) as Record<string, string>);
  }

  async close(): Promise<void> {
    await this.api?.close();
    this.api = undefined;
    fs.rmSync(this.directory, { recursive: true, force: true });
  }

  /** The app that is deployed, and its parameters. */
  private get site() {
    const { agent, bgp, boxes = 1 } = this.options;
    if (boxes === 1) return { config: { ...exampleConfig(this.lab, agent), ...(bgp ? BY_BGP : {}) } };
    return { config: { ...twoBoxesConfig(this.lab, { agent, bgp }) }, app: TWO_BOXES_APP };
  }

  private async takeUp(variables?: Readonly<Record<string, string>>): Promise<void> {
    this.providers ??= prepareProviders({ cacheDir: cacheDirectory() });
    const api = this.api as EmulatedCloud;
    const deployment = new Deployment({
      directory: this.directory,
      endpoint: api.endpoint,
      providerEnv: (await this.providers).env,
      ...this.site,
      variables,
    });
    this.deployed = { api, deployment };
  }
}

/** Without what Terraform made at its initialization, which names directories and is made again. */
function copyDeployment(from: string, to: string): void {
  fs.cpSync(from, to, { recursive: true, filter: (source) => path.basename(source) !== ".terraform" });
}
