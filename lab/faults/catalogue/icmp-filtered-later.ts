import { setTimeout as delay } from "node:timers/promises";
import type { Fault } from "../fault";
import { filterIcmp, passIcmp } from "./icmp-filtered";

export default {
  what: "Somebody begins to filter ICMP on the way, while all else is well.",
  async make(scene) {
    await filterIcmp(scene);
    // Ten times as long as the agent needs to find a path dead.
    await delay(6_000);
  },
  undo: passIcmp,
  limits: { out: { gapS: 1.5 }, in: { gapS: 1.5 }, switches: 0 },
} satisfies Fault;
