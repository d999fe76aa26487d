import type { Fault } from "../fault";
import silent from "./uplink1-silent";

export default {
  what: "Uplink 1, silent before, is repaired: traffic returns to the active tunnel.",
  async prepare(scene) {
    await silent.make(scene);
    await scene.flowing();
  },
  async make(scene) {
    await scene.restore("uplink1");
    await scene.trafficBy(1);
    await scene.cloudBy(1);
  },
  // A move of the outer path costs nothing where machines keep up; on a slow one a packet or two.
  limits: { out: { gapS: 1.5, lost: 3 }, in: { gapS: 1.5, lost: 3 }, switches: 2 },
  // The gateway replaces states and policies when its peer comes home.
  target: { out: { lost: 0 }, in: { lostWithSa: 0 } },
} satisfies Fault;
