import type { Fault } from "../fault";

export default {
  what: "charon is killed.",
  async make(scene) {
    await scene.box.succeed("systemctl kill --signal=KILL strongswan");
    await scene.bothUp();
  },
  limits: { out: { gapS: 3 }, in: { gapS: 6 } },
  target: { out: { maxS: 0.5 }, in: { maxS: 1.3 } },
} satisfies Fault;
