// The how-to page's configuration on the lab's box, and the cloud side that the page makes: the rival.
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CloudState, CloudTunnel } from "../cloud/cloud-end";
import type { WorldCloudEnd } from "../cloud-end";
import { HowTo } from "../how-to/how-to";
import type { Lab } from "../machines/lab";
import { DATA_CENTER_CIDR, IPSEC_ADDRESSES, UPLINKS, VPC_CIDR } from "../network";
import type { StagedContender } from "./contender";

/** The page's tunnels: its algorithms are the console's defaults, and one key serves both. */
function tunnels(psk: string, activePsk = psk): CloudTunnel[] {
  return UPLINKS.map(({ number, egressIp }) => ({
    tunnelId: `tun-how-to-${number}`,
    role: number === 1 ? "master" : "slave",
    ipsecAddress: IPSEC_ADDRESSES[number - 1],
    peerAddress: egressIp,
    localId: IPSEC_ADDRESSES[number - 1],
    remoteId: egressIp,
    psk: number === 1 ? activePsk : psk,
    dpd: true,
    natTraversal: true,
    ike: { version: "ikev2", mode: "main", enc: "aes", auth: "sha1", dhGroup: "group2", lifetime: 86400 },
    esp: { enc: "aes", auth: "sha1", pfs: "group2", lifetime: 86400 },
  }));
}

function cloudState(psk: string, activePsk?: string): CloudState {
  return {
    gateways: [
      {
        id: "vpn-how-to",
        vpcCidrBlock: VPC_CIDR,
        ipsecAddresses: [IPSEC_ADDRESSES[0], IPSEC_ADDRESSES[1]],
        autoPropagate: false,
        announced: [],
      },
    ],
    connections: [
      {
        id: "vco-how-to",
        name: "how-to",
        gatewayId: "vpn-how-to",
        localSubnets: ["0.0.0.0/0"],
        remoteSubnets: ["0.0.0.0/0"],
        effectImmediately: true,
        tunnels: tunnels(psk, activePsk) as [CloudTunnel, CloudTunnel],
      },
    ],
    routes: [
      {
        gatewayId: "vpn-how-to",
        connectionId: "vco-how-to",
        destination: DATA_CENTER_CIDR,
        weight: 100,
        published: true,
      },
    ],
  };
}

export class HowToPage implements StagedContender {
  readonly id = "how-to";
  readonly interfaces = ["ipsec0", "ipsec1"] as const;
  readonly connections = ["vco1", "vco2"] as const;
  readonly children = ["vco_child1", "vco_child2"] as const;
  private psk = randomBytes(12).toString("hex");

  constructor(
    private readonly lab: Lab,
    private readonly cloudEnd: WorldCloudEnd,
  ) {}

  async install(): Promise<void> {
    await this.cloudEnd.apply(cloudState(this.psk));
    await new HowTo(this.lab, { psk: this.psk }).install();
  }

  save(directory: string): Promise<void> {
    writeFileSync(join(directory, "how-to.psk"), this.psk, { mode: 0o600 });
    return Promise.resolve();
  }

  load(directory: string): Promise<void> {
    this.psk = readFileSync(join(directory, "how-to.psk"), "utf8");
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** The page has no memory but the order of its routes: strongSwan starts anew when they are not as at first. */
  async refresh(): Promise<void> {
    if ((await this.trouble()) !== "") await this.lab.box.succeed("systemctl restart strongswan && swanctl --load-all");
  }

  async trouble(): Promise<string> {
    const { stdout } = await this.lab.box.execute("swanctl --list-sas; ip -4 route show");
    const down = this.children.find((name) => !new RegExp(`${name}: #.*INSTALLED`).test(stdout));
    if (down) return `${down} is not installed`;
    return /dev ipsec0 .*metric 100\b/.test(stdout) ? "" : "there is no route by ipsec0";
  }

  switches(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  story(): Promise<readonly string[]> {
    return Promise.resolve([]);
  }

  sessions(): Promise<[]> {
    return Promise.resolve([]);
  }

  async breakActivePsk(): Promise<() => Promise<void>> {
    await this.cloudEnd.apply(cloudState(this.psk, randomBytes(12).toString("hex")));
    return () => this.cloudEnd.apply(cloudState(this.psk));
  }

  changeKeys(): Promise<void> {
    return Promise.reject(new Error("the how-to page does not say how keys are changed"));
  }

  reconfigure(): Promise<void> {
    return Promise.reject(new Error("the how-to page has no options"));
  }
}
