import { UPLINKS } from "../../network";
import type { Fault } from "../fault";
import silent from "./uplink1-silent";

export default {
  // It has to be as without the rules.
  ...silent,
  what: "Everything on uplink 1 is dropped silently, on a box with a rule by source and a table for each uplink.",
  async prepare(scene) {
    // As most guides for two providers tell. Without a priority they come before every rule that is there.
    for (const { number, address, gateway } of UPLINKS) {
      const table = 100 + number;
      await scene.box.succeed(
        `ip route add default via ${gateway} table ${table}; ip rule add from ${address} lookup ${table}`,
      );
    }
    await scene.untroubled();
  },
} satisfies Fault;
