import type { Fault } from "../fault";

const DROP = "table inet fault { chain forward { type filter hook forward priority 0; policy drop; }; }";

export default {
  what: "Somebody's packet filter begins to drop all that the box forwards.",
  // A look that is under way would be joined, and the next one waits for as long as it took.
  prepare: (scene) =>
    scene.box.waitUntilSucceeds("! systemctl is-active --quiet 'dual-tunnel-vpn-repair@*'").then(() => undefined),
  async make(scene) {
    await scene.box.succeed(`nft '${DROP}'`);
    await scene.flowing();
  },
  undo: (scene) => scene.box.succeed("nft delete table inet fault").then(() => undefined),
  // Two looks one after the other, on a slow machine; where none is made, nothing ever passes again.
  limits: { out: { gapS: 20 }, in: { gapS: 20 }, switches: 0 },
  target: { out: { maxS: 5 }, in: { maxS: 5 } },
} satisfies Fault;
