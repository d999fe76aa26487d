import * as fc from "fast-check";
import { Encryption, IkeMode, IkeVersion, Integrity, Pfs, RoutingMode } from "../../lib";
import { rekeyTimes } from "../../lib/ipsec/lifetime";
import { synthesizedSite } from "./site";

const local = (name: string, changes: Parameters<typeof synthesizedSite>[0] = {}) =>
  synthesizedSite(changes).locals![name];

/** The settings of a swanctl text by their dotted place; a section's braces are balanced or this throws. */
function settings(text: string): Record<string, string> {
  const found: Record<string, string> = {};
  const path: string[] = [];
  for (const line of text.split("\n").map((raw) => raw.replace(/^\s*#.*/, "").trim())) {
    if (line === "") continue;
    if (line.endsWith("{")) path.push(line.slice(0, -1).trim());
    else if (line === "}") expect(path.pop()).toBeDefined();
    else {
      const [key, ...value] = line.split(" = ");
      found[[...path, key].join(".")] = value.join(" = ");
    }
  }
  expect(path).toEqual([]);
  return found;
}

describe("the connection that swanctl loads", () => {
  it("is this, for the page's active tunnel", () => {
    expect(local("singapore_tunnel_1_conf")).toMatchSnapshot();
  });

  it("takes the standby tunnel's addresses, ids and numbers for the standby tunnel", () => {
    const text = settings(local("singapore_tunnel_2_conf"));
    expect(text).toMatchObject({
      "connections.singapore-2.local_addrs": "172.16.2.57",
      "connections.singapore-2.remote_addrs": "${alicloud_vpn_gateway.singapore_gateway.disaster_recovery_internet_ip}",
      "connections.singapore-2.local.id": "203.0.113.181",
      "connections.singapore-2.remote.id": "${alicloud_vpn_gateway.singapore_gateway.disaster_recovery_internet_ip}",
      "connections.singapore-2.children.singapore-2.if_id_in": "758174",
      "connections.singapore-2.children.singapore-2.if_id_out": "758174",
    });
  });

  it("never gives a tunnel up, never moves it, and leaves no updown script to the order of events", () => {
    const text = settings(local("singapore_tunnel_1_conf"));
    expect(text).toMatchObject({
      "connections.singapore-1.keyingtries": "0",
      "connections.singapore-1.mobike": "no",
      "connections.singapore-1.reauth_time": "0s",
    });
    expect(Object.keys(text).join()).not.toContain("updown");
  });

  it("takes packets that were overtaken by many, as when traffic moves to the other uplink", () => {
    for (const number of [1, 2]) {
      const text = settings(local(`singapore_tunnel_${number}_conf`));
      const window = text[`connections.singapore-${number}.children.singapore-${number}.replay_window`];
      expect(Number(window)).toBeGreaterThanOrEqual(1024);
      // The kernel's own limit.
      expect(Number(window)).toBeLessThanOrEqual(4096);
    }
  });

  it("follows the tunnel's options", () => {
    const text = settings(
      local("singapore_tunnel_1_conf", {
        activeTunnel: {
          ike: {
            version: IkeVersion.V1,
            mode: IkeMode.AGGRESSIVE,
            encryption: Encryption.AES_128,
            integrity: Integrity.SHA_512,
            lifetimeSeconds: 7200,
          },
          esp: {
            encryption: Encryption.AES_192,
            integrity: Integrity.SHA_384,
            pfs: Pfs.DISABLED,
            lifetimeSeconds: 3600,
          },
          dpd: false,
          natTraversal: false,
          cloudId: "cloud.example.com",
          peerId: "box.example.com",
        },
      }),
    );
    expect(text).toMatchObject({
      "connections.singapore-1.version": "1",
      "connections.singapore-1.aggressive": "yes",
      "connections.singapore-1.proposals": "aes128-sha512-modp2048",
      "connections.singapore-1.rekey_time": "6480s",
      "connections.singapore-1.over_time": "720s",
      "connections.singapore-1.dpd_delay": "0s",
      "connections.singapore-1.encap": "no",
      "connections.singapore-1.local.id": "box.example.com",
      "connections.singapore-1.remote.id": "cloud.example.com",
      "connections.singapore-1.children.singapore-1.esp_proposals": "aes192-sha384",
      "connections.singapore-1.children.singapore-1.rekey_time": "3240s",
      "connections.singapore-1.children.singapore-1.life_time": "3600s",
    });
    expect(text).not.toHaveProperty(["connections.singapore-1.children.singapore-1.dpd_action"]);
  });

  it("carries everything when routes decide, and the blocks when the policy does", () => {
    const blocks = {
      dataCenterCidrs: ["172.16.0.0/16", "10.1.0.0/16"],
      vpcCidrs: ["192.168.0.0/17", "192.168.128.0/17"],
    };
    const child = "connections.singapore-1.children.singapore-1";
    expect(settings(local("singapore_tunnel_1_conf", blocks))).toMatchObject({
      [`${child}.local_ts`]: "0.0.0.0/0",
      [`${child}.remote_ts`]: "0.0.0.0/0",
    });
    expect(settings(local("singapore_tunnel_1_conf", { ...blocks, routing: RoutingMode.POLICY }))).toMatchObject({
      [`${child}.local_ts`]: "172.16.0.0/16, 10.1.0.0/16",
      [`${child}.remote_ts`]: "192.168.0.0/17, 192.168.128.0/17",
    });
  });

  it("holds no secret", () => {
    for (const name of ["singapore_tunnel_1_conf", "singapore_tunnel_2_conf", "singapore_site_json"]) {
      expect(local(name)).not.toContain("psk_");
    }
  });
});

describe("the secret that swanctl loads", () => {
  it("is selected by both ids and written in base64", () => {
    expect(settings(local("singapore_secrets_1_conf"))).toEqual({
      "secrets.ike-singapore-1.id-local": "198.51.100.198",
      "secrets.ike-singapore-1.id-remote": "${alicloud_vpn_gateway.singapore_gateway.internet_ip}",
      "secrets.ike-singapore-1.secret": "0s${base64encode(sensitive(var.singapore_psk_active))}",
    });
  });

  it("is another one for the standby tunnel", () => {
    expect(settings(local("singapore_secrets_2_conf"))).toMatchObject({
      "secrets.ike-singapore-2.id-local": "203.0.113.181",
      "secrets.ike-singapore-2.secret": "0s${base64encode(sensitive(var.singapore_psk_standby))}",
    });
  });
});

describe("renewal of an SA", () => {
  it("comes at 80 to 90 % of the lifetime, with the lifetime as the hard end", () => {
    fc.assert(
      fc.property(fc.integer({ min: 60, max: 86400 }), (lifetime) => {
        const { rekey, margin } = rekeyTimes(lifetime);
        expect(rekey + margin).toBe(lifetime);
        expect((rekey - margin) / lifetime).toBeGreaterThanOrEqual(0.8);
        expect(rekey / lifetime).toBeGreaterThanOrEqual(0.9);
        expect(rekey / lifetime).toBeLessThan(0.92);
      }),
    );
  });
});
