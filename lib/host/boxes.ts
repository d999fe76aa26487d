// The connections of one box: two have to lead to two gateways and two VPCs, and to have two names.
import { TerraformStack } from "cdktf";
import { Construct } from "constructs";
import { registered } from "../claims";
import { common, literalBlocks } from "../cloud/gateway-checks";
import { identityOf } from "../expressions";
import { Findings } from "../findings";
import { networks } from "../ipsec/bgp";
import { isLiteral } from "../structural";
import type { IIpsecDualConnection } from "../ipsec/connection";
import { numbersClash, pairNumbersClash } from "./numbers";
import type { PairOptions } from "./pair";
import type { SshOptions } from "./ssh";

interface Installed {
  readonly construct: Construct;
  readonly connection: IIpsecDualConnection;
  /** Which box of a pair it is, and the address that it shares with the other one; undefined for a connection's one box. */
  readonly pair: Pick<PairOptions, "number" | "virtualGateway"> | undefined;
}

/** The networks of the tunnels that end at a box. */
function networksOf({ connection, pair }: Installed) {
  return networks(connection.tunnels.filter(({ number }) => pair === undefined || number === pair.number));
}

/** What is installed on a box, in the order in which it was made. */
export class BoxMembers {
  /** Joins a connection's box to those of the app that are the same machine: one host, port and way there. */
  static join(own: Installed, ssh: SshOptions): BoxMembers {
    // What only Terraform knows may be any machine.
    const installed = isLiteral(ssh.host) ? registered<Installed>(own.construct, `box ${machineOf(ssh)}`) : [];
    installed.push(own);
    return new BoxMembers(installed, own, ssh.host);
  }

  private constructor(
    private readonly installed: readonly Installed[],
    private readonly own: Installed,
    private readonly host: string,
  ) {}

  /** Checks a connection against those that came to the box before it, and reports the first that it cannot be beside. */
  check(findings: Findings): void {
    for (const other of this.installed.slice(0, this.installed.indexOf(this.own))) {
      const problem = this.beside(other);
      if (problem === undefined) continue;
      findings.error(problem);
      return;
    }
  }

  private beside(other: Installed): string | undefined {
    const { construct, connection, pair } = other;
    const own = this.own.connection;
    const { path } = construct.node;
    if (own.name === connection.name && isLiteral(own.name)) {
      // In one stack the names are compared already.
      if (TerraformStack.of(construct) === TerraformStack.of(this.own.construct)) return undefined;
      return `name "${own.name}" and ssh.host ${this.host} are those of ${path} too, and each would undo what the other installs; give one of them another name.`;
    }
    const box = `ssh.host ${this.host} is the box of ${path} too`;
    if ([own.name, connection.name].every(isLiteral) && numbersClash(own.name, connection.name)) {
      return `${box}, and the names "${own.name}" and "${connection.name}" give the same firewall mark there; give one of them another name.`;
    }
    const remedy = "give this connection another box";
    // What an expression is depends on the stack.
    const inOneStack = TerraformStack.of(construct) === TerraformStack.of(this.own.construct);
    const known = (text: string) => (inOneStack ? identityOf(construct, text) : text);
    const addresses = connection.tunnels.map(({ ipsecAddress }) => known(ipsecAddress));
    if (own.tunnels.some(({ ipsecAddress }) => addresses.includes(known(ipsecAddress)))) {
      return `${box}, whose connection is on the same VPN gateway; ${remedy}.`;
    }
    const twice = common(networksOf(this.own), networksOf(other));
    if (twice) {
      return `${box}, with routing.tunnelCidrs ${twice[0].text} as well; give each tunnel of a box a /30 of its own.`;
    }
    if (pair && this.own.pair) {
      const { virtualGateway } = pair;
      if (known(virtualGateway) === known(this.own.pair.virtualGateway)) {
        return `${box}, with the virtualGateway ${virtualGateway} as well; give each connection of two boxes its own.`;
      }
      if ([own.name, connection.name].every(isLiteral) && pairNumbersClash(own.name, connection.name)) {
        return `${box}, and the names "${own.name}" and "${connection.name}" give the same virtual router id or port there; give one of them another name.`;
      }
    }
    const shared = common(literalBlocks(own.vpcCidrs), literalBlocks(connection.vpcCidrs));
    return (
      shared && `${box}, whose vpcCidrs ${shared[1].text} overlap ${shared[0].text} of this connection; ${remedy}.`
    );
  }
}

/** A machine as text: host and port, and the way there. */
export function machineOf(ssh: SshOptions): string {
  const machines = [ssh, ssh.bastion].map((machine) => machine && `${plain(machine.host)}:${machine.port ?? 22}`);
  return machines.join(" by ");
}

/** A host's name in one form: the DNS does not heed case, nor the dot of the root. Of a token case is all that it is. */
function plain(host: string): string {
  if (!isLiteral(host)) return host;
  return host.toLowerCase().replace(/\.$/, "");
}
