import type { Fault } from "../fault";

export default {
  what: "The box rekeys the CHILD_SA of the active tunnel under traffic.",
  async make(scene) {
    await scene.rekeyed("child", () => scene.box.succeed(`swanctl --rekey --child ${scene.contender.children[0]}`));
  },
  limits: { out: { lost: 0 }, in: { lost: 0 }, switches: 0 },
  target: { out: { lost: 0 }, in: { lost: 0 }, switches: 0 },
} satisfies Fault;
