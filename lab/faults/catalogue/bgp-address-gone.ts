import { BGP } from "../../network";
import type { Fault } from "../fault";

export default {
  // With the last address of an interface the kernel drops every route that leads into it.
  what: "Somebody takes the address of tunnel 1's BGP session away, and with it the kernel all routes into the tunnel.",
  bgp: true,
  async make(scene) {
    const [{ boxAddress }] = BGP.tunnels;
    const [name] = scene.contender.interfaces;
    await scene.box.succeed(`ip address del ${boxAddress}/30 dev ${name}`);
    await scene.box.waitUntilSucceeds(`ip address show dev ${name} | grep -qw ${boxAddress}`);
    await scene.trafficBy(1);
  },
  limits: { out: { gapS: 3 }, in: { gapS: 6 } },
} satisfies Fault;
