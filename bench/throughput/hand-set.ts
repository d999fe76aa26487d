// The rival: the same ESP in UDP over the same uplink between the same machines, with states and policies set by hand.
// A second address of the instance in the VPC is routed through it, so that both ways stand at the same time.
import { randomBytes } from "node:crypto";
import type { Lab } from "../../lab/machines/lab";
import type { Shell } from "../../lab/machines/shell";
import { DATA_CENTER_CIDR, ECS, IPSEC_ADDRESSES, LAN, UPLINKS, VPC_CIDR } from "../../lab/network";

export interface HandSetOptions {
  /** Tells two of them apart: 1, 2, … */
  readonly number: number;
  /** Of the box's XFRM interface. */
  readonly mtu: number;
  /** Of TCP to and from the data center's server. @default what its Ethernet gives: no limit */
  readonly mss?: number;
}

interface Keys {
  readonly auth: string;
  readonly enc: string;
}

/** The library's own: aes256-sha256, a replay window of 1024. */
const ALGORITHMS = (key: Keys) =>
  `replay-window 1024 flag af-unspec auth-trunc hmac(sha256) 0x${key.auth} 128 enc cbc(aes) 0x${key.enc}`;

/** The kernel undoes the encapsulation in the socket of whoever has asked for it, and no program wakes up for it. */
const HOLDER = `import socket, sys, time
holder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
holder.setsockopt(socket.IPPROTO_UDP, 100, 2)  # UDP_ENCAP, UDP_ENCAP_ESPINUDP
holder.bind((sys.argv[1], int(sys.argv[2])))
time.sleep(1e9)
`;

interface End {
  readonly shell: Shell;
  /** Words that run a command where this end's network is. */
  readonly inside: string;
  readonly address: string;
  /** The other end's address as this one sees it. */
  readonly peer: string;
  /** What is behind this end, and behind the other. */
  readonly near: string;
  readonly far: string;
}

export class HandSet {
  /** An address in the VPC whose traffic takes this way. */
  readonly address: string;
  private readonly name: string;
  private readonly port: number;
  private readonly ifId: number;

  constructor(
    private readonly lab: Lab,
    private readonly options: HandSetOptions,
  ) {
    const { number } = options;
    this.address = ECS.address.replace(/\d+$/, String(10 + number));
    this.name = `hand-set-${number}`;
    this.port = 14500 + number;
    this.ifId = 9000 + number;
  }

  async install(): Promise<void> {
    const { lab } = this;
    const [uplink] = UPLINKS;
    const box: End = {
      ...{ shell: lab.box, inside: "" },
      ...{ address: uplink.address, peer: IPSEC_ADDRESSES[0], near: DATA_CENTER_CIDR, far: VPC_CIDR },
    };
    const cloud: End = {
      ...{ shell: lab.namespace("cloud"), inside: "nsenter --net=/run/netns/cloud" },
      ...{ address: IPSEC_ADDRESSES[0], peer: uplink.egressIp, near: VPC_CIDR, far: DATA_CENTER_CIDR },
    };
    const key = () => ({ auth: randomBytes(32).toString("hex"), enc: randomBytes(32).toString("hex") });
    const [outward, inward] = [key(), key()];
    // The cloud's end has the same MTU whatever the box's is, as the gateway has.
    await this.end(box, { out: outward, in: inward }, this.options.mtu);
    await this.end(cloud, { out: inward, in: outward }, 1400);
    await lab.in("ecs", `ip address add ${this.address}/24 dev eth0`);
    await lab.box.succeed(`ip route add ${this.address} dev ${this.name}`);
    await lab.in(
      "cloud",
      `ip rule add pref ${500 + this.options.number} from ${this.address} lookup ${this.ifId} &&
       ip route add default dev ${this.name} table ${this.ifId}`,
    );
    const { mss, mtu } = this.options;
    const limits = mss === undefined ? "" : `mtu ${mtu} advmss ${mss}`;
    await lab.in("dc", `ip route add ${this.address} via ${LAN.box} ${limits}`);
    await lab.namespace("dc").waitUntilSucceeds(`ping -q -c 1 -W 1 ${this.address}`);
  }

  private async end(
    { shell, inside, address, peer, near, far }: End,
    key: Readonly<Record<"out" | "in", Keys>>,
    mtu: number,
  ): Promise<void> {
    const { name, port, ifId } = this;
    const machine = inside === "" ? this.lab.box : this.lab.world;
    await machine.write(HOLDER, "/run/hand-set.py");
    await machine.succeed(`systemd-run --quiet --unit=${name} ${inside} python3 /run/hand-set.py ${address} ${port}`);
    await shell.waitUntilSucceeds(`ss --no-header --udp --listening --numeric | grep -q ':${port} '`);
    const state = (from: string, to: string, keys: Keys) =>
      `xfrm state add src ${from} dst ${to} proto esp spi ${ifId} reqid ${ifId} mode tunnel ${ALGORITHMS(keys)} ` +
      `encap espinudp ${port} ${port} 0.0.0.0 if_id ${ifId}`;
    const policy = (way: string, from: string, to: string, ends: string) =>
      `xfrm policy add src ${from} dst ${to} dir ${way} tmpl ${ends} proto esp reqid ${ifId} mode tunnel if_id ${ifId}`;
    const commands = [
      state(address, peer, key.out),
      state(peer, address, key.in),
      policy("out", near, far, `src ${address} dst ${peer}`),
      policy("fwd", far, near, `src ${peer} dst ${address}`),
      policy("in", far, near, `src ${peer} dst ${address}`),
      `link add ${name} type xfrm if_id ${ifId}`,
      `link set ${name} mtu ${mtu} up`,
    ];
    // By standard input: no key on a command line.
    await shell.succeed("ip -batch -", { stdin: commands.join("\n") + "\n" });
    await shell.succeed(`echo 2 >/proc/sys/net/ipv4/conf/${name}/rp_filter`);
  }
}
