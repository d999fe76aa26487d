// What a customer sees when the box cannot be had: `cdktf deploy` for real, against the emulated API.
import * as fs from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { startEmulatedCloud, type EmulatedCloud } from "../../lab/cloud/server";
import { BOX_LISTING_SCRIPT, differences } from "../../lab/box/listing";
import { CommandFailed, Deployment } from "../../lab/deployment/deployment";
import { cacheDirectory } from "../../lab/cache";
import { Lab } from "../../lab/machines/lab";
import { makeKey } from "../../lab/machines/run-disk";
import { quote } from "../../lab/machines/shell";
import { prepareProviders } from "../../lab/terraform/providers";

const CONFIGURE = "null_resource.singapore_configure_box_over_ssh";

describe("cdktf deploy", () => {
  const lab = new Lab();
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "refusals-"));
  const clouds: EmulatedCloud[] = [];
  let providerEnv: NodeJS.ProcessEnv;
  let before: string;

  const listBox = () => lab.box.succeed(`sh -c ${quote(BOX_LISTING_SCRIPT)}`, { timeoutS: 120 });

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

/** How long Terraform said that it was still creating the configuration, in seconds. */
function sshSeconds(text: string): number {
  const told = [...text.matchAll(/configure_box_over_ssh[^\n]*Still creating\.\.\. \[(?:(\d+)m)?(\d+)s elapsed\]/g)];
  return Math.max(0, ...told.map(([, minutes, seconds]) => Number(minutes ?? 0) * 60 + Number(seconds)));
}
