// From a state that version 0.1.0 made: nothing in the cloud is replaced, and no box is uninstalled.
import { StandInBox } from "./box";
import { Deployment } from "./deployment";
import { landedStack, VARIABLES } from "./sites";

jest.setTimeout(600_000);

let box: StandInBox;
let deployment: Deployment;
beforeAll(async () => {
  box = await StandInBox.start(4);
  deployment = await Deployment.start();
  deployment.variables = VARIABLES;
  deployment.putLanded("landed", box);
  await deployment.apply("landed");
});
afterAll(async () => {
  await deployment.close();
  await box.close();
});

it("an upgrade configures the boxes once more and replaces nothing else", async () => {
  const before = deployment.ids("landed");
  expect(box.applied).toHaveLength(4);
  deployment.synthesize({ landed: (stack) => landedStack(stack, (site) => box.sshBy(site)) });
  const planned = await deployment.planned("landed");
  const ofBoxes = (what: string) =>
    ["alpha", "beta", "gamma", "one"].map((name) => `null_resource.${name}_${what}_box_over_ssh`);
  const configurations = ofBoxes("configure");
  expect(
    Object.keys(planned)
      .filter((address) => planned[address].includes("delete"))
      .sort(),
  ).toEqual(configurations);
  // What comes before a change at the cloud is made, and changes nothing there.
  const made = Object.keys(planned).filter((address) => planned[address] === "create");
  expect(made.filter((address) => address.startsWith("null_resource.")).sort()).toEqual(ofBoxes("prepare"));
  expect(Object.keys(planned).filter((address) => /^alicloud_vpn_(connection|gateway)\./.test(address))).toEqual([]);
  await deployment.apply("landed");
  const after = deployment.ids("landed");
  const kept = (ids: Record<string, string>) =>
    Object.entries(ids)
      .filter(([address]) => address.startsWith("alicloud_"))
      .map(([, id]) => id)
      .sort();
  expect(kept(after)).toEqual(kept(before));
  expect(box.applied).toHaveLength(8);
  expect(box.uninstalled).toEqual([]);
  expect(await deployment.pending("landed")).toBe("");
});
