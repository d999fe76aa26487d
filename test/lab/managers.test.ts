// A box whose interfaces somebody else configures: each network manager is restarted, has its interfaces configured anew
// and others' addresses and routes set under way. Traffic goes on, or `status` says why not; nothing of theirs is lost.
import { differences, listingOf } from "../../lab/box/listing";
import {
  configure,
  devices,
  INTERFACES,
  managedBy,
  MANAGERS,
  type Devices,
  type ManagerId,
} from "../../lab/box/managers";
import { cloudState, install } from "../../lab/box/staged-connection";
import { WorldCloudEnd } from "../../lab/cloud-end";
import { Lab } from "../../lab/machines/lab";
import { LAN, UPLINKS } from "../../lab/network";
import { Traffic } from "../../lab/traffic/traffic";
import { describeInFull } from "./full";
import { says, tellGaps, trafficBy, well } from "./on-a-box";

jest.setTimeout(900_000);

const [FIRST] = UPLINKS;
/** Another address of the first uplink's network. */
const CHANGED = "172.16.1.77";

/** What each manager does to all that it configures, or to the first uplink. */
const DEEDS: Readonly<Record<ManagerId, readonly ((devices: Devices) => string)[]>> = {
  ifupdown: [
    () => "systemctl restart networking",
    ({ uplink1 }) => `ifdown ${uplink1}; ifup ${uplink1}`,
    ({ lan }) => `ifdown ${lan}; ifup ${lan}`,
  ],
  NetworkManager: [
    () => "systemctl restart NetworkManager",
    () => "systemctl reload NetworkManager && nmcli connection reload",
    ({ uplink1 }) => `nmcli device reapply ${uplink1}`,
    () => "nmcli --wait 30 connection down uplink1; nmcli --wait 30 connection up uplink1",
    () => "nmcli networking off; nmcli networking on",
  ],
  "systemd-networkd": [
    () => "networkctl reload",
    // It has not read yet that it is to leave others' routes alone.
    ({ uplink1, uplink2, lan }) => `networkctl reconfigure ${uplink1} ${uplink2} ${lan}`,
    () => "systemctl restart systemd-networkd",
    ({ uplink1 }) => `networkctl down ${uplink1}; networkctl up ${uplink1}`,
  ],
  netplan: [() => "netplan apply", () => "systemctl restart systemd-networkd"],
};

const ids = Object.keys(MANAGERS) as ManagerId[];

describeInFull("on a box that %s configures", "three minutes", ids, (id) => {
  const lab = new Lab({ packages: true });
  const manager = MANAGERS[id];
  let cloud: WorldCloudEnd;
  let traffic: Traffic;
  let names: Devices;
  let pristine: string;

  const listing = () => listingOf(lab.box);
  /** Has interfaces configured with some fields replaced. */
  async function reconfigured(which: "uplink1" | "lan", fields: Partial<(typeof INTERFACES)[number]>): Promise<void> {
    const interfaces = INTERFACES.map((each) => (each.id === which ? { ...each, ...fields } : each));
    await configure(lab, manager, interfaces);
    await lab.box.succeed(manager.reconfigure(names[which], which));
  }

  async function gapOf(what: string, deed: () => Promise<unknown>): Promise<void> {
    const mark = await traffic.mark();
    await deed();
    await well(lab, traffic);
    await tellGaps(traffic, mark, `${id}: ${what}`);
  }

  beforeAll(async () => {
    await lab.start();
    await managedBy(lab, id);
    names = await devices(lab);
    cloud = new WorldCloudEnd(lab);
    await cloud.start();
    await cloud.apply(cloudState());
    pristine = await listing();
  }, 900_000);

  afterAll(() => lab.stop());

  it("gets the connection, and is healthy", async () => {
    const { status: ended, stdout } = await install(lab);
    if (ended !== 0) throw new Error(`${stdout}\n${await cloud.log(40)}`);
    traffic = await Traffic.start(lab);
    await traffic.waitUntilFlowing();
    await well(lab, traffic);
  });

  it.each(
    DEEDS[id].map(
      (deed, index) =>
        [deed({ management: "MANAGEMENT", uplink1: "UPLINK", uplink2: "UPLINK2", lan: "LAN" }), index] as const,
    ),
  )("goes on after `%s`", async (what, index) => {
    await trafficBy(lab, 1);
    await gapOf(what, () => lab.box.succeed(DEEDS[id][index](names), { timeoutS: 120 }));
  });

  it("has the other tunnel carry and says what is wrong when the uplink's address changes, and goes back with it", async () => {
    await trafficBy(lab, 1);
    await gapOf("another address of uplink 1", async () => {
      await reconfigured("uplink1", { address: `${CHANGED}/${FIRST.prefixLength}` });
      await says(
        lab,
        `uplink 1 is not there: no interface has the address ${FIRST.address} (${names.uplink1} has ${CHANGED}/`,
      );
      await trafficBy(lab, 2);
      await traffic.waitUntilFlowing();
      await reconfigured("uplink1", {});
    });
    await trafficBy(lab, 1);
  });

  it("says within 5 s that a route into the VPC's block was set, and that it is gone", async () => {
    await reconfigured("lan", { routes: [{ to: "192.168.64.0/18", via: LAN.server }] });
    await says(lab, "what is for 192.168.64.1 in the VPC from");
    await reconfigured("lan", {});
    await well(lab, traffic);
  });

  it("leads traffic both ways by the other tunnel when an uplink falls silent, and back", async () => {
    await trafficBy(lab, 1);
    await lab.cut("uplink1");
    await trafficBy(lab, 2);
    await traffic.waitUntilFlowing();
    await lab.restore("uplink1");
    await trafficBy(lab, 1);
    await well(lab, traffic);
  });

  it("comes back by itself after a reboot", async () => {
    await lab.box.reboot();
    await traffic.waitUntilFlowing({ timeoutS: 120 });
    await well(lab, traffic, 120);
  });

  it("is as it was once the connection is removed", async () => {
    await traffic.stop();
    await lab.box.succeed("/usr/local/sbin/dual-tunnel-vpn uninstall singapore");
    expect(differences(pristine, await listing())).toEqual([]);
  });
});
