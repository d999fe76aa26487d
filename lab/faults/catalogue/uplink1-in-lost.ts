import type { Fault } from "../fault";

export default {
  what: "Uplink 1 loses what the cloud sends; what the box sends still arrives.",
  async make(scene) {
    await scene.cut("uplink1", "in");
    await scene.trafficBy(2);
  },
  limits: { out: { gapS: 3 }, in: { gapS: 4 }, switches: 1 },
} satisfies Fault;
