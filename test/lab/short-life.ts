// A box's life in short, as tests that any system of the lab's box can have.
import { differences, listingOf } from "../../lab/box/listing";
import { cloudState, install, NAME, type Staged } from "../../lab/box/staged-connection";
import { WorldCloudEnd } from "../../lab/cloud-end";
import { SYSTEMS } from "../../lab/image/systems";
import { Lab, type LabOptions } from "../../lab/machines/lab";
import { Traffic } from "../../lab/traffic/traffic";
import { trafficBy } from "./on-a-box";

/** The box that lives, and what is around it. */
export class Life {
  readonly lab: Lab;
  readonly cloud: WorldCloudEnd;
  private pristine = "";

  constructor(options: LabOptions) {
    this.lab = new Lab(options);
    this.cloud = new WorldCloudEnd(this.lab);
  }

  async begin(): Promise<void> {
    await this.lab.start();
    await this.cloud.start();
    await this.cloud.apply(cloudState());
    // A firewalld that is part of the system starts later than SSH, and its rules are part of what was there before.
    await this.lab.box.execute("systemctl is-system-running --wait", { timeoutS: 240 });
    this.pristine = await listingOf(this.lab.box);
  }

  /** Installs the connection; its last words say that both tunnels are up, and status that all is well. */
  async install(staged: Staged = {}): Promise<void> {
    const { status, stdout } = await install(this.lab, staged);
    if (status !== 0) throw new Error(`${stdout}\n${await this.cloud.log(40)}`);
    expect(stdout.trimEnd().split("\n").at(-1)).toMatch(/connection singapore: both tunnels are up/);
    await this.lab.box.waitUntilSucceeds(`dual-tunnel-vpn status | grep -qx '${NAME}: healthy'`);
  }

  /** Removes the connection; nothing but packages stays. */
  async remove(): Promise<void> {
    await this.lab.box.succeed(`/usr/local/sbin/dual-tunnel-vpn uninstall ${NAME}`);
    expect(differences(this.pristine, await listingOf(this.lab.box))).toEqual([]);
  }
}

/**
 * Declares the tests of a short life.
 * @param options of its lab, with the box's system
 * @param isIt a command that succeeds on that system only
 * @param more declares tests that come before the removal
 */
export function shortLife(
  options: LabOptions & Required<Pick<LabOptions, "system">>,
  isIt: string,
  more: (life: Life) => void = () => undefined,
): void {
  describe(`a box of ${SYSTEMS[options.system].name}`, () => {
    const life = new Life(options);
    const { lab } = life;

    beforeAll(() => life.begin());

    afterAll(() => lab.stop());

    it("is that system", async () => {
      await lab.box.succeed(isIt);
    });

    it("gets the connection, and is healthy", () => life.install());

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

    more(life);

    it("is as it was once the connection is removed", () => life.remove());
  });
}
