// The parameters of the worked example: the how-to page's Singapore site, and how a JSON file overrides any of them.
import * as fs from "node:fs";
import { AlicloudProviderConfig } from "@cdktf/provider-alicloud/lib/provider";
import { nameProblem } from "../lib/names";
import { AgentOptions, BgpOptions, SiteUplinkOptions, TunnelOptions } from "../lib";

/** Everything about the example that can be changed without editing code. */
export interface ExampleConfig {
  /** Short name of the site; resources, variables and interfaces are named after it. */
  readonly name: string;
  readonly region: string;
  /** More arguments of the alicloud provider, for example endpoints. */
  readonly provider: Omit<AlicloudProviderConfig, "region" | "alias">;
  readonly vpcCidr: string;
  /** The active tunnel's vSwitch, then the standby tunnel's. */
  readonly vswitches: readonly [ExampleVswitch, ExampleVswitch];
  /** Peak bandwidth of the VPN gateway in Mbit/s. */
  readonly bandwidth: number;
  readonly dataCenterCidrs: readonly string[];
  readonly uplinks: readonly [SiteUplinkOptions] | readonly [SiteUplinkOptions, SiteUplinkOptions];
  readonly box: ExampleBox;
  readonly tunnels: {
    /** Options of both tunnels. */
    readonly both: TunnelOptions;
    readonly active: TunnelOptions;
    readonly standby: TunnelOptions;
  };
  readonly agent: AgentOptions;
  /** The data center's AS number; none where null. */
  readonly asn: number | null;
  /** Route by BGP; by static routes where null. */
  readonly bgp: BgpOptions | null;
  /** Pre-shared keys in clear text, for labs; Terraform variables where null. */
  readonly unsafePreSharedKeys: { readonly active: string | null; readonly standby: string | null };
}

/** A vSwitch of the example. */
export interface ExampleVswitch {
  readonly cidr: string;
  readonly zone: string;
}

/** How the example reaches its box. */
export interface ExampleBox {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Path of a private key file; the SSH agent when null. */
  readonly privateKeyPath: string | null;
  /** The box's ECDSA host key; the Terraform variable `box_host_key` when null. */
  readonly hostKey: string | null;
  /** Whether each synth asks the box for drift; the host key has to be given here then. */
  readonly detectDrift: boolean;
}

/** The how-to page's site, with its numbers; public addresses are RFC 5737's. */
export const DEFAULTS: ExampleConfig = {
  name: "singapore",
  region: "ap-southeast-1",
  provider: {},
  vpcCidr: "192.168.0.0/16",
  vswitches: [
    { cidr: "192.168.10.0/24", zone: "ap-southeast-1a" },
    { cidr: "192.168.20.0/24", zone: "ap-southeast-1b" },
  ],
  bandwidth: 10,
  dataCenterCidrs: ["172.16.0.0/16"],
  uplinks: [
    { address: "172.16.1.93/24", gateway: "172.16.1.253", egressIp: "198.51.100.198" },
    { address: "172.16.2.57/24", gateway: "172.16.2.253", egressIp: "203.0.113.181" },
  ],
  box: { host: "box.example.com", port: 22, user: "root", privateKeyPath: null, hostKey: null, detectDrift: false },
  tunnels: { both: {}, active: {}, standby: {} },
  agent: {},
  asn: null,
  bgp: null,
  unsafePreSharedKeys: { active: null, standby: null },
};

/** The environment variable that names the JSON file. */
export const CONFIG_VARIABLE = "DUAL_TUNNEL_VPN_CONFIG";

/** Keys that have no default to be known by. */
const OPTIONAL_KEYS: Readonly<Record<string, readonly string[]>> = {
  tunnel: ["ike", "esp", "dpd", "natTraversal", "mtu"],
  ike: ["version", "mode", "encryption", "integrity", "dhGroup", "lifetimeSeconds"],
  esp: ["encryption", "integrity", "pfs", "lifetimeSeconds"],
  agent: ["probeIntervalMs", "probeMisses", "holdSeconds", "vpcProbeAddresses", "outerMove", "deleteByOtherUplink"],
};

/** The configuration to use, and every complaint about the file. */
export interface LoadedConfig {
  readonly config: ExampleConfig;
  readonly problems: readonly string[];
}

/** Reads the file that the environment names and lays it over the defaults; objects are merged, lists are replaced. */
export function loadConfig(environment: NodeJS.ProcessEnv = process.env): LoadedConfig {
  const file = environment[CONFIG_VARIABLE];
  if (!file) return { config: DEFAULTS, problems: [] };
  let overrides: unknown;
  try {
    overrides = JSON.parse(fs.readFileSync(file, "utf8"));
  } catch (error) {
    const why = error instanceof SyntaxError ? `is not JSON (${error.message})` : "cannot be read";
    return {
      config: DEFAULTS,
      problems: [`${CONFIG_VARIABLE} names ${file}, which ${why}; give a readable JSON file.`],
    };
  }
  const problems: string[] = [];
  if (!isBag(overrides)) {
    return { config: DEFAULTS, problems: [`${CONFIG_VARIABLE}: the file holds ${kind(overrides)}; give an object.`] };
  }
  const config = merge(DEFAULTS, overrides, "", problems) as ExampleConfig;
  // Before a stack is made of them: its id is the name, and CDKTF throws at some.
  const name = nameProblem(config.name);
  if (name) problems.push(`${CONFIG_VARIABLE}: name "${config.name}" ${name}.`);
  const { length }: readonly unknown[] = config.vswitches;
  if (length !== 2) {
    problems.push(
      `${CONFIG_VARIABLE}: vswitches has ${length} ${length === 1 ? "entry" : "entries"}; give two, the active tunnel's first.`,
    );
  }
  return { config, problems };
}

type Bag = Readonly<Record<string, unknown>>;

function isBag(value: unknown): value is Bag {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The keys that an object at a place may have; undefined where any is fine. */
function knownKeys(place: string, defaults: Bag): readonly string[] | undefined {
  if (/^provider(\.|$)/.test(place)) return undefined;
  if (/^tunnels\.\w+$/.test(place)) return OPTIONAL_KEYS.tunnel;
  if (/^tunnels\.\w+\.(ike|esp)$/.test(place)) return OPTIONAL_KEYS[place.split(".")[2]];
  if (place === "agent") return OPTIONAL_KEYS.agent;
  return Object.keys(defaults);
}

function merge(defaults: unknown, override: unknown, place: string, problems: string[]): unknown {
  if (override === undefined) return defaults;
  if (isBag(override) && (isBag(defaults) || defaults === undefined)) {
    const known = knownKeys(place, defaults ?? {});
    const merged: Record<string, unknown> = { ...defaults };
    for (const [key, value] of Object.entries(override)) {
      const inner = place === "" ? key : `${place}.${key}`;
      if (known && !known.includes(key)) {
        problems.push(`${CONFIG_VARIABLE}: ${inner} is not a parameter; the parameters here are ${known.join(", ")}.`);
        continue;
      }
      merged[key] = merge(defaults?.[key], value, inner, problems);
    }
    return merged;
  }
  const free = defaults === undefined || defaults === null;
  if (!free && kind(defaults) !== kind(override)) {
    problems.push(`${CONFIG_VARIABLE}: ${place} is ${kind(override)}; give ${kind(defaults)}.`);
    return defaults;
  }
  if (place === "uplinks") checkEntries(place, override, ["address", "gateway", "egressIp"], ["device"], problems);
  if (place === "vswitches") checkEntries(place, override, ["cidr", "zone"], [], problems);
  return override;
}

/** Checks the objects of a list for missing and unknown keys. */
function checkEntries(
  place: string,
  list: unknown,
  required: readonly string[],
  optional: readonly string[],
  problems: string[],
): void {
  const known = [...required, ...optional];
  for (const [index, entry] of (list as unknown[]).entries()) {
    const keys = isBag(entry) ? Object.keys(entry) : [];
    for (const key of keys.filter((candidate) => !known.includes(candidate))) {
      problems.push(
        `${CONFIG_VARIABLE}: ${place}[${index}].${key} is not a parameter; the parameters here are ${known.join(", ")}.`,
      );
    }
    for (const key of required) {
      if (isBag(entry) && typeof entry[key] === "string") continue;
      problems.push(`${CONFIG_VARIABLE}: ${place}[${index}].${key} is missing; give it as text.`);
    }
  }
}

function kind(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return isBag(value) ? "an object" : `a ${typeof value}`;
}
