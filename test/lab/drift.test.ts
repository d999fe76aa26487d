// `cdktf diff` with detectDrift: what somebody changed on the box by hand is told and planned, an apply puts it right,
// and the next plan is empty.
import { randomBytes } from "node:crypto";
import * as path from "node:path";
import { CommandFailed, Deployment, exampleConfig } from "../../lab/deployment/deployment";
import { TerraformLab } from "./terraform-lab";

jest.setTimeout(600_000);

const AGENT = "dual-tunnel-vpn-agent@singapore.service";
const GUARD = "dual-tunnel-vpn-guard@singapore.service";
const TABLE = "inet dual_tunnel_vpn_singapore";
const NO_CHANGES = /No changes\. Your infrastructure matches the configuration\./;
const REPLACED = /null_resource\.singapore_configure_box_over_ssh.* must be replaced/;

describe("a stack that has its box asked for drift", () => {
  const place = new TerraformLab("drift");
  const { lab } = place;
  let deployment: Deployment;

  const config = (box: object = {}) => {
    const { box: of, ...others } = exampleConfig(lab);
    return { ...others, box: { ...(of as object), detectDrift: true, ...box } };
  };
  const healthy = () => lab.box.waitUntilSucceeds("dual-tunnel-vpn status");
  /** What the plan says of nothing else than the box: the number of things that it would change. */
  const planned = (text: string) => /Plan: (.*?)\.\s/.exec(text)?.[1];

  beforeAll(async () => {
    await place.start();
    const key = () => randomBytes(18).toString("base64url");
    deployment = new Deployment({
      ...place.deploysWith,
      config: config(),
      variables: { singapore_psk_active: key(), singapore_psk_standby: key() },
    });
  }, 900_000);

  afterAll(() => place.stop(), 60_000);

  it("is deployed to a box that has nothing yet, and its next plan is empty", async () => {
    expect((await deployment.deploy()).text).toContain("connection singapore: both tunnels are up");
    await healthy();
    expect(await deployment.diff()).toMatch(NO_CHANGES);
  });

  it("changes nothing where it asks, even with /etc mounted read-only, and costs no more than status does", async () => {
    const listing = "find /etc /usr/local /run/dual-tunnel-vpn-private -newermt @$since ! -type d";
    const answer = await lab.box.succeed(
      "since=$(date +%s.%N); mount --bind -o ro /etc /etc && dual-tunnel-vpn drift singapore; status=$?; " +
        `umount /etc; ${listing} >&2; [ $status -eq 0 ] && [ -z "$(${listing})" ]`,
    );
    expect(JSON.parse(answer)).toMatchObject({ installed: true, differences: [], added: [] });
    // Turn by turn, and the best of each: the machine may have other work.
    const verb = (name: string) =>
      `begin=$(now); dual-tunnel-vpn ${name} singapore >/dev/null; echo $(($(now) - begin))`;
    const told = await lab.box.succeed(
      `now() { date +%s%3N; }; for turn in 1 2 3; do ${verb("status")}; ${verb("drift")}; done`,
    );
    const milliseconds = told.trim().split("\n").map(Number);
    const best = (turn: number) => Math.min(...milliseconds.filter((_, index) => index % 2 === turn));
    process.stdout.write(`drift: the box answers within ${best(1)} ms, status within ${best(0)} ms\n`);
    expect(best(1)).toBeLessThan(1.5 * best(0));
  });

  it("tells a file, units and a packet filter that were changed, puts them right, and is content then", async () => {
    const file = "/etc/sysctl.d/90-dual-tunnel-vpn-singapore.conf";
    await lab.box.succeed(
      `systemctl stop ${AGENT} && systemctl mask ${AGENT} && systemctl disable ${GUARD} && ` +
        `echo '# touched' >>${file} && nft flush table ${TABLE}`,
    );
    const text = await deployment.diff();
    for (const told of [
      `${file} was changed since we installed it`,
      `/etc/systemd/system/${AGENT} was put in the place of our unit`,
      `${AGENT} is not active`,
      `${GUARD} does not start at boot: somebody disabled it`,
      TABLE,
    ]) {
      expect(text.replace(/\s+/g, " ")).toContain(told);
    }
    expect(text).toMatch(REPLACED);
    expect(planned(text)).toBe("1 to add, 0 to change, 1 to destroy");
    await deployment.deploy();
    await healthy();
    await lab.box.succeed(
      `systemctl is-enabled ${AGENT} ${GUARD} && ! grep touched ${file} && nft list table ${TABLE} | grep -q drop`,
    );
    expect(await deployment.diff()).toMatch(NO_CHANGES);
  });

  it("is content with what the agent puts right by itself, and only tells of what its owner added", async () => {
    const dropIn = `/etc/systemd/system/${AGENT}.d/ours.conf`;
    await lab.box.succeed(`mkdir ${path.dirname(dropIn)} && nft flush table ${TABLE}`);
    await lab.box.write("[Service]\nNice=-5\n", dropIn);
    const text = await deployment.diff();
    expect(text).toMatch(NO_CHANGES);
    expect(text.replace(/\s+/g, " ")).toContain(`${dropIn} changes a unit of ours and is not ours`);
    await lab.box.succeed(`rm -r ${path.dirname(dropIn)}`);
  });

  it("installs anew what somebody removed from the box", async () => {
    await lab.box.succeed("dual-tunnel-vpn uninstall singapore", { timeoutS: 180 });
    const text = await deployment.diff();
    expect(text).toMatch(REPLACED);
    expect(text).toContain("has no connection singapore");
    await deployment.deploy();
    await healthy();
    expect(await deployment.diff()).toMatch(NO_CHANGES);
  });

  it("says in one sentence that the box cannot be asked, and goes on without", async () => {
    deployment.config = config({ port: 1 });
    const error: unknown = await deployment.synth().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CommandFailed);
    expect((error as CommandFailed).output.replace(/\s+/g, " ")).toMatch(
      /detectDrift: the box 127\.0\.0\.1 cannot be asked whether it has drifted: .*Connection refused; .* set detectDrift to false/,
    );
    deployment.config = config({ port: 1, detectDrift: false });
    await deployment.synth();
    deployment.config = config();
  });

  it("is taken off the box", async () => {
    await deployment.destroy();
    await lab.box.fail("test -e /usr/local/sbin/dual-tunnel-vpn");
  });
});
