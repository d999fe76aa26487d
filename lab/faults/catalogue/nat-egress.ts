import { UPLINKS } from "../../network";
import type { Fault } from "../fault";

const [{ egressIp }] = UPLINKS;
const OTHER = egressIp.replace(/\d+$/, "199");
const snat = (address: string) =>
  `nft 'flush chain ip nat postrouting; add rule ip nat postrouting oifname "wan" snat to ${address}' && conntrack -F`;

export default {
  what: "Uplink 1 gets another egress IP.",
  async make(scene) {
    await scene.lab.in("nat1", `ip address add ${OTHER}/24 dev wan && ${snat(OTHER)}`);
  },
  undo: async (scene) => {
    await scene.lab.in("nat1", `${snat(egressIp)} && ip address del ${OTHER}/24 dev wan`);
  },
  limits: { out: { gapS: 2 }, in: { gapS: 3 }, switches: 0 },
} satisfies Fault;
