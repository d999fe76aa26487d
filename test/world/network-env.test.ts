// What the world machine's script is told about addresses.
import { LAN, UPLINKS } from "../../lab/network";
import { MACS, networkEnv } from "../../lab/world/network-env";

describe("network.env", () => {
  const values = new Map(
    networkEnv()
      .trim()
      .split("\n")
      .map((line) => line.split("=") as [string, string]),
  );

  it("is plain shell assignments that need no quoting", () => {
    for (const line of networkEnv().trim().split("\n")) expect(line).toMatch(/^[A-Z0-9_]+=[0-9a-f.:/]+$/);
  });

  it("gives each NAT its uplink's gateway and egress IP", () => {
    UPLINKS.forEach((uplink) => {
      expect(values.get(`UPLINK${uplink.number}_GATEWAY`)).toBe(`${uplink.gateway}/24`);
      expect(values.get(`UPLINK${uplink.number}_EGRESS`)).toBe(`${uplink.egressIp}/24`);
    });
    expect(values.get("LAN_BOX")).toBe(LAN.box);
  });

  it("knows every NIC by an address of its own", () => {
    const all = Object.values(MACS).flatMap((machine) => Object.values(machine));
    expect(new Set(all).size).toBe(8);
  });
});
