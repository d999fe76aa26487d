import type { Fault } from "../fault";

let repair: (() => Promise<void>) | undefined;

export default {
  what: "The how-to's drill: the active tunnel's pre-shared key is changed at the cloud.",
  async make(scene) {
    repair = await scene.contender.breakActivePsk();
    await scene.trafficBy(2);
    await scene.cloudBy(2);
  },
  undo: async () => repair?.(),
  limits: { out: { gapS: 2 }, in: { gapS: 2 }, switches: 1 },
  target: { out: { maxS: 0.4 }, in: { maxS: 0.5 } },
} satisfies Fault;
