// Measures what a fault does to hosts' traffic: a steady flow both ways between the data center and the VPC.
import { readFileSync } from "fs";
import { join } from "path";
import { setTimeout as delay } from "timers/promises";
import { RequestChannel, type Reply } from "../machines/request-channel";
import { ECS, LAN } from "../network";
import type { Lab, NamespaceName } from "../machines/lab";

/** What one direction saw in a window. */
export interface DirectionReport {
  /** Longest interval between packets that arrived, seconds; an interval still open ends at the window's end. */
  readonly longestGapS: number;
  /** When that interval began, seconds after the window's start (slightly negative when it began just before). */
  readonly gapBeganS: number;
  /** Seconds since the last packet arrived. */
  readonly silentS: number;
  /**
   * Packets sent; not counted are those that may be under way: of the last second, and of the last five where none that
   * was sent later has arrived.
   */
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
  readonly now: number;
}

const UNIT = "lab-traffic";
const SCRIPT = "/run/lab-traffic.py";
const SOCKET = "/run/lab-traffic.socket";

export class Traffic {
  /** Starts a flow both ways, in place of one that goes on; it goes on until `stop`, whatever is lost. */
  static async start(lab: Lab, options: TrafficOptions = {}): Promise<Traffic> {
    const { intervalMs = 100 } = options;
    const from = options.from ?? { namespace: "dc", address: LAN.server };
    const to = options.to ?? { namespace: "ecs", address: ECS.address };
    await lab.world.write(readFileSync(join(__dirname, "flow.py"), "utf8"), SCRIPT);
    const ends = [from.namespace, from.address, to.namespace, to.address].join(" ");
    await lab.world.succeed(
      `systemctl stop ${UNIT} 2>/dev/null; rm -f ${SOCKET} ${SOCKET}.new; ` +
        `systemd-run --quiet --collect --unit=${UNIT} python3 ${SCRIPT} ${SOCKET} ${intervalMs} ${ends}`,
    );
    await lab.world.waitUntilSucceeds(`test -S ${SOCKET}`, { intervalMs: 50 });
    return new Traffic(lab);
  }

  /** A flow that was started before, by another process perhaps. */
  static going(lab: Lab): Traffic {
    return new Traffic(lab);
  }

  private readonly channel: RequestChannel;

  private constructor(private readonly lab: Lab) {
    this.channel = new RequestChannel(() => lab.world.socket(SOCKET));
  }

  private async ask(verb: "mark" | "report", since?: number): Promise<Answer> {
    const { result, error } = await this.channel.ask({ verb, since }, 60).catch((failure: Error): Reply => {
      return { error: failure.message };
    });
    if (error !== undefined) {
      const { stdout } = await this.lab.world.execute(`journalctl --no-pager -o cat -n 5 -u ${UNIT}`);
      throw new Error(`The traffic's sender in the world machine does not answer: ${error}\n${stdout}`.trim());
    }
    return result as Answer;
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

  /** Ends the conversation with the flow, which goes on. */
  async hangUp(): Promise<void> {
    await this.channel.close();
  }

  /** Ends the flow; gives what happened since its start. */
  async stop(): Promise<TrafficReport> {
    const report = await this.since({ atS: 0 });
    await this.hangUp();
    await this.lab.world.succeed(`systemctl stop ${UNIT}`);
    return report;
  }
}
