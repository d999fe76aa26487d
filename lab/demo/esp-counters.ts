// Counts ESP (in UDP 4500 or bare) by uplink and by IPsec address, in the two NATs of the outside world.
import type { Lab } from "../machines/lab";
import { IPSEC_ADDRESSES } from "../network";

/** Packets of each tunnel, both directions together. */
export interface UplinkCounters {
  readonly tunnel1: number;
  readonly tunnel2: number;
}

const TABLE = "inet esp_counters";

export class EspCounters {
  constructor(private readonly lab: Lab) {}

  async install(): Promise<void> {
    const rules = IPSEC_ADDRESSES.slice(0, 2).flatMap((address, index) =>
      ["ip daddr", "ip saddr"].flatMap((side) => [
        // The four zero bytes behind the UDP header mark IKE: everything else on 4500 is ESP.
        `${side} ${address} udp ${side.endsWith("daddr") ? "dport" : "sport"} 4500 @th,64,32 != 0 counter comment "tunnel${index + 1}"`,
        `${side} ${address} ip protocol esp counter comment "tunnel${index + 1}"`,
      ]),
    );
    const ruleset = [
      `table ${TABLE} {`,
      "chain forward {",
      "type filter hook forward priority -10;",
      ...rules,
      "}",
      "}",
    ];
    for (const nat of ["nat1", "nat2"] as const) {
      await this.lab.in(nat, `nft -f - <<'EOF'\n${ruleset.join("\n")}\nEOF`);
    }
  }

  async read(): Promise<{ uplink1: UplinkCounters; uplink2: UplinkCounters }> {
    const [uplink1, uplink2] = [await this.readNat("nat1"), await this.readNat("nat2")];
    return { uplink1, uplink2 };
  }

  private async readNat(nat: "nat1" | "nat2"): Promise<UplinkCounters> {
    const text = await this.lab.in(nat, `nft list table ${TABLE}`);
    const packets = (tunnel: string) =>
      [...text.matchAll(new RegExp(`packets (\\d+) bytes \\d+ comment "${tunnel}"`, "g"))].reduce(
        (sum, match) => sum + Number(match[1]),
        0,
      );
    return { tunnel1: packets("tunnel1"), tunnel2: packets("tunnel2") };
  }
}
