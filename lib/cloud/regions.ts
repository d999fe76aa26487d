// Regions and zones that offer dual-tunnel IPsec-VPN, and how their ids are formed.
// Source: Alibaba Cloud's page "Dual-tunnel mode" (2026-03-05) for names and zone letters; the region list of the alicloud
// provider 1.289.0 for ids. Where the API (DescribeVpnGatewayAvailableZones) differs, the API is right.

/** A region that offers dual-tunnel IPsec-VPN. */
export interface Region {
  readonly id: string;
  /** The console's name. */
  readonly displayName: string;
  /** Ids of its zones, in the page's order. */
  readonly zones: readonly string[];
}

const TABLE: readonly (readonly [id: string, displayName: string, zoneLetters: string])[] = [
  ["cn-hangzhou", "China (Hangzhou)", "kjihg"],
  ["cn-shanghai", "China (Shanghai)", "lmnabefg"],
  ["cn-nanjing", "China (Nanjing - Local Region)", "a"],
  ["cn-shenzhen", "China (Shenzhen)", "cedfa"],
  ["cn-heyuan", "China (Heyuan)", "ab"],
  ["cn-guangzhou", "China (Guangzhou)", "ab"],
  ["cn-qingdao", "China (Qingdao)", "bc"],
  ["cn-beijing", "China (Beijing)", "fehgacjilk"],
  ["cn-zhangjiakou", "China (Zhangjiakou)", "abc"],
  ["cn-huhehaote", "China (Hohhot)", "ab"],
  ["cn-wulanchabu", "China (Ulanqab)", "abc"],
  ["cn-chengdu", "China (Chengdu)", "ab"],
  ["cn-hongkong", "China (Hong Kong)", "bcd"],
  ["ap-southeast-1", "Singapore", "abc"],
  ["ap-southeast-7", "Thailand (Bangkok)", "a"],
  ["ap-northeast-1", "Japan (Tokyo)", "abc"],
  ["ap-northeast-2", "South Korea (Seoul)", "a"],
  ["ap-southeast-6", "Philippines (Manila)", "a"],
  ["ap-southeast-5", "Indonesia (Jakarta)", "abc"],
  ["ap-southeast-3", "Malaysia (Kuala Lumpur)", "ab"],
  ["eu-west-1", "UK (London)", "ab"],
  ["eu-central-1", "Germany (Frankfurt)", "abc"],
  ["us-west-1", "US (Silicon Valley)", "ab"],
  ["us-east-1", "US (Virginia)", "ab"],
  ["na-south-1", "Mexico", "a"],
  ["me-central-1", "SAU (Riyadh - Partner Region)", "ab"],
  ["me-east-1", "UAE (Dubai)", "a"],
];

/** Zones that the page lists but that are no longer sold. */
export const CLOSED_ZONES: readonly string[] = ["cn-shenzhen-a"];

/** The regions that offer dual-tunnel IPsec-VPN. */
export const REGIONS: readonly Region[] = TABLE.map(([id, displayName, letters]) => ({
  id,
  displayName,
  zones: [...letters].map((letter) => zoneId(id, letter)),
}));

/** A zone's id: mainland regions and Hong Kong put a hyphen before the letter, all others do not. */
export function zoneId(region: string, letter: string): string {
  return region.startsWith("cn-") ? `${region}-${letter}` : `${region}${letter}`;
}

/** The region that a zone id names; undefined when it is not of a zone's form. */
export function regionOfZone(zone: string): string | undefined {
  const match = zone.startsWith("cn-")
    ? /^(cn(?:-[a-z0-9]{2,})+)-([a-z])$/.exec(zone)
    : /^([a-z]{2}(?:-[a-z]{2,})+-\d+)([a-z])$/.exec(zone);
  return match?.[1];
}

// Words and numbers with hyphens between: cn-hangzhou, ap-southeast-1, cn-north-2-gov-1.
const REGION_FORM = /^[a-z]{2}(-([a-z]{2,}|\d+))+$/;

/** What is the matter with a region, as the end of a sentence, and whether it is certainly wrong. */
export interface Finding {
  readonly level: "error" | "warning";
  readonly text: string;
}

/** Judges a region id; undefined when the table has it. */
export function regionFinding(region: string): Finding | undefined {
  if (REGIONS.some(({ id }) => id === region)) return undefined;
  if (REGION_FORM.test(region)) {
    return {
      level: "warning",
      text: `region ${region} is not among those known to offer dual-tunnel IPsec-VPN; the plan will tell`,
    };
  }
  const meant = meantRegion(region);
  return {
    level: "error",
    text: meant
      ? `region "${region}" is not a region id; write ${meant.id} for ${meant.displayName}`
      : `region "${region}" is not a region id; write one like ap-southeast-1`,
  };
}

/** The region that someone means by its display name, its city or one of its zones. */
function meantRegion(text: string): Region | undefined {
  const plain = (name: string) => name.toLowerCase().replace(/[^a-z0-9]/g, "");
  const wanted = plain(text);
  const ofZone = regionOfZone(text);
  if (wanted === "") return undefined;
  return (
    REGIONS.find(({ id }) => id === ofZone || plain(id) === wanted) ??
    REGIONS.find(({ displayName }) => plain(displayName) === wanted) ??
    REGIONS.find(({ displayName }) => wanted.length >= 4 && plain(displayName).includes(wanted))
  );
}

/** Judges the zone of a vSwitch; `region` is the provider's, as far as it is known. */
export function zoneFinding(zone: string, region?: string): Finding | undefined {
  const of = regionOfZone(zone);
  const example = zoneId(region ?? "ap-southeast-1", "a");
  if (!of) return { level: "error", text: `"${zone}" is not a zone id; write one like ${example}` };
  if (region !== undefined && of !== region && REGION_FORM.test(region)) {
    return { level: "error", text: `${zone} is a zone of ${of}, not of the provider's region ${region}` };
  }
  if (CLOSED_ZONES.includes(zone)) {
    return { level: "warning", text: `${zone} is no longer sold` };
  }
  const known = REGIONS.find(({ id }) => id === of);
  if (known && !known.zones.includes(zone)) {
    return {
      level: "warning",
      text: `${zone} is not among the zones known to offer dual-tunnel IPsec-VPN (${known.zones.join(", ")}); the plan will tell`,
    };
  }
  return undefined;
}

/** Whether a region is known to have one zone only, which both vSwitches are then in; false for regions not in the table. */
export function hasOneZoneOnly(region: string): boolean {
  return REGIONS.find(({ id }) => id === region)?.zones.length === 1;
}
