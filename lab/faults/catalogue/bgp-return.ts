import type { Fault } from "../fault";
import silent from "./bgp-uplink1-silent";

export default {
  what: "Uplink 1, silent before, is repaired: traffic returns, and the cloud is told so when the box has gone first.",
  bgp: true,
  async prepare(scene) {
    await silent.make(scene);
    await scene.flowing();
  },
  async make(scene) {
    await scene.restore("uplink1");
    await scene.trafficBy(1);
    await scene.cloudBy(1);
  },
  limits: { out: { gapS: 1.5, lost: 3 }, in: { gapS: 1.5, lost: 3 }, switches: 1 },
  target: { out: { lost: 0 }, in: { lost: 0 } },
} satisfies Fault;
