// Measures what a fault does to hosts' traffic: a steady flow both ways between the data center and the VPC.
import { readFileSync } from "fs";
import { join } from "path";
import { createInterface } from "readline";
import { setTimeout as delay } from "timers/promises";
import type { ClientChannel } from "ssh2";
import { ECS, LAN } from "../network";
import type { Lab, NamespaceName } from "../machines/lab";
import { quote } from "../machines/shell";

/** What one direction saw in a window. */
export interface DirectionReport {
  /** Longest interval between packets that arrived, seconds; an interval still open ends at the window's end. */
  readonly longestGapS: number;
  /** When that interval began, seconds after the window's start (slightly negative when it began just before). */
  readonly gapBeganS: number;
  /** Seconds since the last packet arrived. */
  readonly silentS: number;
  /** Packets sent; those of the last second are not counted, as they may be under way. */
  readonly sent: number;
  /** Of these, how many did not arrive. */
  readonly lost: number;
}

export interface TrafficReport {
  /** From the data center to the VPC. */
  readonly out: DirectionReport;
  /** From the VPC to the data center. */
  readonly in: DirectionReport;
}

/** A moment of the flow's clock. */
export interface Mark {
  readonly atS: number;
}

export interface TrafficEnd {
  readonly namespace: NamespaceName;
  readonly address: string;
}

export interface TrafficOptions {
  /** Milliseconds between packets, each way. @default 100 */
  readonly intervalMs?: number;
  /** Where `out` comes from. @default the data center's server */
  readonly from?: TrafficEnd;
  /** Where `out` goes to. @default the instance in the VPC */
  readonly to?: TrafficEnd;
}

interface Answer extends Partial<TrafficReport> {
  readonly id: number;
  readonly now: number;
}

export class Traffic {
  /** Starts a flow both ways; it goes on until `stop`, whatever is lost. */
  static async start(lab: Lab, options: TrafficOptions = {}): Promise<Traffic> {
    const { intervalMs = 100 } = options;
    const from = options.from ?? { namespace: "dc", address: LAN.server };
    const to = options.to ?? { namespace: "ecs", address: ECS.address };
    const script = readFileSync(join(__dirname, "flow.py"), "utf8");
    const channel = await lab.world.channel(
      ["exec python3 -c", quote(script), intervalMs, from.namespace, from.address, to.namespace, to.address].join(" "),
    );
    const traffic = new Traffic(channel);
    await traffic.ready;
    return traffic;
  }

  private readonly ready: Promise<void>;
  private readonly waiting = new Map<number, { resolve: (answer: Answer) => void; reject: (error: Error) => void }>();
  private ended?: Error;
  private lastId = 0;

  private constructor(private readonly channel: ClientChannel) {
    let errors = "";
    channel.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
    this.ready = new Promise((resolve, reject) => {
      createInterface({ input: channel }).on("line", (line) => {
        const message = JSON.parse(line) as Answer | { ready: true };
        if ("ready" in message) return resolve();
        this.waiting.get(message.id)?.resolve(message);
        this.waiting.delete(message.id);
      });
      channel.on("close", () => {
        this.ended = new Error(`The traffic's sender in the world machine ended. ${errors.trim()}`.trim());
        for (const { reject: refuse } of this.waiting.values()) refuse(this.ended);
        reject(this.ended);
      });
    });
  }

  private ask(verb: "mark" | "report", since?: number): Promise<Answer> {
    if (this.ended) return Promise.reject(this.ended);
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.channel.write(`${JSON.stringify({ id, verb, since })}\n`);
    });
  }

  /** Notes this moment. */
  async mark(): Promise<Mark> {
    return { atS: (await this.ask("mark")).now };
  }

  /** What happened since a moment; the flow goes on. */
  async since(mark: Mark): Promise<TrafficReport> {
    const answer = await this.ask("report", mark.atS);
    return { out: answer.out as DirectionReport, in: answer.in as DirectionReport };
  }

  /**
   * Waits until both directions have had no gap above `gapS` for `forS` seconds, counted from now on: what was before
   * tells nothing about a fault that has just been made.
   * @throws when that has not come within `timeoutS` seconds
   */
  async waitUntilFlowing({ timeoutS = 60, forS = 1.2, gapS = 0.5 } = {}): Promise<void> {
    const began = (await this.mark()).atS;
    for (;;) {
      const { atS } = await this.mark();
      const { out, in: back } = await this.since({ atS: Math.max(began, atS - forS) });
      if (atS - began >= forS && Math.max(out.longestGapS, back.longestGapS) <= gapS) return;
      if (atS - began > timeoutS) {
        const silent = `${out.silentS.toFixed(1)} s towards the VPC, ${back.silentS.toFixed(1)} s towards the data center`;
        throw new Error(`Traffic did not flow both ways within ${timeoutS} s; silent since ${silent}.`);
      }
      await delay(200);
    }
  }

  /** Ends the flow; gives what happened since its start. */
  async stop(): Promise<TrafficReport> {
    const report = await this.since({ atS: 0 });
    const closed = new Promise((resolve) => this.channel.once("close", resolve));
    this.channel.end();
    await closed;
    return report;
  }
}
