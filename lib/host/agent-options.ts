// What can be chosen about the failover agent on a box.

/** The failover agent: how it probes, when it decides, what it may do. */
export interface AgentOptions {
  /**
   * Milliseconds between two probes of a path, 20 to 60000.
   * @default 100
   */
  readonly probeIntervalMs?: number;
  /**
   * Probes in a row that must be lost before a path counts as dead, 1 to 100. Fewer switch sooner and by mistake more often.
   * @default 6
   */
  readonly probeMisses?: number;
  /**
   * Seconds for which the active tunnel must be well before traffic returns to it, 0 to 3600.
   * @default 5
   */
  readonly holdSeconds?: number;
  /**
   * Addresses in the VPC that answer ping: the end-to-end proof that a tunnel carries traffic.
   * @default - none
   */
  readonly vpcProbeAddresses?: readonly string[];
  /**
   * Move the outer packets of the active tunnel to the other uplink when its own is dead.
   * @default true
   */
  readonly outerMove?: boolean;
  /**
   * Tell the cloud by the other uplink that the active tunnel is gone (an IKE DELETE), so that it switches at once.
   * @default true
   */
  readonly deleteByOtherUplink?: boolean;
}
