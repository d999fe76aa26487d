// What a customer sees when the box cannot be had: `cdktf deploy` for real, against the emulated API.
import * as fs from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { startEmulatedCloud, type EmulatedCloud } from "../../lab/cloud/server";
import { WorldCloudEnd } from "../../lab/cloud-end";
import { differences, listingOf } from "../../lab/box/listing";
import { cloudState, install } from "../../lab/box/staged-connection";
import { CommandFailed, Deployment } from "../../lab/deployment/deployment";
import { cacheDirectory } from "../../lab/cache";
import { Lab } from "../../lab/machines/lab";
import { makeKey } from "../../lab/machines/run-disk";
import { UPLINKS } from "../../lab/network";
import { prepareProviders } from "../../lab/terraform/providers";

const CONFIGURE = "null_resource.singapore_configure_box_over_ssh";

describe("cdktf deploy", () => {
  const lab = new Lab();
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "refusals-"));
  const clouds: EmulatedCloud[] = [];
  let providerEnv: NodeJS.ProcessEnv;
  let before: string;

  const listBox = () => listingOf(lab.box);

  /** Deploys the example, in a cloud of its own, with a box reached so; gives what was printed. */
  async function refused(box: Record<string, unknown>): Promise<string> {
    const cloud = await startEmulatedCloud({ delays: { gatewayProvisioning: 100, busy: 50 } });
    clouds.push(cloud);
    const usual = {
      host: "127.0.0.1",
      port: lab.box.sshPort,
      user: "admin",
      privateKeyPath: lab.keyPath,
      hostKey: lab.box.hostKeyEcdsa,
    };
    const deployment = new Deployment({
      directory: path.join(directory, String(clouds.length)),
      endpoint: cloud.endpoint,
      providerEnv,
      config: { box: { ...usual, ...box } },
      variables: { singapore_psk_active: "psk-of-tunnel-one", singapore_psk_standby: "psk-of-tunnel-two" },
    });
    try {
      await deployment.deploy();
    } catch (error) {
      if (error instanceof CommandFailed) return error.output;
      throw error;
    }
    throw new Error("the deployment succeeded");
  }

  beforeAll(async () => {
    const [providers] = await Promise.all([prepareProviders({ cacheDir: cacheDirectory() }), lab.start()]);
    providerEnv = providers.env;
    before = await listBox();
  }, 600_000);

  afterAll(async () => {
    await Promise.all(clouds.map((cloud) => cloud.close()));
    await lab.stop();
    fs.rmSync(directory, { recursive: true, force: true });
  }, 60_000);

  /** The lines that our script printed, without its name. */
  const sentences = (text: string): string[] =>
    text
      .split("\n")
      .filter((line) => /\(remote-exec\): dual-tunnel-vpn: /.test(line))
      .map((line) => line.replace(/^.*\(remote-exec\): dual-tunnel-vpn: /, "").trim());

  /** The last line that our script printed, and that the box is as it was. */
  async function lastWord(text: string): Promise<string> {
    expect(differences(before, await listBox())).toEqual([]);
    expect(text).not.toMatch(/psk-of-tunnel/);
    const lines = text.split("\n").filter((line) => /\(remote-exec\):/.test(line));
    return (lines.at(-1) ?? "").replace(/^.*\(remote-exec\):\s*/, "").trim();
  }

  it("ends with our sentence when the SSH user may not use sudo, and changes nothing on the box", async () => {
    const text = await refused({ user: "nosudo" });
    expect(text).toContain(CONFIGURE);
    expect(await lastWord(text)).toMatch(/^dual-tunnel-vpn: the SSH user nosudo cannot run sudo without a password/);
  }, 180_000);

  it("ends with our sentence when the kernel has no XFRM interfaces, and changes nothing on the box", async () => {
    const blocker = "/run/modprobe.d/no-xfrm.conf";
    await lab.box.succeed(
      `mkdir -p /run/modprobe.d && echo 'install xfrm_interface /bin/false' >${blocker} && (modprobe -r xfrm_interface || true)`,
    );
    try {
      const text = await refused({});
      expect(text).toContain(CONFIGURE);
      expect(await lastWord(text)).toMatch(/^dual-tunnel-vpn: the kernel \S+ of this box has no XFRM interfaces/);
    } finally {
      await lab.box.succeed(`rm ${blocker}`);
    }
  }, 180_000);

  it("ends with all that is wrong with a box, one sentence each, and changes nothing on it", async () => {
    // Without Python only some of it can be asked; it stays on the box from here on.
    await lab.box.succeed("apt-get -qq update && apt-get -qq --yes --no-install-recommends install python3", {
      timeoutS: 300,
    });
    before = await listBox();
    const now = Math.round(Date.now() / 1000);
    await lab.box.succeed(
      `mv /var/local/apt-repo /var/local/hidden; mkdir /var/local/apt-repo; date -u -s @${now - 26 * 3600}; ` +
        "systemd-run --quiet --unit=foreign-ike python3 -c 'import socket, time; s = socket.socket(type=socket.SOCK_DGRAM); " +
        's.bind(("", 500)); time.sleep(600)\'',
    );
    await lab.box.waitUntilSucceeds("ss -Hlun sport = :500 | grep .");
    await lab.cut("uplink1");
    await lab.in("nat2", `ip address add ${UPLINKS[1].address}/32 dev uplink2`);
    try {
      const text = await refused({});
      expect(text).toContain(CONFIGURE);
      const said = sentences(text);
      const wanted = [
        /^python3 listens on UDP port 500 of this box, which strongSwan needs: stop it first$/,
        /^the clock of this box says .* UTC, 26 h behind that of the machine that applies/,
        /^the gateway 172\.16\.1\.253 of uplink 1 does not answer on \w+ of this box/,
        /^the address 172\.16\.2\.57 of uplink 2 is another machine's too, [0-9a-f:]{17} on \w+ of this box/,
        /^the packages charon-systemd strongswan-swanctl libstrongswan-standard-plugins nftables cannot be had on this box/,
      ];
      expect(said.slice(-wanted.length)).toEqual(wanted.map((words) => expect.stringMatching(words) as string));
    } finally {
      await lab.in("nat2", `ip address del ${UPLINKS[1].address}/32 dev uplink2`);
      await lab.restore("uplink1");
      await lab.box.succeed(
        "systemctl stop foreign-ike; rmdir /var/local/apt-repo; mv /var/local/hidden /var/local/apt-repo; " +
          `date -u -s @${Math.round(Date.now() / 1000)}`,
      );
    }
    expect(differences(before, await listBox())).toEqual([]);
  }, 300_000);

  it("ends within 60 s with Terraform's SSH error when the box is not there, and when its host key is another one", async () => {
    const closed = await new Promise<number>((resolve) => {
      const server = createServer().listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo;
        server.close(() => resolve(port));
      });
    });
    const other = makeKey("ecdsa").public.split(" ").slice(0, 2).join(" ");
    const [absent, wrongKey] = await Promise.all([refused({ port: closed }), refused({ hostKey: other })]);
    expect(absent).toMatch(/timeout - last error: dial tcp 127\.0\.0\.1:\d+: connect: connection\s+refused/);
    expect(wrongKey).toMatch(/timeout - last error:[^]*ssh:\s+handshake\s+failed:\s+knownhosts:\s+key\s+mismatch/);
    for (const text of [absent, wrongKey]) {
      expect(text).toContain(CONFIGURE);
      expect(sshSeconds(text)).toBeLessThanOrEqual(60);
    }
    expect(differences(before, await listBox())).toEqual([]);
  }, 240_000);
});

describe("a box that reaches no mirror", () => {
  const lab = new Lab();
  const cloud = new WorldCloudEnd(lab);
  const packages = "/root/packages";

  beforeAll(async () => {
    await lab.start();
    await cloud.start();
    await cloud.apply(cloudState());
    await lab.box.succeed(
      `mkdir ${packages} && mv /var/local/apt-repo/*.deb ${packages} && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin`,
    );
  }, 600_000);
  afterAll(() => lab.stop(), 60_000);

  it("takes its packages from a directory that only root can change, and of these what it needs", async () => {
    await lab.box.succeed(`chown admin ${packages}`);
    const refused = await install(lab, { packages });
    expect(refused.stdout.trimEnd().split("\n").at(-1)).toMatch(
      /^dual-tunnel-vpn: the packages python3 charon-systemd .* cannot be had from the directory \/root\/packages of this box: others than root can change \/root\/packages$/,
    );
    await lab.box.succeed(`chown root ${packages}`);
    const { stdout } = await install(lab, { packages });
    expect(stdout).toMatch(/connection singapore: both tunnels are up/);
    await lab.box.fail("dpkg-query -W tcpdump");
    expect(await lab.box.succeed("ls -A /var/lib/apt/lists")).toBe("");
  }, 600_000);
});

/** How long Terraform said that it was still creating the configuration, in seconds. */
function sshSeconds(text: string): number {
  const told = [...text.matchAll(/configure_box_over_ssh[^\n]*Still creating\.\.\. \[(?:(\d+)m)?(\d+)s elapsed\]/g)];
  return Math.max(0, ...told.map(([, minutes, seconds]) => Number(minutes ?? 0) * 60 + Number(seconds)));
}
