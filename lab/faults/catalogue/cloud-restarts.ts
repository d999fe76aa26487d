import type { Fault } from "../fault";

export default {
  what: "The cloud's IKE daemon restarts in good order.",
  async make(scene) {
    await scene.cloud.restartIke();
    await scene.bothUp();
  },
  limits: { out: { gapS: 15 }, in: { gapS: 15 } },
} satisfies Fault;
