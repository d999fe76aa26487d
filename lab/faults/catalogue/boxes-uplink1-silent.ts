import type { Fault } from "../fault";
import powerOff from "./boxes-power-off";

export default {
  what: "The uplink of box 1 goes silent: it keeps the shared address, and leads traffic to box 2.",
  boxes: 2,
  bgp: true,
  prepare: (scene) => powerOff.prepare(scene),
  async make(scene) {
    await scene.cut("uplink1");
    await scene.trafficBy(2);
    await scene.gatewayAt(1);
    await scene.cloudBy(2);
  },
  limits: { out: { gapS: 3 }, in: { gapS: 5 } },
  target: { out: { maxS: 1 }, in: { maxS: 1.2 } },
} satisfies Fault;
