import type { Fault } from "../fault";

/** Timers of a gateway that notices by itself within a test's patience. */
export const CLOUD_TIMERS = { dpdDelay: 2, retransmitTimeout: 0.5, retransmitBase: 1.4, retransmitTries: 4 };

/** Seconds after which a gateway with these timers gives up a silent peer: its DPD delay, then five waits for an answer. */
export const OWN_DETECTION_S = 2 + 0.5 * (1 + 1.4 + 1.4 ** 2 + 1.4 ** 3 + 1.4 ** 4);

export default {
  what: "Uplink 1 goes silent, and the cloud ignores whatever of tunnel 1 comes from the other egress IP (its own DPD: 2 s, then 5.5 s).",
  peer: "pinned",
  cloudTimers: CLOUD_TIMERS,
  async make(scene) {
    await scene.cut("uplink1");
    await scene.trafficBy(2);
    await scene.cloudBy(2);
  },
  limits: { out: { gapS: 3 }, in: { gapS: OWN_DETECTION_S + 4 }, switches: 1 },
  // Nothing worse than the cloud alone, which comes up to two seconds later than its timers say: 7.4 to 9.4 s with the
  // mechanisms that lean on the cloud switched off (docs/failover.md).
  target: { out: { medianS: 0.8, maxS: 1.2 }, in: { maxS: OWN_DETECTION_S + 2 } },
} satisfies Fault;
