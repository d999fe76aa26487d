import type { Fault } from "../fault";

export default {
  what: "The cloud deletes tunnel 1.",
  async make(scene) {
    await scene.cloud.deleteTunnel(await scene.tunnelId(1));
    await scene.trafficBy(2);
    await scene.trafficBy(1);
  },
  limits: { out: { gapS: 2 }, in: { gapS: 2 }, switches: 2 },
} satisfies Fault;
