// Packets as large as hosts of an Ethernet send them, without the wish not to be fragmented.
import type { Lab } from "../machines/lab";
import { ECS } from "../network";

/** IP_MTU_DISCOVER, IP_PMTUDISC_DONT: the packets carry no DF. */
const UDP = (count: number, address: string) =>
  `python3 -c 'import socket
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.setsockopt(socket.IPPROTO_IP, 10, 0)
for _ in range(${count}): udp.sendto(bytes(1472), ("${address}", 9))'`;

/** Sends so many each of UDP (1,500 bytes) and of ICMP echoes (1,500 and 4,000 bytes) from the data center to the VPC. */
export async function sendLarge(lab: Lab, count: number, address: string = ECS.address): Promise<void> {
  const ping = (bytes: number) => `ping -q -M dont -c ${count} -i 0.05 -s ${bytes - 28} ${address}`;
  await lab.in("dc", [UDP(count, address), ping(1500), ping(4000)].join("\n"));
}
