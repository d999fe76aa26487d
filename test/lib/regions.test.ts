import * as fc from "fast-check";
import { REGIONS, hasOneZoneOnly, regionFinding, regionOfZone, zoneFinding, zoneId } from "../../lib/cloud/regions";

describe("the table of regions", () => {
  it("finds every zone's region again from the zone's id", () => {
    for (const region of REGIONS) for (const zone of region.zones) expect(regionOfZone(zone)).toBe(region.id);
  });

  it("has the page's 27 regions, each once", () => {
    expect(new Set(REGIONS.map(({ id }) => id)).size).toBe(27);
    expect(REGIONS).toHaveLength(27);
  });

  it("writes zones with a hyphen in China and without elsewhere", () => {
    expect(zoneId("cn-hongkong", "b")).toBe("cn-hongkong-b");
    expect(zoneId("ap-southeast-1", "a")).toBe("ap-southeast-1a");
  });

  it("knows the regions with one zone", () => {
    expect(REGIONS.filter(({ id }) => hasOneZoneOnly(id)).map(({ id }) => id)).toEqual([
      "cn-nanjing",
      "ap-southeast-7",
      "ap-northeast-2",
      "ap-southeast-6",
      "na-south-1",
      "me-east-1",
    ]);
  });
});

describe("judging a region", () => {
  it("accepts every region of the table", () => {
    for (const { id } of REGIONS) expect(regionFinding(id)).toBeUndefined();
  });

  it.each([
    ["Singapore", "ap-southeast-1"],
    ["singapore", "ap-southeast-1"],
    ["Frankfurt", "eu-central-1"],
    ["China (Hong Kong)", "cn-hongkong"],
    ["AP-SOUTHEAST-1", "ap-southeast-1"],
    ["ap_southeast_1", "ap-southeast-1"],
    ["ap-southeast-1a", "ap-southeast-1"],
    ["cn-hangzhou-k", "cn-hangzhou"],
    ["hangzhou", "cn-hangzhou"],
  ])("refuses %j and names %s", (given, meant) => {
    expect(regionFinding(given)).toMatchObject({
      level: "error",
      text: expect.stringContaining(`write ${meant} for `) as string,
    });
  });

  it("names some region when it cannot tell which one is meant", () => {
    expect(regionFinding("Atlantis")).toEqual({
      level: "error",
      text: 'region "Atlantis" is not a region id; write one like ap-southeast-1',
    });
  });

  it.each(["cn-north-2-gov-1", "ap-southeast-9", "cn-wuhan-lr", "eu-north-1"])("only warns about %s", (region) => {
    expect(regionFinding(region)?.level).toBe("warning");
  });

  it("never throws, whatever it is given", () => {
    fc.assert(fc.property(fc.string(), (text) => void regionFinding(text)));
  });
});

describe("judging a zone", () => {
  it("accepts every zone of the table that is still sold", () => {
    for (const region of REGIONS) {
      for (const zone of region.zones.filter((id) => id !== "cn-shenzhen-a")) {
        expect(zoneFinding(zone, region.id)).toBeUndefined();
      }
    }
  });

  it("refuses a zone of another region", () => {
    expect(zoneFinding("ap-southeast-5a", "ap-southeast-1")).toEqual({
      level: "error",
      text: "ap-southeast-5a is a zone of ap-southeast-5, not of the provider's region ap-southeast-1",
    });
  });

  it.each(["a", "ap-southeast-1", "ap-southeast-1-a", "cn-hangzhouk", "Singapore Zone A"])("refuses %j", (zone) => {
    expect(zoneFinding(zone)?.level).toBe("error");
  });

  it("warns about a zone that is no longer sold", () => {
    expect(zoneFinding("cn-shenzhen-a")).toEqual({ level: "warning", text: "cn-shenzhen-a is no longer sold" });
  });

  it("warns about a well-formed zone that the table lacks", () => {
    expect(zoneFinding("ap-southeast-1d", "ap-southeast-1")?.level).toBe("warning");
    expect(zoneFinding("eu-north-1a", "eu-north-1")).toBeUndefined();
  });
});
