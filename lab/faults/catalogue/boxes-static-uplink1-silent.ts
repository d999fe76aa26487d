import type { Fault } from "../fault";
import { CLOUD_TIMERS, OWN_DETECTION_S } from "./uplink1-silent-pinned";

export default {
  what: "The uplink of box 1 of a site with two boxes and static routes goes silent (the cloud's own DPD: 2 s, then 5.5 s).",
  boxes: 2,
  peer: "pinned",
  cloudTimers: CLOUD_TIMERS,
  async make(scene) {
    await scene.cut("uplink1");
    await scene.trafficBy(2);
    await scene.cloudBy(2);
  },
  limits: { out: { gapS: 3 }, in: { gapS: OWN_DETECTION_S + 4 } },
  target: { out: { maxS: 1 }, in: { maxS: OWN_DETECTION_S + 2 } },
} satisfies Fault;
