import type { Fault } from "../fault";

export default {
  what: "strongSwan's unit is restarted.",
  async make(scene) {
    await scene.box.succeed("systemctl restart strongswan");
    await scene.bothUp();
  },
  limits: { out: { gapS: 10 }, in: { gapS: 10 } },
} satisfies Fault;
