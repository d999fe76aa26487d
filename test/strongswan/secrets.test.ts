// A pre-shared key's whole way: from the library through Terraform and the text of a box's file into the message by
// which the real swanctl hands it to charon.
import { TerraformOutput, TerraformStack, TerraformVariable, Testing } from "cdktf";
import * as fc from "fast-check";
import { IpsecDualConnection, PreSharedKey } from "../../lib";
import { renderSecrets } from "../../lib/host/swanctl";
import { outputs } from "../lib/outputs";
import { problems } from "../lib/site";
import { LoadedSecret, loadedSecrets } from "./programs";

jest.setTimeout(300_000);

// What CreateVpnConnection says about `Psk`, typed here by hand: lib/ has a list of its own.
const PUNCTUATION = "~!`@#$%^&*()_-+={}[]|;:',.<>/?";
const CHARACTERS = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", ...PUNCTUATION];

interface Secret {
  readonly key: string;
  /** Given as a Terraform variable, not as a literal. */
  readonly asVariable: boolean;
  readonly peerId: string;
  readonly cloudId: string;
}

/** What charon is told when each pair of secrets is a connection's, in the order of the secrets. */
async function loaded(pairs: readonly (readonly [Secret, Secret])[]): Promise<LoadedSecret[]> {
  const stack = new TerraformStack(Testing.app(), "test");
  const variables: Record<string, string> = {};
  const given = ({ key, asVariable }: Secret, name: string) => {
    if (!asVariable) return PreSharedKey.unsafeLiteral(key);
    variables[name] = key;
    const variable = new TerraformVariable(stack, name, { type: "string", sensitive: true });
    return PreSharedKey.fromVariable(variable);
  };
  pairs.forEach(([active, standby], index) => {
    const name = `c${index}`;
    const { tunnels } = IpsecDualConnection.fromIpsecDualConnectionAttributes(stack, name, {
      name,
      vpnConnectionId: "vco-1",
      vpcCidrs: ["192.168.0.0/16"],
      dataCenterCidrs: ["172.16.0.0/16"],
      activeTunnel: {
        ...active,
        ipsecAddress: "192.0.2.152",
        egressIp: "198.51.100.198",
        preSharedKey: given(active, `${name}_active`),
      },
      standbyTunnel: {
        ...standby,
        ipsecAddress: "192.0.2.10",
        egressIp: "203.0.113.181",
        preSharedKey: given(standby, `${name}_standby`),
      },
    });
    for (const tunnel of tunnels) {
      const id = `${name}_${tunnel.number}`;
      new TerraformOutput(stack, id, { value: renderSecrets(tunnel, name), sensitive: true }).overrideLogicalId(id);
    }
  });
  expect(problems(stack)).toEqual([]);
  const messages = await loadedSecrets(Object.values(outputs(stack, variables)));
  const place = ({ id }: LoadedSecret) => id.split(/\D+/).reduce((sum, number) => sum * 10 + Number(number), 0);
  return messages.sort((a, b) => place(a) - place(b));
}

function expected(pairs: readonly (readonly [Secret, Secret])[]): LoadedSecret[] {
  return pairs.flatMap((pair, index) =>
    pair.map(({ key, peerId, cloudId }, tunnel) => ({
      id: `ike-c${index}-${tunnel + 1}`,
      type: "ike",
      data: key,
      owners: [peerId, cloudId],
    })),
  );
}

const troublesome = fc.constantFrom(...PUNCTUATION, "${", "%{", "$$", "}", "0x", "0s");
const key = fc
  .tuple(
    // charon's own marks for hexadecimal and base64 in front, among the rest.
    fc.constantFrom("", "", "0x", "0s", "0xab", "0sQUJD"),
    fc.oneof(
      fc.string({ unit: fc.constantFrom(...CHARACTERS), minLength: 1, maxLength: 94, size: "max" }),
      fc.string({ unit: troublesome, minLength: 1, maxLength: 47, size: "max" }),
    ),
  )
  .map(([prefix, rest]) => prefix + rest);
const identity = fc.oneof(
  fc.ipV4(),
  fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._@-]{0,99}$/),
  fc.constantFrom("box.example.com", "box@example.com", "site_1", "0x12"),
);
const secret: fc.Arbitrary<Secret> = fc.record({
  key,
  asVariable: fc.boolean(),
  peerId: identity,
  cloudId: identity,
});

// Two tunnels of a connection with the same ids and keys of their own are refused.
const pair = fc.tuple(secret, secret).filter(([a, b]) => a.peerId !== b.peerId || a.cloudId !== b.cloudId);

describe("the secret that charon is handed by the real swanctl", () => {
  it("is the key byte for byte and belongs to both ids, whatever characters they hold", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(pair, { minLength: 30, maxLength: 40 }), async (pairs) => {
        expect(await loaded(pairs)).toEqual(expected(pairs));
      }),
      // Few runs of many keys, because each is a run of Terraform.
      { numRuns: 4, endOnFailure: true },
    );
  });

  it("keeps each character that Alibaba Cloud accepts: alone, at both ends, doubled, and a hundred of it", async () => {
    const active = { peerId: "198.51.100.198", cloudId: "192.0.2.152" };
    const standby = { peerId: "203.0.113.181", cloudId: "192.0.2.10" };
    const both = (first: string, second: string) =>
      [
        { key: first, asVariable: false, ...active },
        { key: second, asVariable: true, ...standby },
      ] as const;
    const pairs = CHARACTERS.flatMap((character) => [
      both(character, `${character}secret${character}`),
      both(`se${character}${character}cret`, character.repeat(100)),
    ]);
    expect(await loaded(pairs)).toEqual(expected(pairs));
  });
});
