import { Flows } from "../../traffic/flows";
import type { Fault } from "../fault";

const COUNT = 2000;
let flows: Flows | undefined;

export default {
  what: `Uplink 1 goes silent while ${COUNT} hosts' flows of the LAN are answered from the VPC.`,
  long: true,
  async prepare(scene) {
    flows = await Flows.start(scene.lab, COUNT);
    await flows.allAnswered();
  },
  async make(scene) {
    await scene.cut("uplink1");
    await scene.trafficBy(2);
    await scene.flowing();
    await flows?.allAnswered();
  },
  async undo(scene) {
    await flows?.stop();
    await scene.restoreAll();
  },
  limits: { out: { gapS: 4 }, in: { gapS: 5 }, switches: 1 },
} satisfies Fault;
