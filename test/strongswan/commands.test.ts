// What the agent gives to charon by itself is to charon what the real swanctl would give it: else the next apply, which
// has swanctl load all, would cut a tunnel that is well.
import { TerraformOutput, TerraformStack, Testing } from "cdktf";
import { IpsecDualConnection, PreSharedKey, RoutingMode } from "../../lib";
import { renderConnection, renderSecrets } from "../../lib/host/swanctl";
import { trafficSelectors } from "../../lib/ipsec/connection";
import { outputs } from "../lib/outputs";
import { problems } from "../lib/site";
import { loadCommands } from "./programs";

jest.setTimeout(120_000);

it.each([RoutingMode.DESTINATION, RoutingMode.POLICY])("a tunnel loaded by the agent (%s)", async (routing) => {
  const stack = new TerraformStack(Testing.app(), "test");
  const connection = IpsecDualConnection.fromIpsecDualConnectionAttributes(stack, "it", {
    name: "office-1",
    vpnConnectionId: "vco-1",
    routing,
    vpcCidrs: ["192.168.0.0/16", "10.1.0.0/16"],
    dataCenterCidrs: ["172.16.0.0/16", "172.20.0.0/16"],
    activeTunnel: {
      ipsecAddress: "192.0.2.152",
      egressIp: "198.51.100.198",
      peerId: "box@example.com",
      preSharedKey: PreSharedKey.unsafeLiteral("~!`@#$%^&*()_-+={}[]|;:',.<>/?"),
    },
    standbyTunnel: {
      ipsecAddress: "192.0.2.10",
      egressIp: "203.0.113.181",
      preSharedKey: PreSharedKey.unsafeLiteral("0s-and-0x"),
    },
  });
  const selectors = trafficSelectors(connection);
  connection.tunnels.forEach((tunnel, index) => {
    const context = {
      name: "office-1",
      localAddress: `172.16.${index}.93`,
      localSelectors: selectors.local,
      remoteSelectors: selectors.remote,
    };
    for (const [part, value] of [
      ["connection", renderConnection(tunnel, context)],
      ["secrets", renderSecrets(tunnel, "office-1")],
    ]) {
      const id = `tunnel-${tunnel.number}-${part}`;
      new TerraformOutput(stack, id, { value, sensitive: true }).overrideLogicalId(id);
    }
  });
  expect(problems(stack)).toEqual([]);
  const texts = outputs(stack, {});
  const text = (tunnel: number, part: string) => texts[`tunnel-${tunnel}-${part}`];
  const { theirs, ours } = await loadCommands([
    text(1, "connection"),
    text(1, "secrets"),
    text(2, "connection"),
    text(2, "secrets"),
  ]);
  expect(ours).toHaveLength(4);
  expect(ours).toEqual(theirs);
});
