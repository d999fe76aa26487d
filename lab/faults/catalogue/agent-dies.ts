import { AGENT } from "../product";
import type { Fault } from "../fault";

export default {
  what: "The failover agent has too little memory: it dies at each start, and status says so.",
  async make(scene) {
    await scene.box.succeed(
      `systemctl set-property --runtime ${AGENT} MemoryMax=5M && systemctl --no-block restart ${AGENT}`,
    );
    await scene.box.waitUntilSucceeds(`[ "$(systemctl show --property=NRestarts --value ${AGENT})" -ge 2 ]`);
    // Four looks, since it is in another state from one moment to the next.
    await scene.box.succeed(
      "for look in 1 2 3 4; do dual-tunnel-vpn status >/run/status; " +
        `[ $? -eq 1 ] && grep -q '! ${AGENT}.service .*started anew' /run/status || exit 1; done`,
    );
  },
  async undo(scene) {
    await scene.box.succeed(`systemctl revert ${AGENT} && systemctl restart ${AGENT}`);
  },
  limits: { out: { lost: 0 }, in: { lost: 0 }, switches: 0 },
  target: { out: { lost: 0 }, in: { lost: 0 }, switches: 0 },
} satisfies Fault;
