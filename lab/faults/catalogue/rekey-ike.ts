import type { Fault } from "../fault";

export default {
  what: "The box rekeys the IKE_SA of the active tunnel under traffic.",
  async make(scene) {
    await scene.rekeyed("ike", () => scene.box.succeed(`swanctl --rekey --ike ${scene.contender.connections[0]}`));
  },
  limits: { out: { lost: 0 }, in: { lost: 0 }, switches: 0 },
  target: { out: { lost: 0 }, in: { lost: 0 }, switches: 0 },
} satisfies Fault;
