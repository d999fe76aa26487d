// The real provider's recorded requests, sent to the emulated cloud in their order: each answer has the status, the
// JSON keys, the JSON types and the values of the recorded one; our ids, and what is new every time, take their place.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { startEmulatedCloud, type EmulatedCloud } from "../../lab/cloud/server";
import { verifySignature } from "../../lab/cloud/signature";
import { Gate, NO_DELAYS } from "./gate";
import { call, commonParameters, send } from "./rpc-client";

interface Exchange {
  readonly method: "GET" | "POST";
  readonly action: string;
  readonly query: Record<string, string>;
  readonly body: Record<string, string>;
  readonly rawQuery: string;
  readonly rawBody: string;
  readonly headers: Record<string, string>;
  readonly status: number;
  readonly response: Record<string, unknown>;
}

interface Step {
  readonly action: string;
  readonly parameters: Record<string, string>;
}

const FOLDER = join(__dirname, "recordings");
const FILES = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".jsonl"))
  .sort();
/** What the run did between two recorded commands without a recording, known from what the later ones show. */
const UNRECORDED: Readonly<Record<string, Step[]>> = {
  // A second tag had been put on all seven resources.
  "05-change-and-remove-tags.jsonl": exchangesOf("05-change-and-remove-tags.jsonl")
    .filter((exchange) => exchange.action === "UnTagResources")
    .map(({ body: { ResourceType = "", "ResourceId.1": id = "" } }) => ({
      action: "TagResources",
      parameters: { ResourceType, "ResourceId.1": id, "Tag.1.Key": "owner", "Tag.1.Value": "alice" },
    })),
  // The gateway had got another name, description and resource group, and the first route its former values.
  "09-destroy.jsonl": exchangesOf("09-destroy.jsonl")
    .filter((exchange) => exchange.action === "DeleteVpnRouteEntry")
    .slice(0, 1)
    .flatMap(({ body: { VpnGatewayId = "", NextHop = "", RouteDest = "" } }): Step[] => {
      const route = { VpnGatewayId, NextHop, RouteDest };
      const moved = { InstanceId: VpnGatewayId, NewResourceGroupId: "rg-2", ResourceType: "VpnGateWay" };
      return [
        {
          action: "ModifyVpnGatewayAttribute",
          parameters: { VpnGatewayId, Name: "emu-gw-2", Description: "d1", AutoPropagate: "true" },
        },
        { action: "MoveVpnResourceGroup", parameters: moved },
        { action: "PublishVpnRouteEntry", parameters: { ...route, PublishVpc: "true", RouteType: "dbr" } },
        { action: "ModifyVpnRouteEntryWeight", parameters: { ...route, Weight: "100", NewWeight: "0" } },
      ];
    }),
};
/** Exchanges that came while the change before them was still under way, by file and number. */
const DURING_A_CHANGE = new Set([
  // The provider asked for its route, and the recorded answer still has the other one, which was being deleted.
  "09-destroy.jsonl 15",
]);
/** Values that differ from the recorded ones, and why; all others are the same once ids are exchanged. */
const OTHER_VALUES: Readonly<Record<string, string>> = {
  RequestId: "new for each answer",
  HostId: "the address of the server",
  CreateTime: "the time",
  CreationTime: "the time",
  OrderId: "new for each order",
};
/** A recorded value and ours by the exchange's action and the field, where both are right. */
const OTHER_BY_ACTION = new Set([
  // The recorded vSwitches were pending for half a second; ours are there at once, which saves the provider 3 s.
  "DescribeVSwitchAttributes Status Pending Available",
  // Alibaba's description says that a connection is always in its gateway's group; the recorded one stayed behind.
  "DescribeVpnConnection ResourceGroupId rg-default rg-2",
  // What a gateway can do and does, as Alibaba's description has it.
  'DescribeVpnGateway Tag {} {"VpnEnableBgp":"true"}',
  "DescribeVpnGateway EnableBgp false true",
]);
/** Of Alibaba's description, and not in the recorded answers, which an emulator gave that had no BGP behind it. */
const BEYOND_RECORDED: readonly string[] = ["PeerAsn", "PeerBgpIp", "VpnRouteCounts"];
/** Each run began with an empty cloud; the order is that of the run. */
const RUNS = [FILES.filter((name) => name < "10"), FILES.filter((name) => name >= "10")];

describe("the recorded requests", () => {
  it.each(FILES)("of %s bear signatures that verify", (file) => {
    for (const exchange of exchangesOf(file)) {
      const request = {
        method: exchange.method,
        path: "/",
        query: new Map(new URLSearchParams(exchange.rawQuery)),
        form: new Map(new URLSearchParams(exchange.rawBody)),
        headers: exchange.headers,
        body: Buffer.from(exchange.rawBody),
      };
      const credentials = { accessKeyId: "test", accessKeySecret: "test" };
      expect(verifySignature(request, credentials).nonce).toBe(exchange.query["SignatureNonce"]);
      expect(() => verifySignature(request, { ...credentials, accessKeySecret: "tesT" })).toThrow(
        "Specified signature is not matched",
      );
    }
  });
});

describe.each(RUNS.map((files) => ({ files, first: files[0] })))("the run that began with $first", ({ files }) => {
  const gate = new Gate();
  const ids = new Map<string, string>();
  let cloud: EmulatedCloud;

  beforeAll(async () => {
    // The addresses that the recorded gateway has: the provider sends them back as identities.
    const ipsecAddresses = ["198.51.100.18", "198.51.100.118"];
    cloud = await startEmulatedCloud({ cloudEnd: gate, delays: NO_DELAYS, ipsecAddresses });
  });
  afterAll(async () => {
    gate.open();
    await cloud.close();
  });

  it.each(files)("%s is answered as recorded", async (file) => {
    gate.open();
    for (const { action, parameters } of UNRECORDED[file] ?? []) {
      await cloud.settled();
      const answer = await call(cloud.endpoint, action, { RegionId: "ap-southeast-1", ...translate(parameters, ids) });
      expect({ action, ...answer }).toMatchObject({ status: 200 });
    }
    for (const [index, exchange] of exchangesOf(file).entries()) {
      // A recorded conflict needs a gateway that is still busy with the call before it.
      const duringChange =
        exchange.response["Code"] === "VpnGateway.Configuring" || DURING_A_CHANGE.has(`${file} ${index + 1}`);
      if (!duringChange) {
        gate.open();
        await cloud.settled();
        gate.shut();
      }
      const common = commonParameters(exchange.action);
      const { status, body } = await send(cloud.endpoint, {
        method: exchange.method,
        query: { ...translate(withoutCommon(exchange.query, common), ids), ...common },
        ...(exchange.method === "POST" ? { form: translate(exchange.body, ids) } : {}),
      });
      learnIds(exchange.response, body, ids);
      const where = `${file}, exchange ${index + 1}, ${exchange.action}`;
      expect({ where, status, shape: shapeOf(body) }).toEqual({
        where,
        status: exchange.status,
        shape: shapeOf(exchange.response),
      });
      const differences = valueDifferences(exchange.response, body, ids);
      expect({
        where,
        differences: differences.filter((difference) => !OTHER_BY_ACTION.has(`${exchange.action} ${difference}`)),
      }).toEqual({ where, differences: [] });
    }
  });

  it("leaves nothing behind after the destroy", async () => {
    gate.open();
    await cloud.settled();
    expect(cloud.state()).toEqual({ gateways: [], connections: [], routes: [] });
    expect(cloud.errors).toEqual([]);
  });
});

function exchangesOf(file: string): Exchange[] {
  const lines = readFileSync(join(FOLDER, file), "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line) as Exchange);
}

function withoutCommon(values: Record<string, string>, common: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).filter(([name]) => !(name in common) && name !== "Signature"));
}

function translate(values: Record<string, string>, ids: ReadonlyMap<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, ids.get(value) ?? value]));
}

/** Notes which of our ids stands for a recorded one, wherever both answers have an id in the same place. */
function learnIds(recorded: unknown, ours: unknown, ids: Map<string, string>): void {
  if (typeof recorded === "string" && typeof ours === "string") {
    if (/^(vpc|vrt|vtb|vsw|vpn|cgw|vco|tun)-/.test(recorded) && !ids.has(recorded)) ids.set(recorded, ours);
  } else if (typeof recorded === "object" && recorded !== null && typeof ours === "object" && ours !== null) {
    for (const [key, value] of Object.entries(recorded)) learnIds(value, (ours as Record<string, unknown>)[key], ids);
  }
}

/** `FIELD RECORDED OURS` for each value that is another one, ids and what is new every time apart. */
function valueDifferences(recorded: unknown, ours: unknown, ids: ReadonlyMap<string, string>, field = ""): string[] {
  if (typeof recorded === "object" && recorded !== null) {
    return Object.entries(recorded).flatMap(([key, value]) =>
      key in OTHER_VALUES
        ? []
        : valueDifferences(value, (ours as Record<string, unknown>)[key], ids, Array.isArray(recorded) ? field : key),
    );
  }
  const same = recorded === ours || ids.get(String(recorded)) === ours;
  return same ? [] : [`${field} ${String(recorded)} ${String(ours)}`];
}

/** Keys in alphabetical order and types, all the way down; a list by the shape of each of its members. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shapeOf);
  if (typeof value !== "object" || value === null) return value === null ? "null" : typeof value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !BEYOND_RECORDED.includes(key))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => [key, shapeOf(member)]),
  );
}
