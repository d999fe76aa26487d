// The box among other software: what other programs do to packet filter and kernel parameters after our install stops the
// traffic for seconds at most. Each deed is first seen to do harm, while the agent stands still and `status` says so.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WorldCloudEnd } from "../../lab/cloud-end";
import { Lab } from "../../lab/machines/lab";
import { DATA_CENTER_CIDR, ECS, LAN } from "../../lab/network";
import { cloudState, install } from "../../lab/box/staged-connection";
import { startStrays } from "../../lab/traffic/foreign-packets";
import type { Strays } from "../../lab/traffic/strays";
import { itInFull } from "./full";

jest.setTimeout(600_000);

/** Seconds within which traffic is to flow again, on a slow machine too; where nothing is put right, none ever does. */
const SOON_S = 30;
/** The same where the box has other work for its processor. */
const LATER_S = 40;

const AGENT = "dual-tunnel-vpn-agent@singapore";

/** Knocks at a port that is closed: the refusal has come both ways. Not a ping, which ufw forwards for everybody. */
const KNOCK = `python3 -c "import socket
try: socket.create_connection(('${ECS.address}', 7), 1)
except ConnectionRefusedError: pass"`;

/** Rules as Docker 24 leaves them once its first bridge is up, without its containers'. */
const DOCKER = `*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
COMMIT
*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-I FORWARD -o docker0 -j DOCKER
-I FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-I FORWARD -j DOCKER-ISOLATION-STAGE-1
-I FORWARD -j DOCKER-USER
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
`;

/** Rules as kubelet and kube-proxy leave them on a node, without services; FORWARD drops as with Docker beside them. */
const KUBERNETES = `*nat
:KUBE-MARK-MASQ - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-SERVICES - [0:0]
-A PREROUTING -j KUBE-SERVICES
-A POSTROUTING -j KUBE-POSTROUTING
-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000
-A KUBE-POSTROUTING -j MASQUERADE --random-fully
COMMIT
*filter
:FORWARD DROP [0:0]
:KUBE-FIREWALL - [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-SERVICES - [0:0]
-A INPUT -j KUBE-FIREWALL
-A OUTPUT -j KUBE-FIREWALL
-A FORWARD -j KUBE-FORWARD
-A KUBE-FIREWALL -m mark --mark 0x8000/0x8000 -j DROP
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT
-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
`;

/** A file of rules that an administrator loads. */
const DROPPING = `*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
`;

/** A customer's own /etc/nftables.conf. */
const OWN_RULESET = `flush ruleset
table inet filter {
  chain input { type filter hook input priority 0; policy accept; }
  chain forward { type filter hook forward priority 0; policy drop; ct state established,related accept; }
}
`;

/** What hardening guides have of IPv4 for a host that is no router. */
const HARDENING = `net.ipv4.ip_forward = 0
net.ipv4.conf.all.forwarding = 0
net.ipv4.conf.*.forwarding = 0
net.ipv4.conf.all.rp_filter = 1
net.ipv4.conf.*.rp_filter = 1
net.ipv4.conf.all.accept_redirects = 0
net.ipv4.conf.all.send_redirects = 0
net.ipv4.conf.all.log_martians = 1
net.ipv4.icmp_echo_ignore_broadcasts = 1
net.ipv4.tcp_syncookies = 1
`;

const DROP_POLICY = "iptables -P FORWARD DROP";

interface Case {
  /** Packages that are installed before, by their names in Debian. @default iptables */
  readonly packages?: string;
  /** Done before, with the connection well again afterwards. @default nothing */
  readonly before?: string;
  /** Done to the box, and harmful. */
  readonly deed: string;
  readonly stdin?: string;
  /** Whether the second uplink is away meanwhile. */
  readonly unplugged?: boolean;
  /** Whether other processes take all of the processor. */
  readonly busy?: boolean;
  /** What passes since it is translated, by the owner's own will. @default nothing */
  readonly translated?: readonly string[];
  /** Whether systemd restarts our links along with that software. */
  readonly followed?: boolean;
}

describe("traffic between the data center and the VPC goes on when", () => {
  const lab = new Lab({ packages: true });
  const scratch = mkdtempSync(join(tmpdir(), "dual-tunnel-vpn-among-"));
  /** Where the box is saved with the connection and these packages. */
  const saved = new Map<string, string>();
  let cloud: WorldCloudEnd;
  let strays: Strays;

  const flows = (timeoutS: number) => lab.namespace("dc").waitUntilSucceeds(KNOCK, { timeoutS, intervalMs: 100 });
  const status = () => lab.box.execute("dual-tunnel-vpn status", { timeoutS: 60 });

  async function healthy(timeoutS = 60): Promise<void> {
    await lab.box.waitUntilSucceeds("dual-tunnel-vpn status", { timeoutS, intervalMs: 200 });
  }

  async function save(packages: string): Promise<void> {
    await healthy();
    await flows(60);
    const directory = join(scratch, packages || "bare");
    mkdirSync(directory);
    await cloud.hangUp();
    await lab.save(directory);
    saved.set(packages, directory);
  }

  async function bringBack(packages: string): Promise<void> {
    const directory = saved.get(packages);
    await lab.bringBack(directory ?? (saved.get("") as string));
    cloud.resume();
    if (directory !== undefined) return;
    const get = `DEBIAN_FRONTEND=noninteractive apt-get -qq --yes --no-install-recommends install ${packages}`;
    await lab.box.succeed(`apt-get -qq update; ${get}`, { timeoutS: 400 });
    await save(packages);
  }

  beforeAll(async () => {
    await lab.start();
    cloud = new WorldCloudEnd(lab);
    await cloud.start();
    await cloud.apply(cloudState());
    const { status: ended, stdout } = await install(lab);
    if (ended !== 0) throw new Error(`${stdout}\n${await cloud.log(40)}`);
    // What was translated on its way does not arrive.
    await lab.in("ecs", "nft -f -", {
      stdin: `table ip untranslated { chain in { type filter hook input priority 0
        ip saddr ${DATA_CENTER_CIDR} ip saddr != ${LAN.server} drop
      }
      }
`,
    });
    strays = await startStrays(lab);
    // Else systemd ends an agent that stands still.
    await lab.box.succeed("systemctl service-watchdogs no");
    await save("");
  }, 900_000);

  afterAll(async () => {
    await lab.stop();
    rmSync(scratch, { recursive: true, force: true });
  });

  const goesOnWhen = (what: string, each: Case) => it(what, () => withstand(what, each));
  const goesOnInFullWhen = (what: string, takes: string, each: Case) =>
    itInFull(what, takes, () => withstand(what, each));

  async function withstand(what: string, each: Case): Promise<void> {
    const {
      packages = "iptables",
      before,
      deed,
      stdin,
      unplugged = false,
      busy = false,
      followed = false,
      translated = [],
    } = each;
    await bringBack(packages);
    if (before !== undefined) await lab.box.succeed(before);
    if (unplugged) {
      await lab.box.unplug("uplink2");
      await lab.box.waitUntilSucceeds("dual-tunnel-vpn status | grep -q 'uplink 2 is not there'", { timeoutS: 60 });
    } else if (before !== undefined) {
      await healthy();
    }
    await flows(30);

    await lab.box.succeed(`systemctl kill -s STOP ${AGENT}`);
    await lab.box.succeed(deed, { stdin, timeoutS: 400 });
    const knock = () => lab.namespace("dc").execute(KNOCK);
    // Where systemd has our links follow, they may be there again at any moment; healthy is said of what flows only.
    if (!followed) expect(await knock()).toMatchObject({ status: 1 });
    const told = await status();
    if (followed && told.status === 0) await flows(10);
    else expect(told.status).toBe(1);

    if (busy)
      await lab.box.succeed(
        "for i in 1 2 3 4; do setsid timeout 60 sh -c 'while :; do :; done' & done >/dev/null 2>&1",
      );
    await lab.box.succeed(`systemctl kill -s CONT ${AGENT}`);
    const began = Date.now();
    await flows(busy ? LATER_S : SOON_S).catch(async (error: Error) => {
      const journal = await lab.box.succeed(
        "journalctl -b -o short-precise --no-pager --lines 80 -u 'dual-tunnel-vpn*'",
      );
      throw new Error(`${error.message}\n${journal}`);
    });
    process.stderr.write(
      `${what}: ${((Date.now() - began) / 1000).toFixed(1)} s; told: ${String(told.stdout.match(/^ {2}! .*/gm))}\n`,
    );
    await strays.arrived();
    if (!unplugged) await healthy(120);
    // Five times a second they were sent to the box meanwhile.
    expect(Object.keys(await strays.arrived()).filter((what) => !translated.includes(what))).toEqual([]);
  }

  goesOnWhen("FORWARD drops and everything is masqueraded", {
    deed: `iptables -t nat -A POSTROUTING -j MASQUERADE; ${DROP_POLICY}`,
  });

  goesOnWhen("everything is masqueraded before all other rules", {
    deed: "iptables -t nat -I POSTROUTING -j MASQUERADE",
    // A network behind the LAN that the box itself speaks for.
    translated: ["the LAN to the VPC as a stranger"],
  });

  goesOnWhen("iptables-restore loads a file", { deed: "iptables-restore", stdin: DROPPING });

  goesOnWhen("FORWARD is flushed where it drops", { before: DROP_POLICY, deed: "iptables -F FORWARD" });

  goesOnWhen("a rule before all others drops everything", {
    before: DROP_POLICY,
    deed: "iptables -I FORWARD -j DROP",
  });

  goesOnWhen("the ruleset is flushed, and a chain of nftables drops", {
    deed: "nft 'flush ruleset; add table inet f; add chain inet f f { type filter hook forward priority 0; policy drop; }'",
  });

  goesOnWhen("Docker starts", { deed: "iptables-restore --noflush", stdin: DOCKER });

  goesOnWhen("a Kubernetes node starts", { deed: "iptables-restore --noflush", stdin: KUBERNETES });

  goesOnWhen("ufw is enabled", { packages: "ufw", before: "ufw allow 22/tcp", deed: "ufw --force enable" });

  goesOnInFullWhen("netfilter-persistent reloads what was saved before our install", "two minutes", {
    packages: "iptables-persistent",
    before: `cat >/etc/iptables/rules.v4 <<'END'\n${DROPPING}END\n`,
    deed: "netfilter-persistent reload",
  });

  goesOnInFullWhen("nftables' own file, which flushes all, is loaded anew by its service", "two minutes", {
    packages: "firewalld",
    before: `cat >/etc/nftables.conf <<'END'\n${OWN_RULESET}END\n`,
    deed: "systemctl restart nftables",
  });

  goesOnWhen("firewalld is restarted", { packages: "firewalld", deed: "systemctl restart firewalld", followed: true });

  goesOnWhen("firewalld is installed and started", {
    packages: "iptables",
    deed: "DEBIAN_FRONTEND=noninteractive apt-get -qq --yes --no-install-recommends install firewalld >/dev/null",
    followed: true,
  });

  goesOnWhen("forwarding is switched off where others had it on", {
    // All that follows from it is done: a repair on its way would put the deed right before anybody has looked.
    before:
      "sysctl -qw net.ipv4.ip_forward=1; until ! nft list table ip dual_tunnel_vpn >/dev/null 2>&1; do sleep 0.1; done; " +
      "systemctl start dual-tunnel-vpn-repair@singapore",
    deed: "sysctl -qw net.ipv4.ip_forward=0",
  });

  goesOnWhen("a hardening file is applied", {
    deed: `cat >/etc/sysctl.d/99-hardening.conf; sysctl --quiet --system`,
    stdin: HARDENING,
  });

  goesOnWhen("forwarding of the LAN's interface is switched off", {
    deed: `sysctl -qw net.ipv4.conf.$(ip -o address show to ${LAN.box} | cut -d ' ' -f 2).forwarding=0`,
  });

  goesOnWhen("the ruleset is flushed and FORWARD drops, with an uplink away", {
    deed: `nft flush ruleset; ${DROP_POLICY}`,
    unplugged: true,
  });

  goesOnInFullWhen("the ruleset is flushed and FORWARD drops, on a busy box", "a minute", {
    deed: `nft flush ruleset; ${DROP_POLICY}`,
    busy: true,
  });
});
