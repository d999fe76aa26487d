// StrongswanHost: the box in the data center. It renders every file that the box needs from a connection's tunnels
// and puts them there over SSH; docs/architecture.md says what arrives and in which order.
import { Resource } from "@cdktf/provider-null/lib/resource";
import { dependable, TerraformLocal, TerraformStack } from "cdktf";
import { Construct } from "constructs";
import { claim, otherHolder } from "./claims";
import { Findings } from "./findings";
import { overlapPreconditions } from "./cloud/blocks-at-plan";
import { AgentOptions, checkAgentOptions } from "./host/agent-options";
import { BoxAssets } from "./host/assets";
import { terraformName } from "./host/names";
import { configurationSteps, uninstallStep } from "./host/provisioners";
import { renderSite, SiteUplink } from "./host/site";
import { checkSsh, connectionFrom, connectionFromSelf, sshInput, SshOptions } from "./host/ssh";
import { renderConnection, renderSecrets } from "./host/swanctl";
import { TerraformData } from "./host/terraform-data";
import { contains, overlap, parseAddress, parseBlock, parseInterfaceAddress } from "./ip";
import { connectionPreconditions, IIpsecDualConnection, trafficSelectors } from "./ipsec-dual-connection";
import { Tunnel } from "./ipsec/tunnel";
import { isLiteral } from "./structural";

/** A network interface of the box towards the internet. */
export interface UplinkOptions {
  /** The interface's address with its prefix length, as `ip address` prints it: `172.16.1.93/24`. */
  readonly address: string;
  /** The next router on this uplink, in the same network. */
  readonly gateway: string;
  /**
   * The interface's name, for example `eth0`.
   * @default - found on the box by the address
   */
  readonly device?: string;
}

/** What a `StrongswanHost` is made from. */
export interface StrongswanHostProps {
  /** The connection whose other end the box is. */
  readonly connection: IIpsecDualConnection;
  /** One uplink for both tunnels, or two: the active tunnel's first. */
  readonly uplinks: readonly [UplinkOptions] | readonly [UplinkOptions, UplinkOptions];
  /** How Terraform reaches the box. */
  readonly ssh: SshOptions;
  /**
   * Metric of the routes to the VPC on the box, 1 to 4294967295.
   * @default 100
   */
  readonly routeMetric?: number;
  /**
   * How soon the box's agent fails over, and how it proves a path.
   * @default - each option's own default
   */
  readonly agent?: AgentOptions;
}

/** A box that runs strongSwan as the other end of a connection. */
export class StrongswanHost extends Construct {
  /** The `terraform_data` whose destruction uninstalls the connection from the box. */
  readonly presence: TerraformData;
  /** The `null_resource` that installs and configures. */
  readonly configuration: Resource;

  constructor(scope: Construct, id: string, props: StrongswanHostProps) {
    super(scope, id);
    const { connection } = props;
    const name = connection.name;
    const prefix = terraformName(name);
    const uplinks = props.uplinks.map(siteUplink);
    const uplinkOf = (tunnel: 1 | 2) => uplinks[Math.min(tunnel, uplinks.length) - 1] ?? { address: "" };
    const selectors = trafficSelectors(connection);

    const site = this.file(
      `${prefix}_site_json`,
      renderSite({
        name,
        vpcCidrs: connection.vpcCidrs,
        dataCenterCidrs: connection.dataCenterCidrs,
        routeMetric: props.routeMetric ?? 100,
        uplinks,
        tunnels: connection.tunnels,
        agent: props.agent ?? {},
      }),
    );
    const connections = connection.tunnels.map((tunnel) =>
      this.file(
        `${prefix}_tunnel_${tunnel.number}_conf`,
        renderConnection(tunnel, {
          name,
          localAddress: uplinkOf(tunnel.number).address,
          localSelectors: selectors.local,
          remoteSelectors: selectors.remote,
        }),
      ),
    );
    const secrets = connection.tunnels.map((tunnel) =>
      this.file(`${prefix}_secrets_${tunnel.number}_conf`, renderSecrets(tunnel, name)),
    );
    const assets = BoxAssets.of(TerraformStack.of(this));

    this.presence = new TerraformData(this, "presence", {
      input: { name, ...sshInput(props.ssh) },
      triggersReplace: [name],
      provisioners: [uninstallStep(connectionFromSelf())],
    });
    this.presence.overrideLogicalId(`${prefix}_box_presence`);

    // The box remembers whose the connection is: the id is random, made by Terraform together with the presence.
    const owner = this.file(
      `${prefix}_owner_json`,
      JSON.stringify({ stack: this.node.path, id: this.presence.getStringAttribute("id") }),
    );
    const precondition = [
      // A connection that exists has no resource in the cloud that could hold its own.
      ...(connection.cloudResources.length > 0 ? [] : connectionPreconditions(connection)),
      ...overlapPreconditions(
        isLiteral(connection.vpcCidrs) ? connection.vpcCidrs.map((cidr) => ({ what: "vpcCidrs", cidr })) : [],
        props.uplinks.flatMap((uplink, index) => {
          const own = isLiteral(uplink.address) ? parseInterfaceAddress(uplink.address) : undefined;
          return own ? [{ what: `the network of uplinks[${index}]`, cidr: own.network.text }] : [];
        }),
      ),
    ];
    this.configuration = new Resource(this, "configuration", {
      lifecycle: precondition.length > 0 ? { precondition } : undefined,
      triggers: {
        // Sensitive as the pre-shared keys in it are; without them it would miss a change of a key.
        delivered: `\${sha256(jsonencode(["${assets.hash}", ${[site, owner, ...connections, ...secrets].map((name) => `local.${name}`).join(", ")}]))}`,
      },
      provisioners: configurationSteps({
        name,
        connection: connectionFrom(props.ssh),
        assets: assets.path,
        files: {
          "site.json": site,
          "owner.json": owner,
          "tunnel-1.conf": connections[0],
          "tunnel-2.conf": connections[1],
          "secrets-1.conf": secrets[0],
          "secrets-2.conf": secrets[1],
        },
      }),
    });
    this.configuration.dependsOn = [this.presence, ...connection.cloudResources].map((resource) =>
      dependable(resource),
    );
    this.configuration.overrideLogicalId(`${prefix}_configure_box_over_ssh`);

    claim(this, claimOf(name));
    Findings.validate(this, (findings) => this.check(props, findings));
  }

  /** A rendered file as a Terraform local, so that the provisioner and the change trigger refer to one text by its name. */
  private file(name: string, content: string): string {
    // A name that holds a token is complained about at synth; as a construct's id CDKTF would throw it back at once.
    const id = isLiteral(name) ? name : `file-${this.node.children.length}`;
    new TerraformLocal(this, id, content).overrideLogicalId(name);
    return name;
  }

  private check(props: StrongswanHostProps, findings: Findings): void {
    const other = otherHolder(this, claimOf(props.connection.name));
    if (other) {
      findings.error(
        `connection ${props.connection.name} has a box already, ${other.node.path}; give each connection one.`,
      );
    }
    checkSsh(props.ssh, findings);
    checkAgentOptions(props.agent ?? {}, props.connection.vpcCidrs, findings);
    findings.wholeNumber("routeMetric", props.routeMetric, 1, 4294967295);

    const uplinks: readonly UplinkOptions[] = props.uplinks;
    const egressIps = new Set(props.connection.tunnels.map((tunnel) => tunnel.egressIp));
    if (uplinks.length < 1 || uplinks.length > 2) {
      findings.error(`uplinks has ${uplinks.length} entries; give one for both tunnels, or one for each.`);
    } else if (uplinks.length !== egressIps.size) {
      findings.error(
        `uplinks has ${uplinks.length} ${uplinks.length === 1 ? "entry" : "entries"} and the connection ${egressIps.size} ` +
          `${egressIps.size === 1 ? "egress IP" : "egress IPs"}; give one egress IP for each uplink.`,
      );
    }
    uplinks.forEach((uplink, index) => checkUplink(`uplinks[${index}]`, uplink, props.connection.vpcCidrs, findings));
    if (uplinks.length === 2) checkApart(uplinks[0], uplinks[1], findings);
    for (const tunnel of props.connection.tunnels) {
      const uplink = uplinks[Math.min(tunnel.number, uplinks.length) - 1];
      if (uplink) checkNatTraversal(tunnel, uplink, findings);
    }
  }
}

function claimOf(connectionName: string): string {
  return `box of ${connectionName}`;
}

function checkUplink(where: string, uplink: UplinkOptions, vpcCidrs: readonly string[], findings: Findings): void {
  const { device } = uplink;
  if (device !== undefined && isLiteral(device) && !/^[^\s/:]{1,15}$/.test(device)) {
    findings.error(
      `${where}.device "${device}" is not an interface's name; write it as ip link prints it, for example eth0.`,
    );
  }
  const gateway = isLiteral(uplink.gateway) ? parseAddress(uplink.gateway) : undefined;
  findings.address(`${where}.gateway`, uplink.gateway, "172.16.1.253");
  if (!isLiteral(uplink.address)) {
    findings.error(
      `${where}.address is known only to Terraform; give it as text, because the box is configured by it.`,
    );
    return;
  }
  const own = parseInterfaceAddress(uplink.address);
  if (!own) {
    findings.error(
      `${where}.address "${uplink.address}" is not an IPv4 address with a prefix length; write it as 172.16.1.93/24.`,
    );
    return;
  }
  const { network } = own;
  const hasEnds = network.prefixLength < 31;
  if (hasEnds && [network.first, network.last].includes(parseAddress(own.address)!)) {
    findings.error(
      `${where}.address ${uplink.address} is the network's own or its broadcast address; give the interface's.`,
    );
  }
  if (gateway !== undefined) {
    if (!contains(network, uplink.gateway)) {
      findings.error(
        `${where}.gateway ${uplink.gateway} is outside the uplink's network ${network.text}; give the next router in that network.`,
      );
    } else if (uplink.gateway === own.address || (hasEnds && [network.first, network.last].includes(gateway))) {
      findings.error(
        `${where}.gateway ${uplink.gateway} cannot be a router in ${network.text}; give the next router's address.`,
      );
    }
  }
  for (const vpc of vpcCidrs.filter(isLiteral).map(parseBlock)) {
    if (vpc && vpc.prefixLength > 0 && overlap(vpc, network)) {
      findings.error(
        `vpcCidrs ${vpc.text} and the network ${network.text} of ${where} overlap; give blocks that share no address.`,
      );
    }
  }
}

function checkApart(first: UplinkOptions, second: UplinkOptions, findings: Findings): void {
  const [a, b] = [first, second].map((uplink) =>
    isLiteral(uplink.address) ? parseInterfaceAddress(uplink.address) : undefined,
  );
  if (a && b && overlap(a.network, b.network)) {
    findings.error(
      `uplinks: the networks ${a.network.text} and ${b.network.text} overlap; two uplinks need networks of their own.`,
    );
  }
  if (first.device !== undefined && first.device === second.device) {
    findings.error(
      `uplinks are both on device ${first.device}; give each its own, or give one uplink for both tunnels.`,
    );
  }
}

function checkNatTraversal(tunnel: Tunnel, uplink: UplinkOptions, findings: Findings): void {
  if (tunnel.natTraversal || !isLiteral(uplink.address) || !isLiteral(tunnel.egressIp)) return;
  const [own] = uplink.address.split("/");
  if (own === tunnel.egressIp) return;
  findings.error(
    `${tunnel.role} tunnel: natTraversal is off and its uplink ${own} is behind NAT (the cloud sees ${tunnel.egressIp}); leave it on.`,
  );
}

function siteUplink(uplink: UplinkOptions): SiteUplink {
  const [address, prefixLength] = uplink.address.split("/");
  return { address, prefixLength: Number(prefixLength), gateway: uplink.gateway, device: uplink.device };
}
