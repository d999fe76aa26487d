import type { Fault } from "../fault";

export default {
  what: "The cloud deletes both tunnels at once.",
  async make(scene) {
    const ids = [await scene.tunnelId(1), await scene.tunnelId(2)];
    await Promise.all(ids.map((id) => scene.cloud.deleteTunnel(id)));
    await scene.bothUp();
  },
  limits: { out: { gapS: 6 }, in: { gapS: 6 } },
} satisfies Fault;
