import type { Fault } from "../fault";

/** 51 of the VPC's own and what is nobody's to announce. */
const FOREIGN = [
  "0.0.0.0/0",
  "100.64.0.0/10",
  "100.100.1.0/24",
  "10.99.0.0/16",
  "172.16.3.0/24",
  ...Array.from({ length: 51 }, (_, number) => `192.168.${100 + number}.0/24`),
];

export default {
  what: "The cloud announces a default route, its own block, blocks of others and 51 of the VPC's: no route changes.",
  bgp: true,
  async make(scene) {
    const routes = "ip -4 route show table all; ip -4 rule";
    const before = await scene.box.succeed(routes);
    await scene.cloud.setOptions({ alsoAnnounced: FOREIGN });
    const heard = async () => (await scene.sessions()).map((session) => session?.heard ?? []);
    await scene.until(async () => {
      const counts = (await heard()).map((blocks) => blocks.length);
      return counts.every((count) => count === 50) ? "" : `the sessions have ${counts.join(" and ")} blocks, not 50`;
    });
    const strange = (await heard()).flat().filter((block) => !block.startsWith("192.168."));
    if (strange.length > 0) throw new Error(`The box took ${strange.join(", ")}.`);
    const after = await scene.box.succeed(routes);
    if (after !== before) throw new Error(`Routes were\n${before}\nand are\n${after}`);
  },
  undo: (scene) => scene.cloud.setOptions({ alsoAnnounced: [] }),
  limits: { out: { lost: 0 }, in: { lost: 0 }, switches: 0 },
  target: { out: { lost: 0 }, in: { lost: 0 }, switches: 0 },
} satisfies Fault;
