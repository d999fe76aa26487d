import type { Fault } from "../fault";

/** What the box does before and after a change of the active tunnel, without the change. */
const planned = (call: string) =>
  `python3 -Bc 'import sys; sys.path.insert(0, "/usr/local/lib/dual-tunnel-vpn/current")
from dual_tunnel_vpn import planned
planned.${call}'`;

export default {
  what: "The active tunnel is held as for a change, and released.",
  // The lab carried 300 a second without loss for 20 s, but not for minutes on a busy host.
  intervalMs: 10,
  async make(scene) {
    await scene.box.succeed(planned('hold("singapore", 1)'));
    await scene.trafficBy(2);
    await scene.flowing();
    await scene.box.succeed(planned('release("singapore")'));
    await scene.trafficBy(1);
  },
  limits: { out: { lost: 0 }, in: { lost: 0 }, switches: 2 },
  target: { out: { lost: 0 }, in: { lost: 0 }, switches: 2 },
} satisfies Fault;
