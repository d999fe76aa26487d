// The cloud's side in one stack, the box in another: what crosses goes by the first one's state.
import { TerraformStack, TerraformVariable } from "cdktf";
import {
  CustomerGatewayPair,
  DualTunnelVpnGateway,
  IpsecDualConnection,
  PreSharedKey,
  StrongswanHost,
} from "../../lib";
import { StandInBox } from "./box";
import { Deployment } from "./deployment";
import { network } from "./sites";

jest.setTimeout(600_000);

const KEYS = { keys_active: "key-that-is-a-secret-1", x_psk_standby: "key-that-is-a-secret-2" };

let box: StandInBox;
let deployment: Deployment;
beforeAll(async () => {
  box = await StandInBox.start();
  deployment = await Deployment.start();
  deployment.variables = KEYS;
});
afterAll(async () => {
  await deployment.close();
  await box.close();
});

it("a connection and its box may be in two stacks, and a key in a third, and no plan shows a key", async () => {
  const made: { key?: TerraformVariable; connection?: IpsecDualConnection; stack?: TerraformStack } = {};
  const synthesize = (egressIp: string) =>
    deployment.synthesize({
      keys: (stack) => {
        made.key = new TerraformVariable(stack, "keys_active", { type: "string", sensitive: true });
      },
      cloud: (stack) => {
        made.connection = new IpsecDualConnection(stack, "connection", {
          name: "x",
          gateway: new DualTunnelVpnGateway(stack, "gateway", network(stack, "net")),
          customerGateways: new CustomerGatewayPair(stack, "pair", { egressIps: [egressIp] }),
          dataCenterCidrs: ["10.1.0.0/16"],
          activeTunnel: { preSharedKey: PreSharedKey.fromVariable(made.key!) },
        });
      },
      box: (stack) => {
        made.stack = stack;
        new StrongswanHost(stack, "host", {
          connection: made.connection!,
          uplinks: [{ address: "172.16.1.93/24", gateway: "172.16.1.253" }],
          ssh: box.ssh,
        });
      },
    });
  synthesize("198.51.100.1");
  expect(made.stack?.dependencies.map(({ node }) => node.id).sort()).toEqual(["cloud", "keys"]);
  const said: string[] = [];
  for (const name of ["keys", "cloud", "box"]) {
    said.push((await deployment.plan(name)).text, await deployment.apply(name));
    expect(await deployment.pending(name)).toBe("");
  }
  expect(said.join("")).toMatch(/"keys" += \(sensitive value\)/);
  for (const key of Object.values(KEYS)) expect(said.join("")).not.toContain(key);
  const uploaded = (name: string) => box.uploaded(name);
  const secrets = (number: 1 | 2) => Buffer.from(/0s(\S+)/.exec(uploaded(`secrets-${number}.conf`))![1], "base64");
  expect([secrets(1).toString(), secrets(2).toString()]).toEqual(Object.values(KEYS));
  expect(uploaded("tunnel-1.conf")).toMatch(/remote_addrs = 192\.0\.2\.\d+\n/);

  // What the cloud's stack changes reaches the box by the next deploy of its own.
  synthesize("198.51.100.2");
  await deployment.apply("cloud");
  await deployment.apply("box");
  expect(uploaded("tunnel-1.conf")).toContain("id = 198.51.100.2\n");
  expect(box.applied).toEqual(["x", "x"]);
});
