import { setTimeout as delay } from "node:timers/promises";
import type { Fault } from "../fault";

export default {
  what: "The box's clock jumps an hour ahead, then two hours back, then is right again.",
  async make(scene) {
    for (const hours of [1, -2, 1]) {
      await scene.box.succeed(`date --set "@$(($(date +%s) + ${hours * 3600}))"`);
      // Three times as long as the agent needs to find a path dead.
      await delay(2000);
    }
  },
  limits: { out: { lost: 0 }, in: { lost: 0 }, switches: 0 },
} satisfies Fault;
