import type { Fault } from "../fault";

export default {
  what: "The cloud rekeys the IKE_SA of the active tunnel under traffic.",
  async make(scene) {
    const tunnel = await scene.tunnelId(1);
    await scene.rekeyed("ike", () => scene.cloud.rekey(tunnel, "ike"));
  },
  limits: { out: { lost: 0 }, in: { lost: 0 }, switches: 0 },
  target: { out: { lost: 0 }, in: { lost: 0 }, switches: 0 },
} satisfies Fault;
