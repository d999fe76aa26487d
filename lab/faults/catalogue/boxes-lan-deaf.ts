import type { Fault } from "../fault";
import powerOff from "./boxes-power-off";

export default {
  what: "The LAN brings box 1 nothing any more, its carrier stays and what it sends arrives: box 1 asks the server, which does not answer, and gives the shared address up.",
  boxes: 2,
  bgp: true,
  prepare: (scene) => powerOff.prepare(scene),
  async make(scene) {
    await scene.cut("lan", "in");
    await scene.gatewayAt(2);
    await scene.cloudBy(2);
  },
  limits: powerOff.limits,
  // Only box 1 itself can tell, and it waits for a second.
  target: { out: { maxS: 1.5 }, in: { maxS: 1.5 } },
} satisfies Fault;
