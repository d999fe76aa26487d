import { UPLINKS } from "../../network";
import type { Fault } from "../fault";

const [{ egressIp }] = UPLINKS;
const snat = (rules: string[]) =>
  `nft 'flush chain ip nat postrouting; ${rules.map((rule) => `add rule ip nat postrouting oifname "wan" ${rule}`).join("; ")}' && conntrack -F`;

export default {
  what: "The NAT of uplink 1 forgets its mappings and gives the box other ports.",
  async make(scene) {
    await scene.lab.in("nat1", snat([`meta l4proto udp snat to ${egressIp}:30000-40000`, `snat to ${egressIp}`]));
  },
  undo: async (scene) => {
    await scene.lab.in("nat1", snat([`snat to ${egressIp}`]));
  },
  limits: { out: { gapS: 2 }, in: { gapS: 3 }, switches: 0 },
} satisfies Fault;
