import type { Fault } from "../fault";

export default {
  what: "charon hangs (SIGSTOP).",
  async make(scene) {
    const began = Date.now();
    await scene.box.succeed("systemctl kill --signal=STOP strongswan");
    // Asked without an end: who asks a charon that hangs is told when it is killed. A time limit of its own would
    // measure how long an emulated machine takes to start swanctl.
    await scene.box.waitUntilSucceeds("swanctl --stats", { intervalMs: 100 });
    const answers = (Date.now() - began) / 1000;
    await scene.bothUp();
    return { "charon answers": answers };
  },
  limits: { out: { gapS: 6 }, in: { gapS: 10 }, times: { "charon answers": 20 } },
  target: { out: { maxS: 3 }, in: { maxS: 4 }, times: { "charon answers": 10 } },
} satisfies Fault;
