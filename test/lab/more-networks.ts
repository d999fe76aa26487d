// More blocks in the VPC and in the data center of a lab that is up, for connections that carry several.
import type { Lab } from "../../lab/machines/lab";
import { ECS, LAN, MORE_LANS, MORE_VPC_HOSTS } from "../../lab/network";

/** Gives the instance, the VPC's router, the data center's server and the box's LAN their further addresses. */
export async function addNetworks(lab: Lab): Promise<void> {
  await lab.world.succeed(
    batch(
      "cloud",
      MORE_VPC_HOSTS.map(({ router }) => `address add ${router}/24 dev vpc`),
    ) +
      batch(
        "ecs",
        MORE_VPC_HOSTS.map(({ address }) => `address add ${address}/24 dev eth0`),
      ) +
      batch("dc", [
        ...MORE_LANS.map(({ server }) => `address add ${server}/24 dev lan`),
        ...MORE_VPC_HOSTS.filter(({ network }) => !network.startsWith("192.168.")).map(
          ({ network }) => `route add ${network} via ${LAN.box}`,
        ),
      ]),
  );
  await lab.box.succeed(
    `device=$(ip -o -4 address show to ${LAN.box} | awk '{ print $2 }')\n` +
      MORE_LANS.map(({ network }) => `ip route add ${network} dev "$device" src ${LAN.box}`).join(" && "),
  );
}

function batch(namespace: string, lines: readonly string[]): string {
  return `ip -netns ${namespace} -batch - <<'LINES' || exit 1\n${lines.join("\n")}\nLINES\n`;
}

/** An instance in the VPC and a server in the data center that are to reach each other. */
export type Pair = readonly [server: string, instance: string];

/** Waits until both reach each other, asking from either side. */
export async function reachEachOther(lab: Lab, [server, instance]: Pair, site: "dc" | "branch" = "dc"): Promise<void> {
  const ping = (from: string, to: string) => `ping -q -c 2 -i 0.2 -W 2 -I ${from} ${to}`;
  await Promise.all([
    lab.namespace(site).waitUntilSucceeds(ping(server, instance)),
    lab.namespace("ecs").waitUntilSucceeds(ping(instance, server)),
  ]);
}

/** The pair of the lab's first blocks. */
export const FIRST_PAIR: Pair = [LAN.server, ECS.address];
