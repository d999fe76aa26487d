import type { Fault } from "../fault";
import silent from "./bgp-uplink1-silent";
import failback from "./failback";

export default {
  ...failback,
  what: "Uplink 1, silent before, is repaired: traffic returns, and the cloud is told so when the box has gone first.",
  bgp: true,
  async prepare(scene) {
    await silent.make(scene);
    await scene.flowing();
  },
  limits: { ...failback.limits, switches: 1 },
  target: { out: { lost: 0 }, in: { lost: 0 } },
} satisfies Fault;
