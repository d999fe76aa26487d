// A provider that gets an alias, as the second region or account asks for: the customer gateways stay.
import { AlicloudProvider } from "@cdktf/provider-alicloud/lib/provider";
import { TerraformStack } from "cdktf";
import { CustomerGatewayPair } from "../../lib";
import { DUMMY_KEYS } from "../../lab/terraform/terraform";
import { Deployment, REGION } from "./deployment";

jest.setTimeout(600_000);

let deployment: Deployment;
beforeAll(async () => {
  deployment = await Deployment.start();
});
afterAll(() => deployment.close());

it("customer gateways stay when their provider gets an alias", async () => {
  const build = (alias?: string) => (stack: TerraformStack) => {
    const provider =
      alias === undefined
        ? undefined
        : new AlicloudProvider(stack, alias, {
            ...DUMMY_KEYS,
            alias,
            region: REGION,
            protocol: "HTTP",
            accountType: "International",
            skipRegionValidation: true,
            endpoints: [{ vpc: deployment.cloud.endpoint }],
          });
    new CustomerGatewayPair(stack, "pair", { egressIps: ["198.51.100.9", "203.0.113.9"], provider });
  };
  deployment.synthesize({ test: build() });
  await deployment.apply("test");
  const before = Object.values(deployment.ids("test")).sort();
  deployment.synthesize({ test: build("asia") });
  await deployment.apply("test");
  expect(Object.values(deployment.ids("test")).sort()).toEqual(before);
});
