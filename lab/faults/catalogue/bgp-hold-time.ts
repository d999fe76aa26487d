import { AGENT } from "../product";
import type { Fault } from "../fault";

export default {
  what: "Uplink 1 goes silent while no agent runs: the cloud goes by the hold time of 3 s alone, until the agent runs again.",
  bgp: true,
  peer: "pinned",
  async prepare(scene) {
    await scene.box.succeed(`systemctl stop ${AGENT}`);
  },
  async make(scene) {
    const began = Date.now();
    await scene.cut("uplink1");
    await scene.cloudBy(2);
    const moved = (Date.now() - began) / 1000;
    await scene.box.succeed(`systemctl start ${AGENT}`);
    await scene.trafficBy(2);
    return { "cloud by tunnel 2": moved };
  },
  limits: { out: { gapS: 30 }, in: { gapS: 8 }, times: { "cloud by tunnel 2": 10 } },
  target: { out: {}, in: { maxS: 4 } },
} satisfies Fault;
