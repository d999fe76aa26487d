// The lab's two boxes as the parameters of a stack, in a form that JSON can carry to the process that synthesizes it.
import type { AgentOptions } from "../../lib";
import type { Lab } from "../machines/lab";

/** The connection's name, and the stack's. */
export const NAME = "singapore";

export interface TwoBoxesConfig {
  readonly boxes: readonly { readonly port: number; readonly hostKey: string }[];
  /** Path of the private key that enters both. */
  readonly privateKeyPath: string;
  readonly agent: AgentOptions;
  /** Whether the site routes by BGP; else its routes are static. */
  readonly bgp: boolean;
}

export function twoBoxesConfig(
  { boxes, keyPath }: Pick<Lab, "boxes" | "keyPath">,
  { agent = {}, bgp = false }: Partial<Pick<TwoBoxesConfig, "agent" | "bgp">> = {},
): TwoBoxesConfig {
  const reached = boxes.map(({ sshPort, hostKeyEcdsa }) => ({ port: sshPort, hostKey: hostKeyEcdsa }));
  return { boxes: reached, privateKeyPath: keyPath, agent, bgp };
}
