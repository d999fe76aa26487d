// StrongswanHost: the box in the data center. It renders every file that the box needs from a connection's tunnels
// and puts them there over SSH; docs/architecture.md says what arrives and in which order.
import { Resource } from "@cdktf/provider-null/lib/resource";
import { dependable, TerraformLocal, TerraformResource, TerraformStack } from "cdktf";
import { Construct } from "constructs";
import { claim, otherHolder } from "./claims";
import { Findings } from "./findings";
import { overlapPreconditions } from "./cloud/blocks-at-plan";
import { AGENT, AgentOptions, checkAgentOptions } from "./host/agent-options";
import { BoxAssets } from "./host/assets";
import { terraformName } from "./names";
import { ROUTE_METRIC } from "./host/numbers";
import { configurationSteps, uninstallStep } from "./host/provisioners";
import { renderSite, SiteUplink } from "./host/site";
import { SITE_BOUNDS } from "./host/site-format";
import { checkSsh, connectionFrom, connectionFromSelf, SSH, sshInput, SshOptions, sshPreconditions } from "./host/ssh";
import { renderConnection, renderSecrets } from "./host/swanctl";
import { TerraformData } from "./host/terraform-data";
import { BoxMembers } from "./host/boxes";
import { checkUplink, checkUplinksApart, probePreconditions, uplinkPreconditions } from "./host/uplinks";
import { bag, guard, inStack, isStandIn, list, number, optional, Shape, tell, text } from "./guard";
import { parseInterfaceAddress } from "./ip";
import {
  connectionKind,
  connectionPreconditions,
  egressPreconditions,
  IIpsecDualConnection,
  trafficSelectors,
} from "./ipsec-dual-connection";
import { Tunnel } from "./ipsec/tunnel";
import { isLiteral } from "./structural";

/** A network interface of the box towards the internet. */
export interface UplinkOptions {
  /** The interface's address with its prefix length, as `ip address` prints it: `172.16.1.93/24`. */
  readonly address: string;
  /** The next router on this uplink, in the same network; of an interface with a /32 address, such as PPPoE's, outside. */
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
  readonly uplinks: readonly UplinkOptions[];
  /** How Terraform reaches the box. */
  readonly ssh: SshOptions;
  /**
   * Metric of the routes to the VPC on the box, 1 to 4294967294; the guards, which hold while there is no other route, have
   * 4294967295. The default is nobody else's: below what NetworkManager (50 and more), netplan, dhcpcd and systemd-networkd
   * give, so that a route of theirs waits beneath ours, and neither 0 nor the 20 and 32 of FRR and BIRD.
   * @default 37
   */
  readonly routeMetric?: number;
  /**
   * How soon the box's agent fails over, and how it proves a path.
   * @default - each option's own default
   */
  readonly agent?: AgentOptions;
}

/** What an uplink's options may be. */
export const UPLINK_SHAPE: Shape<UplinkOptions> = {
  address: text("172.16.1.93/24"),
  gateway: text("172.16.1.253"),
  device: optional(text("eth0")),
};

/** What is asked of uplinks, as the end of a sentence. */
export const UPLINKS_WANTED = "a list of one or two uplinks, each with its address and its gateway";

const shapeOf = (scope: Construct): Shape<StrongswanHostProps> => ({
  connection: connectionKind(scope),
  // A site's uplinks have their egress IPs beside them.
  uplinks: list(bag(UPLINK_SHAPE, "an object with address and gateway", ["egressIp"]), UPLINKS_WANTED),
  ssh: SSH,
  routeMetric: optional(number),
  agent: optional(AGENT),
});

/** A box that runs strongSwan as the other end of a connection. */
export class StrongswanHost extends Construct {
  /** The `terraform_data` whose destruction uninstalls the connection from the box. */
  readonly presence: TerraformData;
  /** The `null_resource` that installs and configures. */
  readonly configuration: Resource;

  constructor(scope: Construct, id: string, given: StrongswanHostProps) {
    super(inStack(scope, id, "StrongswanHost"), id);
    const guarded = guard(shapeOf(this), given);
    const { props } = guarded;
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
        routeMetric: props.routeMetric ?? ROUTE_METRIC,
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

    // On what is made first: before the cloud, and before anyone is sent to a box that was not checked.
    const atPlan = [
      ...sshPreconditions(props.ssh, name),
      ...uplinkPreconditions(props.uplinks),
      ...probePreconditions(props.agent?.vpcProbeAddresses, connection.vpcCidrs),
    ];
    // A resource of its own: the first deploy of a version that has it makes it, which replaces nothing.
    const box = new TerraformData(this, "which", { input: { host: props.ssh.formerHost ?? props.ssh.host } });
    box.overrideLogicalId(`${prefix}_box`);
    this.presence = new TerraformData(this, "presence", {
      input: { name, ...sshInput(props.ssh) },
      lifecycle: {
        replaceTriggeredBy: [dependable(box)],
        precondition: atPlan.length > 0 ? atPlan : undefined,
      },
      triggersReplace: [name],
      provisioners: [uninstallStep(connectionFromSelf(), props.ssh.boxMayBeGone)],
    });
    this.presence.overrideLogicalId(`${prefix}_box_presence`);

    // The box remembers whose the connection is: the id is random, made by Terraform together with the presence.
    const owner = this.file(
      `${prefix}_owner_json`,
      JSON.stringify({ stack: this.node.path, id: this.presence.getStringAttribute("id") }),
    );
    const precondition = [
      // A connection that exists has no resource in the cloud that could hold its own.
      ...(connection.cloudResources.length > 0
        ? []
        : [...connectionPreconditions(connection), ...egressPreconditions(connection)]),
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
      // What a plan shows of a change on the box. Another port, user or key path reaches the same box.
      triggers: {
        host: props.ssh.host,
        host_key: props.ssh.hostKey.publicKey,
        programs: assets.hash,
        site: hashOf(site),
        owner: hashOf(owner),
        tunnel_1: hashOf(connections[0]),
        tunnel_2: hashOf(connections[1]),
        // Sensitive as the pre-shared keys in it are; without them it would miss a change of a key.
        keys: hashOf(...secrets),
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
    this.configuration.dependsOn = [this.presence, ...this.within(connection.cloudResources)].map((resource) =>
      dependable(resource),
    );
    this.configuration.overrideLogicalId(`${prefix}_configure_box_over_ssh`);

    claim(this, claimOf(name));
    const members = BoxMembers.join(this, connection, props.ssh);
    Findings.validate(this, (findings) => {
      tell(guarded, findings);
      this.check(props, findings);
      members.check(findings);
    });
  }

  /** Those of the resources that Terraform can order with ours; a stack that has others is deployed before ours. */
  private within(resources: readonly TerraformResource[]): TerraformResource[] {
    const stack = TerraformStack.of(this);
    return resources.filter((resource) => {
      const other = TerraformStack.of(resource);
      if (other !== stack) stack.addDependency(other);
      return other === stack;
    });
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
    if (other && !isStandIn(props.connection.name)) {
      findings.error(
        `connection ${props.connection.name} has a box already, ${other.node.path}; give each connection one.`,
      );
    }
    checkSsh(props.ssh, findings);
    checkAgentOptions(props.agent ?? {}, props.connection.vpcCidrs, findings);
    findings.wholeNumber("routeMetric", props.routeMetric, ...SITE_BOUNDS.routeMetric);

    const { uplinks } = props;
    const egressIps = new Set(props.connection.tunnels.map((tunnel) => tunnel.egressIp));
    if (isStandIn(uplinks) || [...egressIps].some(isStandIn)) {
      // What is missing cannot be counted.
    } else if (uplinks.length < 1 || uplinks.length > 2) {
      findings.error(`uplinks has ${uplinks.length} entries; give one for both tunnels, or one for each.`);
    } else if (uplinks.length !== egressIps.size) {
      findings.error(
        `uplinks has ${uplinks.length} ${uplinks.length === 1 ? "entry" : "entries"} and the connection ${egressIps.size} ` +
          `${egressIps.size === 1 ? "egress IP" : "egress IPs"}; give one egress IP for each uplink.`,
      );
    }
    uplinks.forEach((uplink, index) => checkUplink(`uplinks[${index}]`, uplink, props.connection.vpcCidrs, findings));
    if (uplinks.length === 2) checkUplinksApart(uplinks[0], uplinks[1], findings);
    for (const tunnel of props.connection.tunnels) {
      const uplink = uplinks[Math.min(tunnel.number, uplinks.length) - 1];
      if (uplink) checkNatTraversal(tunnel, uplink, findings);
    }
  }
}

/** A hash over locals, sensitive where one of them is. */
function hashOf(...locals: readonly string[]): string {
  return `\${sha256(jsonencode([${locals.map((name) => `local.${name}`).join(", ")}]))}`;
}

function claimOf(connectionName: string): string {
  return `box of ${connectionName}`;
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
