// The stage that the faults begin from, made here already, while other labs have the processor's other half.
import { Stage } from "../../lab/faults/stage";
import { AGENT } from "./timed/prepare";

jest.setTimeout(900_000);

describe("the stage of the faults", () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.of("product", { agent: AGENT });
  });

  afterAll(() => stage.stop());

  it("is brought back with its traffic, its cloud end and one IKE_SA a tunnel", async () => {
    const { traffic } = await stage.scene();
    const mark = await traffic.mark();
    await traffic.waitUntilFlowing({ forS: 1 });
    const { out, in: back } = await traffic.since(mark);
    await traffic.stop();
    expect([out.lost, back.lost]).toEqual([0, 0]);
    const { tunnels } = await stage.cloud.report();
    expect(Object.values(tunnels).map(({ sas }) => sas.map(({ state }) => state))).toEqual([
      ["ESTABLISHED"],
      ["ESTABLISHED"],
    ]);
    process.stderr.write(`       the stage was back after ${stage.broughtBackS[0].toFixed(1)} s\n`);
  });
});
