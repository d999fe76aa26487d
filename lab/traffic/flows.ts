// Many hosts' flows through the tunnels at once: one UDP flow each, answered by a host in the VPC.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { RequestChannel } from "../machines/request-channel";
import type { Lab } from "../machines/lab";
import { ECS, LAN } from "../network";

export class Flows {
  /** Starts so many flows from the data center's server; each sends every few seconds until `stop`. */
  static async start(lab: Lab, count: number): Promise<Flows> {
    await lab.world.write(readFileSync(join(__dirname, "flows.py"), "utf8"), "/run/flows.py");
    const command = `exec python3 /run/flows.py ${count} dc ${LAN.server} ecs ${ECS.address}`;
    return new Flows(new RequestChannel(() => lab.world.channel(command)), count);
  }

  private constructor(
    private readonly channel: RequestChannel,
    private readonly count: number,
  ) {}

  /** Waits until every flow was answered after this moment. */
  async allAnswered(timeoutS = 60): Promise<void> {
    const { result, error } = await this.channel.ask({ within: timeoutS }, timeoutS + 30);
    if (result !== this.count)
      throw new Error(`${String(error ?? result)} of ${this.count} flows were answered within ${timeoutS} s.`);
  }

  async stop(): Promise<void> {
    await this.channel.close();
  }
}
