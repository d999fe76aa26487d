// What the stand-in for alicloud makes of an API's answers, good, bad and absurd: asked in this process, without Terraform.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import * as fc from "fast-check";
import { alicloud } from "../../lab/provider/alicloud/provider";
import { emptyValues, type Block } from "../../lab/provider/schema";
import { answered, providerService, type Response } from "../../lab/provider/server";
import { fromWire, toWire, type DynamicValue, type Values } from "../../lab/provider/values";

// Alibaba's SDK takes seconds to load on a machine that is busy.
jest.setTimeout(120_000);

type Reply = (request: Record<string, string>, response: ServerResponse) => void;

const json =
  (status: number, body: unknown): Reply =>
  (_request, response) =>
    void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
const refusal = (status: number, Code: string, Message = "Something is wrong."): Reply =>
  json(status, { RequestId: "R-1", HostId: "H", Code, Message });
const drop: Reply = (_request, response) => void response.socket?.destroy();

let reply: Reply = drop;
const requests: Record<string, string>[] = [];
const server = createServer((request, response) => void receive(request, response));
let service: ReturnType<typeof providerService>;

async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const query = new URL(request.url ?? "/", "http://127.0.0.1").searchParams;
  const parameters = {
    ...Object.fromEntries(query),
    ...Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString())),
    Action: query.get("Action") ?? String(request.headers["x-acs-action"]),
    Nonce: query.get("SignatureNonce") ?? String(request.headers["x-acs-signature-nonce"]),
  };
  requests.push(parameters);
  reply(parameters, response);
}

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  service = providerService(alicloud);
  const endpoint = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  await ask("Configure", {
    config: toWire({
      region: "ap-southeast-1",
      access_key: "test",
      secret_key: "test",
      protocol: "HTTP",
      endpoints: [{ vpc: endpoint }],
    }),
  });
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  requests.length = 0;
});

const ask = (method: string, request: unknown): Promise<Response> => answered(service[method], request as never);
const blockOf = (type: string): Block => (alicloud.schema.resource_schemas?.[type] as { block: Block }).block;
const values = (type: string, given: Values): Values => ({ ...emptyValues(blockOf(type)), ...given });

/** Reads a resource: its state, null when it is gone, the text of the error when that is how it ends. */
async function read(type: string, id: string): Promise<Values | null | string> {
  const { new_state: state, diagnostics = [] } = await ask("ReadResource", {
    type_name: type,
    current_state: toWire(values(type, { id })),
  });
  return diagnostics.length > 0 ? diagnostics[0].summary : fromWire(state as DynamicValue);
}

const IDS: Record<string, string> = {
  alicloud_vpc: "vpc-1",
  alicloud_vswitch: "vsw-1",
  alicloud_vpn_gateway: "vpn-1",
  alicloud_vpn_customer_gateway: "cgw-1",
  alicloud_vpn_connection: "vco-1",
  alicloud_vpn_route_entry: "vpn-1:vco-1:10.0.0.0/8",
  alicloud_vpn_pbr_route_entry: "vpn-1:vco-1:192.168.0.0/16:10.0.0.0/8",
};

describe("an answer that means that the resource is gone", () => {
  it.each<[string, string, Reply]>([
    ...Object.keys(IDS).map((type): [string, string, Reply] => [type, "status 404", refusal(404, "Whatever")]),
    ...Object.keys(IDS).map((type): [string, string, Reply] => [
      type,
      "NotFound in the message",
      refusal(400, "Whatever", "Thing.NotFound"),
    ]),
    ["alicloud_vpc", "an empty id", json(200, { VpcId: "" })],
    ["alicloud_vswitch", "an empty id", json(200, { VSwitchId: "" })],
    ["alicloud_vpn_gateway", "its own code", refusal(400, "InvalidVpnGatewayInstanceId.NotFound")],
    ["alicloud_vpn_customer_gateway", "its own code", refusal(400, "InvalidCustomerGatewayInstanceId.NotFound")],
    ["alicloud_vpn_connection", "its own code", refusal(400, "InvalidVpnConnectionInstanceId.NotFound")],
    ["alicloud_vpn_route_entry", "an empty list", json(200, { VpnRouteEntries: { VpnRouteEntry: [] } })],
    ["alicloud_vpn_pbr_route_entry", "an empty list", json(200, { VpnPbrRouteEntries: { VpnPbrRouteEntry: [] } })],
  ])("of %s: %s", async (type, _what, answer) => {
    reply = answer;
    expect(await read(type, IDS[type])).toBeNull();
  });
});

describe("an answer that fails a plan, though its code speaks of something that is not there", () => {
  it.each<[string, string]>([
    ["alicloud_vpc", "InvalidVpcId.NotFound"],
    ["alicloud_vswitch", "InvalidVSwitchId.NotFound"],
    ["alicloud_vpn_gateway", "InvalidVpnGatewayId.NotFound"],
    ["alicloud_vpn_gateway", "InvalidVpcId.NotFound"],
    ["alicloud_vpn_customer_gateway", "InvalidVpnGatewayInstanceId.NotFound"],
    ["alicloud_vpn_connection", "InvalidVpnGatewayInstanceId.NotFound"],
    ["alicloud_vpn_route_entry", "InvalidVpnGatewayInstanceId.NotFound"],
    ["alicloud_vpn_pbr_route_entry", "InvalidVpnConnectionInstanceId.NotFound"],
  ])("of %s: %s", async (type, code) => {
    reply = refusal(400, code);
    const said = await read(type, IDS[type]);
    expect(said).toContain(`Code: ${code}\n   Message: code: 400, Something is wrong. request id: R-1`);
  });

  it("of a route: no list at all", async () => {
    reply = json(200, {});
    expect(await read("alicloud_vpn_route_entry", IDS.alicloud_vpn_route_entry)).toContain(
      "attribute by path $.VpnRouteEntries.VpnRouteEntry failed",
    );
  });
});

describe("a failure within an answer of status 200", () => {
  it.each<[string, Record<string, unknown>, boolean]>([
    ["Success false", { Success: false, Message: "no" }, true],
    ["a code", { Code: "Forbidden", Message: "no" }, true],
    ["a number as code", { code: 403, Message: "no" }, true],
    ["the code 200", { Code: "200", Message: "OK" }, false],
    ["a message alone", { Message: "hello" }, false],
    ["Success true beside a code", { Success: true, Code: "Done", Message: "x" }, false],
    ["a code with an empty message", { Code: "Forbidden", Message: "" }, false],
  ])("%s", async (_name, body, fails) => {
    reply = json(200, { CustomerGatewayId: "cgw-1", IpAddress: "192.0.2.1", ...body });
    expect(typeof (await read("alicloud_vpn_customer_gateway", "cgw-1"))).toBe(fails ? "string" : "object");
  });
});

/** Creates a customer gateway. */
const create = (): Promise<Response> =>
  ask("ApplyResourceChange", {
    type_name: "alicloud_vpn_customer_gateway",
    prior_state: toWire(null),
    planned_state: toWire(values("alicloud_vpn_customer_gateway", { ip_address: "192.0.2.1" })),
  });
const good: Reply = json(200, { CustomerGatewayId: "cgw-1", IpAddress: "192.0.2.1", Tags: { Tag: [] } });
const inTurn =
  (...replies: Reply[]): Reply =>
  (request, response) =>
    (replies.shift() ?? good)(request, response);
const half: Reply = (_request, response) => {
  response.writeHead(200, { "content-type": "application/json", "content-length": "100" });
  response.write('{"CustomerGatewayId"', () => response.socket?.destroy());
};
const noise: Reply = (_request, response) => void response.socket?.end("this is no HTTP\r\n\r\n");
const text: Reply = (_request, response) => void response.writeHead(200).end("<html>");

describe("a request that fails on its way", () => {
  // Alibaba's client library for Go tries what is no refusal by the API three times more, at once; so was measured.
  it.each<[string, Reply]>([
    ["a dropped connection", drop],
    ["an answer that breaks off", half],
    ["an answer that is no HTTP", noise],
    ["an answer that is no JSON", text],
    ["status 503", refusal(503, "ServiceUnavailable")],
  ])("%s: is sent again at once, three times at the most, with the same ClientToken", async (_what, bad) => {
    reply = inTurn(bad, bad, bad);
    expect((await create()).diagnostics ?? []).toEqual([]);
    const sent = requests.filter(({ Action }) => Action === "CreateCustomerGateway");
    expect(sent).toHaveLength(4);
    expect(new Set(sent.map(({ ClientToken }) => ClientToken)).size).toBe(1);
    expect(new Set(sent.map(({ Nonce }) => Nonce)).size).toBe(4);
  });

  it("and fails four times is an error, without the signed request", async () => {
    reply = inTurn(drop, drop, drop, drop);
    const { diagnostics = [] } = await create();
    expect(diagnostics[0].summary).toMatch(/CreateCustomerGateway Failed!!!/);
    expect(diagnostics[0].summary).not.toMatch(/Signature|AccessKey/);
    expect(requests).toHaveLength(4);
  });

  it("with status 5xx is tried on after the four", async () => {
    const down = refusal(500, "InternalError");
    reply = inTurn(down, down, down, down, down);
    expect((await create()).diagnostics ?? []).toEqual([]);
    const sent = requests.filter(({ Action }) => Action === "CreateCustomerGateway");
    expect(sent).toHaveLength(6);
    expect(new Set(sent.map(({ ClientToken }) => ClientToken)).size).toBe(2);
  });

  it("is not sent again after a refusal", async () => {
    reply = inTurn(refusal(400, "Forbidden"));
    expect((await create()).diagnostics?.[0].summary).toContain("Code: Forbidden");
    expect(requests).toHaveLength(1);
  });
});

it("an error has the API's text whole, whatever the text holds", async () => {
  reply = inTurn(refusal(400, "InvalidPsk", "The Psk my-secret is bad."));
  const { diagnostics = [] } = await ask("ApplyResourceChange", {
    type_name: "alicloud_vpn_connection",
    prior_state: toWire(null),
    planned_state: toWire(
      values("alicloud_vpn_connection", {
        local_subnet: ["10.0.0.0/8"],
        remote_subnet: ["172.16.0.0/12"],
        tunnel_options_specification: [{ tunnel_ike_config: [{ psk: "my-secret" }] }],
      }),
    ),
  });
  expect(diagnostics[0].summary).toContain("Message: code: 400, The Psk my-secret is bad. request id: R-1");
  expect(diagnostics[0].summary).toContain('"Message":"The Psk my-secret is bad."');
});

describe("an answer on which the real provider crashes", () => {
  it.each([["small"], ["M"], [""], ["1e400M"], ["NaNM"], [" 5M"]])("Spec %p is a diagnostic", async (Spec) => {
    reply = json(200, { VpnGatewayId: "vpn-1", Spec, Tags: { Tag: [] } });
    expect(await read("alicloud_vpn_gateway", "vpn-1")).toMatch(
      /^alicloud_vpn_gateway vpn-1: Spec is ".*" where a bandwidth such as "10M" is expected; the real provider crashes here\.$/,
    );
  });

  it("zones that are no list are a diagnostic", async () => {
    reply = json(200, {});
    const { diagnostics = [] } = await ask("ReadDataSource", {
      type_name: "alicloud_vpn_gateway_zones",
      config: toWire({ spec: "5M", ids: null, output_file: null, id: null }),
    });
    expect(diagnostics[0].summary).toBe(
      "alicloud_vpn_gateway_zones: the answer has no list AvailableZoneIdList; the real provider crashes here.",
    );
  });
});

describe("whatever the API answers", () => {
  const anything = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom<unknown>({ Tag: "x" }, { Tag: [null] }, { TunnelOptions: [null] }, { Tag: [{}] }, "1e400", -0),
  );
  const NAMES =
    "VpcId VSwitchId VpnGatewayId CustomerGatewayId VpnConnectionId Spec Tags Status State CreateTime Asn Name " +
    "LocalSubnet RemoteSubnet TunnelOptionsSpecification IkeConfig VpnBgpConfig VcoHealthCheck ChargeType " +
    "AutoPropagate RouterTableList UserCidrs Ipv6CidrBlocks SecondaryCidrBlocks VpnRouteEntries VpnPbrRouteEntries " +
    "SslMaxConnections EnableDpd ResourceGroupId AvailableZoneIdList";
  const body = fc.dictionary(fc.constantFrom(...NAMES.split(" ")), anything);

  it("ends as a state that Terraform can read or as a sentence, and the program lives on", async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...Object.keys(IDS)), fc.oneof(body, anything), async (type, content) => {
        reply = json(200, content);
        const state = await read(type, IDS[type]);
        if (typeof state === "string") {
          expect(state).not.toBe("");
          expect(state).not.toMatch(/Cannot read prop|is not a function|is not iterable|undefined \(/);
        }
        for (const number of numbersIn(state)) expect(Number.isFinite(number)).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  it("a request that no Terraform would send is a diagnostic as well", async () => {
    const broken = { msgpack: Uint8Array.of(0xc1) };
    for (const method of ["ReadResource", "PlanResourceChange", "ApplyResourceChange", "ValidateResourceTypeConfig"])
      for (const type_name of ["alicloud_vpc", "alicloud_none"]) {
        const states = { current_state: broken, prior_state: broken, planned_state: broken, config: broken };
        expect((await ask(method, { type_name, ...states })).diagnostics).toHaveLength(1);
      }
  });
});

function numbersIn(value: unknown): number[] {
  if (typeof value === "number") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(numbersIn) : [];
}
