// Reads `swanctl --list-sas` as an outsider would, so that checks do not lean on the product's own clients.

/** The SAs of one connection: unique ids of established IKE_SAs, of others that come or go, and of installed CHILD_SAs. */
export interface TunnelSas {
  readonly ike: number[];
  readonly passing: number[];
  readonly child: number[];
}

export function parseListSas(text: string): Map<string, TunnelSas> {
  const tunnels = new Map<string, TunnelSas>();
  let current: TunnelSas = { ike: [], passing: [], child: [] };
  for (const line of text.split("\n")) {
    const found = /^(\s*)([\w-]+): #(\d+), (.*)$/.exec(line);
    if (!found) continue;
    const [, indent, name, id, rest] = found as unknown as [string, string, string, string, string];
    if (indent === "") {
      current = tunnels.get(name) ?? { ike: [], passing: [], child: [] };
      tunnels.set(name, current);
      (rest.startsWith("ESTABLISHED") ? current.ike : current.passing).push(Number(id));
    } else if (/\bINSTALLED\b/.test(rest)) {
      current.child.push(Number(id));
    }
  }
  return tunnels;
}

/** Whether a connection has an established IKE_SA with an installed CHILD_SA. */
export function isUp(sas: TunnelSas | undefined): boolean {
  return sas !== undefined && sas.ike.length > 0 && sas.child.length > 0;
}

/** Whether there is one of each, and none on its way out. */
export function isSingle(sas: TunnelSas | undefined): boolean {
  return sas?.ike.length === 1 && sas.passing.length === 0 && sas.child.length === 1;
}

/** `#3/#5` for one IKE_SA and its CHILD_SA; what a person reads, and what is compared before and after. */
export function idsOf(sas: TunnelSas | undefined): string {
  const ids = (numbers: number[]) => numbers.map((n) => `#${n}`).join(",") || "none";
  return sas ? `IKE ${ids(sas.ike)} CHILD ${ids(sas.child)}` : "none";
}
