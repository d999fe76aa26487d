// Deploys the how-to page's own configuration on the lab's box: what the product is measured against.
import * as path from "node:path";
import type { Lab } from "../machines/lab";
import { IPSEC_ADDRESSES, UPLINKS, VPC_CIDR } from "../network";

export interface HowToOptions {
  /** The one pre-shared key of both tunnels: the page's secrets name no identities. */
  readonly psk: string;
  /** IPsec address 1 and 2. @default the lab's first gateway's */
  readonly ipsecAddresses?: readonly [string, string];
  /** strongSwan's words. @default "aes128-sha1-modp1024", the page's */
  readonly ikeProposal?: string;
  /** strongSwan's words. @default "aes128-sha1-modp1024", the page's */
  readonly espProposal?: string;
}

const REMOTE = "/usr/local/sbin/how-to.sh";

export class HowTo {
  constructor(
    private readonly lab: Pick<Lab, "box">,
    private readonly options: HowToOptions,
  ) {}

  /** Installs strongSwan by the box's package manager and types the page in; both tunnels begin to negotiate. */
  async install(): Promise<void> {
    await this.lab.box.upload(path.join(__dirname, "how-to.sh"), REMOTE, 0o755);
    await this.run("install", this.options.psk);
  }

  /** Takes everything back but the packages; strongSwan is stopped. */
  async remove(): Promise<void> {
    await this.run("remove");
  }

  private async run(verb: "install" | "remove", stdin?: string): Promise<void> {
    const [one, two] = UPLINKS;
    const { ipsecAddresses = IPSEC_ADDRESSES, ikeProposal, espProposal } = this.options;
    const page = "aes128-sha1-modp1024";
    const environment: Record<string, string> = {
      IPSEC_1: ipsecAddresses[0],
      IPSEC_2: ipsecAddresses[1],
      UPLINK_1: one.address,
      UPLINK_2: two.address,
      GATEWAY_1: one.gateway,
      GATEWAY_2: two.gateway,
      EGRESS_1: one.egressIp,
      EGRESS_2: two.egressIp,
      VPC_CIDR,
      IKE_PROPOSAL: ikeProposal ?? page,
      ESP_PROPOSAL: espProposal ?? page,
    };
    const assignments = Object.entries(environment).map(([name, value]) => `${name}='${value}'`);
    await this.lab.box.succeed(`${assignments.join(" ")} ${REMOTE} ${verb}`, { stdin, timeoutS: 240 });
  }
}
