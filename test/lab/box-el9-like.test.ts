// The box's life where dnf and RPMs are in place of apt, in short in every run: install.sh adds EPEL, and strongSwan from
// there. docs/guests.md says what that proves of EL9.
import { cloudState, NAME } from "../../lab/box/staged-connection";
import { Traffic } from "../../lab/traffic/traffic";
import { FULL } from "./full";
import { tellGaps, trafficBy, well } from "./on-a-box";
import { shortLife, type Life } from "./short-life";

jest.setTimeout(600_000);

/** Where the box's dnf finds packages. */
const REPOSITORIES = "/var/local/rpms";

/** What its owner does to it, with the connection's traffic under way. */
const DEEDS = [
  "dnf -q -y reinstall strongswan",
  "systemctl restart firewalld",
  "firewall-cmd --reload",
  "firewall-cmd --complete-reload",
];

/** What SELinux has refused, to what systemd has started for us or strongSwan. */
function refusals(life: Life): void {
  it("is refused nothing by SELinux that it needs", async () => {
    const lines = await life.lab.box.succeed("journalctl -b --no-pager --grep 'avc: +denied' || true");
    const ours = lines
      .split("\n")
      .filter((line) => /scontext=system_u:system_r:(initrc|ipsec|ipsec_mgmt)_t\b/.test(line));
    // Without the right to gain privileges `nft` stays in our units' domain, which may do what its own may.
    const harmless = ours.filter((line) => / nnp_transition .*tcontext=system_u:system_r:iptables_t:/.test(line));
    // They are there on every such box: with none of them nothing would be known of others either.
    expect(harmless).not.toEqual([]);
    expect(ours).toEqual(harmless);
  });
}

function wholeLife(life: Life): void {
  const { lab, cloud } = life;

  it("has its files where EL9's strongSwan reads them, and nowhere else", async () => {
    const files = await lab.box.succeed(
      `find /etc -path '*swan*' -name '*${NAME}*' -o -name 'zz-dual*' | LC_ALL=C sort`,
    );
    expect(files.trim().split("\n")).toEqual([
      "/etc/strongswan/strongswan.d/zz-dual-tunnel-vpn-routes.conf",
      "/etc/strongswan/strongswan.d/zz-dual-tunnel-vpn.conf",
      ...[1, 2].flatMap((number) =>
        ["conf", "secrets.conf"].map((end) => `/etc/strongswan/swanctl/conf.d/${NAME}-${number}.${end}`),
      ),
    ]);
  });

  it("changes one tunnel and leaves the other's SAs alone", async () => {
    const of = (tunnel: number) =>
      lab.box.succeed(
        `swanctl --list-sas --ike ${NAME}-${tunnel} | grep -o '#[0-9]*, \\(ESTABLISHED\\|reqid [0-9]*\\)'`,
      );
    const first = await of(1);
    const change = { esp: ["aes256-sha256-modp2048", "aes128-sha256"] } as const;
    await cloud.apply(cloudState(change));
    await life.install(change);
    expect(await of(1)).toBe(first);
    expect(await lab.box.succeed(`swanctl --list-sas --ike ${NAME}-2`)).toMatch(/AES_CBC-128/);
    await cloud.apply(cloudState());
    await life.install();
  });

  it.each(DEEDS)("goes on after `%s`", async (deed) => {
    const traffic = await Traffic.start(lab);
    await traffic.waitUntilFlowing();
    await trafficBy(lab, 1);
    const mark = await traffic.mark();
    await lab.box.succeed(deed, { timeoutS: 240 });
    await well(lab, traffic, 120);
    await tellGaps(traffic, mark, `el9-like: ${deed}`);
    await traffic.stop();
  });

  it("comes back by itself after a reboot", async () => {
    await lab.box.reboot();
    const traffic = await Traffic.start(lab);
    await traffic.waitUntilFlowing({ timeoutS: 180 });
    await well(lab, traffic, 120);
    await traffic.stop();
  });

  it("takes strongSwan's packages from a directory, without any source of dnf's", async () => {
    await life.remove();
    await lab.box.succeed(
      "dnf -q -y remove strongswan epel-release && mkdir -m 755 /root/packages && " +
        `cp ${REPOSITORIES}/epel/strongswan-*.rpm /root/packages && mv ${REPOSITORIES} ${REPOSITORIES}.away`,
      { timeoutS: 240 },
    );
    await life.install({ packages: "/root/packages" });
    await lab.box.succeed(`rm -r /root/packages && mv ${REPOSITORIES}.away ${REPOSITORIES}`);
  });
}

shortLife(
  { system: "el9-like" },
  "rpm -q el9-like-release firewalld && systemctl is-active firewalld && ! command -v apt-get && " +
    '! command -v dpkg-query && test "$(cat /sys/fs/selinux/enforce)" = 1',
  (life) => {
    if (FULL) wholeLife(life);
    else it.skip("goes on through all of its life (takes minutes: npm run test:full)", () => undefined);
    refusals(life);
  },
);
