import { AGENT } from "../product";
import type { Fault } from "../fault";

export default {
  what: "charon hangs (SIGSTOP) while others ask it too, until it takes no connection; then the agent is started anew.",
  async make(scene) {
    const began = Date.now();
    const ask = "timeout 5 swanctl --stats </dev/null >/dev/null 2>&1 &";
    await scene.box.succeed(
      `systemctl kill --signal=STOP strongswan; for n in $(seq 12); do ${ask} done; systemctl restart ${AGENT}`,
    );
    await scene.box.waitUntilSucceeds("timeout 2 swanctl --version && timeout 1 swanctl --stats", { intervalMs: 100 });
    const answers = (Date.now() - began) / 1000;
    await scene.bothUp();
    return { "charon answers": answers };
  },
  limits: { out: { gapS: 6 }, in: { gapS: 10 }, times: { "charon answers": 30 } },
} satisfies Fault;
