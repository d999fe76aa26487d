// Boots a lab with its cloud end and puts contenders on it, one after the other; ends what it began.
import { WorldCloudEnd } from "../cloud-end";
import { Lab } from "../machines/lab";
import { Traffic } from "../traffic/traffic";
import type { Contender } from "./contender";
import { HowToPage } from "./how-to-page";
import { Product, type AgentParameters } from "./product";
import { Runner } from "./run";
import { Scene } from "./scene";

/** Milliseconds between packets, each way: the resolution of every gap. */
export const INTERVAL_MS = 50;

export interface StageOptions {
  /** Told of every phase. @default nobody */
  readonly log?: (line: string) => void;
  /** Options of the failover agent. @default the library's */
  readonly agent?: AgentParameters;
}

export class Stage {
  static async boot(options: StageOptions = {}): Promise<Stage> {
    const lab = new Lab({ log: options.log });
    await lab.start();
    const cloud = new WorldCloudEnd(lab);
    await cloud.start();
    return new Stage(lab, cloud, options);
  }

  private contender?: Contender;
  private traffic?: Traffic;

  private constructor(
    readonly lab: Lab,
    readonly cloud: WorldCloudEnd,
    private readonly options: StageOptions,
  ) {}

  /** Deploys a contender, in place of the one before; gives what runs faults on it. */
  async enter(id: Contender["id"]): Promise<{ readonly scene: Scene; readonly runner: Runner }> {
    await this.leave();
    const { lab, cloud } = this;
    this.contender = id === "product" ? new Product(lab, cloud, this.options.agent) : new HowToPage(lab, cloud);
    this.options.log?.(`deploying the ${id === "product" ? "product" : "how-to page"}`);
    await this.contender.install();
    this.traffic = await Traffic.start(lab, { intervalMs: INTERVAL_MS });
    const scene = new Scene(lab, cloud, this.contender, this.traffic);
    await scene.well(240);
    this.options.log?.("all is well, traffic flows");
    return { scene, runner: new Runner(scene) };
  }

  private async leave(): Promise<void> {
    await this.traffic?.stop();
    await this.contender?.remove();
    this.traffic = this.contender = undefined;
  }

  async stop(): Promise<void> {
    if (this.contender instanceof Product) await this.contender.close();
    await this.lab.stop();
  }
}
