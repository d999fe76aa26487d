// Terraform for real, on a box with a local user who tries to become root, to read the keys, or to be in the way.
import * as fs from "node:fs";
import * as path from "node:path";
import { newNetwork } from "../../lab/deployment/new-network";
import { DATA_CENTER_CIDR } from "../../lab/network";
import { Traffic } from "../../lab/traffic/traffic";
import { DualTunnelVpn } from "../../lib";
import { clashing, sshTo, uplink } from "./shapes-stacks";
import { StackDeployment } from "./stack-deployment";
import { TerraformLab } from "./terraform-lab";

jest.setTimeout(900_000);

const LOG = "/home/nosudo/log";
const KEYS = { site_psk_active: "psk-of-tunnel-one", site_psk_standby: "psk-of-tunnel-two" };
const NEW_KEY = "another-psk-of-tunnel-two";

describe("on a box with a hostile local user", () => {
  const place = new TerraformLab("hostile");
  const { lab, directory } = place;
  const variables: Record<string, string> = { ...KEYS };
  let deployment: StackDeployment;

  beforeAll(async () => {
    await place.start();
    deployment = new StackDeployment({
      ...place.deploysWith,
      name: "site",
      variables,
      build: (stack) => {
        new DualTunnelVpn(stack, "site", {
          name: "site",
          gateway: newNetwork(stack, "site"),
          dataCenterCidrs: [DATA_CENTER_CIDR],
          uplinks: [uplink(0), uplink(1)],
          agent: { probeIntervalMs: 500 },
          ssh: sshTo(lab),
        });
      },
    });
    // As hardened boxes have it.
    await lab.box.succeed("mount -t tmpfs -o noexec,mode=1777 tmpfs /tmp");
    await lab.box.write(fs.readFileSync(path.join(__dirname, "hostile_user.py"), "utf8"), "/home/nosudo/hostile.py");
    const wanted = [...Object.values(KEYS), NEW_KEY].flatMap((key) => [key, Buffer.from(key).toString("base64")]);
    await lab.box.write(wanted.join("\n"), "/home/nosudo/wanted");
    await lab.box.succeed(
      `setsid runuser -u nosudo -- python3 /home/nosudo/hostile.py ${LOG} /home/nosudo/wanted >/home/nosudo/errors 2>&1 </dev/null &`,
    );
    await lab.box.waitUntilSucceeds(`grep -q watching ${LOG} || { cat /home/nosudo/errors >&2; false; }`);
  }, 900_000);

  afterAll(() => place.stop(), 60_000);

  const state = () => path.join(directory, "site.tfstate");

  /** Makes Terraform's state and the box what the version before left. */
  async function asBefore(): Promise<void> {
    interface Instance {
      attributes: { input: { value: Record<string, unknown>; type: [string, Record<string, unknown>] } };
    }
    const text = JSON.parse(fs.readFileSync(state(), "utf8")) as {
      serial: number;
      resources: { type: string; instances: Instance[] }[];
    };
    const [{ attributes }] = text.resources.find(({ type }) => type === "terraform_data")!.instances;
    for (const field of [attributes.input.value, attributes.input.type[1]]) delete field.script_directory;
    text.serial += 1;
    fs.writeFileSync(state(), JSON.stringify(text));
    await lab.box.succeed(
      "rm -f /etc/dual-tunnel-vpn/site/owner.json && : >/run/dual-tunnel-vpn.lock && " +
        "runuser -u admin -- mkdir -p /home/admin/.dual-tunnel-vpn/site",
    );
  }

  it("applies and changes", async () => {
    expect(await deployment.apply()).toMatch(/connection site: both tunnels are up/);
    variables.site_psk_standby = NEW_KEY;
    expect(await deployment.apply()).toMatch(/connection site: both tunnels are up/);
  });

  it("refuses another stack's connection of the same name, and leaves the box's own when that stack is destroyed", async () => {
    const other = new StackDeployment({
      ...place.deploysWith,
      name: "other",
      variables: {},
      build: clashing(sshTo(lab), { site: { vpcCidr: "10.97.0.0/16", addresses: ["192.0.2.201", "192.0.2.202"] } }),
    });
    const files = "cat /etc/swanctl/conf.d/* /etc/dual-tunnel-vpn/site/*";
    const before = await lab.box.succeed(files);
    expect((await other.failToApply()).replace(/\s+/g, " ")).toMatch(
      /connection site on this box belongs to site\/site\/box \(Terraform's id [0-9a-f-]{36}\) and not to other\/site-box: .* run `sudo \/usr\/local\/sbin\/dual-tunnel-vpn uninstall site` on the box and deploy again/,
    );
    expect(await other.destroy()).toMatch(/connection site on this box belongs to site\/site\/box and stays/);
    expect(await lab.box.succeed(files)).toBe(before);
    await lab.box.waitUntilSucceeds("dual-tunnel-vpn status site");
  });

  it("changes a box that the version before configured, and loses nothing on the other tunnel", async () => {
    await asBefore();
    variables.site_psk_standby = KEYS.site_psk_standby;
    const active = "swanctl --list-sas --ike site-1 | grep -oE 'site-1: #[0-9]+'";
    const before = await lab.box.succeed(active);
    const traffic = await Traffic.start(lab);
    await traffic.waitUntilFlowing();
    const mark = await traffic.mark();
    expect(await deployment.apply()).toMatch(/connection site: both tunnels are up/);
    await traffic.waitUntilFlowing();
    const { out, in: back } = await traffic.since(mark);
    await traffic.stop();
    expect([out.lost, back.lost]).toEqual([0, 0]);
    expect(await lab.box.succeed(active)).toBe(before);
    await lab.box.succeed("test -s /etc/dual-tunnel-vpn/site/owner.json && test ! -e /home/admin/.dual-tunnel-vpn");
  });

  it("destroys what the version before applied, and leaves nothing", async () => {
    await asBefore();
    await deployment.destroy();
    await lab.box.fail("test -e /usr/local/sbin/dual-tunnel-vpn");
    await lab.box.fail("ls -d /run/dual-tunnel-vpn.lock /run/dual-tunnel-vpn-private /home/admin/.dual-tunnel-vpn");
    expect(await lab.box.succeed("ls -A /run/dual-tunnel-vpn-staging")).toBe("");
    await lab.box.waitUntilSucceeds('test "$(ls -A /home/admin/.ssh)" = authorized_keys');
  });

  it("had nothing of his executed, waited for nothing of his, and showed him no key", async () => {
    // To the end, or the rest would prove nothing.
    await lab.box.succeed("pgrep -u nosudo -f hostile.py || { cat /home/nosudo/errors >&2; false; }");
    const log = await lab.box.succeed(`cat ${LOG}`);
    expect((await lab.box.execute("cat /tmp/.owned")).stdout).toBe("");
    expect(log).toMatch(/ saw scp$/m);
    // The agent's state is there for all to read, and the former lock (made above) too: nobody waits for a lock on them.
    expect(log).not.toMatch(/ (wrote to|read a key|locked (?!\/run\/dual-tunnel-vpn(\/site\/agent\.\w+|\.lock)$))/m);
  });
});
