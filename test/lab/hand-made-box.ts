// The lab's box with strongSwan set up by hand: a peer for the cloud end that owes nothing to the product.
import type { Lab } from "../../lab/machines/lab";
import { BGP, DATA_CENTER_CIDR, ECS, IPSEC_ADDRESSES, LAN, UPLINKS, VPC_CIDR } from "../../lab/network";

/** What the box proposes for a tunnel, in strongSwan's words. */
export interface HandMadeTunnel {
  readonly version: 1 | 2;
  readonly aggressive: boolean;
  readonly proposal: string;
  readonly espProposal: string;
  readonly psk: string;
}

const DEFAULTS: HandMadeTunnel = {
  version: 2,
  aggressive: false,
  proposal: "aes256-sha256-modp2048",
  espProposal: "aes256-sha256-modp2048",
  psk: "",
};

/** What the box's BIRD says in BGP; a pair is one value for each tunnel. */
export interface HandMadeBgp {
  readonly med?: readonly [number, number];
  /** How often the AS path has the box's number beyond the first. */
  readonly prepended?: readonly [number, number];
  /** Blocks beside the data center's. */
  readonly more?: readonly [readonly string[], readonly string[]];
  /** Seconds. */
  readonly hold?: number;
  readonly gracefulRestart?: boolean;
}

export class HandMadeBox {
  constructor(private readonly lab: Lab) {}

  /** XFRM interfaces `t1` and `t2`, and routes to the IPsec addresses; the lab has to have the packages. */
  async prepare(): Promise<void> {
    await this.lab.box.succeed(
      [
        "set -e",
        "printf 'charon {\\n install_routes = no\\n i_dont_care_about_security_and_use_aggressive_mode_psk = yes\\n}\\n' >/etc/strongswan.d/hand-made.conf",
        "systemctl restart strongswan",
        "sysctl -q -w net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0",
        ...UPLINKS.flatMap(({ number, gateway, address }, i) => [
          `ip link add t${number} type xfrm if_id ${number}`,
          `sysctl -q -w net.ipv4.conf.t${number}.rp_filter=0`,
          `ip link set t${number} mtu 1400 up`,
          `ip route add ${IPSEC_ADDRESSES[i]} via ${gateway} src ${address}`,
        ]),
      ].join("\n"),
    );
    await this.sendBy(1);
  }

  /** Loads both tunnels, the secrets with their identities. Loading again does not touch SAs. */
  async load(...tunnels: [Partial<HandMadeTunnel>, Partial<HandMadeTunnel>]): Promise<void> {
    const sections = tunnels.map((given, i) => {
      const { version, aggressive, proposal, espProposal, psk } = { ...DEFAULTS, ...given };
      const { number, address, egressIp } = UPLINKS[i];
      const remote = IPSEC_ADDRESSES[i];
      const child = `{ local_ts = 0.0.0.0/0\n remote_ts = 0.0.0.0/0\n esp_proposals = ${espProposal}\n if_id_in = ${number}\n if_id_out = ${number}\n }`;
      return {
        connection: `t${number} {
          version = ${version}
          aggressive = ${aggressive ? "yes" : "no"}
          local_addrs = ${address}
          remote_addrs = ${remote}
          proposals = ${proposal}
          mobike = no
          encap = yes
          local { auth = psk\n id = ${egressIp}\n }
          remote { auth = psk\n id = ${remote}\n }
          children { t${number} ${child}\n }
        }`,
        secret: `ike-t${number} { id-1 = ${egressIp}\n id-2 = ${remote}\n secret = "${psk}"\n }`,
      };
    });
    const conf = `connections {\n${sections.map((s) => s.connection).join("\n")}\n}\nsecrets {\n${sections.map((s) => s.secret).join("\n")}\n}\n`;
    await this.lab.box.write(conf, "/etc/swanctl/conf.d/hand-made.conf", 0o600);
    await this.lab.box.succeed("swanctl --load-all");
  }

  /** Negotiates a tunnel, unless the cloud was first; rejects when that fails. */
  async initiate(tunnel: 1 | 2): Promise<void> {
    await this.lab.box.succeed(
      `swanctl --initiate --child t${tunnel} --timeout 60 || swanctl --list-sas --child t${tunnel} | grep -q INSTALLED`,
      { timeoutS: 90 },
    );
  }

  /** Tries to negotiate a tunnel; whether it succeeded. */
  async canInitiate(tunnel: 1 | 2): Promise<boolean> {
    return (
      (await this.lab.box.execute(`swanctl --initiate --child t${tunnel} --timeout 10`, { timeoutS: 40 })).status === 0
    );
  }

  /** Ends a tunnel and tells the cloud; does not wait for its answer. */
  async terminate(tunnel: 1 | 2): Promise<void> {
    await this.lab.box.execute(`swanctl --terminate --ike t${tunnel} --timeout -1`);
  }

  /** Routes traffic for the VPC into a tunnel. */
  async sendBy(tunnel: 1 | 2): Promise<void> {
    await this.lab.box.succeed(`ip route replace ${VPC_CIDR} dev t${tunnel}`);
  }

  /** Installs BIRD and gives both tunnels their inner addresses; it is started by the first `speakBgp`. */
  async prepareBgp(): Promise<void> {
    await this.lab.box.succeed(
      "systemctl mask bird.service && export DEBIAN_FRONTEND=noninteractive && apt-get -qq update && " +
        "apt-get -qq --yes --no-install-recommends install bird2 && mkdir -p /run/bird",
      { timeoutS: 300 },
    );
    await this.lab.box.succeed(
      BGP.tunnels.map(({ boxAddress }, i) => `ip address add ${boxAddress}/30 dev t${i + 1}`).join(" && "),
    );
  }

  /** Has BIRD announce the data center's block by both tunnels, as given; BIRD puts nothing into the kernel. */
  async speakBgp({
    med = [100, 200],
    prepended = [0, 0],
    more = [[], []],
    hold = 3,
    gracefulRestart = false,
  }: HandMadeBgp = {}): Promise<void> {
    const blocks = [...new Set([DATA_CENTER_CIDR, ...more.flat()])];
    const sessions = BGP.tunnels.map(({ cloudAddress, boxAddress }, i) =>
      [
        `protocol bgp t${i + 1} {`,
        `  local ${boxAddress} as ${BGP.asn};`,
        `  neighbor ${cloudAddress} as ${BGP.cloudAsn};`,
        `  hold time ${hold};`,
        `  graceful restart ${gracefulRestart ? "on" : "off"};`,
        "  connect delay time 1; connect retry time 1; error wait time 1, 1;",
        "  ipv4 {",
        "    import all;",
        "    export filter {",
        `      if source != RTS_STATIC || net !~ [ ${[DATA_CENTER_CIDR, ...more[i]].join(", ")} ] then reject;`,
        `      bgp_med = ${med[i]};`,
        ...Array<string>(prepended[i]).fill(`      bgp_path.prepend(${BGP.asn});`),
        "      accept;",
        "    };",
        "  };",
        "}",
      ].join("\n"),
    );
    const conf = [
      `router id ${LAN.box};`,
      "protocol device {}",
      `protocol static blocks { ipv4; ${blocks.map((block) => `route ${block} blackhole;`).join(" ")} }`,
      ...sessions,
    ];
    await this.lab.box.write(`${conf.join("\n")}\n`, "/etc/bird/hand-made.conf");
    const bird = "-s /run/bird/hand-made.ctl";
    await this.lab.box.succeed(
      `if birdc ${bird} show status >/dev/null 2>&1; then birdc ${bird} configure; else bird -c /etc/bird/hand-made.conf ${bird}; fi`,
    );
  }

  /** What BIRD says of a tunnel's session, or of what came by it. */
  async askBird(command: string): Promise<string> {
    return this.lab.box.succeed(`birdc -r -s /run/bird/hand-made.ctl ${command}`);
  }

  /** Ends BIRD with no word to the cloud; `speakBgp` starts it again. */
  async killBird(): Promise<void> {
    await this.lab.box.succeed("pkill -KILL -x bird; rm -f /run/bird/hand-made.ctl");
  }

  /** Moves tunnel 1's outer packets to uplink 2, their addresses rewritten: the cloud sees the other egress IP. */
  async moveTunnel1ToUplink2(): Promise<void> {
    const [one, two] = UPLINKS;
    await this.lab.box.succeed(
      [
        "set -e",
        `nft -f - <<'RULES'`,
        "table ip moved {",
        "  chain out {",
        "    type filter hook postrouting priority -350",
        `    ip saddr ${one.address} ip daddr ${IPSEC_ADDRESSES[0]} ip saddr set ${two.address}`,
        "  }",
        "  chain in {",
        "    type filter hook prerouting priority -350",
        `    ip saddr ${IPSEC_ADDRESSES[0]} ip daddr ${two.address} ip daddr set ${one.address}`,
        "  }",
        "}",
        "RULES",
        `ip route replace ${IPSEC_ADDRESSES[0]} via ${two.gateway} src ${one.address}`,
      ].join("\n"),
    );
  }

  /** Takes `moveTunnel1ToUplink2` back. */
  async moveTunnel1Back(): Promise<void> {
    const [one] = UPLINKS;
    await this.lab.box.succeed(
      `nft delete table ip moved; ip route replace ${IPSEC_ADDRESSES[0]} via ${one.gateway} src ${one.address}`,
    );
  }

  /** Sends a few packets from the data center into the VPC and waits for no answer. */
  async poke(): Promise<void> {
    await this.lab.in("dc", `ping -q -c 3 -i 0.2 -W 1 ${ECS.address} || true`);
  }
}
