import type { Fault } from "../fault";

const DROP = "table inet fault { chain forward { type filter hook forward priority 0; policy drop; }; }";

export default {
  what: "Somebody's packet filter begins to drop all that the box forwards.",
  async make(scene) {
    await scene.box.succeed(`nft '${DROP}'`);
    await scene.flowing();
  },
  undo: (scene) => scene.box.succeed("nft delete table inet fault").then(() => undefined),
  limits: { out: { gapS: 8 }, in: { gapS: 8 }, switches: 0 },
  target: { out: { maxS: 5 }, in: { maxS: 5 } },
} satisfies Fault;
