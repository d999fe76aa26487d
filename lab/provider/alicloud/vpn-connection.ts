// alicloud_vpn_connection over CreateVpnConnection, DescribeVpnConnection, ModifyVpnConnectionAttribute and
// DeleteVpnConnection: the connection, its two tunnels, and the older single-tunnel blocks.
import type { Resource } from "../provider";
import { Reader, sameValue, type Values } from "../values";
import { clientToken, failure, given, objectIn, objectsIn, type Answer, type Api } from "./api";
import { cidrBlocks } from "./checks";
import { describe } from "./describe";
import { inHashOrder } from "./hash-order";
import { readTags, tagList, updateTags } from "./tags";

const MINUTE = 60_000;

const look = (api: Api, id: string): Promise<Answer | undefined> =>
  describe(api, "DescribeVpnConnection", id, { VpnConnectionId: id }, ["InvalidVpnConnectionInstanceId.NotFound"]);

const untilActive = (api: Api, id: string, within: number) =>
  api.waitFor(
    `Resource ${id} active`,
    () => look(api, id),
    (answer) => answer?.State === "active",
    within,
  );

/** One tunnel's parameters, in the order of the configuration; what is unset goes as "", false and 0. */
function tunnelParameters(tunnel: Reader, creating: boolean): Record<string, unknown> {
  const ike = tunnel.block("tunnel_ike_config");
  const ipsec = tunnel.block("tunnel_ipsec_config");
  const bgp = tunnel.block("tunnel_bgp_config");
  return given({
    // A modification names a tunnel by its role alone.
    CustomerGatewayId: creating ? (tunnel.string("customer_gateway_id") ?? "") : undefined,
    EnableDpd: tunnel.boolean("enable_dpd") ?? false,
    EnableNatTraversal: tunnel.boolean("enable_nat_traversal") ?? false,
    Role: tunnel.string("role") ?? "",
    TunnelIkeConfig:
      ike &&
      given({
        IkeAuthAlg: ike.string("ike_auth_alg"),
        IkeEncAlg: ike.string("ike_enc_alg"),
        IkeLifetime: ike.number("ike_lifetime") ?? 0,
        IkeMode: ike.string("ike_mode"),
        IkePfs: ike.string("ike_pfs"),
        IkeVersion: ike.string("ike_version"),
        LocalId: ike.string("local_id"),
        Psk: ike.string("psk"),
        RemoteId: ike.string("remote_id"),
      }),
    TunnelIpsecConfig:
      ipsec &&
      given({
        IpsecAuthAlg: ipsec.string("ipsec_auth_alg"),
        IpsecEncAlg: ipsec.string("ipsec_enc_alg"),
        IpsecLifetime: ipsec.number("ipsec_lifetime") ?? 0,
        IpsecPfs: ipsec.string("ipsec_pfs"),
      }),
    TunnelBgpConfig:
      bgp &&
      given({
        LocalAsn: bgp.string("local_asn"),
        LocalBgpIp: bgp.string("local_bgp_ip"),
        TunnelCidr: bgp.string("tunnel_cidr"),
      }),
  });
}

const tunnels = (value: Reader, creating: boolean) =>
  value.blocks("tunnel_options_specification").map((tunnel) => tunnelParameters(tunnel, creating));

const json = (value: Record<string, unknown>): string => JSON.stringify(given(value));

/** The blocks of a connection with a single tunnel: one JSON text each. */
function singleTunnelParameters(value: Reader, creating: boolean): Record<string, string | undefined> {
  const ike = value.block("ike_config");
  const ipsec = value.block("ipsec_config");
  const bgp = value.block("bgp_config");
  const health = value.block("health_check_config");
  const check = health && {
    Dip: health.string("dip"),
    Enable: health.boolean("enable"),
    Interval: health.number("interval"),
    Retry: health.number("retry"),
    Sip: health.string("sip"),
  };
  return {
    IkeConfig:
      ike &&
      json({
        IkeAuthAlg: ike.string("ike_auth_alg"),
        IkeEncAlg: ike.string("ike_enc_alg"),
        IkeLifetime: ike.number("ike_lifetime"),
        IkeMode: ike.string("ike_mode"),
        IkePfs: ike.string("ike_pfs"),
        IkeVersion: ike.string("ike_version"),
        LocalId: ike.string("ike_local_id"),
        Psk: ike.string("psk"),
        RemoteId: ike.string("ike_remote_id"),
      }),
    IpsecConfig:
      ipsec &&
      json({
        IpsecAuthAlg: ipsec.string("ipsec_auth_alg"),
        IpsecEncAlg: ipsec.string("ipsec_enc_alg"),
        IpsecLifetime: ipsec.number("ipsec_lifetime"),
        IpsecPfs: ipsec.string("ipsec_pfs"),
      }),
    BgpConfig:
      bgp &&
      json({
        EnableBgp: bgp.boolean("enable"),
        LocalAsn: bgp.string("local_asn"),
        LocalBgpIp: bgp.string("local_bgp_ip"),
        TunnelCidr: bgp.string("tunnel_cidr"),
      }),
    // Lower-case names in a creation, capitals in a modification: so does the provider.
    HealthCheckConfig:
      check &&
      json(
        creating ? Object.fromEntries(Object.entries(check).map(([key, each]) => [key.toLowerCase(), each])) : check,
      ),
  };
}

/** What alone makes the provider send a modification; enable_tunnels_bgp and auto_config_route only go along. */
const TRIGGERS = [
  "local_subnet",
  "remote_subnet",
  "effect_immediately",
  "enable_dpd",
  "enable_nat_traversal",
  "vpn_connection_name",
  "name",
  "ike_config",
  "ipsec_config",
  "bgp_config",
  "health_check_config",
  "tunnel_options_specification",
];

async function modify(api: Api, id: string, prior: Values, planned: Values, within: number): Promise<void> {
  const changed = (name: string) => !sameValue(prior[name], planned[name], name.endsWith("_subnet"));
  if (!TRIGGERS.some(changed)) return;
  const value = new Reader(planned);
  const single = singleTunnelParameters(value, false);
  const name = changed("vpn_connection_name") ? value.string("vpn_connection_name") : value.string("name");
  const changes = given({
    LocalSubnet: inHashOrder(value.strings("local_subnet")).join(","),
    RemoteSubnet: inHashOrder(value.strings("remote_subnet")).join(","),
    AutoConfigRoute: value.boolean("auto_config_route"),
    EffectImmediately: changed("effect_immediately") ? (value.boolean("effect_immediately") ?? false) : undefined,
    EnableDpd: changed("enable_dpd") ? value.boolean("enable_dpd") : undefined,
    EnableNatTraversal: changed("enable_nat_traversal") ? value.boolean("enable_nat_traversal") : undefined,
    EnableTunnelsBgp: changed("enable_tunnels_bgp") ? value.boolean("enable_tunnels_bgp") : undefined,
    Name: changed("vpn_connection_name") || changed("name") ? name : undefined,
    IkeConfig: changed("ike_config") ? single.IkeConfig : undefined,
    IpsecConfig: changed("ipsec_config") ? single.IpsecConfig : undefined,
    BgpConfig: changed("bgp_config") ? single.BgpConfig : undefined,
    HealthCheckConfig: changed("health_check_config") ? single.HealthCheckConfig : undefined,
    TunnelOptionsSpecification: changed("tunnel_options_specification") ? tunnels(value, false) : undefined,
  });
  try {
    await api.retry(
      "ModifyVpnConnectionAttribute",
      () => ({
        VpnConnectionId: id,
        RegionId: api.region,
        ClientToken: clientToken("ModifyVpnConnectionAttribute"),
        ...changes,
      }),
      ["VpnGateway.Configuring", "VpnTask.CONFLICT"],
      within,
    );
  } catch (error) {
    throw failure(id, error);
  }
  await untilActive(api, id, within);
}

const subnets = (text: unknown): string[] => (typeof text === "string" && text !== "" ? text.split(",") : []);
const asBoolean = (value: unknown): unknown => (typeof value === "string" ? value === "true" : value);

function readTunnel(tunnel: Answer): Record<string, unknown> {
  const ike = objectIn(tunnel, "TunnelIkeConfig");
  const ipsec = objectIn(tunnel, "TunnelIpsecConfig");
  const bgp = objectIn(tunnel, "TunnelBgpConfig");
  return {
    customer_gateway_id: tunnel.CustomerGatewayId,
    enable_dpd: tunnel.EnableDpd,
    enable_nat_traversal: tunnel.EnableNatTraversal,
    internet_ip: tunnel.InternetIp,
    role: tunnel.Role,
    state: tunnel.State,
    status: tunnel.Status,
    tunnel_id: tunnel.TunnelId,
    zone_no: tunnel.ZoneNo,
    tunnel_bgp_config: bgp
      ? [
          {
            bgp_status: bgp.BgpStatus,
            local_asn: bgp.LocalAsn,
            local_bgp_ip: bgp.LocalBgpIp,
            peer_asn: bgp.PeerAsn,
            peer_bgp_ip: bgp.PeerBgpIp,
            tunnel_cidr: bgp.TunnelCidr,
          },
        ]
      : [],
    tunnel_ike_config: ike
      ? [
          {
            ike_auth_alg: ike.IkeAuthAlg,
            ike_enc_alg: ike.IkeEncAlg,
            ike_lifetime: ike.IkeLifetime,
            ike_mode: ike.IkeMode,
            ike_pfs: ike.IkePfs,
            ike_version: ike.IkeVersion,
            local_id: ike.LocalId,
            psk: ike.Psk,
            remote_id: ike.RemoteId,
          },
        ]
      : [],
    tunnel_ipsec_config: ipsec
      ? [
          {
            ipsec_auth_alg: ipsec.IpsecAuthAlg,
            ipsec_enc_alg: ipsec.IpsecEncAlg,
            ipsec_lifetime: ipsec.IpsecLifetime,
            ipsec_pfs: ipsec.IpsecPfs,
          },
        ]
      : [],
  };
}

function readSingleTunnel(answer: Answer): Record<string, unknown> {
  const ike = objectIn(answer, "IkeConfig");
  const ipsec = objectIn(answer, "IpsecConfig");
  const bgp = objectIn(answer, "VpnBgpConfig");
  const health = objectIn(answer, "VcoHealthCheck");
  return {
    ike_config: ike
      ? [
          {
            ike_auth_alg: ike.IkeAuthAlg,
            ike_enc_alg: ike.IkeEncAlg,
            ike_lifetime: ike.IkeLifetime,
            ike_local_id: ike.LocalId,
            ike_mode: ike.IkeMode,
            ike_pfs: ike.IkePfs,
            ike_remote_id: ike.RemoteId,
            ike_version: ike.IkeVersion,
            psk: ike.Psk,
          },
        ]
      : [],
    ipsec_config: ipsec
      ? [
          {
            ipsec_auth_alg: ipsec.IpsecAuthAlg,
            ipsec_enc_alg: ipsec.IpsecEncAlg,
            ipsec_lifetime: ipsec.IpsecLifetime,
            ipsec_pfs: ipsec.IpsecPfs,
          },
        ]
      : [],
    bgp_config: bgp
      ? [
          {
            enable: asBoolean(bgp.EnableBgp),
            local_asn: bgp.LocalAsn,
            local_bgp_ip: bgp.LocalBgpIp,
            status: bgp.Status,
            tunnel_cidr: bgp.TunnelCidr,
          },
        ]
      : [],
    health_check_config: health
      ? [
          {
            dip: health.Dip,
            enable: asBoolean(health.Enable),
            interval: health.Interval,
            retry: health.Retry,
            sip: health.Sip,
          },
        ]
      : [],
  };
}

export const vpnConnection: Resource<Api> = {
  facts: {
    forceNew: ["customer_gateway_id", "tunnel_options_specification.customer_gateway_id", "vpn_gateway_id"],
    computedBlocks: ["bgp_config", "health_check_config", "ike_config", "ipsec_config"],
    conflicts: [["vpn_connection_name", "name"]],
    checks: {
      local_subnet: cidrBlocks("local_subnet", 1, 10),
      remote_subnet: cidrBlocks("remote_subnet", 1, 10),
    },
  },
  timeouts: { create: 5 * MINUTE, update: 5 * MINUTE, delete: 5 * MINUTE },

  async create(api, planned, within) {
    const value = new Reader(planned);
    try {
      const answer = await api.retry(
        "CreateVpnConnection",
        () =>
          given({
            RegionId: api.region,
            ClientToken: clientToken("CreateVpnConnection"),
            LocalSubnet: inHashOrder(value.strings("local_subnet")).join(","),
            RemoteSubnet: inHashOrder(value.strings("remote_subnet")).join(","),
            EffectImmediately: value.boolean("effect_immediately"),
            EnableDpd: value.boolean("enable_dpd"),
            EnableNatTraversal: value.boolean("enable_nat_traversal"),
            ...singleTunnelParameters(value, true),
            CustomerGatewayId: value.string("customer_gateway_id"),
            AutoConfigRoute: value.boolean("auto_config_route"),
            Name: value.string("vpn_connection_name") ?? value.string("name"),
            VpnGatewayId: value.string("vpn_gateway_id"),
            Tags: tagList(value),
            EnableTunnelsBgp: value.boolean("enable_tunnels_bgp"),
            TunnelOptionsSpecification: tunnels(value, true),
          }),
        ["Appliance.Configuring", "VpnGateway.Configuring", "VpnTask.CONFLICT", "VpnConnection.Configuring"],
        within,
      );
      return { id: String(answer.VpnConnectionId) };
    } catch (error) {
      throw failure("alicloud_vpn_connection", error);
    }
  },

  async settle(api, id, planned, within) {
    await untilActive(api, id, within);
    const health = planned.health_check_config;
    // The provider sends a health check once more, as a modification.
    if (Array.isArray(health) && health.length > 0)
      await modify(api, id, { ...planned, health_check_config: [] }, planned, within);
    await updateTags(api, "VPNCONNECTION", id, null, planned, within);
  },

  async read(api, id) {
    const answer = await look(api, id);
    if (!answer) return undefined;
    const options = objectsIn(answer, "TunnelOptionsSpecification", "TunnelOptions");
    return {
      create_time: answer.CreateTime,
      customer_gateway_id: answer.CustomerGatewayId,
      effect_immediately: answer.EffectImmediately,
      enable_dpd: answer.EnableDpd,
      enable_nat_traversal: answer.EnableNatTraversal,
      enable_tunnels_bgp: answer.EnableTunnelsBgp,
      local_subnet: subnets(answer.LocalSubnet),
      name: answer.Name,
      remote_subnet: subnets(answer.RemoteSubnet),
      resource_group_id: answer.ResourceGroupId,
      status: answer.Status,
      tags: readTags(answer),
      vpn_connection_name: answer.Name,
      vpn_gateway_id: answer.VpnGatewayId,
      ...readSingleTunnel(answer),
      // In the API's order, compared with the configuration's place by place.
      tunnel_options_specification: (options ?? []).map(readTunnel),
    };
  },

  async update(api, id, prior, planned, within) {
    await modify(api, id, prior, planned, within);
    await updateTags(api, "VPNCONNECTION", id, prior, planned, within);
  },

  async delete(api, id, _prior, within) {
    try {
      await api.retry(
        "DeleteVpnConnection",
        () => ({ VpnConnectionId: id, RegionId: api.region, ClientToken: clientToken("DeleteVpnConnection") }),
        ["VpnGateway.Configuring", "Appliance.Configuring", "VpnTask.CONFLICT", "VpnConnection.Configuring"],
        within,
      );
    } catch (error) {
      throw failure(id, error);
    }
    await api.waitFor(
      `Resource ${id} deleted`,
      () => look(api, id),
      (answer) => answer === undefined,
      within,
    );
  },
};
