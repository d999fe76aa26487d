// The swanctl text of a tunnel: its connection (no secret in it) and its secret, each a file of its own,
// so that a change of one tunnel never touches the other.
import { applied } from "../expressions";
import { Tunnel } from "../ipsec/tunnel";
import { tunnelName } from "../names";
import { derivedNumber } from "./numbers";

/** Seconds between dead-peer probes; failover itself does not wait for them. */
const DPD_DELAY = 10;

/**
 * Packets by which one may come too late. charon's default of 32 is less than a shift of traffic between two uplinks
 * reorders: 60 ms of difference at 100 Mbit/s are 500 packets. Inwards only; what is sent needs none.
 */
const REPLAY_WINDOW = 1024;

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

type Settings = { readonly [key: string]: string | number | undefined | Settings };

/** Sections and settings as swanctl reads them; what is undefined is left out. */
function text(settings: Settings, indent = ""): string {
  return Object.entries(settings)
    .map(([key, value]) => {
      if (value === undefined) return "";
      if (typeof value !== "object") return `${indent}${key} = ${value}\n`;
      return `${indent}${key} {\n${text(value, `${indent}  `)}${indent}}\n`;
    })
    .join("");
}

const WRITTEN = "Written by dual-tunnel-vpn: changes are overwritten.";

/** `connections` section of a tunnel. */
export function renderConnection(tunnel: Tunnel, context: SwanctlContext): string {
  const name = tunnelName(context.name, tunnel.number);
  const ifId = derivedNumber(context.name, tunnel.number);
  const { version, aggressive, proposals, ...ikeTimes } = tunnel.ike.swanctl;
  const { esp_proposals, ...espTimes } = tunnel.esp.swanctl;
  const child = {
    local_ts: context.localSelectors.join(", "),
    remote_ts: context.remoteSelectors.join(", "),
    mode: "tunnel",
    esp_proposals,
    if_id_in: ifId,
    if_id_out: ifId,
    replay_window: REPLAY_WINDOW,
    ...espTimes,
    // The agent brings back whatever is missing. charon does not start anew on a close by itself: before 6.0 it can
    // spin over that at shutdown, and "trap|start" needs a version that Ubuntu 22.04 does not have.
    start_action: "start",
    close_action: "none",
    dpd_action: tunnel.dpd ? "restart" : undefined,
  };
  const connection = {
    version,
    aggressive,
    local_addrs: context.localAddress,
    remote_addrs: tunnel.ipsecAddress,
    proposals,
    encap: tunnel.natTraversal ? "yes" : "no",
    // MOBIKE would move the tunnel to the other uplink behind the failover agent's back.
    mobike: "no",
    dpd_delay: tunnel.dpd ? `${DPD_DELAY}s` : "0s",
    ...ikeTimes,
    reauth_time: "0s",
    // One try would give the tunnel up for good after a first answer that never came.
    keyingtries: 0,
    // Both ends may initiate: an SA that the cloud set up anew takes the place of the one that it forgot.
    unique: "replace",
    local: { auth: "psk", id: tunnel.peerId },
    remote: { auth: "psk", id: tunnel.cloudId },
    children: { [name]: child },
  };
  const title = `# Tunnel ${tunnel.number} (${tunnel.role}) of ${context.name}. ${WRITTEN}\n`;
  return title + text({ connections: { [name]: connection } });
}

/** `secrets` section of a tunnel: selected by both ids, and in base64 because the parser reads no other form whole. */
export function renderSecrets(tunnel: Tunnel, name: string): string {
  const secret = {
    "id-local": tunnel.peerId,
    "id-remote": tunnel.cloudId,
    secret: `0s${applied("base64encode", tunnel.preSharedKey.expression)}`,
  };
  const title = `# Secret of tunnel ${tunnel.number} (${tunnel.role}) of ${name}. ${WRITTEN}\n`;
  return title + text({ secrets: { [`ike-${tunnelName(name, tunnel.number)}`]: secret } });
}
