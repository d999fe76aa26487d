// Whether echoes come back, asked so that a machine of the lab may stand still meanwhile.
import type { Shell } from "../../lab/machines/shell";

/** Whether so many echoes are answered, for which fifteen seconds are waited. */
export async function answered(from: Shell, address: string, echoes = 1): Promise<boolean> {
  return (await from.execute(`ping -q -c ${echoes} -i 0.2 -w 15 ${address}`)).status === 0;
}

/** Whether none of three echoes is answered within a second. */
export async function unanswered(from: Shell, address: string): Promise<boolean> {
  return (await from.execute(`ping -q -c 3 -i 0.2 -W 1 ${address}`)).status !== 0;
}
