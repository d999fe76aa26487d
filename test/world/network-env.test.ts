// What the world machine's script is told about addresses.
import { LAN, UPLINKS } from "../../lab/network";
import { MACS, networkEnv } from "../../lab/world/network-env";

describe.each([1, 2] as const)("network.env of a lab with so many boxes: %d", (boxes) => {
  const lines = networkEnv(boxes).trim().split("\n");
  const values = new Map(lines.map((line) => line.split("=") as [string, string]));

  it("is plain shell assignments that need no quoting", () => {
    for (const line of lines) expect(line).toMatch(/^[A-Z0-9_]+=[0-9a-f.:/]+$/);
  });

  it("gives each NAT its uplink's gateway and egress IP", () => {
    UPLINKS.forEach((uplink) => {
      expect(values.get(`UPLINK${uplink.number}_GATEWAY`)).toBe(`${uplink.gateway}/24`);
      expect(values.get(`UPLINK${uplink.number}_EGRESS`)).toBe(`${uplink.egressIp}/24`);
    });
    expect(values.get("LAN_BOX")).toBe(LAN.box);
  });

  it("has a second NIC on the LAN for the second box only", () => {
    expect(values.get("LAN2_MAC")).toBe(boxes === 2 ? MACS.world.lan2 : undefined);
  });
});

it("knows every NIC by an address of its own", () => {
  const all = Object.values(MACS).flatMap((machine) => Object.values<string>(machine));
  expect(all).toHaveLength(12);
  expect(new Set(all).size).toBe(12);
});
