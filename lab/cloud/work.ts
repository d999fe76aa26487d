// What goes on after a call has been answered: provisioning, a gateway's busy time, and driving the cloud end.
// Calls of the cloud end never overlap, nobody waits for one without a bound, and a failure is never silent.
import { setMaxListeners } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import type { BgpSession, CloudEnd, TunnelStatus } from "./cloud-end";
import { configuring } from "./errors";
import type { Store, VpnConnection, VpnGateway } from "./store";

/** Milliseconds each. */
export interface Delays {
  /** From CreateVpc and CreateVSwitch to Available. */
  readonly vpcPending: number;
  readonly vSwitchPending: number;
  /** From CreateVpnGateway to active. */
  readonly gatewayProvisioning: number;
  /** From DeleteVpnGateway to gone. */
  readonly gatewayDeleting: number;
  /** How long a change keeps a gateway updating at the least; it also waits for the cloud end. */
  readonly busy: number;
  /** How long a change waits for the cloud end at the most. */
  readonly cloudEndBound: number;
}

/** How long a Describe call may wait for what the cloud end tells of the tunnels before it answers with the last one known. */
const STATUS_WAIT_MS = 300;
/** How old that may be before it is asked for again. */
const STATUS_AGE_MS = 1000;

export class Work {
  private readonly stop = new AbortController();
  private readonly pending = new Set<Promise<void>>();
  private applying: Promise<void> = Promise.resolve();
  private readonly status: Told<TunnelStatus>;
  private readonly sessions: Told<BgpSession>;

  constructor(
    private readonly store: Store,
    readonly delays: Delays,
    private readonly cloudEnd: CloudEnd | undefined,
    private readonly fail: (message: string) => void,
  ) {
    // Each thing under way listens to it, however many there are.
    setMaxListeners(0, this.stop.signal);
    this.status = new Told("status", async () => (await cloudEnd?.tunnelStatus()) ?? {}, fail);
    this.sessions = new Told("BGP sessions", async () => (await cloudEnd?.bgp()) ?? {}, fail);
  }

  /** Runs something later, unless the server is closed before. */
  later(milliseconds: number, what: () => void): void {
    if (milliseconds === 0) return what();
    this.run(async () => {
      await this.sleep(milliseconds);
      what();
    });
  }

  /** Brings a new gateway into service. */
  provision(gateway: VpnGateway): void {
    this.run(async () => {
      await this.sleep(0);
      gateway.status = "provisioning";
      await Promise.all([this.sleep(this.delays.gatewayProvisioning), this.apply()]);
      gateway.status = "active";
    });
  }

  /** Takes a gateway out of service; its addresses go back to the pool. */
  remove(gateway: VpnGateway): void {
    gateway.status = "deleting";
    this.run(async () => {
      await Promise.all([this.sleep(this.delays.gatewayDeleting), this.apply()]);
      this.store.vpnGateways.delete(gateway.id);
      this.store.removeRoutes((route) => route.vpnGatewayId === gateway.id);
      this.store.returnIpsecAddresses(gateway.ipsecAddresses);
    });
  }

  /** Refuses when the gateway has a change under way or is not in service. */
  requireIdle(gateway: VpnGateway): void {
    if (gateway.status !== "active") throw configuring();
  }

  /**
   * Carries a change of the store to the cloud end; the gateway, and the connection when one is given, stay
   * updating until it is in force. `afterwards` removes what is deleted.
   */
  change(gateway: VpnGateway, connection?: VpnConnection, afterwards?: () => void): void {
    gateway.status = "updating";
    if (connection !== undefined && connection.state !== "deleting") connection.state = "updating";
    this.run(async () => {
      await Promise.all([this.sleep(this.delays.busy), this.apply()]);
      afterwards?.();
      if (connection?.state === "updating") connection.state = "active";
      gateway.status = "active";
    });
  }

  /** Has the cloud end follow what changes no gateway. */
  renew(): void {
    this.run(() => this.apply());
  }

  /** Hands the desired state to the cloud end after the calls before it; resolves when done, or at the bound. */
  async apply(): Promise<void> {
    const { cloudEnd } = this;
    if (cloudEnd === undefined) return;
    const mine = this.applying.then(async () => {
      try {
        await cloudEnd.apply(this.store.desiredState());
      } catch (error) {
        if (!this.stop.signal.aborted) this.fail(`the cloud end could not apply the state: ${reason(error)}`);
      }
    });
    this.applying = mine;
    const bound = this.delays.cloudEndBound;
    const late = new AbortController();
    const timer = delay(bound, "late", { ref: false, signal: AbortSignal.any([late.signal, this.stop.signal]) });
    const first = await Promise.race([mine, timer.catch(() => "stopped")]);
    late.abort();
    if (first === "late") this.fail(`the cloud end did not apply the state within ${bound} ms`);
  }

  /** The tunnels' status, at most a second old unless the cloud end is slow to tell. */
  tunnelStatus(): Promise<Readonly<Record<string, TunnelStatus>>> {
    return this.status.latest();
  }

  /** The tunnels' BGP sessions, at most a second old unless the cloud end is slow to tell. */
  bgpSessions(): Promise<Readonly<Record<string, BgpSession>>> {
    return this.sessions.latest();
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    while (this.pending.size > 0) await Promise.all(this.pending);
  }

  /** Stops all that waits; a call that the cloud end has under way is left to itself. */
  async close(): Promise<void> {
    this.stop.abort();
    await Promise.all(this.pending);
  }

  private run(what: () => Promise<void>): void {
    const done = what()
      .catch((error: unknown) => {
        if (!this.stop.signal.aborted) this.fail(`a change failed: ${reason(error)}`);
      })
      .finally(() => this.pending.delete(done));
    this.pending.add(done);
  }

  private async sleep(milliseconds: number): Promise<void> {
    await delay(milliseconds, undefined, { signal: this.stop.signal });
  }
}

/** Something that the cloud end tells of each tunnel by its id. */
class Told<T> {
  private value: Readonly<Record<string, T>> = {};
  private time = -Infinity;
  private asking: Promise<void> | undefined;

  constructor(
    private readonly what: string,
    private readonly look: () => Promise<Readonly<Record<string, T>>>,
    private readonly fail: (message: string) => void,
  ) {}

  async latest(): Promise<Readonly<Record<string, T>>> {
    if (performance.now() - this.time > STATUS_AGE_MS) {
      this.asking ??= this.ask();
      const enough = new AbortController();
      await Promise.race([
        this.asking,
        delay(STATUS_WAIT_MS, undefined, { ref: false, signal: enough.signal }).catch(() => undefined),
      ]);
      enough.abort();
    }
    return this.value;
  }

  private async ask(): Promise<void> {
    try {
      this.value = await this.look();
    } catch (error) {
      this.value = {};
      this.fail(`the cloud end could not tell the tunnels' ${this.what}: ${reason(error)}`);
    }
    this.time = performance.now();
    this.asking = undefined;
  }
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
