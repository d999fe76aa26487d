// A cloud end that holds each state back until the test lets it through: busy times without any clock.
import type { BgpSession, CloudEnd, CloudState, TunnelStatus } from "../../lab/cloud/cloud-end";

export class Gate implements CloudEnd {
  /** The states in the order in which they were handed over. */
  readonly states: CloudState[] = [];
  status: Record<string, TunnelStatus> = {};
  sessions: Record<string, BgpSession> = {};
  /** How many calls of apply are under way; more than one at a time breaks the contract. */
  running = 0;
  mostRunning = 0;
  private waiting: (() => void)[] = [];
  private isOpen = true;

  async apply(state: CloudState): Promise<void> {
    this.states.push(state);
    this.running += 1;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    if (!this.isOpen) await new Promise<void>((resolve) => this.waiting.push(resolve));
    this.running -= 1;
  }

  async tunnelStatus(): Promise<Record<string, TunnelStatus>> {
    return this.status;
  }

  async bgp(): Promise<Record<string, BgpSession>> {
    return this.sessions;
  }

  /** From now on states wait. */
  shut(): void {
    this.isOpen = false;
  }

  /** Lets through what waits, and what comes. */
  open(): void {
    this.isOpen = true;
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  get last(): CloudState {
    const state = this.states.at(-1);
    if (state === undefined) throw new Error("the cloud end was not told any state");
    return state;
  }
}

/** No delay at all: what is under way ends when the gate is open. */
export const NO_DELAYS = { vpcPending: 0, vSwitchPending: 0, gatewayProvisioning: 0, gatewayDeleting: 0, busy: 0 };
