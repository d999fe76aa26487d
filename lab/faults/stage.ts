// A stage: a lab with its cloud end and a contender deployed on it, well. It is made once and brought back, in seconds,
// before each fault and whatever else wants it untouched.
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { contentOf, Kept, keyOf } from "../cache";
import { WorldCloudEnd, type WorldCloudEndOptions } from "../cloud-end";
import { Lab } from "../machines/lab";
import type { Machine } from "../machines/machine";
import { longestStandstill, noteStandstills } from "../machines/standstill";
import { Traffic } from "../traffic/traffic";
import type { Contender, StagedContender } from "./contender";
import type { Fault } from "./fault";
import { HowToPage } from "./how-to-page";
import { Product, type ProductOptions } from "./product";
import { Scene } from "./scene";

/** Milliseconds between packets, each way: the resolution of every gap. */
export const INTERVAL_MS = 50;

export interface StageOptions extends ProductOptions {
  /** Told of every phase. @default nobody */
  readonly log?: (line: string) => void;
}

/** Timers that hold for tunnels negotiated after they were set. */
export type CloudTimers = Pick<
  WorldCloudEndOptions,
  "dpdDelay" | "retransmitTimeout" | "retransmitBase" | "retransmitTries"
>;

/** What a fault wants of its scene. */
type Wanted = Pick<Fault, "cloudTimers" | "intervalMs">;

const ROOT = path.join(__dirname, "../..");
/** All that decides what a deployment makes of a booted lab. */
const INGREDIENTS = ["assets", "bin", "lab", "lib", "package-lock.json", "packages/provider-alicloud/schema.json"];

export class Stage {
  /** The stage of a contender: kept since an earlier process, or made now. */
  static async of(id: Contender["id"], options: StageOptions = {}): Promise<Stage> {
    // The how-to page brings its own packages to a bare box.
    const { agent = {}, bgp = false, boxes = 1 } = options;
    const lab = new Lab({ log: options.log, packages: id === "product", boxes });
    const content = contentOf(...INGREDIENTS.map((name) => path.join(ROOT, name)));
    const kept = new Kept("stages", keyOf(await lab.bootKey(), content, id, JSON.stringify({ agent, bgp, boxes })));
    const stage = new Stage(lab, id, options);
    try {
      if (kept.exists) await lab.open(kept.path);
      else {
        await stage.make();
        await kept.put((directory) => stage.save(directory));
      }
      stage.saved = kept.path;
      return stage;
    } catch (error) {
      await stage.stop();
      throw error;
    }
  }

  readonly cloud: WorldCloudEnd;
  readonly contender: StagedContender;
  private readonly scratch = fs.mkdtempSync(path.join(os.tmpdir(), "dual-tunnel-vpn-stage-"));
  /** Seconds from the wish for the scene to traffic that flows, each time. */
  readonly broughtBackS: number[] = [];
  /** Where the stage is to be brought back from. */
  private saved = "";
  /** The same with other timers at the cloud, by what they are. */
  private readonly variants = new Map<string, string>();

  private constructor(
    readonly lab: Lab,
    id: Contender["id"],
    private readonly options: StageOptions,
  ) {
    this.cloud = new WorldCloudEnd(lab);
    this.contender = id === "product" ? new Product(lab, this.cloud, options) : new HowToPage(lab, this.cloud);
  }

  /**
   * Everything as it was when the contender had been deployed and all was well, with traffic between the hosts.
   * @param cloudTimers the first time that they are asked for the tunnels are negotiated anew
   * @param intervalMs between packets, each way
   */
  async scene({ cloudTimers: timers = {}, intervalMs = INTERVAL_MS }: Wanted = {}): Promise<Scene> {
    const began = Date.now();
    const key = JSON.stringify(Object.entries(timers).sort());
    const variant = this.variants.get(key);
    await this.bringBack(variant ?? this.saved);
    if (variant === undefined && Object.keys(timers).length > 0) await this.keepVariant(key, timers);
    const traffic =
      intervalMs === INTERVAL_MS ? Traffic.going(this.lab) : await Traffic.start(this.lab, { intervalMs });
    const scene = new Scene(this.lab, this.cloud, this.contender, traffic);
    await Promise.all([scene.untroubled(), scene.traffic.waitUntilFlowing({ forS: 0.4 })]);
    if (variant !== undefined || Object.keys(timers).length === 0) this.broughtBackS.push((Date.now() - began) / 1000);
    return scene;
  }

  async stop(): Promise<void> {
    await this.contender.close();
    await this.lab.stop();
    fs.rmSync(this.scratch, { recursive: true, force: true });
  }

  private async make(): Promise<void> {
    await this.lab.start();
    await this.cloud.start();
    this.options.log?.(`deploying the ${this.contender.id}`);
    await this.contender.install();
    await noteStandstills(this.observed);
    await this.becomeWell();
  }

  /** The machines of which it is known when they stood still: the how-to page brings no Python to the box. */
  private get observed(): readonly Machine[] {
    return this.contender.id === "product" ? [...this.lab.boxes, this.lab.world] : [this.lab.world];
  }

  /** The longest time for which a machine stood still within the last seconds, in seconds. */
  async stoodStill(withinS: number): Promise<number> {
    return longestStandstill(
      this.observed.filter((machine) => machine.isRunning()),
      withinS,
    );
  }

  private async bringBack(directory: string): Promise<void> {
    await this.lab.bringBack(directory);
    this.cloud.resume();
    await this.contender.load(directory);
  }

  private async keepVariant(key: string, timers: CloudTimers): Promise<void> {
    await this.cloud.setOptions(timers);
    for (const id of Object.keys((await this.cloud.report()).tunnels)) await this.cloud.deleteTunnel(id);
    await this.becomeWell();
    const directory = path.join(this.scratch, `variant-${this.variants.size}`);
    fs.mkdirSync(directory);
    await this.save(directory);
    this.variants.set(key, directory);
  }

  private async becomeWell(): Promise<void> {
    const traffic = await Traffic.start(this.lab, { intervalMs: INTERVAL_MS });
    const scene = new Scene(this.lab, this.cloud, this.contender, traffic);
    await scene.well(240);
    await this.cloud.waitUntilSettled({ timeoutS: 240 });
    await traffic.hangUp();
    this.options.log?.("all is well, traffic flows");
  }

  private async save(directory: string): Promise<void> {
    await this.cloud.hangUp();
    await this.contender.save(directory);
    await this.lab.save(directory);
  }
}
