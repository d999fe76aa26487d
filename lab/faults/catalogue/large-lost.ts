import { Tcp } from "../../traffic/tcp";
import type { Fault } from "../fault";

/** PPPoE's: what a path may lose without a word though both its ends believe in 1500. */
const LARGEST = 1492;
const RULES = `table ip fault { chain forward { type filter hook forward priority 0; meta length > ${LARGEST} counter drop; }; }`;
/** Well below what an emulated machine can do, so that nothing else is lost. */
const BITS_PER_SECOND = 1_000_000;

let tcp: Tcp;

export default {
  what: `Packets of more than ${LARGEST} bytes are dropped on both uplinks without a word, while TCP goes both ways.`,
  async prepare(scene) {
    tcp = await Tcp.start(scene.lab);
  },
  async make(scene) {
    for (const nat of ["nat1", "nat2"] as const) await scene.lab.in(nat, `nft '${RULES}'`);
    for (const way of ["out", "in"] as const) {
      const got = await tcp.run({ way, seconds: 3, bitsPerSecond: BITS_PER_SECOND });
      if (got < BITS_PER_SECOND / 4) throw new Error(`TCP stalled: ${got.toFixed(0)} bit/s arrived.`);
    }
    const counted =
      (await scene.lab.in("nat1", "nft list table ip fault")) + (await scene.lab.in("nat2", "nft list table ip fault"));
    if (/packets [1-9]/.test(counted))
      throw new Error(`Packets of more than ${LARGEST} bytes left the box or the cloud:\n${counted}`);
  },
  async undo(scene) {
    await tcp.stop();
    for (const nat of ["nat1", "nat2"] as const) await scene.lab.in(nat, "nft delete table ip fault");
  },
  limits: { out: { gapS: 2 }, in: { gapS: 2 }, switches: 0 },
} satisfies Fault;
