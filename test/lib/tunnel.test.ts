import { DhGroup, Encryption, IkeMode, IkeVersion, Integrity, Pfs, TunnelOptions } from "../../lib";
import { chooseTunnelOptions } from "../../lib/ipsec/tunnel";
import { problems, siteStack, synthesizedSite, warnings } from "./site";

/** The problems of a site whose active tunnel has these options. */
const active = (activeTunnel: TunnelOptions) => problems(siteStack({ activeTunnel }));

describe("a tunnel's options", () => {
  it("are safe and modern by default", () => {
    expect(chooseTunnelOptions()).toEqual({
      ike: {
        version: "ikev2",
        mode: "main",
        encryption: "aes256",
        integrity: "sha256",
        dhGroup: "group14",
        lifetimeSeconds: 86400,
      },
      esp: { encryption: "aes256", integrity: "sha256", pfs: "group14", lifetimeSeconds: 86400 },
      dpd: true,
      natTraversal: true,
    });
    expect(warnings(siteStack())).toEqual([]);
  });

  it("of one tunnel lie over those of both, one by one", () => {
    const chosen = chooseTunnelOptions(
      { ike: { encryption: Encryption.AES_128, lifetimeSeconds: 7200 }, esp: { lifetimeSeconds: 3600 }, dpd: false },
      { ike: { encryption: Encryption.AES_192 }, dpd: true },
    );
    expect(chosen.ike).toMatchObject({ encryption: "aes192", lifetimeSeconds: 7200, integrity: "sha256" });
    expect(chosen.esp.lifetimeSeconds).toBe(3600);
    expect(chosen.dpd).toBe(true);
  });

  it("of one tunnel leave the other alone", () => {
    const { resource } = synthesizedSite({
      activeTunnel: { ike: { lifetimeSeconds: 86000 }, esp: { encryption: Encryption.AES_128, lifetimeSeconds: 3600 } },
    });
    const [first, second] = resource.alicloud_vpn_connection.singapore_connection.tunnel_options_specification as {
      tunnel_ike_config: { ike_lifetime: number };
      tunnel_ipsec_config: object;
    }[];
    expect(first.tunnel_ike_config.ike_lifetime).toBe(86000);
    expect(second.tunnel_ike_config.ike_lifetime).toBe(86400);
    expect(first.tunnel_ipsec_config).toMatchObject({ ipsec_enc_alg: "aes", ipsec_lifetime: 3600 });
    expect(second.tunnel_ipsec_config).toMatchObject({ ipsec_enc_alg: "aes256", ipsec_lifetime: 86400 });
  });
});

describe("checks of a tunnel", () => {
  it.each([0, 59, 86401, 1.5, -1, NaN])("refuse an IKE lifetime of %d seconds", (lifetimeSeconds) => {
    expect(active({ ike: { lifetimeSeconds }, esp: { lifetimeSeconds: 60 } })).toEqual([
      `active tunnel: ike.lifetimeSeconds is ${lifetimeSeconds}; give a whole number of seconds from 60 to 86400.`,
    ]);
  });

  it("refuse an IKE lifetime shorter than the ESP lifetime", () => {
    expect(active({ ike: { lifetimeSeconds: 3600 } })).toEqual([
      "active tunnel: ike.lifetimeSeconds 3600 is shorter than esp.lifetimeSeconds 86400; make the IKE lifetime at least as long as the ESP lifetime.",
    ]);
    expect(active({ ike: { lifetimeSeconds: 3600 }, esp: { lifetimeSeconds: 3600 } })).toEqual([]);
  });

  it("refuse an algorithm that the API does not offer", () => {
    expect(active({ ike: { encryption: "aes512" as Encryption }, esp: { pfs: "group15" as Pfs } })).toEqual([
      "active tunnel: ike.encryption aes512 is not offered; choose one of aes, aes192, aes256, des, 3des.",
      "active tunnel: esp.pfs group15 is not offered; choose one of disabled, group1, group2, group5, group14.",
    ]);
  });

  it("refuse aggressive mode in IKEv2", () => {
    expect(active({ ike: { mode: IkeMode.AGGRESSIVE } })).toEqual([
      "active tunnel: ike.mode aggressive exists in IKEv1 only; leave ike.mode out or choose IkeVersion.V1.",
    ]);
  });

  it.each(["a b", "", "@name", "x".repeat(101), 'a"b', "*", "cn=box, o=me", "fd00::1"])(
    "refuse the identity %j",
    (id) => {
      const found = problems(siteStack({ standbyTunnel: { peerId: id } }));
      expect(found).toHaveLength(1);
      expect(found[0]).toContain(`standby tunnel: peerId "${id}" cannot be an identity at both ends`);
    },
  );

  it.each(["198.51.100.1", "box.example.com", "box@example.com", "site_1"])("accept the identity %j", (id) =>
    expect(problems(siteStack({ standbyTunnel: { peerId: id, cloudId: id } }))).toEqual([]),
  );

  it("report everything that is wrong with both tunnels together", () => {
    const stack = siteStack({
      activeTunnel: { ike: { lifetimeSeconds: 1 } },
      standbyTunnel: { esp: { lifetimeSeconds: 1 }, cloudId: " " },
    });
    expect(problems(stack)).toHaveLength(3);
  });
});

describe("weak choices", () => {
  const WEAK: [string, TunnelOptions][] = [
    ["ike.version ikev1", { ike: { version: IkeVersion.V1 } }],
    ["ike.encryption des", { ike: { encryption: Encryption.DES } }],
    ["ike.encryption 3des", { ike: { encryption: Encryption.TRIPLE_DES } }],
    ["ike.integrity md5", { ike: { integrity: Integrity.MD5 } }],
    ["ike.integrity sha1", { ike: { integrity: Integrity.SHA1 } }],
    ["ike.dhGroup group1", { ike: { dhGroup: DhGroup.GROUP_1 } }],
    ["ike.dhGroup group2", { ike: { dhGroup: DhGroup.GROUP_2 } }],
    ["esp.encryption des", { esp: { encryption: Encryption.DES } }],
    ["esp.integrity md5", { esp: { integrity: Integrity.MD5 } }],
    ["esp.pfs disabled", { esp: { pfs: Pfs.DISABLED } }],
    ["esp.pfs group2", { esp: { pfs: Pfs.GROUP_2 } }],
  ];

  it.each(WEAK)("work, and %s is warned about with its risk", (what, activeTunnel) => {
    const stack = siteStack({ activeTunnel });
    expect(problems(stack)).toEqual([]);
    const [warning, ...others] = warnings(stack);
    expect(others).toEqual([]);
    expect(warning).toMatch(new RegExp(`^active tunnel: ${what} is weak: .{20,}\\.$`));
  });

  it("are warned about once, however often the stack is checked", () => {
    const stack = siteStack({ activeTunnel: { ike: { encryption: Encryption.DES } } });
    problems(stack);
    problems(stack);
    expect(warnings(stack)).toHaveLength(1);
  });
});
