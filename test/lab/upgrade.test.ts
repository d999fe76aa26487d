// A box that the version before this one installed is upgraded by `cdktf deploy`, with traffic flowing.
import { execFileSync, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { differences, listingOf } from "../../lab/box/listing";
import { Deployment, exampleConfig } from "../../lab/deployment/deployment";
import { isUp, parseListSas } from "../../lab/box/sas";
import { longestStandstill, noteStandstills } from "../../lab/machines/standstill";
import { Traffic } from "../../lab/traffic/traffic";
import { TerraformLab } from "./terraform-lab";

jest.setTimeout(900_000);

/** The last version that landed. */
const LANDED = "7bbf443";
const ROOT = path.join(__dirname, "../..");
/** Between two packets of the traffic, each way. */
const INTERVAL_MS = 20;
/** The traffic is led away before a tunnel ends; an agent of that version may be at work still. */
const MOVED_MS = 500;
/** The gateway, that of a busy host, goes on sending into a tunnel that the box has ended. */
const GATEWAY_MS = 4000;
const isThere = spawnSync("git", ["cat-file", "-e", `${LANDED}^{commit}`], { cwd: ROOT }).status === 0;

const whenThere = isThere ? it : it.skip;
const without = isThere ? "" : ` (not run: this checkout's history does not hold ${LANDED}; fetch it whole)`;

describe("an upgrade from the version before", () => {
  const place = new TerraformLab("upgrade");
  const { lab, cloudEnd, directory } = place;
  let deployment: Deployment;
  let pristine: string;

  const listing = () => listingOf(lab.box);
  const sas = async () => parseListSas(await lab.box.succeed("swanctl --list-sas"));
  const ids = () => {
    const { gateways, connections, routes } = place.cloud.state();
    return [gateways, connections, routes].flatMap((all) => all.map((each) => JSON.stringify(each))).sort();
  };

  /** The tree of that version, with this one's node_modules. */
  function landedTree(): string {
    const tree = path.join(directory, "landed");
    fs.mkdirSync(tree);
    const archive = execFileSync("git", ["archive", LANDED, "lib", "assets", "bin", "package.json"], {
      cwd: ROOT,
      maxBuffer: 2 ** 26,
    });
    execFileSync("tar", ["-xf", "-", "-C", tree], { input: archive });
    fs.symlinkSync(path.join(ROOT, "node_modules"), path.join(tree, "node_modules"));
    return tree;
  }

  beforeAll(async () => {
    if (!isThere) return;
    await place.start();
    pristine = await listing();
    deployment = new Deployment({
      ...place.deploysWith,
      config: exampleConfig(lab),
      app: path.join(landedTree(), "bin/main.ts"),
    });
    await deployment.deploy();
    await lab.box.waitUntilSucceeds("dual-tunnel-vpn status");
  });

  afterAll(() => place.stop());

  whenThere(
    `changes one tunnel after the other under traffic and replaces nothing in the cloud${without}`,
    async () => {
      await cloudEnd.waitUntilSettled();
      const [before, inCloud] = [await sas(), ids()];
      await noteStandstills([lab.box, lab.world]);
      const began = Date.now();
      const traffic = await Traffic.start(lab, { intervalMs: INTERVAL_MS });
      await traffic.waitUntilFlowing();
      const mark = await traffic.mark();
      deployment.useApp(path.join(ROOT, "bin/main.ts"));
      const { text } = await deployment.deploy();
      expect(text).toContain("connection singapore: both tunnels are up");
      await lab.box.waitUntilSucceeds("dual-tunnel-vpn status");
      const { out, in: back } = await traffic.since(mark);
      await traffic.stop();
      process.stderr.write(
        `       packets of ${INTERVAL_MS} ms lost: ${out.lost} to the cloud, ${back.lost} from it\n`,
      );
      // There and back: while the active tunnel was negotiated anew traffic went by the other.
      const { agent } = JSON.parse(await lab.box.succeed("dual-tunnel-vpn status singapore --json")) as {
        agent: { switches: number };
      };
      const withinS = (Date.now() - began) / 1000;
      const stillS = await longestStandstill([lab.box, lab.world], withinS);
      // One machine that stands still while the other does not looks like an uplink that is silent: there and back again.
      expect(agent.switches).toBeLessThanOrEqual(stillS > 0.3 ? 4 : 2);
      expect(out.lost).toBeLessThanOrEqual((MOVED_MS + 1000 * stillS) / INTERVAL_MS);
      expect(back.lost).toBeLessThanOrEqual(GATEWAY_MS / INTERVAL_MS);
      const after = await sas();
      for (const tunnel of ["singapore-1", "singapore-2"]) {
        expect(isUp(after.get(tunnel))).toBe(true);
        // Its replay window is another than that version's, and nothing else would have changed it.
        expect(after.get(tunnel)).not.toEqual(before.get(tunnel));
      }
      expect(ids()).toEqual(inCloud);
    },
  );

  whenThere(`plans no change afterwards${without}`, async () => {
    expect((await deployment.deploy()).text).toContain("No changes");
  });

  whenThere(`is taken off the box whole${without}`, async () => {
    await deployment.destroy();
    expect(differences(pristine, await listing())).toEqual([]);
  });
});
