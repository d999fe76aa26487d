// A box whose first uplink is no plain interface with an address for good: by DHCP, on a VLAN, a bond, or by PPPoE. What
// is peculiar to each goes wrong: traffic goes on by the other tunnel, `status` says why, and all of it comes back.
import { differences, listingOf } from "../../lab/box/listing";
import { cloudState, install, type Staged } from "../../lab/box/staged-connection";
import { leased, PPP_UNIT, replaceUplink, UPLINK_KINDS, type UplinkKind } from "../../lab/box/uplinks";
import { WorldCloudEnd } from "../../lab/cloud-end";
import { Lab } from "../../lab/machines/lab";
import { UPLINKS } from "../../lab/network";
import { Traffic } from "../../lab/traffic/traffic";
import { describeInFull } from "./full";
import { says, tellGaps, trafficBy, well } from "./on-a-box";

jest.setTimeout(900_000);

const [FIRST] = UPLINKS;
/** What the provider gives instead one day. */
const CHANGED = "172.16.1.77";

const kinds = Object.keys(UPLINK_KINDS) as UplinkKind[];

describeInFull("on a box with an uplink by %s", "three minutes", kinds, (kind) => {
  // Debian's kernel for virtual machines has no PPP.
  const lab = new Lab({ packages: true, kernel: kind === "PPPoE" ? "generic" : "cloud" });
  let cloud: WorldCloudEnd;
  let traffic: Traffic;
  let device: string;
  let pristine: string;

  const listing = () => listingOf(lab.box);

  async function installed(staged: Staged = {}): Promise<void> {
    const firstPrefixLength = kind === "PPPoE" ? 32 : undefined;
    const { status, stdout } = await install(lab, { firstPrefixLength, ...staged });
    if (status !== 0) throw new Error(`${stdout}\n${await cloud.log(40)}`);
  }

  /** Has the other tunnel carry while something is amiss, then waits until all is as it was. */
  async function carriedOver(what: string, begin: () => Promise<unknown>, end: () => Promise<unknown>, said?: string) {
    await trafficBy(lab, 1);
    const mark = await traffic.mark();
    await begin();
    await trafficBy(lab, 2);
    if (said !== undefined) await says(lab, said);
    await traffic.waitUntilFlowing();
    await end();
    await trafficBy(lab, 1, 120);
    await well(lab, traffic);
    await tellGaps(traffic, mark, `${kind}: ${what}`);
  }

  beforeAll(async () => {
    await lab.start();
    device = await replaceUplink(lab, kind);
    cloud = new WorldCloudEnd(lab);
    await cloud.start();
    await cloud.apply(cloudState());
    pristine = await listing();
  }, 900_000);

  afterAll(() => lab.stop());

  it("gets the connection, and is healthy", async () => {
    await installed();
    traffic = await Traffic.start(lab);
    await traffic.waitUntilFlowing();
    await well(lab, traffic);
  });

  it("leads traffic both ways by the other tunnel when the uplink falls silent, and back", async () => {
    await carriedOver(
      "silent",
      () => lab.cut("uplink1"),
      () => lab.restore("uplink1"),
    );
  });

  const own: Record<UplinkKind, () => void> = {
    DHCP: () =>
      it("says which address it was given instead, has the other tunnel carry, and takes the new one by an apply", async () => {
        // A refused renewal has networkd wait for the lease's end; a link that comes back, as here, does not.
        const renewed = async (address: string) => {
          await lab.in("nat1", leased(address));
          await lab.box.succeed(`networkctl reconfigure ${device}`);
          await lab.box.waitUntilSucceeds(`ip -o -4 address show dev ${device} to ${address} | grep -q .`);
        };
        const lost = `uplink 1 is not there: no interface has the address ${FIRST.address} (${device} has ${CHANGED}/`;
        await carriedOver(
          "another address, and back",
          () => renewed(CHANGED),
          () => renewed(FIRST.address),
          lost,
        );
        await renewed(CHANGED);
        await says(lab, lost);
        await installed({ firstUplink: CHANGED });
        await trafficBy(lab, 1);
        await well(lab, traffic);
        await renewed(FIRST.address);
        await installed();
        await trafficBy(lab, 1);
        await well(lab, traffic);
      }),
    VLAN: () =>
      it("comes back when the sub-interface was removed", () =>
        carriedOver(
          "removed",
          () => lab.box.succeed(`ip link del ${device}`),
          () => lab.box.succeed("systemctl restart systemd-networkd"),
          `uplink 1 is not there: no interface has the address ${FIRST.address}`,
        )),
    bond: () =>
      it("has the other tunnel carry when its member that works fails, though the bond keeps its carrier", () =>
        carriedOver(
          "member unplugged",
          () => lab.box.unplug("uplink1"),
          () => lab.box.plug("uplink1"),
          `uplink 1 does not reach`,
        )),
    PPPoE: () => {
      it("comes back when the session was ended, and its interface with it", () =>
        carriedOver(
          "session ended",
          () => lab.box.succeed(`systemctl stop ${PPP_UNIT}`),
          () => lab.box.succeed(`systemctl start ${PPP_UNIT}`),
          `uplink 1 is not there: no interface has the address ${FIRST.address}`,
        ));

      it("comes back on an interface of another name, which the packet filter is told of", async () => {
        await lab.box.succeed(`sed -i 's/^unit 0/unit 7/' /etc/ppp/peers/isp`);
        await carriedOver(
          "another interface",
          () => lab.box.succeed(`systemctl stop ${PPP_UNIT}`),
          () => lab.box.succeed(`systemctl start ${PPP_UNIT}`),
        );
        await lab.box.waitUntilSucceeds(
          `nft list table inet dual_tunnel_vpn_singapore | grep 'fib saddr' | grep -q ppp7`,
          { timeoutS: 15 },
        );
        await lab.box.succeed(`sed -i 's/^unit 7/unit 0/' /etc/ppp/peers/isp; systemctl restart ${PPP_UNIT}`);
        await trafficBy(lab, 1, 120);
        await well(lab, traffic);
      });
    },
  };
  own[kind]();

  it("comes back by itself after a reboot", async () => {
    await lab.box.reboot();
    await traffic.waitUntilFlowing({ timeoutS: 120 });
    await trafficBy(lab, 1, 120);
    await well(lab, traffic);
  });

  it("is as it was once the connection is removed", async () => {
    await traffic.stop();
    await lab.box.succeed("/usr/local/sbin/dual-tunnel-vpn uninstall singapore");
    expect(differences(pristine, await listing())).toEqual([]);
  });
});
