// The box's life on Debian 13, in short, in every run; `npm run test:full` runs all of test/lab there too, among it what
// installs the packages, which takes a minute.
import { differences, listingOf } from "../../lab/box/listing";
import { cloudState, install } from "../../lab/box/staged-connection";
import { WorldCloudEnd } from "../../lab/cloud-end";
import { Lab } from "../../lab/machines/lab";
import { Traffic } from "../../lab/traffic/traffic";
import { trafficBy } from "./on-a-box";

jest.setTimeout(400_000);

describe("a box of Debian 13", () => {
  const lab = new Lab({ system: "debian-13", packages: true });
  const cloud = new WorldCloudEnd(lab);
  let pristine: string;

  const listing = () => listingOf(lab.box);

  beforeAll(async () => {
    await lab.start();
    await cloud.start();
    await cloud.apply(cloudState());
    pristine = await listing();
  });

  afterAll(() => lab.stop());

  it("is that system", async () => {
    expect(await lab.box.succeed("cat /etc/os-release")).toMatch(/^VERSION_CODENAME=trixie$/m);
  });

  it("gets the connection, and is healthy", async () => {
    const { status, stdout } = await install(lab);
    if (status !== 0) throw new Error(`${stdout}\n${await cloud.log(40)}`);
    expect(stdout.trimEnd().split("\n").at(-1)).toMatch(/connection singapore: both tunnels are up/);
    await lab.box.waitUntilSucceeds("dual-tunnel-vpn status | grep -qx 'singapore: healthy'");
  });

  it("leads traffic both ways by the other tunnel when an uplink falls silent, and back", async () => {
    const traffic = await Traffic.start(lab);
    await traffic.waitUntilFlowing();
    await trafficBy(lab, 1, 120);
    await lab.cut("uplink1");
    await trafficBy(lab, 2, 120);
    await traffic.waitUntilFlowing();
    await lab.restore("uplink1");
    await trafficBy(lab, 1, 120);
    await traffic.waitUntilFlowing();
    await traffic.stop();
  });

  it("is as it was once the connection is removed", async () => {
    await lab.box.succeed("/usr/local/sbin/dual-tunnel-vpn uninstall singapore");
    expect(differences(pristine, await listing())).toEqual([]);
  });
});
