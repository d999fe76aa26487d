// The swanctl text of a tunnel: its connection (no secret in it) and its secret, each a file of its own,
// so that a change of one tunnel never touches the other.
import { applied } from "../expressions";
import { espProposal, IkeMode, ikeProposal, IkeVersion, strongswanVersion } from "../ipsec/algorithms";
import { Tunnel } from "../ipsec/tunnel";
import { tunnelName } from "../names";
import { derivedNumber } from "./numbers";

/** Seconds between dead-peer probes; failover itself does not wait for them. */
const DPD_DELAY = 10;

/** What the connection text needs beside the tunnel. */
export interface SwanctlContext {
  /** The connection's NAME. */
  readonly name: string;
  /** The uplink's address, from which this tunnel is negotiated. */
  readonly localAddress: string;
  /** CIDR blocks of the data center that the tunnel carries. */
  readonly localSelectors: readonly string[];
  /** CIDR blocks of the VPC that the tunnel carries. */
  readonly remoteSelectors: readonly string[];
}

/**
 * When the box renews an SA of a lifetime: at 80 to 90 % of it, with the rest as margin. The hard end is the lifetime
 * that the cloud has, whichever end renews first.
 */
export function rekeyTimes(lifetimeSeconds: number): { rekey: number; margin: number } {
  const margin = Math.max(1, Math.floor(lifetimeSeconds / 10));
  return { rekey: lifetimeSeconds - margin, margin };
}

/** `connections` section of a tunnel. */
export function renderConnection(tunnel: Tunnel, context: SwanctlContext): string {
  const name = tunnelName(context.name, tunnel.number);
  const ifId = derivedNumber(context.name, tunnel.number);
  const ike = rekeyTimes(tunnel.ike.lifetimeSeconds);
  const esp = rekeyTimes(tunnel.esp.lifetimeSeconds);
  const lines = [
    `# Tunnel ${tunnel.number} (${tunnel.role}) of ${context.name}. Written by dual-tunnel-vpn: changes are overwritten.`,
    `connections {`,
    `  ${name} {`,
    `    version = ${strongswanVersion(tunnel.ike.version)}`,
    ...(tunnel.ike.version === IkeVersion.V1 && tunnel.ike.mode === IkeMode.AGGRESSIVE ? [`    aggressive = yes`] : []),
    `    local_addrs = ${context.localAddress}`,
    `    remote_addrs = ${tunnel.ipsecAddress}`,
    `    proposals = ${ikeProposal(tunnel.ike.encryption, tunnel.ike.integrity, tunnel.ike.dhGroup)}`,
    `    encap = ${tunnel.natTraversal ? "yes" : "no"}`,
    // MOBIKE would move the tunnel to the other uplink behind the failover agent's back.
    `    mobike = no`,
    `    dpd_delay = ${tunnel.dpd ? `${DPD_DELAY}s` : "0s"}`,
    `    rekey_time = ${ike.rekey}s`,
    `    over_time = ${ike.margin}s`,
    `    rand_time = ${ike.margin}s`,
    `    reauth_time = 0s`,
    // One try would give the tunnel up for good after a first answer that never came.
    `    keyingtries = 0`,
    // Both ends may initiate: an SA that the cloud set up anew takes the place of the one that it forgot.
    `    unique = replace`,
    `    local {`,
    `      auth = psk`,
    `      id = ${tunnel.peerId}`,
    `    }`,
    `    remote {`,
    `      auth = psk`,
    `      id = ${tunnel.cloudId}`,
    `    }`,
    `    children {`,
    `      ${name} {`,
    `        local_ts = ${context.localSelectors.join(", ")}`,
    `        remote_ts = ${context.remoteSelectors.join(", ")}`,
    `        mode = tunnel`,
    `        esp_proposals = ${espProposal(tunnel.esp.encryption, tunnel.esp.integrity, tunnel.esp.pfs)}`,
    `        if_id_in = ${ifId}`,
    `        if_id_out = ${ifId}`,
    `        rekey_time = ${esp.rekey}s`,
    `        life_time = ${tunnel.esp.lifetimeSeconds}s`,
    `        rand_time = ${esp.margin}s`,
    // The agent brings back whatever is missing. charon does not start anew on a close by itself: before 6.0 it can
    // spin over that at shutdown, and "trap|start" needs a version that Ubuntu 22.04 does not have.
    `        start_action = start`,
    `        close_action = none`,
    ...(tunnel.dpd ? [`        dpd_action = restart`] : []),
    `      }`,
    `    }`,
    `  }`,
    `}`,
  ];
  return lines.join("\n") + "\n";
}

/** `secrets` section of a tunnel: selected by both ids, and in base64 because the parser reads no other form whole. */
export function renderSecrets(tunnel: Tunnel, name: string): string {
  return [
    `# Secret of tunnel ${tunnel.number} (${tunnel.role}) of ${name}. Written by dual-tunnel-vpn: changes are overwritten.`,
    `secrets {`,
    `  ike-${tunnelName(name, tunnel.number)} {`,
    `    id-local = ${tunnel.peerId}`,
    `    id-remote = ${tunnel.cloudId}`,
    `    secret = 0s${applied("base64encode", tunnel.preSharedKey.expression)}`,
    `  }`,
    `}`,
    ``,
  ].join("\n");
}
