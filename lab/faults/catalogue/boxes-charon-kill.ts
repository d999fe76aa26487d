import type { Fault } from "../fault";
import powerOff from "./boxes-power-off";

export default {
  what: "charon of box 1 is killed.",
  boxes: 2,
  bgp: true,
  prepare: (scene) => powerOff.prepare(scene),
  async make(scene) {
    await scene.box.succeed("systemctl kill --signal=KILL strongswan");
    await scene.bothUp();
  },
  limits: { out: { gapS: 3 }, in: { gapS: 6 } },
  target: { out: { maxS: 1 }, in: { maxS: 1.3 } },
} satisfies Fault;
