// A site with two boxes, each with one uplink and one tunnel, from `terraform apply` to `terraform destroy`. Its faults are
// in lab/faults/catalogue/boxes-*.
import { holdersOf, tunnelFrom } from "../../lab/box/gateway";
import { differences, listingOf } from "../../lab/box/listing";
import { NAME, twoBoxesConfig } from "../../lab/deployment/two-boxes";
import { twoBoxesSite } from "../../lab/deployment/two-boxes-stack";
import { DeployedProduct } from "../../lab/faults/product";
import { Scene } from "../../lab/faults/scene";
import type { Machine } from "../../lab/machines/machine";
import { ECS, TWO_BOXES } from "../../lab/network";
import { Traffic } from "../../lab/traffic/traffic";
import { itInFull } from "./full";
import { FIRST_PAIR, reachEachOther } from "./more-networks";
import { exposures } from "./on-a-box";
import { StackDeployment } from "./stack-deployment";
import { TerraformLab } from "./terraform-lab";

jest.setTimeout(600_000);

/** Packets of 50 ms that a slow machine may lose where nothing should be lost: a mechanism that fails loses dozens. */
const FEW = 3;

/** Prints how many ICMP redirects have come, by the kernel's own count. */
const REDIRECTS = `awk '/^Icmp:/ { for (i = 1; i <= NF; i++) if (seen) { if (name[i] == "InRedirects") print $i } else name[i] = $i; seen = 1 }' /proc/net/snmp`;

describe("a site with two boxes", () => {
  const place = new TerraformLab("two-boxes", { boxes: 2 });
  const { lab, cloudEnd } = place;
  const product = new DeployedProduct(lab);
  let site: StackDeployment;
  let scene: Scene;
  let pristine: readonly string[];
  /** Changed by a test, which then applies. */
  let holdSeconds = 2;

  const listings = () => Promise.all(lab.boxes.map(listingOf));
  // Its exit status is not 0 while it is degraded.
  const status = async (box: Machine) => (await box.execute("dual-tunnel-vpn status")).stdout;

  beforeAll(async () => {
    await place.start();
    pristine = await listings();
    site = new StackDeployment({
      name: NAME,
      ...place.deploysWith,
      build: (stack) => twoBoxesSite(stack, twoBoxesConfig(lab, { agent: { holdSeconds }, bgp: true })),
      variables: { [`${NAME}_psk_active`]: "psk-of-tunnel-one", [`${NAME}_psk_standby`]: "psk-of-tunnel-two" },
    });
  }, 900_000);

  afterAll(() => place.stop(), 60_000);

  it("is deployed: the shared address at box 1, a tunnel at each", async () => {
    await site.apply();
    const traffic = await Traffic.start(lab, { intervalMs: 50 });
    scene = new Scene(lab, cloudEnd, product, traffic);
    await scene.well();
    await scene.bothUp();
    expect(await holdersOf(lab)).toEqual([1]);
    const interfaces = await Promise.all(lab.boxes.map((box) => box.succeed("ls /sys/class/net")));
    expect(interfaces.map((text) => text.match(/singapore-\d/g))).toEqual([["singapore-1"], ["singapore-2"]]);
    for (const number of [1, 2] as const) expect(await tunnelFrom(lab, number, product.interfaces)).toBe(number);
  });

  it("gives each box the keys of its own tunnel only", async () => {
    const own = ["psk-of-tunnel-one", "psk-of-tunnel-two"].map((psk) => Buffer.from(psk).toString("base64"));
    for (const [index, box] of lab.boxes.entries()) {
      const found = await box.succeed("find /etc/swanctl /etc/dual-tunnel-vpn -type f -exec cat {} +");
      expect(found).toContain(own[index]);
      expect(found).not.toContain(own[1 - index]);
    }
  });

  it("is called healthy by both boxes, and has nothing left to change", async () => {
    for (const box of lab.boxes) {
      expect(await box.waitUntilSucceeds("dual-tunnel-vpn status")).toMatch(/^singapore: healthy$/m);
    }
    expect(await site.pendingChanges()).toBeUndefined();
  });

  it("carries traffic both ways, and each box's own", async () => {
    await reachEachOther(lab, FIRST_PAIR);
    for (const box of lab.boxes) await box.succeed(`ping -q -c 2 -i 0.2 -W 10 ${ECS.address}`);
    expect(await lab.in("dc", `ip route get ${ECS.address}`)).toContain(`via ${TWO_BOXES.virtualGateway}`);
  });

  it("confines what gives the address to a box", async () => {
    const unit = `dual-tunnel-vpn-vrrp@${NAME}.service`;
    const { [unit]: level } = await exposures(lab.box, [unit]);
    expect(level).toBeLessThanOrEqual(3);
    process.stderr.write(`       exposure of ${unit}: ${level}\n`);
    const journals = await Promise.all(lab.boxes.map((box) => box.succeed(`journalctl -b --no-pager -u ${unit}`)));
    expect(journals.join("").match(/.*(not permitted|permission denied|read-only).*/gi) ?? []).toEqual([]);
  });

  itInFull("loses nothing by a change of both boxes", "two minutes", async () => {
    const mark = await scene.traffic.mark();
    holdSeconds = 3;
    await site.apply();
    await scene.well();
    const { out, in: back } = await scene.traffic.since(mark);
    for (const box of lab.boxes) {
      expect(await box.succeed(`cat /etc/dual-tunnel-vpn/${NAME}/site.json`)).toMatch(/"holdSeconds": ?3\b/);
    }
    expect(out.lost).toBeLessThanOrEqual(FEW);
    expect(back.lost).toBeLessThanOrEqual(FEW);
  });

  it("goes by box 2 when the uplink of box 1 falls silent, and nobody on the LAN is told to send elsewhere", async () => {
    const mark = await scene.traffic.mark();
    await scene.cut("uplink1");
    try {
      await scene.trafficBy(2);
      await scene.cloudBy(2);
      await scene.flowing();
      const { out, in: back } = await scene.traffic.since(mark);
      await scene.gatewayAt(1);
      expect(out.longestGapS).toBeLessThan(3);
      expect(back.longestGapS).toBeLessThan(5);
      // Box 1 sends on by the interface that packets came by, for which routers send redirects.
      expect(await lab.in("dc", REDIRECTS)).toBe("0\n");
    } finally {
      await scene.restore("uplink1");
    }
    await scene.well();
  });

  itInFull(
    "goes by box 2 when box 1 loses its power, as fast as no timer of the cloud",
    "with its boot three minutes",
    async () => {
      const mark = await scene.traffic.mark();
      await lab.box.stop();
      await scene.gatewayAt(2);
      await scene.cloudBy(2);
      await scene.flowing();
      const { out, in: back } = await scene.traffic.since(mark);
      expect(out.longestGapS).toBeLessThan(3);
      expect(back.longestGapS).toBeLessThan(5);
      expect(await status(lab.box2)).toMatch(
        /the other one is 172\.16\.3\.2; the virtual gateway 172\.16\.3\.1 is at this box$[^]*^ {2}! the other box is not heard$/m,
      );
    },
  );

  itInFull("takes box 1 back without loss once its tunnel works", "two minutes", async () => {
    const mark = await scene.traffic.mark();
    await lab.box.powerOn();
    await lab.box.waitForSsh();
    await scene.well(180);
    const { out, in: back } = await scene.traffic.since(mark);
    expect(out.lost).toBeLessThanOrEqual(FEW);
    expect(back.lost).toBeLessThanOrEqual(FEW);
    for (const box of lab.boxes) await box.waitUntilSucceeds("dual-tunnel-vpn status");
  });

  it("is gone from cloud and both boxes when it is destroyed", async () => {
    await scene.traffic.stop();
    await site.destroy();
    expect(place.cloud.state().connections).toEqual([]);
    expect(await holdersOf(lab)).toEqual([]);
    const left = (await listings()).map((listing, index) =>
      // Packages stay, with the user and the configuration that their scripts made; the units that they bring stay off.
      differences(pristine[index], listing).filter(
        (line) =>
          !/ \/etc\/((passwd|group|shadow|gshadow)-?$|bird\/bird\.conf|rc\d\.d\/K\d\d(bird|keepalived) )/.test(line),
      ),
    );
    expect(left).toEqual([[], []]);
    for (const box of lab.boxes) await box.fail("pgrep -x keepalived || pgrep -x bird");
  });
});
