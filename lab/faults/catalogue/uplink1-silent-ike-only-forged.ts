import { IPSEC_ADDRESSES, UPLINKS } from "../../network";
import type { Fault } from "../fault";

/** Sends what looks like tunnel 1's ESP in UDP to the second uplink, twenty times a second, from its gateway. */
const FORGE = `
import random, socket, struct, time
source, target = "${IPSEC_ADDRESSES[0]}", "${UPLINKS[1].address}"
sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
while True:
    body = struct.pack("!II", random.randrange(1 << 28, 1 << 32), 1) + random.randbytes(88)
    udp = struct.pack("!HHHH", 4500, 4500, 8 + len(body), 0) + body
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, socket.IPPROTO_UDP, 0)
    sock.sendto(head + socket.inet_aton(source) + socket.inet_aton(target) + udp, (target, 0))
    time.sleep(0.05)
`;

export default {
  what: "Uplink 1 goes silent, the cloud takes only IKE of tunnel 1 from the other egress IP, and somebody forges its ESP.",
  peer: "ike-only",
  async make(scene) {
    const start = 'script=$(cat); setsid python3 -c "$script" </dev/null >/dev/null 2>&1 & echo $!';
    const began = await scene.boxClock();
    const pid = await scene.lab.in("nat2", start, { stdin: FORGE });
    try {
      await scene.cut("uplink1");
      await scene.until(async () => {
        const told = await scene.contender.story(began);
        return told.some((line) => line.includes("the cloud does not follow")) ? "" : "forged ESP counts as proof";
      }, 30);
      await scene.trafficBy(2);
      await scene.cloudBy(2);
    } finally {
      await scene.lab.in("nat2", `kill ${pid}`);
    }
  },
  limits: { out: { gapS: 3 }, in: { gapS: 6 }, switches: 1 },
  target: { out: { medianS: 0.8, maxS: 1.2 }, in: { medianS: 1.8, maxS: 2.4 } },
} satisfies Fault;
