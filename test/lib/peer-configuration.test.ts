// What another device is given, taken from a real Terraform run: the stack has no provider, only outputs.
import { TerraformOutput, TerraformStack, Testing } from "cdktf";
import {
  IkeVersion,
  IpsecDualConnection,
  IpsecDualConnectionAttributes,
  PeerConfiguration,
  Routing,
  RoutingMode,
} from "../../lib";
import { outputs } from "./outputs";
import { problems } from "./site";

const EXISTING: IpsecDualConnectionAttributes = {
  name: "office",
  vpnConnectionId: "vco-1",
  vpcCidrs: ["192.168.0.0/16"],
  dataCenterCidrs: ["172.16.0.0/16", "10.1.0.0/16"],
  activeTunnel: { ipsecAddress: "192.0.2.152", egressIp: "198.51.100.198", esp: { lifetimeSeconds: 3600 } },
  standbyTunnel: { ipsecAddress: "192.0.2.10", egressIp: "203.0.113.181" },
};

function existing(changes: Partial<IpsecDualConnectionAttributes> = {}) {
  const stack = new TerraformStack(Testing.app(), "test");
  const connection = IpsecDualConnection.fromIpsecDualConnectionAttributes(stack, "office", {
    ...EXISTING,
    ...changes,
  });
  return { stack, connection };
}

describe("the peer configuration", () => {
  const keys = {
    office_psk_active: "a'b`c$d%e{f}g[h]i|j;k:l,m.<n>/o?p~q!r@s#t^u&v*w(x)y_z-0+=",
    office_psk_standby: "k2",
  };

  it("is the console's JSON and swanctl text, with both keys whole", () => {
    const { stack, connection } = existing();
    const peer = PeerConfiguration.of(connection);
    new TerraformOutput(stack, "json", { value: peer.json, sensitive: true });
    new TerraformOutput(stack, "swanctl", { value: peer.swanctl(["172.16.1.93", "172.16.2.57"]), sensitive: true });
    const { json, swanctl } = outputs(stack, keys);
    const ike = {
      IkeVersion: "ikev2",
      IkeMode: "main",
      IkeEncAlg: "aes256",
      IkeAuthAlg: "sha256",
      IkePfs: "group14",
      IkeLifetime: 86400,
    };
    const esp = { IpsecEncAlg: "aes256", IpsecAuthAlg: "sha256", IpsecPfs: "group14" };
    expect(JSON.parse(json)).toEqual({
      LocalSubnet: "0.0.0.0/0",
      RemoteSubnet: "0.0.0.0/0",
      TunnelsConfig: {
        TunnelConfig: [
          {
            Local: "198.51.100.198",
            Remote: "192.0.2.152",
            IkeConfig: { ...ike, LocalId: "198.51.100.198", RemoteId: "192.0.2.152", Psk: keys.office_psk_active },
            IpsecConfig: { ...esp, IpsecLifetime: 3600 },
          },
          {
            Local: "203.0.113.181",
            Remote: "192.0.2.10",
            IkeConfig: { ...ike, LocalId: "203.0.113.181", RemoteId: "192.0.2.10", Psk: keys.office_psk_standby },
            IpsecConfig: { ...esp, IpsecLifetime: 86400 },
          },
        ],
      },
    });
    expect(swanctl).toContain(`secret = 0s${Buffer.from(keys.office_psk_active).toString("base64")}\n`);
    expect(swanctl).toContain("local_addrs = 172.16.1.93\n");
    expect(swanctl).toContain("local_addrs = 172.16.2.57\n");
    expect(swanctl).toMatchSnapshot();
  }, 60_000);

  it("has both ends of each BGP session in its JSON, the data center's as the local one", () => {
    const tunnelCidrs = ["169.254.11.0/30", "169.254.12.0/30"];
    const { stack, connection } = existing({ routing: Routing.bgp({ tunnelCidrs }), asn: 65010 });
    expect(problems(stack)).toEqual([]);
    new TerraformOutput(stack, "json", { value: PeerConfiguration.of(connection).json, sensitive: true });
    const asns = { LocalAsn: "65010", PeerAsn: "45104" };
    expect(JSON.parse(outputs(stack, keys).json)).toMatchObject({
      LocalSubnet: "0.0.0.0/0",
      RemoteSubnet: "0.0.0.0/0",
      BgpConfigs: {
        BgpConfig: [
          { ...asns, LocalBgpIp: "169.254.11.2", PeerBgpIp: "169.254.11.1", TunnelCidr: "169.254.11.0/30" },
          { ...asns, LocalBgpIp: "169.254.12.2", PeerBgpIp: "169.254.12.1", TunnelCidr: "169.254.12.0/30" },
        ],
      },
    });
  });

  it("carries the blocks when the policy decides, and negotiates from anywhere unless told otherwise", () => {
    const { connection } = existing({ routing: RoutingMode.POLICY });
    const text = PeerConfiguration.of(connection).swanctl();
    expect(
      text.match(/local_ts = 172\.16\.0\.0\/16, 10\.1\.0\.0\/16\n\s+remote_ts = 192\.168\.0\.0\/16/g),
    ).toHaveLength(2);
    expect(text.match(/local_addrs = %any/g)).toHaveLength(2);
  });
});

describe("a connection that exists", () => {
  it("makes nothing in the cloud", () => {
    const { stack, connection } = existing();
    expect(problems(stack)).toEqual([]);
    expect(connection.cloudResources).toEqual([]);
    expect(connection.vpnConnectionId).toBe("vco-1");
    expect(JSON.parse(Testing.synth(stack))).not.toHaveProperty("resource");
  });

  it("is checked like a new one", () => {
    const { stack } = existing({
      name: "Office",
      dataCenterCidrs: ["192.168.1.0/24"],
      routing: RoutingMode.POLICY,
      activeTunnel: {
        ...EXISTING.activeTunnel,
        ipsecAddress: "cloud",
        ike: { version: IkeVersion.V1, lifetimeSeconds: 1 },
      },
      standbyTunnel: { ...EXISTING.standbyTunnel, egressIp: "1.2.3" },
    });
    expect(problems(stack)).toEqual([
      expect.stringMatching(/^name "Office" must be /),
      'active tunnel: ipsecAddress "cloud" is not an IPv4 address; write it as 192.0.2.152.',
      'standby tunnel: egressIp "1.2.3" is not an IPv4 address; write it as 198.51.100.198.',
      expect.stringMatching(/^active tunnel: ike\.lifetimeSeconds is 1;/),
      "vpcCidrs 192.168.0.0/16 and dataCenterCidrs 192.168.1.0/24 overlap; give blocks that share no address.",
    ]);
  });

  it("has an IPsec address of its own for each tunnel", () => {
    const { ipsecAddress } = EXISTING.activeTunnel;
    const { stack } = existing({ standbyTunnel: { ...EXISTING.standbyTunnel, ipsecAddress } });
    expect(problems(stack)).toEqual([
      "ipsecAddress 192.0.2.152 is given for both tunnels; give each the gateway's address for it.",
    ]);
  });
});
