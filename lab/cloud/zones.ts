// The zones of each region that have dual-tunnel VPN gateways, as DescribeVpnGatewayAvailableZones answers them.

const REGIONS: ReadonlyMap<string, { city: string; zones: string }> = new Map(
  (
    [
      ["cn-hangzhou", "Hangzhou", "kjihg"],
      ["cn-shanghai", "Shanghai", "lmnabefg"],
      ["cn-nanjing", "Nanjing", "a"],
      ["cn-shenzhen", "Shenzhen", "cedf"],
      ["cn-heyuan", "Heyuan", "ab"],
      ["cn-guangzhou", "Guangzhou", "ab"],
      ["cn-qingdao", "Qingdao", "bc"],
      ["cn-beijing", "Beijing", "fehgacjilk"],
      ["cn-zhangjiakou", "Zhangjiakou", "abc"],
      ["cn-huhehaote", "Hohhot", "ab"],
      ["cn-wulanchabu", "Ulanqab", "abc"],
      ["cn-chengdu", "Chengdu", "ab"],
      ["cn-hongkong", "Hong Kong", "bcd"],
      ["ap-southeast-1", "Singapore", "abc"],
      ["ap-southeast-7", "Bangkok", "a"],
      ["ap-northeast-1", "Tokyo", "abc"],
      ["ap-northeast-2", "Seoul", "a"],
      ["ap-southeast-6", "Manila", "a"],
      ["ap-southeast-5", "Jakarta", "abc"],
      ["ap-southeast-3", "Kuala Lumpur", "ab"],
      ["eu-west-1", "London", "ab"],
      ["eu-central-1", "Frankfurt", "abc"],
      ["us-west-1", "Silicon Valley", "ab"],
      ["us-east-1", "Virginia", "ab"],
      ["na-south-1", "Mexico", "a"],
      ["me-central-1", "Riyadh", "ab"],
      ["me-east-1", "Dubai", "a"],
    ] as const
  ).map(([id, city, zones]) => [id, { city, zones }]),
);

export interface Zone {
  readonly id: string;
  readonly name: string;
}

/** The zones of a region; undefined for a region that has no dual-tunnel VPN gateways. */
export function vpnZones(regionId: string): Zone[] | undefined {
  const region = REGIONS.get(regionId);
  if (region === undefined) return undefined;
  const separator = regionId.startsWith("cn-") ? "-" : "";
  return [...region.zones].map((letter) => ({
    id: `${regionId}${separator}${letter}`,
    name: `${region.city} Zone ${letter.toUpperCase()}`,
  }));
}
