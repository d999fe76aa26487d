import { Token } from "cdktf";
import { DhGroup, Encryption, IkeMode, IkeVersion, Integrity, Pfs, TunnelOptions } from "../../lib";
import { largestMtu } from "../../lib/ipsec/mtu";
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
      mtu: 1400,
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

  it.each([0, 575, 1423, 1400.5, NaN])("refuse an MTU of %d bytes", (mtu) => {
    expect(active({ mtu })).toEqual([
      `active tunnel: mtu is ${mtu}; give a whole number of bytes from 576 to 1422, which its algorithms leave of 1500.`,
    ]);
    expect([active({ mtu: 576 }), active({ mtu: 1422 })]).toEqual([[], []]);
  });

  it("take the largest MTU whose packets are still of 1500 bytes outside, and no larger one", () => {
    for (const encryption of Object.values(Encryption)) {
      for (const integrity of Object.values(Integrity)) {
        for (const natTraversal of [true, false]) {
          const options = { esp: { encryption, integrity }, natTraversal };
          const largest = largestMtu(chooseTunnelOptions(options));
          // What ESP makes of a packet (RFC 4303): IV and check value by the algorithm, padding up to a whole block.
          const block = /des/.test(encryption) ? 8 : 16;
          const check = { md5: 12, sha1: 12, sha256: 16, sha384: 24, sha512: 32 }[integrity];
          const outside = (inner: number) =>
            20 + (natTraversal ? 8 : 0) + 8 + block + Math.ceil((inner + 2) / block) * block + check;
          expect(outside(largest)).toBeLessThanOrEqual(1500);
          expect(outside(largest + 1)).toBeGreaterThan(1500);
        }
      }
    }
    expect(largestMtu(chooseTunnelOptions({}))).toBe(1422);
    expect(largestMtu(chooseTunnelOptions({ natTraversal: false }))).toBe(1438);
    expect(largestMtu(chooseTunnelOptions({ esp: { integrity: Integrity.SHA_512 } }))).toBe(1406);
  });

  it.each([0, 59, 86401, 1.5, -1, NaN])("refuse an ESP lifetime of %d seconds", (lifetimeSeconds) => {
    expect(active({ esp: { lifetimeSeconds } })).toEqual([
      `active tunnel: esp.lifetimeSeconds is ${lifetimeSeconds}; give a whole number of seconds from 60 to 86400.`,
    ]);
  });

  it("accept the shortest and the longest lifetime", () => {
    expect(active({ ike: { lifetimeSeconds: 60 }, esp: { lifetimeSeconds: 60 } })).toEqual([]);
    expect(active({ ike: { lifetimeSeconds: 86400 }, esp: { lifetimeSeconds: 86400 } })).toEqual([]);
  });

  it("refuse lifetimes that only Terraform knows, because the box's are computed from them", () => {
    const lifetimeSeconds = Token.asNumber("${var.lifetime}");
    expect(active({ ike: { lifetimeSeconds }, esp: { lifetimeSeconds } })).toEqual([
      "active tunnel: ike.lifetimeSeconds is known only to Terraform; give a whole number of seconds from 60 to 86400.",
      "active tunnel: esp.lifetimeSeconds is known only to Terraform; give a whole number of seconds from 60 to 86400.",
    ]);
  });

  it("refuse an IKE lifetime shorter than the ESP lifetime", () => {
    expect(active({ ike: { lifetimeSeconds: 3600 } })).toEqual([
      "active tunnel: ike.lifetimeSeconds 3600 is shorter than esp.lifetimeSeconds 86400; make the IKE lifetime at least as long as the ESP lifetime.",
    ]);
    expect(active({ ike: { lifetimeSeconds: 3600 }, esp: { lifetimeSeconds: 3600 } })).toEqual([]);
  });

  it("refuse every choice that the API does not offer", () => {
    const none = "none" as never;
    const ike = { version: none, mode: none, encryption: none, integrity: none, dhGroup: none };
    expect(active({ ike, esp: { encryption: none, integrity: none, pfs: none } })).toEqual([
      "active tunnel: ike.version none is not offered; choose one of ikev1, ikev2.",
      "active tunnel: ike.mode none is not offered; choose one of main, aggressive.",
      "active tunnel: ike.encryption none is not offered; choose one of aes, aes192, aes256, des, 3des.",
      "active tunnel: ike.integrity none is not offered; choose one of md5, sha1, sha256, sha384, sha512.",
      "active tunnel: ike.dhGroup none is not offered; choose one of group1, group2, group5, group14.",
      "active tunnel: esp.encryption none is not offered; choose one of aes, aes192, aes256, des, 3des.",
      "active tunnel: esp.integrity none is not offered; choose one of md5, sha1, sha256, sha384, sha512.",
      "active tunnel: esp.pfs none is not offered; choose one of disabled, group1, group2, group5, group14.",
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
  // A word of each risk, which the warning has to name.
  const RISKS: Record<string, RegExp> = {
    ikev1: /denial of service/,
    aggressive: /offline/,
    des: /56-bit/,
    "3des": /Sweet32/,
    md5: /broken/,
    sha1: /collisions/,
    group1: /768-bit/,
    group2: /Logjam/,
    disabled: /reads all traffic/,
  };
  const every = <Value extends string>(
    of: Record<string, Value>,
    what: string,
    make: (value: Value) => TunnelOptions,
  ) => Object.values(of).map((value) => [`${what} ${value}`, value, make(value)] as [string, string, TunnelOptions]);
  const v1 = IkeVersion.V1;

  it.each([
    ...every(IkeVersion, "ike.version", (version) => ({ ike: { version } })),
    ...every(IkeMode, "ike.mode", (mode) => ({ ike: { mode, version: v1 } })),
    ...every(Encryption, "ike.encryption", (encryption) => ({ ike: { encryption } })),
    ...every(Integrity, "ike.integrity", (integrity) => ({ ike: { integrity } })),
    ...every(DhGroup, "ike.dhGroup", (dhGroup) => ({ ike: { dhGroup } })),
    ...every(Encryption, "esp.encryption", (encryption) => ({ esp: { encryption } })),
    ...every(Integrity, "esp.integrity", (integrity) => ({ esp: { integrity } })),
    ...every(Pfs, "esp.pfs", (pfs) => ({ esp: { pfs } })),
  ])("work, and %s is warned about with its risk, where there is one", (what, value, options) => {
    const stack = siteStack({ activeTunnel: options });
    expect(problems(stack)).toEqual([]);
    const beside = options.ike?.mode ? ["ike.version ikev1"] : [];
    const expected = [...beside, ...(value in RISKS ? [what] : [])];
    const found = warnings(stack);
    expect(found.map((warning) => /^active tunnel: (.*) is weak: /.exec(warning)?.[1])).toEqual(expected);
    if (value in RISKS) expect(found.at(-1)).toMatch(RISKS[value]);
  });

  it("are warned about once, however often the stack is checked", () => {
    const stack = siteStack({ activeTunnel: { ike: { encryption: Encryption.DES } } });
    problems(stack);
    problems(stack);
    expect(warnings(stack)).toHaveLength(1);
  });
});
