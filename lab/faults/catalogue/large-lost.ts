import { ECS } from "../../network";
import type { Fault } from "../fault";

/** PPPoE's: what a path may lose without a word though both its ends believe in 1500. */
const LARGEST = 1492;
const RULES = `table ip fault { chain forward { type filter hook forward priority 0; meta length > ${LARGEST} counter drop; }; }`;

export default {
  what: `Packets of more than ${LARGEST} bytes are dropped on both uplinks without a word, while TCP goes both ways.`,
  async make(scene) {
    for (const nat of ["nat1", "nat2"] as const) await scene.lab.in(nat, `nft '${RULES}'`);
    await scene.lab.in("ecs", "iperf3 --server --one-off --daemon");
    const client = `iperf3 --client ${ECS.address} --time 3 --json --bidir`;
    await scene.lab.namespace("dc").waitUntilSucceeds(`${client} >/tmp/large-lost.json`, { timeoutS: 60 });
    const ended = JSON.parse(await scene.lab.in("dc", "cat /tmp/large-lost.json")) as {
      end: Record<"sum_received" | "sum_received_bidir_reverse", { bytes: number }>;
    };
    for (const way of ["sum_received", "sum_received_bidir_reverse"] as const) {
      if (ended.end[way].bytes < 500_000) throw new Error(`TCP stalled: ${ended.end[way].bytes} bytes in 3 s.`);
    }
    const counted =
      (await scene.lab.in("nat1", "nft list table ip fault")) + (await scene.lab.in("nat2", "nft list table ip fault"));
    if (/packets [1-9]/.test(counted))
      throw new Error(`Packets of more than ${LARGEST} bytes left the box or the cloud:\n${counted}`);
  },
  async undo(scene) {
    for (const nat of ["nat1", "nat2"] as const) await scene.lab.in(nat, "nft delete table ip fault");
  },
  limits: { out: { gapS: 2 }, in: { gapS: 2 }, switches: 0 },
} satisfies Fault;
