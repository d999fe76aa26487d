import { setTimeout as delay } from "node:timers/promises";
import type { Fault } from "../fault";

const RULES = "table ip fault { chain forward { type filter hook forward priority 0; ip protocol icmp drop; }; }";

export default {
  what: "Somebody begins to filter ICMP on the way, while all else is well.",
  async make(scene) {
    await scene.lab.in("inet", `nft '${RULES}'`);
    // Ten times as long as the agent needs to find a path dead.
    await delay(6_000);
  },
  undo: async (scene) => {
    await scene.lab.in("inet", "nft delete table ip fault");
  },
  limits: { out: { gapS: 1.5 }, in: { gapS: 1.5 }, switches: 0 },
} satisfies Fault;
