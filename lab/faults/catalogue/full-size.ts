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
    for (const way of ["out", "in"] as const) await tcp.run({ way, seconds: 3 });
    await sendLarge(scene.lab, 10);
    const counted = await fragments.read();
    if (counted[1].out.packets < 500) throw new Error(`Only ${counted[1].out.packets} packets left uplink 1.`);
    const seen = ([1, 2] as const).flatMap((number) => [counted[number].out.fragments, counted[number].in.fragments]);
    if (seen.some((count) => count > 0))
      throw new Error(`IP fragments on uplinks 1 and 2, out and in: ${seen.join(", ")}.`);
  },
  async undo() {
    await tcp.stop();
    await fragments.stop();
  },
  limits: { out: { gapS: 2 }, in: { gapS: 2 }, switches: 0 },
} satisfies Fault;
