// What the stand-in for alicloud sends, held against what the real provider sent for the same configuration and the
// same changes (test/cloud/recordings): the same actions with the same parameters, ids mapped.
import * as fs from "node:fs";
import * as path from "node:path";
import { startEmulatedCloud, type EmulatedCloud } from "../../lab/cloud/server";
import { NO_DELAYS } from "../cloud/gate";
import { Workspace } from "./workspace";

interface Exchange {
  readonly action: string;
  readonly query: Record<string, string>;
  readonly body: Record<string, string>;
  readonly status: number;
  readonly response: Record<string, unknown>;
}
interface Sent {
  readonly action: string;
  readonly parameters: Record<string, string>;
}

const recordings = path.join(__dirname, "../cloud/recordings");
const exchanges = (file: string): Exchange[] =>
  fs
    .readFileSync(path.join(recordings, `${file}.jsonl`), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Exchange);

/** What belongs to transport, signature and repetition. */
const ASIDE =
  /^(AccessKeyId|Action|ClientToken|Format|Signature|SignatureMethod|SignatureNonce|SignatureVersion|Timestamp|Version)$/;

/** Tags go in the random order of a Go map: lists of them are numbered anew, sorted. */
function sortTags(parameters: Record<string, string>): Record<string, string> {
  const result = { ...parameters };
  for (const pattern of [/^(TagKey)\.(\d+)$/, /^(Tags?)\.(\d+)\.Key$/]) {
    const keys = Object.keys(parameters).filter((name) => pattern.test(name));
    const tags = keys
      .map((name) => ({ Key: parameters[name], Value: parameters[name.replace(/Key$/, "Value")] }))
      .sort((a, b) => (a.Key < b.Key ? -1 : 1));
    keys.sort().forEach((name, index) => {
      result[name] = tags[index].Key;
      if (name.endsWith(".Key")) result[name.replace(/Key$/, "Value")] = tags[index].Value;
    });
  }
  return result;
}

/** Parameters that can be compared: without ids, pre-shared keys masked as in the emulated cloud's record of calls. */
function comparable(action: string, parameters: Record<string, string>, names: Map<string, string>): Sent {
  const entries = Object.entries(parameters)
    .filter(([name]) => !ASIDE.test(name))
    .map(([name, value]): [string, string] => [name, name.endsWith(".Psk") ? "***" : (names.get(value) ?? value)]);
  return { action, parameters: Object.fromEntries(Object.entries(sortTags(Object.fromEntries(entries))).sort()) };
}

/** What a change is about: the provider keeps the order of changes of one thing, Terraform runs things in parallel. */
function subject({ parameters: p }: Sent): string {
  return (
    p["ResourceId.1"] ??
    p.RouteDest ??
    p.VpnConnectionId ??
    p.VpcName ??
    p.VSwitchName ??
    p.Name ??
    p.CustomerGatewayId ??
    p.VSwitchId ??
    p.VpnGatewayId ??
    p.VpcId
  );
}

function bySubject(sent: readonly Sent[]): Record<string, Sent[]> {
  const groups: Record<string, Sent[]> = {};
  for (const each of sent) (groups[subject(each)] ??= []).push(each);
  return groups;
}
const isLook = ({ action }: { action: string }) => action.startsWith("Describe");
const distinct = (sent: readonly Sent[]) => [...new Set(sent.map((each) => JSON.stringify(each)))].sort();

/** Ids of the recorded run, by the names that the configuration gives. */
const recordedNames = new Map(
  exchanges("01-apply")
    .filter(({ action, status }) => action.startsWith("Create") && status === 200)
    .flatMap(({ body, response }) => {
      const id = [
        response.VpnConnectionId,
        response.VSwitchId,
        response.VpcId,
        response.CustomerGatewayId,
        response.VpnGatewayId,
      ].find((value) => typeof value === "string");
      const name = body.VpcName ?? body.VSwitchName ?? body.Name;
      return id !== undefined && name !== undefined ? [[id, name] as const] : [];
    }),
);

let cloud: EmulatedCloud;
let workspace: Workspace;
let ownNames = new Map<string, string>();
const configuration = fs.readFileSync(path.join(__dirname, "../cloud/recordings/main.tf"), "utf8");

beforeAll(async () => {
  // The recorded run's IPsec addresses: they come back as identities.
  cloud = await startEmulatedCloud({ delays: NO_DELAYS, ipsecAddresses: ["198.51.100.18", "198.51.100.118"] });
  workspace = await Workspace.create(configuration, cloud.endpoint);
}, 300_000);
afterAll(async () => {
  workspace.remove();
  await cloud.close();
});

/** Runs a command and holds what was sent against a recording. */
async function compare(file: string, command: () => Promise<unknown>): Promise<void> {
  const before = cloud.calls.length;
  await command();
  for (const attributes of Object.values(workspace.state())) {
    const name =
      attributes.vpc_name ??
      attributes.vswitch_name ??
      attributes.vpn_gateway_name ??
      attributes.customer_gateway_name ??
      attributes.vpn_connection_name;
    if (typeof name === "string") ownNames.set(String(attributes.id), name);
  }
  const own = cloud.calls.slice(before);
  const sent = own.filter((call) => isLook(call) || call.status === 200);
  const actual = sent.map(({ action, parameters }) => comparable(action, parameters, ownNames));
  const expected = exchanges(file)
    // A change that was refused because the gateway was busy was sent again: once is enough to compare.
    .filter((each) => isLook(each) || each.status === 200)
    .map(({ action, query, body }) => comparable(action, { ...query, ...body }, recordedNames));
  expect(bySubject(actual.filter((each) => !isLook(each)))).toEqual(
    bySubject(expected.filter((each) => !isLook(each))),
  );
  expect(distinct(actual.filter(isLook))).toEqual(distinct(expected.filter(isLook)));
  expect(cloud.errors).toEqual([]);
}

const rotated = { psk1: "dummy-psk-one-ROTATED" };
const other = { ...rotated, ike_auth: "sha1", ike_enc: "aes192", pfs: "group5" };
const tagged = { ...other, tags: { owner: "bob" } };
const routed = { ...tagged, extra_route: true };
const onPrem = /(resource "alicloud_vpn_route_entry" "on_prem" \{[^}]*weight\s*= )0(\s*publish_vpc\s*= )true/;
const pskInForce = () => cloud.state().connections[0].tunnels.map((tunnel) => tunnel.psk);

const steps: [string, string, () => Promise<unknown>][] = [
  ["creates everything", "01-apply", () => workspace.succeed("apply", "saved.plan")],
  ["only looks when nothing changed", "02-plan-no-change", () => workspace.plan()],
  [
    "changes a pre-shared key",
    "03-change-psk",
    async () => {
      workspace.setVariables(rotated);
      await workspace.apply();
      expect(pskInForce()).toEqual(["dummy-psk-one-ROTATED", "dummy-psk-two-000000"]);
    },
  ],
  [
    "changes algorithms",
    "04-change-ike-algorithms",
    async () => {
      workspace.setVariables(other);
      await workspace.apply();
    },
  ],
  [
    "changes and removes tags",
    "05-change-and-remove-tags",
    async () => {
      workspace.setVariables(tagged);
      await workspace.apply();
    },
  ],
  [
    "adds a second route",
    "06-add-second-route",
    async () => {
      workspace.setVariables(routed);
      await workspace.apply();
    },
  ],
  [
    "changes a route's weight and publication",
    "07-change-route-weight-and-publish",
    async () => {
      expect(configuration).toMatch(onPrem);
      workspace.write(configuration.replace(onPrem, "$1100$2false"));
      await workspace.apply();
    },
  ],
  ["destroys everything", "09-destroy", () => workspace.succeed("destroy", "-auto-approve")],
];
/** What the recorded run did between two recorded commands. */
const between: Record<string, () => Promise<unknown>> = {
  "01-apply": () => workspace.succeed("plan", "-out=saved.plan"),
  "05-change-and-remove-tags": () => {
    workspace.setVariables({ ...other, tags: { project: "lab", owner: "alice" } });
    return workspace.apply();
  },
  "09-destroy": () => {
    workspace.write(configuration);
    return workspace.apply();
  },
};

describe("sends what the real provider sent where it", () => {
  it.each(steps)(
    "%s (%s)",
    async (_what, file, command) => {
      await between[file]?.();
      await compare(file, command);
    },
    300_000,
  );
});

describe("the comparison itself", () => {
  it("sees a changed parameter, a missing one and a missing call", () => {
    const names = new Map<string, string>();
    const one = comparable("CreateVpc", { VpcName: "a", CidrBlock: "10.0.0.0/8", ClientToken: "x" }, names);
    expect(one.parameters).toEqual({ VpcName: "a", CidrBlock: "10.0.0.0/8" });
    expect(bySubject([one])).not.toEqual(bySubject([{ ...one, parameters: { VpcName: "a" } }]));
    expect(bySubject([one, one])).not.toEqual(bySubject([one]));
    ownNames = new Map();
  });
});
