// What a customer sees when the box cannot be had: `cdktf deploy` for real, against the emulated API.
import * as fs from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { startEmulatedCloud, type EmulatedCloud } from "../../lab/cloud/server";
import { BOX_LISTING_SCRIPT, differences } from "../../lab/demo/box-listing";
import { CommandFailed, Deployment } from "../../lab/demo/deployment";
import { cacheDirectory } from "../../lab/image/image";
import { Lab } from "../../lab/machines/lab";
import { makeKey } from "../../lab/machines/run-disk";
import { quote } from "../../lab/machines/shell";
import { prepareProviders } from "../../lab/terraform/providers";

const CONFIGURE = "null_resource.singapore_configure_box_over_ssh";

describe("cdktf deploy", () => {
  const lab = new Lab();
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "refusals-"));
  let cloud: EmulatedCloud;
  let deployment: Deployment;
  let before: string;

  const listBox = () => lab.box.succeed(`sh -c ${quote(BOX_LISTING_SCRIPT)}`, { timeoutS: 120 });

  /** Deploys with a box reached so; gives what was printed and how long it took. */
  async function refused(box: Record<string, unknown>): Promise<{ text: string; seconds: number }> {
    const usual = {
      host: "127.0.0.1",
      port: lab.box.sshPort,
      user: "admin",
      privateKeyPath: lab.keyPath,
      hostKey: lab.box.hostKeyEcdsa,
    };
    deployment.config = { box: { ...usual, ...box } };
    const began = Date.now();
    try {
      await deployment.deploy();
    } catch (error) {
      if (!(error instanceof CommandFailed)) throw error;
      return { text: error.output, seconds: (Date.now() - began) / 1000 };
    }
    throw new Error("the deployment succeeded");
  }

  beforeAll(async () => {
    const [providers] = await Promise.all([prepareProviders({ cacheDir: cacheDirectory() }), lab.start()]);
    cloud = await startEmulatedCloud({ delays: { gatewayProvisioning: 100, busy: 50 } });
    deployment = new Deployment({
      directory,
      endpoint: cloud.endpoint,
      providerEnv: providers.env,
      config: {},
      variables: { singapore_psk_active: "psk-of-tunnel-one", singapore_psk_standby: "psk-of-tunnel-two" },
    });
    before = await listBox();
  }, 600_000);

  afterAll(async () => {
    await cloud?.close();
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
    const { text } = await refused({ user: "nosudo" });
    expect(text).toContain(CONFIGURE);
    expect(await lastWord(text)).toMatch(/^dual-tunnel-vpn: the SSH user nosudo cannot run sudo without a password/);
  }, 180_000);

  it("ends with our sentence when the kernel has no XFRM interfaces, and changes nothing on the box", async () => {
    const blocker = "/run/modprobe.d/no-xfrm.conf";
    await lab.box.succeed(
      `mkdir -p /run/modprobe.d && echo 'install xfrm_interface /bin/false' >${blocker} && (modprobe -r xfrm_interface || true)`,
    );
    try {
      const { text } = await refused({});
      expect(text).toContain(CONFIGURE);
      expect(await lastWord(text)).toMatch(/^dual-tunnel-vpn: the kernel \S+ of this box has no XFRM interfaces/);
    } finally {
      await lab.box.succeed(`rm ${blocker}`);
    }
  }, 180_000);

  it("ends within 60 s of reaching for a box that is not there, with Terraform's SSH error", async () => {
    const closed = await new Promise<number>((resolve) => {
      const server = createServer().listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo;
        server.close(() => resolve(port));
      });
    });
    const { text } = await refused({ port: closed });
    expect(text).toContain(CONFIGURE);
    expect(text).toMatch(/timeout - last error: dial tcp 127\.0\.0\.1:\d+: connect: connection\s+refused/);
    expect(sshSeconds(text)).toBeLessThanOrEqual(60);
  }, 180_000);

  it("ends within 60 s when the host key is another one, with Terraform's SSH error", async () => {
    const other = makeKey("ecdsa").public.split(" ").slice(0, 2).join(" ");
    const { text } = await refused({ hostKey: other });
    expect(text).toContain(CONFIGURE);
    expect(text).toMatch(/timeout - last error: .*(host key|key mismatch)/is);
    expect(sshSeconds(text)).toBeLessThanOrEqual(60);
    expect(differences(before, await listBox())).toEqual([]);
  }, 180_000);
});

/** How long Terraform said that it was still creating the configuration, in seconds. */
function sshSeconds(text: string): number {
  const told = [...text.matchAll(/configure_box_over_ssh[^\n]*Still creating\.\.\. \[(?:(\d+)m)?(\d+)s elapsed\]/g)];
  return Math.max(0, ...told.map(([, minutes, seconds]) => Number(minutes ?? 0) * 60 + Number(seconds)));
}
