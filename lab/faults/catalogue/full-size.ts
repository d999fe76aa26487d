import { Fragments } from "../../traffic/fragments";
import { sendLarge } from "../../traffic/large";
import { Tcp } from "../../traffic/tcp";
import type { Fault } from "../fault";

let fragments: Fragments;
let tcp: Tcp;

export default {
  what: "TCP goes both ways as fast as it can, and UDP and ICMP in packets too large for a tunnel: no IP fragment leaves an uplink.",
  async prepare(scene) {
    fragments = await Fragments.count(scene.lab);
    tcp = await Tcp.start(scene.lab);
  },
  async make(scene) {
    // First, and with what was learnt of the way's MTU before forgotten: a host that knows it fragments by itself.
    await scene.lab.in("dc", "ip route flush cache");
    await sendLarge(scene.lab, 10);
    for (const way of ["out", "in"] as const) await tcp.run({ way, seconds: 3 });
    const counted = await fragments.read();
    const sent = counted[1].out.packets + counted[2].out.packets;
    if (sent < 500) throw new Error(`Only ${sent} packets left the uplinks.`);
    const seen = ([1, 2] as const).flatMap((number) => [counted[number].out.fragments, counted[number].in.fragments]);
    if (seen.some((count) => count > 0))
      throw new Error(`IP fragments on uplinks 1 and 2, out and in: ${seen.join(", ")}.`);
  },
  async undo() {
    await tcp.stop();
    await fragments.stop();
  },
  // How often traffic changes its tunnel is not limited: an uplink that is full may lose probes too.
  limits: { out: { gapS: 6 }, in: { gapS: 6 } },
} satisfies Fault;
