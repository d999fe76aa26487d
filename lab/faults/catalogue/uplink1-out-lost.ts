import type { Fault } from "../fault";

export default {
  what: "Uplink 1 loses what the box sends; what the cloud sends still arrives.",
  async make(scene) {
    await scene.cut("uplink1", "out");
    await scene.trafficBy(2);
  },
  limits: { out: { gapS: 3 }, in: { gapS: 4 }, switches: 1 },
} satisfies Fault;
