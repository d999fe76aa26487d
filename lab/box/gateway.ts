// Which of two boxes the LAN sends what is for the VPC to, and what becomes of it there, as their kernels have it.
import type { Lab } from "../machines/lab";
import type { Machine } from "../machines/machine";
import { ECS, TWO_BOXES } from "../network";

type BoxNumber = 1 | 2;

const has = async (box: Machine, address: string) =>
  box.isRunning() && (await box.execute(`ip -4 -o address show to ${address} | grep -q .`)).status === 0;

/** The numbers of the boxes that have the shared address: one, unless something is amiss. */
export async function holdersOf({ boxes }: Pick<Lab, "boxes">): Promise<BoxNumber[]> {
  const found = await Promise.all(boxes.map((box) => has(box, TWO_BOXES.virtualGateway)));
  return ([1, 2] as const).filter((number) => found[number - 1]);
}

/**
 * The tunnel that a box leads into what it gets for the VPC, directly or by the other box.
 * @param interfaces of tunnel 1 and 2
 * @returns undefined where it leads nowhere
 */
export async function tunnelFrom(
  { boxes }: Pick<Lab, "boxes">,
  number: BoxNumber,
  interfaces: readonly [string, string],
): Promise<BoxNumber | undefined> {
  const wayAt = async (at: BoxNumber) => (await boxes[at - 1].execute(`ip -4 route get ${ECS.address}`)).stdout;
  const intoTunnel = (way: string, at: BoxNumber) => new RegExp(` dev ${interfaces[at - 1]} `).test(way);
  const way = await wayAt(number);
  if (intoTunnel(way, number)) return number;
  const other = number === 1 ? 2 : 1;
  if (!way.includes(` via ${TWO_BOXES.lan[other - 1]} `) || !boxes[other - 1].isRunning()) return undefined;
  return intoTunnel(await wayAt(other), other) ? other : undefined;
}
