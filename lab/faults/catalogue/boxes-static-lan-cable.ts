import type { Fault } from "../fault";
import cable from "./boxes-lan-cable";

export default {
  what: "The LAN's cable of box 1 of a site with two boxes and static routes is pulled: box 1 ends its tunnel, which tells the cloud.",
  boxes: 2,
  make: (scene) => cable.make(scene),
  undo: (scene) => cable.undo(scene),
  limits: { out: { gapS: 3 }, in: { gapS: 5 } },
  target: { out: { maxS: 0.9 }, in: { maxS: 1.5 } },
} satisfies Fault;
