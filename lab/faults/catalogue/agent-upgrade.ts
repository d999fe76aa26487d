import type { Fault } from "../fault";

const LIBRARY = "/usr/local/lib/dual-tunnel-vpn";

export default {
  what: "The failover agent gets another version of its code, as apply does it.",
  async make(scene) {
    await scene.anotherAgent(
      `cd ${LIBRARY} && readlink current >.before && cp -r "$(readlink -f current)" other && ` +
        "echo '# another version' >>other/dual_tunnel_vpn/agent/machine.py && ln -s other next && mv -T next current && " +
        "systemctl restart 'dual-tunnel-vpn-agent@*'",
    );
  },
  async undo(scene) {
    await scene.box.succeed(
      `cd ${LIBRARY} && ln -s "$(cat .before)" next && mv -T next current && rm -r other .before && ` +
        "systemctl restart 'dual-tunnel-vpn-agent@*'",
    );
  },
  limits: { out: { lost: 0 }, in: { lost: 0 }, switches: 0 },
  target: { out: { lost: 0 }, in: { lost: 0 }, switches: 0 },
} satisfies Fault;
