// IPsec connections of two tunnels: their rules, their life, and the configuration for the other side.
import type { BgpSession, TunnelStatus } from "../cloud-end";
import {
  checkedText,
  find,
  isListed,
  page,
  requiredConnection,
  requiredGateway,
  requiredRegion,
  tagList,
  type Action,
  type Answer,
  type Context,
} from "../context";
import { illegal, missing, quotaFull, refuse } from "../errors";
import { checkCidr, type Parameters } from "../parameters";
import { peerBgpIp, type CustomerGateway, type Tunnel, type VpnConnection, type VpnGateway } from "../store";
import { checkRouteQuota, setAutomaticRoutes } from "./automatic-routes";
import { noCustomerGateway } from "./customer-gateway";
import { readTags } from "./tags";
import { DEFAULT_IPSEC, defaultIke, describeTunnel, readBgp, readIke, readIpsec } from "./tunnel";

/** IPsec connections that a VPN gateway takes. */
const CONNECTION_QUOTA = 10;
/** CIDR blocks on either side of a connection. */
const SUBNET_QUOTA = 10;

export const connectionActions: Record<string, Action> = {
  CreateVpnConnection(context) {
    const { parameters, store, work } = context;
    const regionId = requiredRegion(context);
    const gateway = requiredGateway(context);
    if (!gateway.ipsecEnabled) {
      throw refuse("OperationDenied.IpsecDisabled", "The VPN gateway has IPsec-VPN switched off.");
    }
    const localSubnets = readSubnets(parameters, "LocalSubnet");
    const remoteSubnets = readSubnets(parameters, "RemoteSubnet");
    if (localSubnets === undefined) throw missing("LocalSubnet");
    if (remoteSubnets === undefined) throw missing("RemoteSubnet");
    const specifications = parameters.list("TunnelOptionsSpecification");
    if (parameters.text("CustomerGatewayId") !== undefined || specifications.length !== 2) {
      throw refuse(
        "IllegalParam.TunnelOptionsSpecification",
        "An IPsec connection of a dual-tunnel VPN gateway has exactly two tunnels, each with its CustomerGatewayId.",
      );
    }
    const roles = readRoles(specifications.map((specification) => readRole(specification)));
    const enableTunnelsBgp = parameters.flag("EnableTunnelsBgp") ?? false;
    const resource = store.newResource("vco", regionId, gateway.resourceGroupId);
    const tunnels: Tunnel[] = [];
    for (const [index, specification] of specifications.entries()) {
      const position = roles[index] === "master" ? 0 : 1;
      const customerGateway = tunnelCustomerGateway(context, specification);
      const bgp = readBgp(specification.group("TunnelBgpConfig"), undefined, bgpBlocks(context, gateway));
      tunnels.push({
        id: store.newId("tun"),
        customerGatewayId: customerGateway.id,
        position,
        role: roles[index] ?? "master",
        enableDpd: specification.flag("EnableDpd") ?? true,
        enableNatTraversal: specification.flag("EnableNatTraversal") ?? true,
        ike: readIke(
          specification.group("TunnelIkeConfig"),
          defaultIke(gateway.ipsecAddresses[position], customerGateway.ipAddress),
        ),
        ipsec: readIpsec(specification.group("TunnelIpsecConfig"), DEFAULT_IPSEC),
        ...(bgp === undefined ? {} : { bgp }),
      });
    }
    checkTunnelsBgp(context, tunnels, enableTunnelsBgp);
    const connection: VpnConnection = {
      ...resource,
      vpnGatewayId: gateway.id,
      tunnels: tunnels as [Tunnel, Tunnel],
      name: checkedText(parameters, "Name", 1, 100) || resource.id,
      localSubnets,
      remoteSubnets,
      effectImmediately: parameters.flag("EffectImmediately") ?? false,
      enableTunnelsBgp,
      autoConfigRoute: parameters.flag("AutoConfigRoute") ?? true,
      state: "updating",
    };
    for (const [key, value] of readTags(parameters, "Tags")) connection.tags.set(key, value);

    work.requireIdle(gateway);
    const siblings = [...store.vpnConnections.values()].filter((other) => other.vpnGatewayId === gateway.id);
    if (siblings.length >= CONNECTION_QUOTA) {
      throw quotaFull(`a VPN gateway has at most ${CONNECTION_QUOTA} IPsec connections`);
    }
    if (siblings.some((other) => isSame(other, connection))) {
      throw refuse("InvalidVpnConnection.AlreadyExists", "Vpn connection already exists.");
    }
    checkRouteQuota(context, connection);
    store.vpnConnections.set(connection.id, connection);
    setAutomaticRoutes(context, connection);
    work.change(gateway, connection);
    return identity(connection);
  },

  async DescribeVpnConnection(context) {
    const connection = requiredConnection(context);
    return describeConnection(context, connection, await observed(context));
  },

  async DescribeVpnConnections(context) {
    const { parameters, store } = context;
    const [id, gatewayId, customerGatewayId] = ["VpnConnectionId", "VpnGatewayId", "CustomerGatewayId"].map((name) =>
      parameters.text(name),
    );
    const found = [...store.vpnConnections.values()].filter(
      (connection) =>
        isListed(context, connection) &&
        (id === undefined || connection.id === id) &&
        (gatewayId === undefined || connection.vpnGatewayId === gatewayId) &&
        (customerGatewayId === undefined ||
          connection.tunnels.some((tunnel) => tunnel.customerGatewayId === customerGatewayId)),
    );
    const { counters, rows } = page(context, found, 10);
    const seen = await observed(context);
    const described = rows.map((connection) => {
      // The list spells the tags otherwise than the single answer does.
      const { Tags, ...rest } = describeConnection(context, connection, seen);
      return { ...rest, Tag: Tags };
    });
    return { ...counters, VpnConnections: { VpnConnection: described } };
  },

  /**
   * The list of tunnels has no ids when the provider sends it: a tunnel is chosen by TunnelId, else by Role, else
   * by its place. What a tunnel's entry leaves out keeps its value, so that one pre-shared key can be changed alone.
   */
  ModifyVpnConnectionAttribute(context) {
    const { parameters, work } = context;
    requiredRegion(context);
    const connection = requiredConnection(context);
    const gateway = gatewayOf(context, connection);
    const localSubnets = readSubnets(parameters, "LocalSubnet") ?? connection.localSubnets;
    const remoteSubnets = readSubnets(parameters, "RemoteSubnet") ?? connection.remoteSubnets;
    const enableTunnelsBgp = parameters.flag("EnableTunnelsBgp") ?? connection.enableTunnelsBgp;
    const effectImmediately = parameters.flag("EffectImmediately") ?? connection.effectImmediately;
    const autoConfigRoute = parameters.flag("AutoConfigRoute") ?? connection.autoConfigRoute;
    const name = checkedText(parameters, "Name", 1, 100) || connection.name;
    const tunnels = readModifiedTunnels(context, connection, gateway);
    checkTunnelsBgp(context, tunnels, enableTunnelsBgp);
    work.requireIdle(gateway);
    checkRouteQuota(context, {
      id: connection.id,
      vpnGatewayId: gateway.id,
      localSubnets,
      remoteSubnets,
      autoConfigRoute,
    });
    connection.tunnels.splice(0, 2, ...tunnels);
    Object.assign(connection, {
      localSubnets,
      remoteSubnets,
      enableTunnelsBgp,
      effectImmediately,
      autoConfigRoute,
      name,
    });
    setAutomaticRoutes(context, connection);
    work.change(gateway, connection);
    return identity(connection);
  },

  DeleteVpnConnection(context) {
    const { store, work } = context;
    requiredRegion(context);
    const connection = requiredConnection(context);
    const gateway = gatewayOf(context, connection);
    work.requireIdle(gateway);
    if (store.routesOf(connection.id).some((route) => !route.automatic)) {
      throw refuse(
        "DependencyViolation.VpnRouteEntry",
        "There are routes with the specified vpn connection as next hop not deleted.",
      );
    }
    connection.state = "deleting";
    store.removeRoutes((route) => route.nextHop === connection.id);
    work.change(gateway, connection, () => store.vpnConnections.delete(connection.id));
    return {};
  },

  /** What the console calls "Generate Peer Configuration": the values as the other side has to have them. */
  DownloadVpnConnectionConfig(context) {
    const connection = requiredConnection(context);
    const gateway = gatewayOf(context, connection);
    const bgp = connection.tunnels.flatMap((tunnel) => {
      if (!connection.enableTunnelsBgp || tunnel.bgp === undefined) return [];
      const peerAsn = context.store.customerGateways.get(tunnel.customerGatewayId)?.asn;
      return [
        {
          TunnelId: tunnel.id,
          LocalAsn: String(peerAsn ?? ""),
          LocalBgpIp: peerBgpIp(tunnel.bgp),
          PeerAsn: tunnel.bgp.LocalAsn,
          PeerBgpIp: tunnel.bgp.LocalBgpIp,
          TunnelCidr: tunnel.bgp.TunnelCidr,
        },
      ];
    });
    return {
      VpnConnectionConfig: {
        LocalSubnet: connection.remoteSubnets.join(","),
        RemoteSubnet: connection.localSubnets.join(","),
        BgpConfigs: { BgpConfig: bgp },
        TunnelsConfig: {
          TunnelConfig: connection.tunnels.map((tunnel) => ({
            TunnelId: tunnel.id,
            Local: context.store.customerGateways.get(tunnel.customerGatewayId)?.ipAddress ?? "",
            Remote: gateway.ipsecAddresses[tunnel.position],
            IkeConfig: { ...tunnel.ike, LocalId: tunnel.ike.RemoteId, RemoteId: tunnel.ike.LocalId },
            IpsecConfig: tunnel.ipsec,
          })),
        },
      },
    };
  },
};

function readModifiedTunnels(context: Context, connection: VpnConnection, gateway: VpnGateway): [Tunnel, Tunnel] {
  const specifications = context.parameters.list("TunnelOptionsSpecification");
  if (specifications.length > 2) {
    throw refuse("IllegalParam.TunnelOptionsSpecification", "An IPsec connection has exactly two tunnels.");
  }
  const modified: [Tunnel, Tunnel] = [{ ...connection.tunnels[0] }, { ...connection.tunnels[1] }];
  const chosen = new Set<Tunnel>();
  for (const [index, specification] of specifications.entries()) {
    const id = specification.text("TunnelId");
    const role = readRole(specification);
    const tunnel =
      id !== undefined
        ? modified.find((candidate) => candidate.id === id)
        : role !== undefined
          ? modified[connection.tunnels[0].role === role ? 0 : 1]
          : modified[index];
    if (tunnel === undefined || chosen.has(tunnel)) {
      throw refuse(
        "IllegalParam.TunnelOptionsSpecification",
        `${specification.name("").slice(0, -1)} does not name a tunnel of the IPsec connection of its own.`,
      );
    }
    chosen.add(tunnel);
    const customerGatewayId = specification.text("CustomerGatewayId");
    if (customerGatewayId !== undefined) {
      const customerGateway = tunnelCustomerGateway(context, specification);
      const former = context.store.customerGateways.get(tunnel.customerGatewayId);
      // An identity that was the former address by default follows the address.
      if (tunnel.ike.RemoteId === former?.ipAddress) {
        tunnel.ike = { ...tunnel.ike, RemoteId: customerGateway.ipAddress };
      }
      Object.assign(tunnel, { customerGatewayId: customerGateway.id });
    }
    if (role !== undefined) tunnel.role = role;
    tunnel.enableDpd = specification.flag("EnableDpd") ?? tunnel.enableDpd;
    tunnel.enableNatTraversal = specification.flag("EnableNatTraversal") ?? tunnel.enableNatTraversal;
    tunnel.ike = readIke(specification.group("TunnelIkeConfig"), tunnel.ike);
    tunnel.ipsec = readIpsec(specification.group("TunnelIpsecConfig"), tunnel.ipsec);
    const taken = bgpBlocks(context, gateway, connection);
    const bgp = readBgp(specification.group("TunnelBgpConfig"), tunnel.bgp, taken);
    if (bgp !== undefined) tunnel.bgp = bgp;
  }
  readRoles(modified.map((tunnel) => tunnel.role));
  return modified;
}

function readRole(specification: Parameters): "master" | "slave" | undefined {
  return specification.choice("Role", ["master", "slave"]);
}

/** One master and one slave; the first is the master where neither role is given. */
function readRoles(roles: readonly ("master" | "slave" | undefined)[]): ("master" | "slave")[] {
  const [first, second] = roles;
  const firstRole = first ?? (second === "master" ? "slave" : "master");
  const secondRole = second ?? (firstRole === "master" ? "slave" : "master");
  if (firstRole === secondRole) {
    throw refuse(
      "IllegalParam.TunnelOptionsSpecification",
      "An IPsec connection has one tunnel with the Role master and one with the Role slave.",
    );
  }
  return [firstRole, secondRole];
}

function tunnelCustomerGateway(context: Context, specification: Parameters): CustomerGateway {
  const id = specification.required("CustomerGatewayId");
  const gateway = find(context, context.store.customerGateways, id);
  if (gateway === undefined) throw noCustomerGateway();
  return gateway;
}

/** What the two tunnels' BGP has to be like, as the request leaves them both. */
function checkTunnelsBgp(context: Context, tunnels: readonly Tunnel[], enabled: boolean): void {
  const [first, second] = tunnels;
  if (first?.bgp !== undefined && first.bgp.TunnelCidr === second?.bgp?.TunnelCidr) {
    throw illegal("TunnelOptionsSpecification.TunnelBgpConfig.TunnelCidr", "another tunnel of the connection has it");
  }
  if (!enabled) return;
  for (const { bgp, customerGatewayId } of tunnels) {
    if (bgp === undefined) throw missing("TunnelOptionsSpecification.TunnelBgpConfig");
    const asn = context.store.customerGateways.get(customerGatewayId)?.asn;
    if (asn === undefined) {
      throw illegal("TunnelOptionsSpecification.CustomerGatewayId", "BGP needs a customer gateway with an Asn");
    }
    if (String(asn) === bgp.LocalAsn) {
      throw illegal("TunnelOptionsSpecification.TunnelBgpConfig.LocalAsn", "it is not the customer gateway's Asn");
    }
  }
}

/** The BGP blocks in use on a gateway, but for one connection. */
function bgpBlocks(context: Context, gateway: VpnGateway, except?: VpnConnection): string[] {
  return [...context.store.vpnConnections.values()]
    .filter((connection) => connection.vpnGatewayId === gateway.id && connection !== except)
    .flatMap((connection) => connection.tunnels.flatMap((tunnel) => tunnel.bgp?.TunnelCidr ?? []));
}

function readSubnets(parameters: Parameters, name: string): string[] | undefined {
  const text = parameters.text(name);
  if (text === undefined) return undefined;
  const subnets = text.split(",");
  for (const subnet of subnets) checkCidr(name, subnet);
  if (new Set(subnets).size !== subnets.length) throw illegal(name, "each CIDR block is there once");
  if (subnets.length > SUBNET_QUOTA) {
    throw illegal(name, `an IPsec connection has at most ${SUBNET_QUOTA} CIDR blocks on each side`);
  }
  return subnets;
}

/** Whether two connections of a gateway join the same peers for the same traffic. */
function isSame(a: VpnConnection, b: VpnConnection): boolean {
  const identityOf = ({ tunnels, localSubnets, remoteSubnets }: VpnConnection): string =>
    [
      ...[...tunnels].sort((x, y) => x.position - y.position).map((tunnel) => tunnel.customerGatewayId),
      [...localSubnets].sort().join(),
      [...remoteSubnets].sort().join(),
    ].join(" ");
  return identityOf(a) === identityOf(b);
}

function gatewayOf(context: Context, connection: VpnConnection): VpnGateway {
  const gateway = context.store.vpnGateways.get(connection.vpnGatewayId);
  if (gateway === undefined) throw new Error(`the VPN gateway of ${connection.id} is not in the store`);
  return gateway;
}

function identity(connection: VpnConnection): Answer {
  return { VpnConnectionId: connection.id, Name: connection.name, CreateTime: connection.createTime };
}

/** What is true of the tunnels now, by their ids. */
interface Observed {
  readonly status: Readonly<Record<string, TunnelStatus>>;
  readonly sessions: Readonly<Record<string, BgpSession>>;
}

async function observed({ work }: Context): Promise<Observed> {
  const [status, sessions] = await Promise.all([work.tunnelStatus(), work.bgpSessions()]);
  return { status, sessions };
}

const PROGRESS: readonly TunnelStatus[] = [
  "ike_sa_not_established",
  "ike_sa_established",
  "ipsec_sa_not_established",
  "ipsec_sa_established",
];

function describeConnection(context: Context, connection: VpnConnection, seen: Observed): Answer {
  const gateway = gatewayOf(context, connection);
  const statuses = connection.tunnels.map((tunnel) => seen.status[tunnel.id] ?? "ike_sa_not_established");
  const vSwitchIds = [gateway.vSwitchId, gateway.disasterRecoveryVSwitchId];
  return {
    VpnConnectionId: connection.id,
    Name: connection.name,
    VpnGatewayId: connection.vpnGatewayId,
    CreateTime: connection.createTime,
    LocalSubnet: connection.localSubnets.join(","),
    RemoteSubnet: connection.remoteSubnets.join(","),
    EffectImmediately: connection.effectImmediately,
    // Fields of single-tunnel connections, which a dual-tunnel one shows with their defaults.
    EnableDpd: true,
    EnableNatTraversal: true,
    EnableTunnelsBgp: connection.enableTunnelsBgp,
    ResourceGroupId: connection.resourceGroupId,
    State: connection.state,
    // The connection is as far as the tunnel that is farthest.
    Status: PROGRESS[Math.max(...statuses.map((status) => PROGRESS.indexOf(status)))],
    Tags: tagList(connection.tags),
    TunnelOptionsSpecification: {
      TunnelOptions: connection.tunnels.map((tunnel, index) =>
        describeTunnel(context, tunnel, {
          ipsecAddress: gateway.ipsecAddresses[tunnel.position],
          zoneId: context.store.vSwitches.get(vSwitchIds[tunnel.position] ?? "")?.zoneId ?? "",
          state: connection.state,
          status: statuses[index] ?? "ike_sa_not_established",
          bgp: connection.enableTunnelsBgp
            ? {
                established: seen.sessions[tunnel.id]?.established ?? false,
                peerAsn: context.store.customerGateways.get(tunnel.customerGatewayId)?.asn,
              }
            : undefined,
        }),
      ),
    },
  };
}
