import type { Fault } from "../fault";
import powerOff from "./boxes-power-off";

export default {
  what: "Box 1, without power before, is back: it takes the shared address when its tunnel works.",
  boxes: 2,
  bgp: true,
  long: true,
  async prepare(scene) {
    await powerOff.prepare(scene);
    await powerOff.make(scene);
    await scene.flowing();
  },
  async make(scene) {
    await powerOff.undo(scene);
    await scene.well(180);
  },
  limits: { out: { gapS: 1.5, lost: 3 }, in: { gapS: 1.5, lost: 3 } },
  target: { out: { lost: 0 }, in: { lost: 0 } },
} satisfies Fault;
