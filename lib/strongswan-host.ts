// StrongswanHost: the box in the data center. It renders every file that the box needs from a connection's tunnels
// and puts them there over SSH; docs/architecture.md says what arrives and in which order.
import { VpnConnection } from "@cdktf/provider-alicloud/lib/vpn-connection";
import { Resource } from "@cdktf/provider-null/lib/resource";
import { Annotations, dependable, Lazy, TerraformLocal, TerraformResource, TerraformStack } from "cdktf";
import { addCustomSynthesis } from "cdktf/lib/synthesize/synthesizer";
import { Construct } from "constructs";
import { Findings } from "./findings";
import { bag, flag, guard, inStack, list, number, optional, Shape, tell } from "./guard";
import { AGENT, AgentOptions, checkAgentOptions, probePreconditions } from "./host/agent-options";
import { BoxAssets } from "./host/assets";
import { BoxMembers } from "./host/boxes";
import { askForDrift, checkDriftInputs, Drift } from "./host/drift";
import { BoxFiles, renderFiles } from "./host/files";
import { BoxPackages, checkPackages, PACKAGES, packageSource, packagesPreconditions } from "./host/packages";
import { ConnectionBoxes, checkLan, lanPreconditions, PAIR, PairOptions, pairPreconditions } from "./host/pair";
import {
  configurationSteps,
  contentTriggers,
  Delivery,
  preparationSteps,
  tunnelTriggers,
  uninstallSteps,
} from "./host/provisioners";
import { SITE_BOUNDS } from "./host/site-format";
import { checkSsh, connectionFrom, connectionFromSelf, SSH, sshInput, SshOptions, sshPreconditions } from "./host/ssh";
import {
  checkUplinks,
  networkPreconditions,
  UPLINK_SHAPE,
  UplinkOptions,
  uplinkPreconditions,
  UPLINKS_WANTED,
} from "./host/uplinks";
import { connectionKind } from "./ipsec-dual-connection";
import { connectionPreconditions, egressPreconditions, IIpsecDualConnection } from "./ipsec/connection";
import { Moved } from "./moved";
import { TerraformNames, terraformNames } from "./names";
import { isLiteral } from "./structural";
import { TerraformData } from "./terraform-data";

/** What a site passes on to its box. */
export interface StrongswanHostOptions {
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
  /**
   * Where the box gets the packages that it lacks. Another choice changes nothing on a box that has them.
   * @default BoxPackages.fromRepositories()
   */
  readonly packages?: BoxPackages;
  /**
   * Whether a deploy may change both tunnels at once, or one while the other is down: the connection is then down until
   * the box has followed the cloud. Without it such a deploy is refused on the box before the cloud is changed.
   * @default false
   */
  readonly allowOutage?: boolean;
  /**
   * Ask the box during synth, over SSH, whether files, units and network are still as the last apply left them. What
   * differs is a warning, and the plan shows a replacement of `null_resource.<name>_configure_box_over_ssh`, whose apply
   * puts it right; a box that cannot be asked is an error. All of `ssh` and the `name` have to be literals, and the
   * machine that synthesizes needs OpenSSH's `ssh`; it is given 15 seconds.
   * @default false: nobody is asked, and what was changed by hand stays until something else changes
   */
  readonly detectDrift?: boolean;
}

/** What a `StrongswanHost` is made from. */
export interface StrongswanHostProps extends StrongswanHostOptions {
  /** The connection whose other end the box is. */
  readonly connection: IIpsecDualConnection;
  /** One uplink for both tunnels, or two: the active tunnel's first. A box of a pair has one, for its tunnel. */
  readonly uplinks: readonly UplinkOptions[];
  /**
   * Which of two boxes this one is: the connection has a `StrongswanHost` for each, in one stack.
   * @default - none: the connection has one box
   */
  readonly pair?: PairOptions;
}

/** What the options may be that a site passes on to its box. */
export const HOST_SHAPE: Shape<StrongswanHostOptions> = {
  ssh: SSH,
  routeMetric: optional(number),
  agent: optional(AGENT),
  packages: optional(PACKAGES),
  allowOutage: optional(flag),
  detectDrift: optional(flag),
};

const shapeOf = (scope: Construct): Shape<StrongswanHostProps> => ({
  ...HOST_SHAPE,
  connection: connectionKind(scope),
  // A site's uplinks have their egress IPs beside them.
  uplinks: list(bag(UPLINK_SHAPE, "an object with address and gateway", ["egressIp"]), UPLINKS_WANTED),
  pair: optional(PAIR),
});

/** A box that runs strongSwan as the other end of a connection. */
export class StrongswanHost extends Construct {
  /** The `terraform_data` whose destruction uninstalls the connection from the box. */
  readonly presence: TerraformData;
  /**
   * The `null_resource` that makes the box ready before the connection changes at the cloud's end; undefined where the
   * connection is not made in this stack, since then nothing here can come before its change.
   */
  readonly preparation?: Resource;
  /** The `null_resource` that installs and configures. */
  readonly configuration: Resource;

  /** What the box was found to be at the last synth. */
  private drift: Drift | undefined;

  constructor(scope: Construct, id: string, given: StrongswanHostProps) {
    super(inStack(scope, id, "StrongswanHost"), id);
    const guarded = guard(shapeOf(this), given);
    const { props } = guarded;
    const { connection, pair } = props;
    const name = connection.name;
    const names = terraformNames(name, pair?.number);
    const { "site.json": site, ...ofTunnels } = this.locals(renderFiles(connection, props), names);
    const assets = BoxAssets.of(TerraformStack.of(this));

    // On what is made first: before the cloud, and before anyone is sent to a box that was not checked.
    const atPlan = [
      ...sshPreconditions(props.ssh, name),
      ...uplinkPreconditions(props.uplinks, pair !== undefined),
      ...(pair ? pairPreconditions(pair) : []),
      ...probePreconditions(props.agent?.vpcProbeAddresses, connection.vpcCidrs),
      ...packagesPreconditions(props.packages, name),
    ];
    // A resource of its own: the first deploy of a version that has it makes it, which replaces nothing.
    const box = new TerraformData(this, "which", { input: { host: props.ssh.formerHost ?? props.ssh.host } });
    box.overrideLogicalId(names.box);
    this.presence = new TerraformData(this, "presence", {
      input: { name, ...sshInput(props.ssh) },
      lifecycle: {
        replaceTriggeredBy: [dependable(box)],
        precondition: atPlan.length > 0 ? atPlan : undefined,
      },
      triggersReplace: [name],
      provisioners: uninstallSteps(connectionFromSelf(), props.ssh.boxMayBeGone),
    });
    this.presence.overrideLogicalId(names.presence);
    if (pair?.number === 1) {
      // The one box of a connection is box 1 when another one comes: it is not uninstalled for that.
      const alone = terraformNames(name);
      new Moved(box, `${box.terraformResourceType}.${alone.box}`);
      new Moved(this.presence, `${this.presence.terraformResourceType}.${alone.presence}`);
    }

    // The box remembers whose the connection is: the id is random, made by Terraform together with the presence.
    const owner = this.local(
      names.file("owner.json"),
      JSON.stringify({ stack: this.node.path, id: this.presence.getStringAttribute("id") }),
    );
    const files = { "site.json": site, "owner.json": owner, ...ofTunnels };
    const source = props.packages && packageSource(props.packages);
    // Of no file's trigger: where packages came from is nothing that a box with all of them would have to be told.
    const packages: Record<string, string> =
      source === undefined ? {} : { packages: this.local(names.file("packages"), source) };
    // A connection that exists has no resource in the cloud that could hold its own.
    const ofConnection =
      connection.cloudResources.length > 0
        ? []
        : [...connectionPreconditions(connection), ...egressPreconditions(connection)];
    const precondition = [
      ...ofConnection,
      ...networkPreconditions(props.uplinks, connection.vpcCidrs, pair !== undefined),
      ...(pair ? lanPreconditions(pair, connection) : []),
    ];
    const delivery = { name, connection: connectionFrom(props.ssh), assets: assets.path };
    const cloudResources = this.within(connection.cloudResources);
    this.preparation = this.prepare(props, names, { ...delivery, files: { "owner.json": owner, ...ofTunnels } });
    this.configuration = new Resource(this, "configuration", {
      lifecycle: precondition.length > 0 ? { precondition } : undefined,
      // What a plan shows of a change on the box. Another port, user or key path reaches the same box.
      triggers: {
        host: props.ssh.host,
        host_key: props.ssh.hostKey.publicKey,
        programs: assets.hash,
        ...contentTriggers(files),
        ...(props.detectDrift && { drift: Lazy.stringValue({ produce: () => this.drift?.trigger }) }),
      },
      provisioners: configurationSteps({
        ...delivery,
        files: { ...files, ...packages },
        notesDrift: props.detectDrift,
      }),
    });
    if (props.detectDrift) {
      // Not as one of the checks: those run in a customer's snapshot tests too, which are to ask nobody.
      addCustomSynthesis(this, { onSynthesize: () => this.detectDrift(name, props.ssh) });
    }
    this.configuration.dependsOn = [this.presence, ...cloudResources].map((resource) => dependable(resource));
    this.configuration.overrideLogicalId(names.configuration);

    const boxes = ConnectionBoxes.join({
      construct: this,
      connection,
      ssh: props.ssh,
      uplinks: props.uplinks,
      pair,
      preparation: this.preparation,
      configuration: this.configuration,
    });
    const members = BoxMembers.join({ construct: this, connection, pair }, props.ssh);
    Findings.validate(this, (findings) => {
      tell(guarded, findings);
      boxes.check(findings);
      this.check(props, findings);
      members.check(findings);
    });
  }

  /** What comes before the connection changes, where Terraform can order that. */
  private prepare(props: StrongswanHostProps, names: TerraformNames, delivery: Delivery): Resource | undefined {
    const stack = TerraformStack.of(this);
    const changed = props.connection.cloudResources.filter(
      (resource) =>
        TerraformStack.of(resource) === stack && resource.terraformResourceType === VpnConnection.tfResourceType,
    );
    if (changed.length === 0) return undefined;
    const preparation = new Resource(this, "preparation", {
      triggers: { host: props.ssh.host, ...tunnelTriggers(delivery.files) },
      provisioners: preparationSteps(delivery, props.allowOutage),
    });
    preparation.overrideLogicalId(names.preparation);
    // Not before it is the connection's turn: what is held on the box meanwhile has no second tunnel.
    preparation.dependsOn = changed.flatMap(turnOf);
    for (const resource of changed) {
      resource.dependsOn = [...(resource.dependsOn ?? []), dependable(preparation)];
    }
    return preparation;
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

  /** The names of the locals that hold rendered files. */
  private locals(files: BoxFiles, names: TerraformNames): BoxFiles {
    return Object.fromEntries(
      Object.entries(files).map(([file, content]) => [file, this.local(names.file(file), content)]),
    ) as BoxFiles;
  }

  /** A rendered file as a Terraform local, so that the provisioner and the change trigger refer to one text by its name. */
  private local(name: string, content: string): string {
    // A name that holds a token is complained about at synth; as a construct's id CDKTF would throw it back at once.
    const id = isLiteral(name) ? name : `file-${this.node.children.length}`;
    new TerraformLocal(this, id, content).overrideLogicalId(name);
    return name;
  }

  /** Asks the box, tells what differs, and has the plan show it. */
  private detectDrift(name: string, ssh: SshOptions): void {
    this.drift = undefined;
    const answer = askForDrift(name, ssh);
    const notes = Annotations.of(this);
    if (typeof answer === "string") {
      notes.addError(
        `detectDrift: the box ${ssh.host} cannot be asked whether it has drifted: ${answer}; see to it that ssh reaches it as Terraform does, or set detectDrift to false to go on without.`,
      );
      return;
    }
    this.drift = answer;
    const { differences, added, installed } = answer;
    if (!installed) notes.addInfo(`the box ${ssh.host} has no connection ${name}: the next apply installs it.`);
    for (const difference of differences) {
      notes.addWarning(`the box ${ssh.host} has drifted: ${difference}; the next apply puts it right.`);
    }
    for (const each of added) notes.addWarning(`on the box ${ssh.host} ${each}; an apply leaves it.`);
  }

  private check(props: StrongswanHostProps, findings: Findings): void {
    checkSsh(props.ssh, findings);
    checkAgentOptions(props.agent ?? {}, props.connection.vpcCidrs, findings);
    findings.wholeNumber("routeMetric", props.routeMetric, ...SITE_BOUNDS.routeMetric);
    checkUplinks(this, props.uplinks, props.connection, props.pair?.number, findings);
    if (props.pair) checkLan(props.pair.lan, findings);
    checkPackages(props.packages, findings);
    if (props.detectDrift) checkDriftInputs(props.connection.name, props.ssh, findings);
  }
}

/** What a connection waits for beside the boxes that are made ready for it, of which there may be two. */
const TURNS = new WeakMap<TerraformResource, readonly string[]>();

function turnOf(connection: TerraformResource): readonly string[] {
  const turn = TURNS.get(connection) ?? connection.dependsOn ?? [];
  TURNS.set(connection, turn);
  return turn;
}
