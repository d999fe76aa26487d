import type { Fault } from "../fault";

export default {
  what: "Uplink 1 goes silent, and the cloud takes IKE but no ESP of tunnel 1 from the other egress IP.",
  peer: "ike-only",
  async make(scene) {
    await scene.cut("uplink1");
    await scene.trafficBy(2);
    await scene.cloudBy(2);
  },
  limits: { out: { gapS: 3 }, in: { gapS: 6 }, switches: 1 },
  target: { out: { medianS: 0.8, maxS: 1.2 }, in: { medianS: 1.8, maxS: 2.4 } },
} satisfies Fault;
