// TCP between the data center's server and hosts in the VPC (iperf3).
import type { Lab } from "../machines/lab";
import { ECS } from "../network";

const PID_FILE = "/run/iperf3.pid";
const RESULT = "/run/iperf3.json";

export interface TcpOptions {
  /** `out` is from the data center to the VPC. */
  readonly way: "out" | "in";
  readonly seconds: number;
  /** Connections at the same time. @default 1 */
  readonly streams?: number;
  /** Bits of payload that each sends in a second at most. @default as many as go */
  readonly bitsPerSecond?: number;
  /** Address of the instance in the VPC. @default the lab's */
  readonly address?: string;
}

export class Tcp {
  /** Starts the server in the VPC; it answers on every address that the instance has. */
  static async start(lab: Lab): Promise<Tcp> {
    await lab.in("ecs", `iperf3 --server --daemon --pidfile ${PID_FILE}`);
    return new Tcp(lab);
  }

  private constructor(private readonly lab: Lab) {}

  /** Bits of payload that arrived in a second, the first second's not counted; 0 where the connection stalled. */
  async run({ way, seconds, streams = 1, bitsPerSecond = 0, address = ECS.address }: TcpOptions): Promise<number> {
    const reverse = way === "in" ? "--reverse" : "";
    const client =
      `iperf3 --client ${address} --time ${seconds} --parallel ${streams} --bitrate ${bitsPerSecond} --omit 1 ` +
      `--connect-timeout 10000 --json ${reverse}`;
    // A server that is busy with the end of the run before refuses the next one.
    const refused = "unable to connect|server is busy|refused";
    const output = await this.lab
      .namespace("dc")
      .waitUntilSucceeds(
        `timeout ${seconds + 30} ${client} >${RESULT}; ! grep -Eq '"error":.*(${refused})' ${RESULT} && cat ${RESULT}`,
        { timeoutS: 120 },
      );
    const { end } = JSON.parse(output) as { end: { sum_received?: { bits_per_second: number } } };
    return end.sum_received?.bits_per_second ?? 0;
  }

  async stop(): Promise<void> {
    await this.lab.in("ecs", `kill "$(tr -d '\\0' <${PID_FILE})"`);
  }
}
