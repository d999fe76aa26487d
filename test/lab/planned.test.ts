// Planned changes under traffic: a tunnel is changed while the other one carries, and whatever a deploy is cut off
// between, the tunnel comes back by itself with whichever configuration the cloud has.
import type { TerraformStack } from "cdktf";
import { isUp, parseListSas } from "../../lab/box/sas";
import { newPsk } from "../../lab/deployment/deployment";
import { newNetwork } from "../../lab/deployment/new-network";
import { DeployedProduct } from "../../lab/faults/product";
import { Scene } from "../../lab/faults/scene";
import { DATA_CENTER_CIDR } from "../../lab/network";
import { Traffic, type Mark } from "../../lab/traffic/traffic";
import { DualTunnelVpn, Encryption, type SingleTunnelOptions } from "../../lib";
import { sshTo, uplink } from "./shapes-stacks";
import { StackDeployment } from "./stack-deployment";
import { TerraformLab } from "./terraform-lab";

jest.setTimeout(900_000);

/** Between two packets of the traffic, each way. */
const INTERVAL_MS = 50;
/** Static routing: the gateway sends into the tunnel that is being changed until it has moved, half a second on an idle machine. */
const GATEWAY_MS = 4000;
/** For so long at most the tunnel that is changed is down: twice what it may be on an idle machine, where it is measured. */
const DOWN_S = 10;

const PREPARE = "null_resource.singapore_prepare_box_over_ssh";
const CONNECTION = "alicloud_vpn_connection.singapore_connection";
const NEXT = "/etc/dual-tunnel-vpn/singapore/next";

describe("a planned change", () => {
  const place = new TerraformLab("planned");
  const { lab, cloudEnd } = place;
  const product = new DeployedProduct(lab);
  const keys = { singapore_psk_active: newPsk(), singapore_psk_standby: newPsk() };
  let standby: SingleTunnelOptions = {};
  let deployment: StackDeployment;
  let scene: Scene;
  let mark: Mark;

  function build(stack: TerraformStack): void {
    new DualTunnelVpn(stack, "vpn", {
      name: "singapore",
      gateway: { ...newNetwork(stack, "planned"), bandwidth: 10 },
      dataCenterCidrs: [DATA_CENTER_CIDR],
      uplinks: [uplink(0), uplink(1)],
      ssh: sshTo(lab),
      standbyTunnel: standby,
    });
  }

  const sas = async () => parseListSas(await lab.box.succeed("swanctl --list-sas"));

  /** What was lost since the mark, while traffic was on its way back too. */
  async function lost(): Promise<{ readonly out: number; readonly in: number }> {
    await scene.well();
    const report = await scene.traffic.since(mark);
    if (report.out.lost > 0) {
      const told = "journalctl -o short-precise --no-pager -n 150 -u 'dual-tunnel-vpn-*@*' -u strongswan";
      process.stderr.write(`--- the box\n${await lab.box.succeed(told)}--- the gateway\n${await cloudEnd.log(150)}`);
    }
    return { out: report.out.lost, in: report.in.lost };
  }

  /** That nothing of a change is left on the box, and that it is well. */
  async function settled(): Promise<void> {
    await lab.box.waitUntilSucceeds("dual-tunnel-vpn status");
    await lab.box.succeed(`! [ -e ${NEXT} ] && ! [ -e /run/dual-tunnel-vpn/singapore/hold.json ]`);
  }

  beforeAll(async () => {
    await place.start();
    deployment = new StackDeployment({
      name: "planned",
      ...place.deploysWith,
      build,
      variables: keys,
    });
    await deployment.apply();
    await lab.box.waitUntilSucceeds("dual-tunnel-vpn status");
    scene = new Scene(lab, cloudEnd, product, await Traffic.start(lab, { intervalMs: INTERVAL_MS }));
  });

  beforeEach(async () => {
    await scene.well();
    // What the end of a second IKE_SA costs is not the change's.
    await scene.settled();
    mark = await scene.traffic.mark();
  });

  afterAll(() => place.stop());

  it("of the active tunnel's key loses nothing on its way to the cloud", async () => {
    const began = await scene.boxClock();
    keys.singapore_psk_active = newPsk();
    const text = await deployment.apply();
    expect(text).toContain("tunnel 1 (active) is ready for its change, tunnel 2 carries the traffic");
    expect(text).toContain("tunnel 1 (active) runs with its new configuration already");
    expect(text).toContain("tunnel 1 (active) is up and its key was renewed once");
    const { out, in: back } = await lost();
    process.stderr.write(`       packets of ${INTERVAL_MS} ms lost: ${out} to the cloud, ${back} from it\n`);
    expect(out).toBe(0);
    expect(back).toBeLessThanOrEqual(GATEWAY_MS / INTERVAL_MS);
    expect(await scene.downFor(1, began)).toBeLessThanOrEqual(DOWN_S);
    await settled();
    expect(await deployment.pendingChanges()).toBeUndefined();
  });

  it("of the standby tunnel's proposal loses nothing either way", async () => {
    const began = await scene.boxClock();
    standby = { ike: { encryption: Encryption.AES_128 }, esp: { encryption: Encryption.AES_128 } };
    const text = await deployment.apply();
    expect(text).toContain("tunnel 2 (standby) is ready for its change, tunnel 1 carries the traffic");
    expect(await lost()).toEqual({ out: 0, in: 0 });
    expect(await scene.downFor(2, began)).toBeLessThanOrEqual(DOWN_S);
    await settled();
  });

  it("of both keys at once is refused before anything is changed", async () => {
    const [before, inCloud, former] = [await sas(), JSON.stringify(place.cloud.state().connections), { ...keys }];
    Object.assign(keys, { singapore_psk_active: newPsk(), singapore_psk_standby: newPsk() });
    const text = await deployment.failToApply();
    expect(text).toContain("both tunnels would change at once");
    for (const key of [...Object.values(keys), ...Object.values(former)]) expect(text).not.toContain(key);
    expect(JSON.stringify(place.cloud.state().connections)).toBe(inCloud);
    expect(await sas()).toEqual(before);
    expect(await lost()).toEqual({ out: 0, in: 0 });
    await settled();
    Object.assign(keys, former);
    await deployment.apply();
    expect(await sas()).toEqual(before);
  });

  it("that the cloud has not made yet leaves the tunnel with what it has, and can be made later", async () => {
    keys.singapore_psk_active = newPsk();
    await deployment.apply(PREPARE);
    await scene.trafficBy(2);
    const began = await scene.boxClock();
    await cloudEnd.deleteTunnel(await scene.tunnelId(1));
    await scene.noticed("tunnel 1 (active) is tried with its installed configuration", began);
    await scene.bothUp();
    await lab.box.succeed(`[ -e ${NEXT}/secrets-1.conf ]`);
    // The deploy is made again when the hold has run out: Terraform does not make the box ready once more.
    await lab.box.succeed("rm /run/dual-tunnel-vpn/singapore/hold.json");
    expect(await deployment.apply()).not.toContain("is ready for its change");
    expect((await lost()).out).toBe(0);
    await settled();
  });

  it("that the box has not been configured for brings the tunnel up all the same, after a reboot too", async () => {
    keys.singapore_psk_active = newPsk();
    await deployment.apply(CONNECTION);
    await scene.bothUp();
    expect((await scene.traffic.since(mark)).out.lost).toBe(0);
    await lab.box.reboot();
    await scene.settled();
    const before = await sas();
    expect(isUp(before.get("singapore-1"))).toBe(true);
    await scene.well();
    mark = await scene.traffic.mark();
    const text = await deployment.apply();
    expect(text).toContain("tunnel 1 (active) runs with its new configuration already");
    // Its key is renewed, and the IKE_SA is the one that came up by itself.
    expect((await sas()).get("singapore-1")?.ike).toEqual(before.get("singapore-1")?.ike);
    expect(await lost()).toEqual({ out: 0, in: 0 });
    await settled();
  });

  it("that another one follows, before the box was configured for it, is what that one is made from", async () => {
    keys.singapore_psk_active = newPsk();
    await deployment.apply(CONNECTION);
    await scene.bothUp();
    keys.singapore_psk_active = newPsk();
    const text = await deployment.apply();
    expect(text).toContain("tunnel 1 (active) is ready for its change, tunnel 2 carries the traffic");
    expect(text).toContain("tunnel 1 (active) runs with its new configuration already");
    expect((await lost()).out).toBe(0);
    await settled();
  });
});
