// Terraform for real, on a box with a local user who tries to become root, to read the keys, or to be in the way.
import { Vpc } from "@cdktf/provider-alicloud/lib/vpc";
import { Vswitch } from "@cdktf/provider-alicloud/lib/vswitch";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { startEmulatedCloud, type EmulatedCloud } from "../../lab/cloud/server";
import { WorldCloudEnd } from "../../lab/cloud-end";
import { cacheDirectory } from "../../lab/image/image";
import { Lab } from "../../lab/machines/lab";
import { DATA_CENTER_CIDR, UPLINKS, VPC_CIDR } from "../../lab/network";
import { prepareProviders } from "../../lab/terraform/providers";
import { DualTunnelVpn } from "../../lib";
import { sshTo } from "./shapes-stacks";
import { REGION, StackDeployment } from "./stack-deployment";

jest.setTimeout(900_000);

const LOG = "/home/nosudo/log";
const KEYS = { site_psk_active: "psk-of-tunnel-one", site_psk_standby: "psk-of-tunnel-two" };
const NEW_KEY = "another-psk-of-tunnel-two";

const uplink = (index: 0 | 1) => {
  const { address, prefixLength, gateway, egressIp } = UPLINKS[index];
  return { address: `${address}/${prefixLength}`, gateway, egressIp };
};

describe("on a box with a hostile local user", () => {
  const lab = new Lab();
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "hostile-"));
  const variables: Record<string, string> = { ...KEYS };
  let cloud: EmulatedCloud;
  let deployment: StackDeployment;

  beforeAll(async () => {
    const [providers] = await Promise.all([prepareProviders({ cacheDir: cacheDirectory() }), lab.start()]);
    const cloudEnd = new WorldCloudEnd(lab);
    await cloudEnd.start();
    cloud = await startEmulatedCloud({ cloudEnd });
    deployment = new StackDeployment({
      name: "site",
      directory,
      endpoint: cloud.endpoint,
      providerEnv: providers.env,
      variables,
      build: (stack) => {
        const vpc = new Vpc(stack, "vpc", { vpcName: "site", cidrBlock: VPC_CIDR });
        const vswitch = (number: 1 | 2) =>
          new Vswitch(stack, `vswitch-${number}`, {
            vpcId: vpc.id,
            cidrBlock: `192.168.${number * 10}.0/24`,
            zoneId: REGION + "-ab"[number],
          });
        new DualTunnelVpn(stack, "site", {
          name: "site",
          gateway: { vpc, vswitches: [vswitch(1), vswitch(2)] },
          dataCenterCidrs: [DATA_CENTER_CIDR],
          uplinks: [uplink(0), uplink(1)],
          agent: { probeIntervalMs: 500 },
          ssh: sshTo(lab),
        });
      },
    });
    await lab.box.succeed("apt-get -qq update && apt-get -qq install python3-minimal", { timeoutS: 300 });
    await lab.box.write(fs.readFileSync(path.join(__dirname, "hostile_user.py"), "utf8"), "/home/nosudo/hostile.py");
    const wanted = [...Object.values(KEYS), NEW_KEY].flatMap((key) => [key, Buffer.from(key).toString("base64")]);
    await lab.box.write(wanted.join("\n"), "/home/nosudo/wanted");
    await lab.box.succeed(
      `setsid runuser -u nosudo -- python3 /home/nosudo/hostile.py ${LOG} /home/nosudo/wanted >/home/nosudo/errors 2>&1 </dev/null &`,
    );
    await lab.box.waitUntilSucceeds(`grep -q watching ${LOG}`);
  }, 900_000);

  afterAll(async () => {
    await cloud?.close();
    await lab.stop();
    fs.rmSync(directory, { recursive: true, force: true });
  }, 60_000);

  it("applies, changes and destroys, and nothing of his is executed or in the way, and no key is his", async () => {
    expect(await deployment.apply()).toMatch(/connection site: both tunnels are up/);
    variables.site_psk_standby = NEW_KEY;
    expect(await deployment.apply()).toMatch(/connection site: both tunnels are up/);
    await deployment.destroy();
    const log = await lab.box.succeed(`pgrep -u nosudo -f hostile.py >/dev/null && cat ${LOG} /home/nosudo/errors`);
    expect((await lab.box.execute("cat /tmp/.owned")).stdout).toBe("");
    expect(log).toMatch(/ saw scp$/m);
    expect(log).not.toMatch(/ (wrote to|read a key|locked|took the name (?!\S*dual-tunnel-vpn(\.lock)?$))/m);
    expect(log).not.toMatch(/Traceback/);
    await lab.box.fail("test -e /usr/local/sbin/dual-tunnel-vpn");
    expect(await lab.box.succeed("ls -A /run/dual-tunnel-vpn-staging")).toBe("");
    await lab.box.waitUntilSucceeds('test "$(ls -A /home/admin/.ssh)" = authorized_keys');
  });
});
