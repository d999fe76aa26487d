// Who may call: both of Alibaba's signatures verify as their own clients make them, and no altered request passes.
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import OpenApiClient, { Config, OpenApiRequest, Params } from "@alicloud/openapi-client";
import * as fc from "fast-check";
import { percentEncode, rpcSignature, verifySignature, type SignedRequest } from "../../lab/cloud/signature";
import { Site } from "./fixture";
import { commonParameters, send, sendUnsigned } from "./rpc-client";

type RuntimeOptions = Parameters<OpenApiClient["callApi"]>[2];

const CREDENTIALS = { accessKeyId: "test", accessKeySecret: "test" };

/** A request of the real provider that has both a query and a body. */
function recordedRequest(): SignedRequest {
  const lines = readFileSync(join(__dirname, "recordings", "03-change-psk.jsonl"), "utf8")
    .trim()
    .split("\n");
  const exchange = lines
    .map((line) => JSON.parse(line) as { action: string; rawQuery: string; rawBody: string })
    .find(({ action }) => action === "ModifyVpnConnectionAttribute");
  if (exchange === undefined) throw new Error("the recording has no ModifyVpnConnectionAttribute");
  return {
    method: "POST",
    path: "/",
    query: new Map(new URLSearchParams(exchange.rawQuery)),
    form: new Map(new URLSearchParams(exchange.rawBody)),
    headers: {},
    body: Buffer.from(exchange.rawBody),
  };
}

/** A request as the client below Alibaba's SDKs signs it, caught on its way; sdk.test.ts has the SDK itself. */
async function sdkRequest(): Promise<SignedRequest> {
  const caught = new Promise<SignedRequest>((resolve, reject) => {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const body = Buffer.concat(chunks);
        response.end("{}");
        server.close();
        server.closeIdleConnections();
        resolve({
          method: request.method ?? "",
          path: "/",
          query: new Map(new URL(request.url ?? "", "http://x").searchParams),
          form: new Map(new URLSearchParams(body.toString())),
          headers: request.headers as Record<string, string>,
          body,
        });
      });
    });
    server.listen(0, "127.0.0.1", () => {
      const endpoint = `127.0.0.1:${(server.address() as AddressInfo).port}`;
      const client = new OpenApiClient(new Config({ ...CREDENTIALS, endpoint, protocol: "HTTP" }));
      const call = {
        action: "ModifyVpnConnectionAttribute",
        version: "2016-04-28",
        protocol: "HTTP",
        pathname: "/",
        method: "POST",
        authType: "AK",
        style: "RPC",
        reqBodyType: "formData",
        bodyType: "json",
      };
      const parameters = {
        query: { RegionId: "ap-southeast-1", Name: "a name with spaces, a star * and a tilde ~" },
        body: { "TunnelOptionsSpecification.1.TunnelIkeConfig.Psk": "~`!@#$%^&*()_-+={}[]|\\;:'\",.<>/?" },
      };
      client.callApi(new Params(call), new OpenApiRequest(parameters), {} as RuntimeOptions).catch(reject);
    });
  });
  return caught;
}

describe("the RPC style's signature", () => {
  const request = recordedRequest();

  it("verifies as the provider makes it", () => {
    expect(verifySignature(request, CREDENTIALS)).toEqual({
      nonce: request.query.get("SignatureNonce"),
      timestamp: request.query.get("Timestamp"),
    });
  });

  it("is that of Alibaba's own published example", () => {
    const example = {
      TimeStamp: "2016-02-23T12:46:24Z",
      Format: "XML",
      AccessKeyId: "testid",
      Action: "DescribeRegions",
      SignatureMethod: "HMAC-SHA1",
      SignatureNonce: "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf",
      Version: "2014-05-26",
      SignatureVersion: "1.0",
    };
    const { TimeStamp, ...rest } = example;
    const parameters = new Map(Object.entries({ ...rest, Timestamp: TimeStamp }));
    expect(rpcSignature("GET", parameters, "testsecret")).toBe("OLeaidS1JvxuMvnyHOwuJ+uX5qY=");
  });

  it("does not verify when any parameter is another, is gone or is new", () => {
    const all: ["query" | "form", string][] = [
      ...[...request.query.keys()].map((name): ["query", string] => ["query", name]),
      ...[...request.form.keys()].map((name): ["form", string] => ["form", name]),
    ];
    const alteration = fc.oneof(
      fc.record({ kind: fc.constant("value" as const), at: fc.constantFrom(...all), text: fc.string() }),
      fc.record({ kind: fc.constant("name" as const), at: fc.constantFrom(...all), text: fc.string() }),
      fc.record({ kind: fc.constant("gone" as const), at: fc.constantFrom(...all), text: fc.constant("") }),
      fc.record({ kind: fc.constant("new" as const), at: fc.constantFrom(...all), text: fc.string() }),
    );
    fc.assert(
      fc.property(alteration, ({ kind, at: [place, name], text }) => {
        const values = new Map(request[place]);
        const value = values.get(name) ?? "";
        if (kind === "value") {
          fc.pre(text !== value);
          values.set(name, text);
        } else if (kind === "new") {
          fc.pre(!request.query.has(text) && !request.form.has(text));
          values.set(text, value);
        } else {
          fc.pre(kind === "gone" || (!request.query.has(text) && !request.form.has(text)));
          values.delete(name);
          if (kind === "name") values.set(text, value);
        }
        expect(() => verifySignature({ ...request, [place]: values }, CREDENTIALS)).toThrow();
      }),
      { numRuns: 300 },
    );
  });

  it("does not verify for another method or with another secret", () => {
    expect(() => verifySignature({ ...request, method: "GET" }, CREDENTIALS)).toThrow(/not matched/);
    expect(() => verifySignature(request, { ...CREDENTIALS, accessKeySecret: "test2" })).toThrow(/not matched/);
  });

  it("does not say what it signed, which may hold a pre-shared key", () => {
    const form = new Map([...request.form, ["Name", "another"]]);
    expect(() => verifySignature({ ...request, form }, CREDENTIALS)).toThrow(/^(?!.*ROTATED)/);
  });
});

describe("the signature ACS3-HMAC-SHA256", () => {
  let request: SignedRequest;
  beforeAll(async () => {
    request = await sdkRequest();
  });

  it("verifies as Alibaba's SDK makes it", () => {
    expect(request.form.size).toBeGreaterThan(0);
    expect(verifySignature(request, CREDENTIALS).nonce).toBe(request.headers["x-acs-signature-nonce"]);
  });

  it("does not verify when the query is another", () => {
    fc.assert(
      fc.property(fc.constantFrom(...request.query.keys()), fc.string(), (name, value) => {
        fc.pre(request.query.get(name) !== value);
        const query = new Map([...request.query, [name, value]]);
        expect(() => verifySignature({ ...request, query }, CREDENTIALS)).toThrow(/not matched/);
      }),
    );
    const fewer = new Map([...request.query].slice(1));
    expect(() => verifySignature({ ...request, query: fewer }, CREDENTIALS)).toThrow(/not matched/);
  });

  it("does not verify when a byte of the body is another", () => {
    fc.assert(
      fc.property(fc.nat(request.body.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const body = Buffer.from(request.body);
        body[at] = (body[at] ?? 0) ^ change;
        expect(() => verifySignature({ ...request, body }, CREDENTIALS)).toThrow(/not matched/);
      }),
    );
  });

  it("does not verify when a header that is acted upon is another", () => {
    const signed = Object.keys(request.headers).filter((name) => name.startsWith("x-acs-") || name === "host");
    expect(signed).toEqual(expect.arrayContaining(["host", "x-acs-action", "x-acs-version", "x-acs-date"]));
    for (const name of signed) {
      const headers = { ...request.headers, [name]: `${request.headers[name] ?? ""}x` };
      expect(() => verifySignature({ ...request, headers }, CREDENTIALS)).toThrow(/not matched/);
    }
  });

  it("does not verify when it leaves out a header that is acted upon", () => {
    const headers = { ...request.headers, "x-acs-security-token": "of another" };
    expect(() => verifySignature({ ...request, headers }, CREDENTIALS)).toThrow(/does not cover.*x-acs-security-token/);
  });

  it("does not verify with another secret, another key or in another form", () => {
    expect(() => verifySignature(request, { ...CREDENTIALS, accessKeySecret: "other" })).toThrow(/not matched/);
    expect(() => verifySignature(request, { ...CREDENTIALS, accessKeyId: "other" })).toThrow(/access key is not found/);
    const headers = { ...request.headers, authorization: "Bearer x" };
    expect(() => verifySignature({ ...request, headers }, CREDENTIALS)).toThrow(/not of the form/);
  });
});

describe("Alibaba's percent-encoding", () => {
  it("keeps RFC 3986's unreserved characters and nothing else", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        expect(percentEncode(text)).toMatch(/^(?:[A-Za-z0-9._~-]|%[0-9A-F]{2})*$/);
        expect(decodeURIComponent(percentEncode(text))).toBe(text);
      }),
    );
    expect(percentEncode(" *~'()!")).toBe("%20%2A~%27%28%29%21");
  });
});

describe("a call", () => {
  let site: Site;
  beforeAll(async () => {
    site = await Site.start();
  });
  afterAll(() => site.close());

  const describeZones = { RegionId: "ap-southeast-1", Spec: "5M" };

  it("is answered whether its parameters are in the query, in the body or in both", async () => {
    for (const [query, form] of [
      [describeZones, undefined],
      [{}, describeZones],
      [{ RegionId: "ap-southeast-1" }, { Spec: "5M" }],
    ] as const) {
      const common = commonParameters("DescribeVpnGatewayAvailableZones");
      const answer = await send(site.cloud.endpoint, { query: { ...common, ...query }, ...(form ? { form } : {}) });
      expect(answer.status).toBe(200);
    }
    const everything = { ...commonParameters("DescribeVpnGatewayAvailableZones"), ...describeZones };
    const Signature = rpcSignature("POST", new Map(Object.entries(everything)), "test");
    expect((await sendUnsigned(site.cloud.endpoint, "POST", {}, { ...everything, Signature })).status).toBe(200);
  });

  it.each<[string, Record<string, string | undefined>, string]>([
    ["a wrong secret", { secret: "wrong" }, "SignatureDoesNotMatch"],
    ["another access key", { AccessKeyId: "other" }, "InvalidAccessKeyId.NotFound"],
    ["no access key", { AccessKeyId: undefined }, "MissingAccessKeyId"],
    ["no nonce", { SignatureNonce: undefined }, "MissingSignatureNonce"],
    ["another signature method", { SignatureMethod: "HMAC-SHA256" }, "InvalidSignatureMethod"],
    ["another signature version", { SignatureVersion: "2.0" }, "InvalidSignatureVersion"],
    ["a timestamp of an hour ago", { Timestamp: instant(-60) }, "InvalidTimeStamp.Expired"],
    ["a timestamp of the next hour", { Timestamp: instant(60) }, "InvalidTimeStamp.Expired"],
    ["a timestamp that is none", { Timestamp: "2026-13-41T00:00:00Z" }, "InvalidTimeStamp.Format"],
    ["a timestamp in another time zone's form", { Timestamp: "2026-11-23T06:40:18+08:00" }, "InvalidTimeStamp.Format"],
    ["another version", { Version: "2014-05-26" }, "InvalidVersion"],
    ["an unknown action", { Action: "DeleteEverything" }, "InvalidAction"],
    ["the format XML", { Format: "XML" }, "UnsupportedFormat"],
    ["the wish for a dry run", { DryRun: "true" }, "UnsupportedDryRun"],
  ])("is refused with %s, in Alibaba's form and never as not found", async (_name, { secret, ...changes }, code) => {
    const entries = Object.entries({ ...commonParameters("DescribeVpnGatewayAvailableZones"), ...changes });
    const query = Object.fromEntries(entries.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
    const answer = await send(site.cloud.endpoint, { query, form: describeZones, accessKeySecret: secret ?? "test" });
    expect(answer).toEqual({
      status: 400,
      body: {
        RequestId: expect.stringMatching(/^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$/) as string,
        HostId: site.cloud.endpoint,
        Code: code,
        Message: expect.not.stringContaining("NotFound") as string,
        Recommend: expect.any(String) as string,
      },
    });
  });

  it("is refused when its nonce was used before", async () => {
    const query = commonParameters("DescribeVpnGatewayAvailableZones");
    expect((await send(site.cloud.endpoint, { query, form: describeZones })).status).toBe(200);
    const again = await send(site.cloud.endpoint, { query, form: describeZones });
    expect(again.body["Code"]).toBe("SignatureNonceUsed");
  });

  it("is refused when a parameter is there twice", async () => {
    const query = { ...commonParameters("DescribeVpnGatewayAvailableZones"), Spec: "5M" };
    const twice = await send(site.cloud.endpoint, { query, form: describeZones });
    expect(twice.body["Code"]).toBe("InvalidParameter");
    const response = await fetch(`http://${site.cloud.endpoint}/?Action=A&Action=B`);
    expect(((await response.json()) as { Code: string }).Code).toBe("InvalidParameter");
  });

  it("is refused by another path, with another method or with another kind of body", async () => {
    const codeOf = async (path: string, init: RequestInit): Promise<string> => {
      const response = await fetch(`http://${site.cloud.endpoint}${path}`, init);
      expect(response.status).toBe(400);
      return ((await response.json()) as { Code: string }).Code;
    };
    expect(await codeOf("/vpc", {})).toBe("InvalidAction");
    expect(await codeOf("/", { method: "PUT" })).toBe("UnsupportedHTTPMethod");
    const json = { method: "POST", body: "{}", headers: { "content-type": "application/json" } };
    expect(await codeOf("/", json)).toBe("UnsupportedContentType");
  });
});

function instant(minutesFromNow: number): string {
  return new Date(Date.now() + minutesFromNow * 60_000).toISOString().replace(/\.\d+Z$/, "Z");
}
