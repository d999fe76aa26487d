import type { Fault } from "../fault";

export default {
  what: "The cloud's IKE daemon is killed and comes back knowing nothing; nobody tells the box.",
  async make(scene) {
    await scene.cloud.crashIke();
    await scene.cloudBy(1, 120);
    await scene.bothUp();
  },
  limits: { out: { gapS: 45 }, in: { gapS: 45 } },
} satisfies Fault;
