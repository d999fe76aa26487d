// What an apply says and does where something else is amiss at that moment: locks that others hold, an uplink that falls
// silent, a failover. It waits for what passes, cuts nothing that lives, and names only what was seen.
import { WorldCloudEnd } from "../../lab/cloud-end";
import { Lab } from "../../lab/machines/lab";
import type { Result } from "../../lab/machines/shell";
import { IPSEC_ADDRESSES, UPLINKS } from "../../lab/network";
import { Traffic } from "../../lab/traffic/traffic";
import { cloudState, install, stage, type Staged } from "../../lab/box/staged-connection";

jest.setTimeout(900_000);

const LOG = "/run/apply.log";
const STATE = "/run/dual-tunnel-vpn/singapore/agent.json";
const MOVED = "lives by the other uplink";
const PROPOSAL = "aes256-sha256-modp2048";

/** Falls silent, both ways, with the first CREATE_CHILD_SA (36) of an IKE_SA behind NAT that comes from the box. */
const SILENT_FROM_RENEWAL = `table ip renewal {
  set silent { type ipv4_addr; flags dynamic, timeout; timeout 1h; }
  chain forward {
    type filter hook forward priority -10;
    udp dport 4500 @th,64,32 0 @th,240,8 36 add @silent { ip saddr }
    ip saddr @silent drop
    ip daddr @silent drop
  }
}
`;

/** Holds a lock as apt and dpkg do, until it is killed. */
const HOLD = (path: string) =>
  `systemd-run --quiet --collect --unit=holder python3 -c "
import fcntl, time
file = open('${path}', 'a')
fcntl.lockf(file, fcntl.LOCK_EX)
open('/run/held', 'w')
time.sleep(3600)"`;

describe("an apply", () => {
  const lab = new Lab({ packages: true });
  let cloud: WorldCloudEnd;

  const lastLine = ({ stdout }: Result) => stdout.trimEnd().split("\n").at(-1);
  const sas = (number: 1 | 2) => lab.box.succeed(`swanctl --list-sas --ike singapore-${number} | grep -o '#[0-9]*'`);
  /** The phase of the first tunnel's rescue, when it is one of these; agent/facts.py has them all. */
  const rescue = async (...phases: string[]) =>
    (
      await lab.box.waitUntilSucceeds(`grep -oE '"number": 1, "role"[^}]*"phase": "(${phases.join("|")})"' ${STATE}`)
    ).trim();
  const bothUp = () => lab.box.waitUntilSucceeds("dual-tunnel-vpn status", { timeoutS: 120 });

  async function installed(staged: Staged = {}): Promise<void> {
    const { status, stdout } = await install(lab, staged);
    if (status !== 0) throw new Error(`${stdout}\n${await cloud.log(40)}`);
  }

  /** Applies, and meanwhile, once it has said these words, does something. */
  async function applied(staged: Staged, words: string, meanwhile: () => Promise<unknown>): Promise<Result> {
    const command = await stage(lab, staged);
    await lab.box.succeed(`rm -f ${LOG}`);
    const apply = lab.box.execute(`${command} >${LOG} 2>&1; status=$?; cat ${LOG}; exit $status`, { timeoutS: 400 });
    await Promise.race([
      lab.box.waitUntilSucceeds(`grep -qF '${words}' ${LOG}`, { timeoutS: 200, intervalMs: 100 }),
      apply.then(({ stdout }) => {
        if (!stdout.includes(words)) throw new Error(`It did not say "${words}":\n${stdout}`);
      }),
    ]);
    await meanwhile();
    return apply;
  }

  beforeAll(async () => {
    await lab.start();
    cloud = new WorldCloudEnd(lab);
    await cloud.start();
    await cloud.apply(cloudState());
  }, 900_000);

  afterAll(() => lab.stop());

  afterEach(() => lab.box.execute("systemctl stop holder"));

  it.each(["/var/cache/apt/archives/lock", "/var/lib/apt/lists/lock", "/var/lib/dpkg/lock-frontend"])(
    "waits while another program holds %s",
    async (path) => {
      // Without apt's lists an installation has to fetch them.
      await lab.box.succeed("apt-get -q -y remove nftables && rm -f /var/lib/apt/lists/*_*", { timeoutS: 120 });
      await lab.box.succeed(HOLD(path));
      await lab.box.waitUntilSucceeds("rm /run/held", { intervalMs: 100 });
      const told = `Could not get lock ${path}. It is held by process`;
      const { status, stdout } = await applied({}, told, () => lab.box.succeed("systemctl stop holder"));
      expect([status, stdout]).toEqual([0, expect.stringContaining("both tunnels are up")]);
    },
  );

  describe("with the connection installed", () => {
    beforeAll(() => installed());

    it("says that a renewal was not answered, and guesses at no cause, when the uplink falls silent", async () => {
      // A change that the cloud has no part in: the first CREATE_CHILD_SA is the renewal.
      const change = { ikeLifetime: [86400, 43200] } as const;
      await lab.namespace("nat2").succeed("nft -f -", { stdin: SILENT_FROM_RENEWAL });
      const result = await install(lab, change);
      await lab.namespace("nat2").succeed("nft delete table ip renewal");
      expect(result.status).toBe(1);
      expect(lastLine(result)).toMatch(
        /^dual-tunnel-vpn: tunnel 2 \(standby\) came up, but the renewal of its key was not answered within \d+ s/,
      );
      expect(result.stdout).not.toMatch(/DH group|PFS|proposal/);
      await installed();
    });

    it("names the proposals when the other end refuses the renewal with just this notify", async () => {
      await cloud.apply(cloudState());
      const result = await install(lab, { esp: [PROPOSAL, "aes256-sha256"] });
      expect(result.status).toBe(1);
      expect(lastLine(result)).toMatch(/tunnel 2 \(standby\) came up, but its key cannot be renewed: .*\(PFS\)/);
      await installed();
      await bothUp();
    });

    describe("during a failover", () => {
      const change = { ikeLifetime: [43200, 86400] } as const;
      let traffic: Traffic;

      /** Has the first tunnel live by the other uplink. Where the machines stand still for a moment the proof is late. */
      async function failover(tries = 3): Promise<void> {
        await rescue("none");
        await traffic.waitUntilFlowing();
        await lab.cut("uplink1");
        if ((await rescue(MOVED, "waits for its own uplink")).includes(MOVED)) return;
        if (tries === 1) throw new Error("The cloud never followed the tunnel in time.");
        await lab.restore("uplink1");
        await bothUp();
        await failover(tries - 1);
      }

      beforeAll(async () => {
        traffic = await Traffic.start(lab);
        await failover();
      });

      afterAll(async () => {
        await lab.restoreAll();
        await traffic.stop();
      });

      it("leaves the tunnel alone that lives by the other uplink, and says why", async () => {
        const before = await sas(1);
        const result = await install(lab, change);
        expect(result.status).toBe(1);
        expect(lastLine(result)).toMatch(
          /^dual-tunnel-vpn: tunnel 1 \(active, to 192\.0\.2\.152\) was not changed: it goes on by uplink 2/,
        );
        expect(result.stdout).not.toMatch(/proposal/);
        expect(await sas(1)).toBe(before);
      });

      it("waits for the failover's end and then changes the tunnel", async () => {
        const before = await sas(1);
        const { status, stdout } = await applied(change, "waiting for up to", () => lab.restore("uplink1"));
        expect([status, stdout]).toEqual([0, expect.stringContaining("both tunnels are up")]);
        expect(await sas(1)).not.toBe(before);
        await bothUp();
      });

      it("names the uplink that does not reach the other end when the tunnel is gone", async () => {
        await failover();
        const other = { esp: ["aes128-sha256-modp2048", PROPOSAL] } as const;
        // The cloud deletes the tunnel with its change.
        await cloud.apply(cloudState(other));
        await lab.box.waitUntilSucceeds(`ip route get ${IPSEC_ADDRESSES[0]} | grep -qF 'via ${UPLINKS[0].gateway} '`);
        const result = await install(lab, other);
        expect(result.status).toBe(1);
        expect(lastLine(result)).toMatch(
          /tunnel 1 \(active, to 192\.0\.2\.152\) did not come up: uplink 1 does not reach 192\.0\.2\.152/,
        );
        await lab.restore("uplink1");
        await installed(other);
        await bothUp();
      });
    });
  });
});
