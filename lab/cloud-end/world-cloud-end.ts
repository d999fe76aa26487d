// The real cloud end: drives the daemon `cloud_end` (Python, beside this file) in the world machine's namespace `cloud`.
// Tests use what goes beyond CloudEnd: its report of SAs and counters, and the faults that only a gateway can make.
import { readdirSync } from "node:fs";
import * as path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { BgpSession, CloudEnd, CloudState, CloudTunnel, TunnelStatus } from "../cloud/cloud-end";
import type { Lab } from "../machines/lab";
import { ECS, INTERNET } from "../network";
import { RequestChannel, type Reply } from "../machines/request-channel";

/** What the gateway does with a tunnel's packets from an address that is not its customer gateway's. */
export type PeerPolicy =
  /** Follows an authenticated peer that moved, as strongSwan's responder does; never negotiates anew with a stranger. */
  | "cooperative"
  /** Takes IKE of established SAs, but no ESP. */
  | "ike-only"
  /** Takes nothing. */
  | "pinned";

/** How the gateway behaves where Alibaba's is unknown or a test needs another. */
export interface WorldCloudEndOptions {
  /** Seconds between looks at a silent peer. @default 10, as Alibaba's gateways */
  readonly dpdDelay?: number;
  /** Seconds until an IKE message is sent again. @default 4, strongSwan's */
  readonly retransmitTimeout?: number;
  /** Each further wait is longer by this factor. @default 1.8, strongSwan's */
  readonly retransmitBase?: number;
  /** A message is sent this often again before the peer counts as dead. @default 5, strongSwan's */
  readonly retransmitTries?: number;
  /** @default "cooperative" */
  readonly peer?: PeerPolicy;
  /** Whether a change of one tunnel restarts its sibling too; which one Alibaba does is unknown. @default "changed" */
  readonly restart?: "changed" | "both";
  /** Seconds between the gateway's BGP keepalives, unless a third of the hold time agreed on is less. @default 60 */
  readonly bgpKeepalive?: number;
  /** Seconds of BGP hold time that the gateway offers; the smaller one of both ends' counts. @default 180 */
  readonly bgpHold?: number;
  /** Whether a block's tunnel is chosen without looking at the MED. @default false */
  readonly ignoreMed?: boolean;
  /**
   * Whether the gateway offers BGP graceful restart: with a peer that offers it too, it keeps the routes of a session
   * that has ended. @default false
   */
  readonly gracefulRestart?: boolean;
  /** Whether the gateway has a BGP session with the tunnel only that it would send by without BGP. @default false */
  readonly activeSessionOnly?: boolean;
  /** Blocks that the gateway announces to every data center beside those of the VPC's vSwitches. @default [] */
  readonly alsoAnnounced?: readonly string[];
}

/** A CHILD_SA at the gateway. */
export interface ChildSa {
  readonly uniqueId: number;
  readonly state: string;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Whether its ESP travels in UDP. */
  readonly encapsulated: boolean;
}

/** An IKE_SA at the gateway with its CHILD_SAs. */
export interface IkeSa {
  readonly uniqueId: number;
  readonly state: string;
  readonly initiator: boolean;
  /** The peer as the gateway sees it now, `address:port`. */
  readonly peer: string;
  readonly children: readonly ChildSa[];
}

/** A tunnel as the gateway sees it. */
export interface TunnelReport {
  readonly connection: string;
  readonly role: "master" | "slave";
  readonly status: TunnelStatus;
  readonly sas: readonly IkeSa[];
}

/** A session, and the routes with their MED (0 where the other end sends none). */
export interface WorldBgpSession extends BgpSession {
  readonly routes: readonly (BgpSession["routes"][number] & { readonly med: number })[];
}

/** ESP packets and bytes (IP headers included) since the cloud end was started. */
export interface EspCount {
  readonly packets: number;
  readonly bytes: number;
}

/** What is true at the gateway now. */
export interface CloudReport {
  readonly tunnels: Readonly<Record<string, TunnelReport>>;
  /**
   * By connection id, the id of the tunnel that its traffic takes; null while none lives. With BGP: the tunnel that the
   * traffic for all of its blocks takes, null where there is none, or both are used.
   */
  readonly carrying: Readonly<Record<string, string | null>>;
  readonly counters: {
    /** What the gateway took and sent. */
    readonly gateway: readonly (EspCount & {
      readonly direction: "received" | "sent";
      readonly ipsecAddress: string;
      readonly peerAddress: string;
    })[];
    /** What each uplink's NAT let through: which tunnel used which uplink. */
    readonly uplinks: readonly (EspCount & {
      readonly uplink: "nat1" | "nat2";
      readonly direction: "toCloud" | "toBox";
      readonly ipsecAddress: string;
    })[];
  };
}

const CODE = "/usr/local/lib/cloud-end";
const RUN = "/run/cloud-end";
const UNITS = ["cloud-end.service", "cloud-end-charon.service", "cloud-end-bgpd.service"];
const BOX_PACKAGE = path.join(__dirname, "../../assets/dual_tunnel_vpn");

export class WorldCloudEnd implements CloudEnd {
  private started?: Promise<void>;
  private daemon?: RequestChannel;

  constructor(
    private readonly lab: Pick<Lab, "world">,
    private readonly options: WorldCloudEndOptions = {},
  ) {}

  /** Puts the daemon on the world machine and starts it, if that was not done yet. Every other method does it too. */
  start(): Promise<void> {
    this.started ??= this.install().catch((error: unknown) => {
      this.started = undefined;
      throw error;
    });
    return this.started;
  }

  private async install(): Promise<void> {
    const modules = path.join(__dirname, "cloud_end");
    const files: [string, string][] = [
      ...readdirSync(modules)
        .filter((name) => name.endsWith(".py"))
        .map((name): [string, string] => [path.join(modules, name), `${CODE}/cloud_end/${name}`]),
      // One vici and one netlink client in the repository: the box's.
      ...["__init__.py", "ipsec/__init__.py", "ipsec/vici.py", "net/__init__.py", "net/netlink.py"].map(
        (name): [string, string] => [path.join(BOX_PACKAGE, name), `${CODE}/dual_tunnel_vpn/${name}`],
      ),
      ...UNITS.map((name): [string, string] => [path.join(__dirname, name), `/run/systemd/system/${name}`]),
    ];
    const { world } = this.lab;
    await world.succeed(
      `systemctl stop ${UNITS.join(" ")} 2>/dev/null; ` +
        `rm -rf ${CODE} ${RUN} && mkdir -p ${CODE}/cloud_end ${CODE}/dual_tunnel_vpn/ipsec ${CODE}/dual_tunnel_vpn/net && mkdir -m 700 ${RUN}`,
    );
    for (const [local, remote] of files) await world.upload(local, remote);
    const where = {
      publicAddress: INTERNET.cloud.primary,
      vpcAddress: ECS.router,
      cloudNetwork: INTERNET.cloud.network,
      uplinks: ["nat1", "nat2"],
    };
    await world.write(JSON.stringify({ ...where, ...this.options }), `${RUN}/options.json`);
    const { status } = await world.execute(`systemctl daemon-reload && systemctl start ${UNITS[0]}`);
    if (status !== 0) throw new Error(`The cloud end did not start:\n${await this.log(20)}`);
  }

  /** Stops the gateway; its SAs end with it. A later call starts another, with nothing in it. */
  async stop(): Promise<void> {
    this.started = undefined;
    await this.hangUp();
    await this.lab.world.succeed(`systemctl stop ${UNITS.join(" ")}`);
  }

  /** Ends the conversation with the gateway's daemon; the next request begins another. */
  async hangUp(): Promise<void> {
    await this.daemon?.close();
    this.daemon = undefined;
  }

  /** The world machine was brought back with the gateway running in it. */
  resume(): void {
    this.started = Promise.resolve();
    this.daemon = undefined;
  }

  private async call(request: Readonly<Record<string, unknown>>): Promise<unknown> {
    await this.start();
    this.daemon ??= new RequestChannel(() => this.lab.world.socket(`${RUN}/control`));
    const { result, error } = await this.daemon.ask(request, 120).catch((failure: Error): Reply => {
      return { error: failure.message };
    });
    if (error !== undefined) throw new Error(`The cloud end refused ${String(request.verb)}: ${error}`);
    return result;
  }

  async apply(state: CloudState): Promise<void> {
    await this.call({ verb: "apply", state });
  }

  async tunnelStatus(): Promise<Readonly<Record<string, TunnelStatus>>> {
    return (await this.call({ verb: "status" })) as Record<string, TunnelStatus>;
  }

  /** What each tunnel's BGP session has reached, and what the gateway takes of what came by it. */
  async bgp(): Promise<Readonly<Record<string, WorldBgpSession>>> {
    return (await this.call({ verb: "bgp" })) as Record<string, WorldBgpSession>;
  }

  /** SAs, carrying tunnels and counters. */
  async report(): Promise<CloudReport> {
    return (await this.call({ verb: "report" })) as CloudReport;
  }

  /**
   * Waits until every connection's traffic takes its tunnel of this role.
   * @param timeoutS seconds after which an Error says what carries instead @default 60
   */
  async waitForTrafficVia(role: CloudTunnel["role"], { timeoutS = 60 } = {}): Promise<void> {
    const deadline = Date.now() + timeoutS * 1000;
    for (;;) {
      const { carrying, tunnels } = await this.report();
      const roles = Object.values(carrying).map((id) => (id === null ? undefined : tunnels[id].role));
      if (roles.length > 0 && roles.every((carrier) => carrier === role)) return;
      if (Date.now() > deadline) {
        throw new Error(
          `The cloud end did not send by the ${role} tunnel within ${timeoutS} s: ${JSON.stringify(carrying)}
${await this.log(40)}`,
        );
      }
      await delay(200);
    }
  }

  /**
   * Waits until each tunnel has one IKE_SA, established: both ends may negotiate at once, and the end of the second
   * IKE_SA, ten seconds later, would count as what a test did.
   * @param timeoutS seconds after which an Error says what there is @default 120
   */
  async waitUntilSettled({ timeoutS = 120 } = {}): Promise<void> {
    const deadline = Date.now() + timeoutS * 1000;
    while (!((await this.call({ verb: "settle" })) as boolean)) {
      if (Date.now() > deadline) {
        const { tunnels } = await this.report();
        throw new Error(
          `A tunnel did not come to one IKE_SA within ${timeoutS} s: ${JSON.stringify(tunnels)}\n${await this.log(60)}`,
        );
      }
      await delay(200);
    }
  }

  /**
   * Changes how the gateway behaves. A peer policy holds at once; DPD delay and retransmission hold for SAs that are
   * negotiated from then on; another keepalive or hold time, or another graceful restart, ends the BGP sessions, which
   * come up again with it.
   */
  async setOptions(options: WorldCloudEndOptions): Promise<void> {
    await this.call({ verb: "options", options });
  }

  /** Deletes a tunnel's SAs at the gateway, which tells the peer; it does not negotiate again by itself. */
  async deleteTunnel(tunnelId: string): Promise<void> {
    await this.call({ verb: "terminate", tunnel: tunnelId });
  }

  /** Negotiates a tunnel from the gateway's side; does not wait for the outcome. */
  async initiateTunnel(tunnelId: string): Promise<void> {
    await this.call({ verb: "initiate", tunnel: tunnelId });
  }

  /** Rekeys a tunnel from the gateway's side. */
  async rekey(tunnelId: string, what: "child" | "ike"): Promise<void> {
    await this.call({ verb: "rekey", tunnel: tunnelId, what });
  }

  /** Restarts the gateway's IKE daemon in good order: peers are told that every SA ends. */
  async restartIke(): Promise<void> {
    await this.call({ verb: "restart", crash: false });
  }

  /** Kills the gateway's IKE daemon; it comes back, and nobody was told. */
  async crashIke(): Promise<void> {
    await this.call({ verb: "restart", crash: true });
  }

  /** Makes an IPsec address answer nothing any more, ICMP included; its SAs stay at the gateway. */
  async loseIpsecAddress(address: string): Promise<void> {
    await this.call({ verb: "lose", address, lost: true });
  }

  /** Ends `loseIpsecAddress`. */
  async returnIpsecAddress(address: string): Promise<void> {
    await this.call({ verb: "lose", address, lost: false });
  }

  /** The gateway's log: what it did and charon's own words, newest last. For a failed test's message. */
  async log(lines = 200): Promise<string> {
    return this.lab.world.succeed(
      `journalctl --no-pager -o short-precise -n ${lines} ${UNITS.map((u) => `-u ${u}`).join(" ")}`,
    );
  }
}
