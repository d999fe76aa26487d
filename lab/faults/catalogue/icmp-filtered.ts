import type { Fault } from "../fault";

const RULES = "table ip fault { chain forward { type filter hook forward priority 0; ip protocol icmp drop; }; }";

export default {
  what: "ICMP is filtered on the way from the start; then uplink 1 goes silent.",
  async prepare(scene) {
    await scene.lab.in("inet", `nft '${RULES}'`);
    await scene.contender.refresh();
    await scene.well();
  },
  async make(scene) {
    await scene.cut("uplink1");
    await scene.trafficBy(2);
  },
  async undo(scene) {
    await scene.lab.in("inet", "nft delete table ip fault");
    await scene.restoreAll();
  },
  limits: { out: { gapS: 8 }, in: { gapS: 10 }, switches: 1 },
} satisfies Fault;
