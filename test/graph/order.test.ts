// Whatever is edited between two deploys, Terraform finds an order: what is in the state and what is in the code never
// contradict each other.
import * as fc from "fast-check";
import { TerraformStack } from "cdktf";
import { CustomerGatewayPair, DualTunnelVpnGateway, Encryption, IpsecDualConnection, StrongswanHost } from "../../lib";
import { StandInBox } from "./box";
import { Deployment } from "./deployment";
import { network } from "./sites";

jest.setTimeout(600_000);

interface ModelSite {
  readonly name: string;
  readonly blocks: readonly string[];
  /** Which of its egress IPs it has: another one replaces customer gateway, connection and routes. */
  readonly egress: number;
  /** Whether its box is in the stack; what makes that ready comes before the connection. @default false */
  readonly box?: boolean;
  /** Another encryption of the active tunnel changes the connection in place. @default the library's */
  readonly encryption?: Encryption;
}
/** The sites of one gateway, in the order of the code. */
interface ModelGateway {
  readonly sites: readonly ModelSite[];
  /** Another bandwidth replaces the gateway. */
  readonly bandwidth: 10 | 100;
  readonly description: string;
}

const NAMES = ["a", "b", "c"];
const GATEWAYS = 6;

const egressIp = (gateway: number, name: string, egress: number) =>
  `198.51.${100 + gateway}.${10 * NAMES.indexOf(name) + egress}`;

const variables: Record<string, string> = Object.fromEntries(
  Array.from({ length: GATEWAYS }, (_, gateway) =>
    NAMES.flatMap((name) =>
      ["active", "standby"].map((role): [string, string] => [
        `g${gateway}_${name}_psk_${role}`,
        `key-of-${gateway}-${name}-${role}`,
      ]),
    ),
  ).flat(),
);

function build(stack: TerraformStack, gateways: readonly ModelGateway[]): void {
  gateways.forEach(({ sites, bandwidth, description }, number) => {
    const gateway = new DualTunnelVpnGateway(stack, `g${number}`, {
      ...network(stack, `n${number}`),
      bandwidth,
      description,
    });
    for (const { name, blocks, egress, box, encryption } of sites) {
      const customerGateways = new CustomerGatewayPair(stack, `pair-${number}-${name}`, {
        egressIps: [egressIp(number, name, egress)],
      });
      const connection = new IpsecDualConnection(stack, `connection-${number}-${name}`, {
        name: `g${number}-${name}`,
        gateway,
        customerGateways,
        dataCenterCidrs: blocks,
        activeTunnel: { ike: { encryption } },
      });
      if (!box) continue;
      new StrongswanHost(stack, `box-${number}-${name}`, {
        connection,
        uplinks: [{ address: "172.16.1.93/24", gateway: "172.16.1.253" }],
        ssh: boxes.sshBy(NAMES.length * number + NAMES.indexOf(name)),
      });
    }
  });
}

const gateway: fc.Arbitrary<ModelGateway> = fc.record({
  sites: fc.shuffledSubarray(NAMES).chain((names) =>
    fc.tuple(
      ...names.map((name) =>
        fc.record({
          name: fc.constant(name),
          blocks: fc.shuffledSubarray(
            [1, 2, 3].map((block) => `10.${10 * NAMES.indexOf(name) + block}.0.0/16`),
            { minLength: 1 },
          ),
          egress: fc.integer({ min: 1, max: 2 }),
        }),
      ),
    ),
  ),
  bandwidth: fc.constantFrom(10, 100),
  description: fc.constantFrom("one", "other"),
});

let boxes: StandInBox;
beforeAll(async () => {
  boxes = await StandInBox.start(NAMES.length * GATEWAYS);
});
afterAll(() => boxes.close());

let deployment: Deployment;
beforeEach(async () => {
  deployment = await Deployment.start();
  deployment.variables = variables;
});
afterEach(() => deployment.close());

const deploy = async (gateways: readonly ModelGateway[]) => {
  deployment.synthesize({ test: (stack) => build(stack, gateways) });
  await deployment.apply("test");
};
const site = (name: string, blocks: readonly number[], egress: number): ModelSite => ({
  name,
  blocks: blocks.map((block) => `10.${10 * NAMES.indexOf(name) + block}.0.0/16`),
  egress,
});
const calm = { bandwidth: 10, description: "one" } as const;

it("edits that turn the code's order around while resources are replaced are deployed at once", async () => {
  const edits: Record<string, [ModelGateway, ModelGateway]> = {
    "blocks reversed with a changed egress IP": [
      { ...calm, sites: [site("a", [1, 2], 1)] },
      { ...calm, sites: [site("a", [2, 1], 2)] },
    ],
    "blocks reversed with a changed bandwidth": [
      { ...calm, sites: [site("a", [1, 2], 1)] },
      { ...calm, bandwidth: 100, sites: [site("a", [2, 1], 1)] },
    ],
    "three sites reordered with new egress IPs": [
      { ...calm, sites: [site("a", [1], 1), site("b", [1], 1), site("c", [1], 1)] },
      { ...calm, sites: [site("c", [1], 2), site("a", [1], 2), site("b", [1], 2)] },
    ],
    "a site taken out of the middle while the others turn around": [
      { ...calm, sites: [site("a", [1], 1), site("b", [1], 1), site("c", [1], 1)] },
      { ...calm, sites: [site("c", [1], 2), site("a", [1], 2)] },
    ],
  };
  await deploy(Object.values(edits).map(([before]) => before));
  await deploy(Object.values(edits).map(([, after]) => after));
  expect(await deployment.pending("test")).toBe("");
});

it("any edits of any gateways are deployed at once, and then nothing is left to do", async () => {
  const rounds = fc.sample(fc.array(gateway, { minLength: GATEWAYS, maxLength: GATEWAYS }), { numRuns: 4 });
  for (const [number, round] of rounds.entries()) {
    try {
      await deploy(round);
    } catch (error) {
      throw new Error(`round ${number} of ${JSON.stringify(rounds, null, 1)}`, { cause: error });
    }
  }
  expect(await deployment.pending("test")).toBe("");
});

it("boxes come and go beside edits of their connections, and each is made ready before its connection changes", async () => {
  const withBoxes = gateway.chain((model) =>
    fc
      .array(fc.record({ box: fc.boolean(), encryption: fc.constantFrom(Encryption.AES_128, Encryption.AES_256) }), {
        minLength: NAMES.length,
        maxLength: NAMES.length,
      })
      .map((more) => ({ ...model, sites: model.sites.map((each, index) => ({ ...each, ...more[index] })) })),
  );
  const rounds = fc.sample(fc.array(withBoxes, { minLength: 2, maxLength: 2 }), { numRuns: 4 });
  for (const [number, round] of rounds.entries()) {
    try {
      await deploy(round);
    } catch (error) {
      throw new Error(`round ${number} of ${JSON.stringify(rounds, null, 1)}`, { cause: error });
    }
  }
  expect(await deployment.pending("test")).toBe("");
  await deployment.destroy("test");
});
