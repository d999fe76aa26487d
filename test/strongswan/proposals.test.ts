// Whether the cloud's fields and the box's text mean the same, for every combination of algorithms that the API allows.
// The real charon says what the text means: what it reports as configured, and the numbers that it sends. The expected
// values are the numbers of IANA's registries, typed here by hand for the API's words: lib/ holds none of them.
import {
  CustomerGatewayPair,
  DhGroup,
  DualTunnelVpn,
  DualTunnelVpnGateway,
  Encryption,
  IkeMode,
  IkeVersion,
  Integrity,
  Pfs,
} from "../../lib";
import {
  EXISTING_CUSTOMER_GATEWAYS,
  EXISTING_GATEWAY,
  newStack,
  problems,
  SITE,
  synthesized,
  UPLINK_1,
  UPLINK_2,
} from "../lib/site";
import { LoadedConnection, loadedConnections } from "./programs";

jest.setTimeout(120_000);

/** Numbers of the API's words in IKEv2 (RFC 7296, 3.3.2) and IKEv1 (RFC 2409, appendix A; RFC 3526, RFC 3602). */
const ENCRYPTION: Record<string, { v2: number; v1: number; bits?: number }> = {
  aes: { v2: 12, v1: 7, bits: 128 },
  aes192: { v2: 12, v1: 7, bits: 192 },
  aes256: { v2: 12, v1: 7, bits: 256 },
  des: { v2: 2, v1: 1 },
  "3des": { v2: 3, v1: 5 },
};
const INTEGRITY: Record<string, { v2: number; prf: number; hash: number }> = {
  md5: { v2: 1, prf: 1, hash: 1 },
  sha1: { v2: 2, prf: 2, hash: 2 },
  sha256: { v2: 12, prf: 5, hash: 4 },
  sha384: { v2: 13, prf: 6, hash: 5 },
  sha512: { v2: 14, prf: 7, hash: 6 },
};
const GROUP: Record<string, number | undefined> = {
  group1: 1,
  group2: 2,
  group5: 5,
  group14: 14,
  disabled: undefined,
};

/** What charon's names for transforms stand for: type and number in IKEv2, and key bits (strongSwan's headers). */
const CHARON: Record<string, string> = {
  AES_CBC_128: "1=12/128",
  AES_CBC_192: "1=12/192",
  AES_CBC_256: "1=12/256",
  DES_CBC: "1=2",
  "3DES_CBC": "1=3",
  PRF_HMAC_MD5: "2=1",
  PRF_HMAC_SHA1: "2=2",
  PRF_HMAC_SHA2_256: "2=5",
  PRF_HMAC_SHA2_384: "2=6",
  PRF_HMAC_SHA2_512: "2=7",
  HMAC_MD5_96: "3=1",
  HMAC_SHA1_96: "3=2",
  HMAC_SHA2_256_128: "3=12",
  HMAC_SHA2_384_192: "3=13",
  HMAC_SHA2_512_256: "3=14",
  MODP_768: "4=1",
  MODP_1024: "4=2",
  MODP_1536: "4=5",
  MODP_2048: "4=14",
  NO_EXT_SEQ: "5=0",
};

/** A tunnel's fields as the cloud receives them. */
interface CloudTunnel {
  readonly enable_dpd: boolean;
  readonly enable_nat_traversal: boolean;
  readonly tunnel_ike_config: Record<string, string> & { readonly ike_lifetime: number };
  readonly tunnel_ipsec_config: Record<string, string> & { readonly ipsec_lifetime: number };
}

const proposal = (transforms: readonly (string | false)[]) => transforms.filter(Boolean).sort().join(" ");
const encryption = (word: string) => {
  const { v2, bits } = ENCRYPTION[word];
  return `1=${v2}${bits === undefined ? "" : `/${bits}`}`;
};

function ikeProposal({ ike_enc_alg, ike_auth_alg, ike_pfs }: Record<string, string>): string {
  const { v2, prf } = INTEGRITY[ike_auth_alg];
  return proposal([encryption(ike_enc_alg), `2=${prf}`, `3=${v2}`, `4=${GROUP[ike_pfs]}`]);
}

function espProposal({ ipsec_enc_alg, ipsec_auth_alg, ipsec_pfs }: Record<string, string>): string {
  const group = GROUP[ipsec_pfs];
  const transforms = [encryption(ipsec_enc_alg), `3=${INTEGRITY[ipsec_auth_alg].v2}`, "5=0"];
  return proposal([...transforms, group !== undefined && `4=${group}`]);
}

/** charon's line in numbers; a name that the table lacks stays as it is. */
const inNumbers = (line: string, protocol: string) => {
  const [head, names] = line.split(":");
  expect(head).toBe(protocol);
  return proposal(names.split("/").map((name) => CHARON[name] ?? name));
};

const product = <A, B, C>(as: A[], bs: B[], cs: C[]) => as.flatMap((a) => bs.flatMap((b) => cs.map((c) => [a, b, c])));
const combinations = <Group>(groups: Group[]) =>
  product(Object.values(Encryption), Object.values(Integrity), groups) as [Encryption, Integrity, Group][];

const IKE = combinations(Object.values(DhGroup));
const ESP = combinations(Object.values(Pfs));

/**
 * A site for each ESP combination, its active tunnel in IKEv2 and its standby tunnel in IKEv1. The IKE combinations run
 * the other way, so that a phase that took the other's algorithms would show.
 */
function sites() {
  const stack = newStack();
  const gateway = DualTunnelVpnGateway.fromDualTunnelVpnGatewayAttributes(stack, "gateway", EXISTING_GATEWAY);
  // Without NAT, so that NAT traversal may be off.
  const uplinks = [
    { ...UPLINK_1, address: `${UPLINK_1.egressIp}/24`, gateway: "198.51.100.1" },
    { ...UPLINK_2, address: `${UPLINK_2.egressIp}/24`, gateway: "203.0.113.1" },
  ] as const;
  const customerGateways = CustomerGatewayPair.fromCustomerGatewayPairAttributes(
    stack,
    "customer-gateways",
    EXISTING_CUSTOMER_GATEWAYS,
  );
  ESP.forEach(([espEncryption, espIntegrity, pfs], index) => {
    const [ikeEncryption, ikeIntegrity, dhGroup] = IKE[(ESP.length - 1 - index) % IKE.length];
    const ike = { encryption: ikeEncryption, integrity: ikeIntegrity, dhGroup, lifetimeSeconds: 86400 - 599 * index };
    const options = {
      esp: { encryption: espEncryption, integrity: espIntegrity, pfs, lifetimeSeconds: 60 + 97 * index },
      dpd: index % 3 > 0,
      natTraversal: index % 2 > 0,
    };
    const mode = index % 5 > 0 ? IkeMode.MAIN : IkeMode.AGGRESSIVE;
    new DualTunnelVpn(stack, `site-${index}`, {
      ...SITE,
      name: `c${index}`,
      dataCenterCidrs: [`10.${index}.0.0/16`],
      ssh: { ...SITE.ssh, host: `box-${index}.example.com` },
      gateway,
      customerGateways,
      uplinks,
      // charon shares the IKE_SA of connections that differ in nothing else.
      activeTunnel: { ...options, ike, peerId: `box-${index}.example.com` },
      standbyTunnel: {
        ...options,
        ike: { ...ike, version: IkeVersion.V1, mode },
        peerId: `box${index}@example.com`,
        cloudId: `cloud_${index}`,
      },
    });
  });
  expect(problems(stack)).toEqual([]);
  return synthesized(stack);
}

describe("the algorithms that a tunnel can have", () => {
  it("are the API's, no more and no less", () => {
    expect(Object.values(Encryption).sort()).toEqual(Object.keys(ENCRYPTION).sort());
    expect(Object.values(Integrity).sort()).toEqual(Object.keys(INTEGRITY).sort());
    expect(Object.values(Pfs).sort()).toEqual(Object.keys(GROUP).sort());
    expect([...Object.values(DhGroup), "disabled"].sort()).toEqual(Object.keys(GROUP).sort());
  });
});

describe("both ends' algorithms", () => {
  const cloud: Record<string, CloudTunnel> = {};
  let charon: Record<string, LoadedConnection>;

  beforeAll(async () => {
    const { resource, locals } = sites();
    const texts: string[] = [];
    ESP.forEach((_, index) => {
      const { tunnel_options_specification } = resource.alicloud_vpn_connection[`c${index}_connection`];
      (tunnel_options_specification as CloudTunnel[]).forEach((tunnel, place) => {
        cloud[`c${index}-${place + 1}`] = tunnel;
        texts.push(locals![`c${index}_tunnel_${place + 1}_conf`]);
      });
    });
    charon = await loadedConnections(texts);
  });

  /** Something of each tunnel as the cloud has it and as charon has it. */
  const compare = (
    ofCloud: (tunnel: CloudTunnel) => unknown,
    ofCharon: (connection: LoadedConnection, tunnel: CloudTunnel) => unknown,
    only: (tunnel: CloudTunnel) => boolean = () => true,
  ) => {
    const names = Object.keys(cloud).filter((name) => only(cloud[name]));
    expect(names.length).toBeGreaterThanOrEqual(ESP.length);
    const of = (value: (name: string) => unknown) => Object.fromEntries(names.map((name) => [name, value(name)]));
    expect(of((name) => ofCharon(charon[name], cloud[name]))).toEqual(of((name) => ofCloud(cloud[name])));
  };
  const isVersion = (version: string) => (tunnel: CloudTunnel) => tunnel.tunnel_ike_config.ike_version === version;

  it.each(["ikev1", "ikev2"])("are compared in all their combinations in %s", (version) => {
    const tunnels = Object.values(cloud).filter(isVersion(version));
    expect(new Set(tunnels.map((tunnel) => ikeProposal(tunnel.tunnel_ike_config))).size).toBe(5 * 5 * 4);
    expect(new Set(tunnels.map((tunnel) => espProposal(tunnel.tunnel_ipsec_config))).size).toBe(5 * 5 * 5);
  });

  it("are configured in charon as the cloud's IKE fields say", () => {
    compare(
      (tunnel) => ikeProposal(tunnel.tunnel_ike_config),
      ({ configured }) => inNumbers(configured.proposals, "IKE"),
    );
  });

  it("are configured in charon as the cloud's ESP fields say, without a group when PFS is off", () => {
    compare(
      (tunnel) => espProposal(tunnel.tunnel_ipsec_config),
      ({ configured }) => inNumbers(configured["child.proposals"], "ESP"),
    );
  });

  it("are sent by charon in IKEv2 as one proposal with these numbers", () => {
    type Transform = [type: number, number: number, attributes: Record<string, number>];
    compare(
      (tunnel) => [ikeProposal(tunnel.tunnel_ike_config)],
      ({ sent }) =>
        (sent as Transform[][]).map((transforms) =>
          proposal(transforms.map(([type, number, { 14: bits }]) => `${type}=${number}${bits ? `/${bits}` : ""}`)),
        ),
      isVersion("ikev2"),
    );
  });

  it("are sent by charon in IKEv1 as one transform with these numbers, the lifetime among them", () => {
    compare(
      ({ tunnel_ike_config: { ike_enc_alg, ike_auth_alg, ike_pfs, ike_lifetime } }) => {
        const { v1, bits } = ENCRYPTION[ike_enc_alg];
        const algorithms = { 1: v1, ...(bits && { 14: bits }), 2: INTEGRITY[ike_auth_alg].hash, 4: GROUP[ike_pfs] };
        // Pre-shared key; a lifetime in seconds.
        return [{ ...algorithms, 3: 1, 11: 1, 12: ike_lifetime }];
      },
      ({ sent }) => sent,
      isVersion("ikev1"),
    );
  });

  it("come with the same version, mode, ids, dead peer detection, NAT traversal and lifetimes", () => {
    compare(
      ({ tunnel_ike_config: ike, tunnel_ipsec_config: esp, ...tunnel }) => ({
        version: { ikev1: "1", ikev2: "2" }[ike.ike_version],
        aggressive: ike.ike_mode === "aggressive",
        peerId: ike.remote_id,
        cloudId: ike.local_id,
        dpd: tunnel.enable_dpd,
        restarts: tunnel.enable_dpd,
        natTraversal: tunnel.enable_nat_traversal,
        ikeLifetime: ike.ike_lifetime,
        espLifetime: esp.ipsec_lifetime,
      }),
      ({ configured }) => ({
        version: configured.version,
        aggressive: configured.aggressive === "1",
        peerId: configured["local.id"],
        cloudId: configured["remote.id"],
        dpd: Number(configured.dpd_delay) > 0,
        restarts: configured["child.dpd_action"] === "start",
        natTraversal: configured.encap === "1",
        // charon's hard end of an IKE_SA is what it may take to renew it after the time to renew it.
        ikeLifetime: Number(configured.rekey_time) + Number(configured.over_time),
        espLifetime: Number(configured["child.life_time"]),
      }),
    );
  });
});
