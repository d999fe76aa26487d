// An HTTP server on 127.0.0.1 that speaks Alibaba's VPC API (RPC style, version 2016-04-28) as far as the VPN
// gateways of this product and the alicloud provider need it, and drives a cloud end that makes it real.
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { IPSEC_ADDRESSES } from "../network";
import { connectionActions } from "./actions/connection";
import { customerGatewayActions } from "./actions/customer-gateway";
import { routeActions } from "./actions/route";
import { tagActions } from "./actions/tags";
import { vpcActions } from "./actions/vpc";
import { vpnGatewayActions } from "./actions/vpn-gateway";
import { zoneActions } from "./actions/zones";
import { formatCall, maskedParameters, type Call } from "./call-log";
import type { CloudEnd, CloudState } from "./cloud-end";
import type { Action, Answer } from "./context";
import { ApiError, errorBody, refuse } from "./errors";
import { Parameters } from "./parameters";
import { verifySignature, type Credentials, type SignedRequest } from "./signature";
import { Store } from "./store";
import { Work, type Delays } from "./work";

export interface EmulatedCloudOptions {
  /** @default 0, any free port */
  readonly port?: number;
  /** @default "test" */
  readonly accessKeyId?: string;
  /** @default "test" */
  readonly accessKeySecret?: string;
  /** @default a gateway takes 0.4 s to come and to go, a change keeps it busy for 0.2 s, the rest is there at once */
  readonly delays?: Partial<Delays>;
  /** Addresses for VPN gateways, two to each. @default the lab's */
  readonly ipsecAddresses?: readonly string[];
  /** What makes the connections real. @default nothing does; tunnels are never established */
  readonly cloudEnd?: CloudEnd;
  /** Refuses timestamps that are more than this off, in milliseconds. @default 15 minutes */
  readonly clockSkew?: number;
  /** Gets a line for each call and each failure. @default no log */
  readonly log?: (line: string) => void;
}

export interface EmulatedCloud {
  /** `127.0.0.1:PORT`, as the provider's endpoint has to be written. */
  readonly endpoint: string;
  readonly calls: readonly Call[];
  /** What went wrong behind the answers, the cloud end's failures above all; empty when all is well. */
  readonly errors: readonly string[];
  /** What the cloud end is told. */
  state(): CloudState;
  /** Resolves when no change is under way and every gateway is at rest. */
  settled(): Promise<void>;
  /** What exists, for `load`; waits until all is settled. */
  save(): Promise<Buffer>;
  /** Makes what exists what it was at a `save`; the cloud end is not told. */
  load(saved: Buffer): Promise<void>;
  /** Lets the next call of an action fail before it does anything; several are used up in their order. */
  failNext(action: string, status: number, code: string, message: string): void;
  /** Whether Describe calls give four scalars of each tunnel as JSON strings, as Alibaba's description types them. */
  quoteTunnelScalars: boolean;
  /** Ends the server and all that it has under way. */
  close(): Promise<void>;
}

const API_VERSION = "2016-04-28";
const MAXIMUM_BODY = 1 << 20;
const ACTIONS: ReadonlyMap<string, Action> = new Map(
  Object.entries({
    ...zoneActions,
    ...vpcActions,
    ...vpnGatewayActions,
    ...customerGatewayActions,
    ...connectionActions,
    ...routeActions,
    ...tagActions,
  }),
);

/** Starts the emulated cloud; it listens on 127.0.0.1 only. */
export async function startEmulatedCloud(options: EmulatedCloudOptions = {}): Promise<EmulatedCloud> {
  const cloud = new Cloud(options);
  await cloud.listen(options.port ?? 0);
  return cloud;
}

class Cloud implements EmulatedCloud {
  readonly calls: Call[] = [];
  readonly errors: string[] = [];
  quoteTunnelScalars = false;
  private readonly store: Store;
  private readonly work: Work;
  private readonly credentials: Credentials;
  private readonly clockSkew: number;
  private readonly log: (line: string) => void;
  private readonly faults: { action: string; error: ApiError }[] = [];
  /** Nonces that were used, with the time after which their timestamp is too old anyway. */
  private readonly nonces = new Map<string, number>();
  /** Answers by action and ClientToken, so that a call repeated with its token is answered, not done again. */
  private readonly answers = new Map<string, { parameters: string; answer: Answer }>();
  private readonly server = createServer((request, response) => void this.handle(request, response));

  constructor(options: EmulatedCloudOptions) {
    this.log = options.log ?? (() => undefined);
    this.credentials = {
      accessKeyId: options.accessKeyId ?? "test",
      accessKeySecret: options.accessKeySecret ?? "test",
    };
    this.clockSkew = options.clockSkew ?? 15 * 60 * 1000;
    this.store = new Store(options.ipsecAddresses ?? IPSEC_ADDRESSES);
    const delays: Delays = {
      vpcPending: 0,
      vSwitchPending: 0,
      gatewayProvisioning: 400,
      gatewayDeleting: 400,
      busy: 200,
      cloudEndBound: 60_000,
      ...options.delays,
    };
    this.work = new Work(this.store, delays, options.cloudEnd, (message) => this.fail(message));
  }

  get endpoint(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async listen(port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.server.once("error", reject);
      this.server.listen(port, "127.0.0.1", resolve);
    });
  }

  state(): CloudState {
    return this.store.desiredState();
  }

  async settled(): Promise<void> {
    await this.work.settled();
  }

  async save(): Promise<Buffer> {
    await this.settled();
    return this.store.save();
  }

  async load(saved: Buffer): Promise<void> {
    await this.settled();
    this.store.load(saved);
    this.faults.splice(0);
  }

  failNext(action: string, status: number, code: string, message: string): void {
    this.faults.push({ action, error: new ApiError(status, code, message) });
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.server.closeAllConnections();
    await Promise.all([closed, this.work.close()]);
  }

  /** The text may come from the cloud end, which knows the pre-shared keys. */
  private fail(message: string): void {
    const tunnels = [...this.store.vpnConnections.values()].flatMap((connection) => connection.tunnels);
    const masked = tunnels.reduce((text, tunnel) => text.replaceAll(tunnel.ike.Psk, "***"), message);
    this.errors.push(masked);
    this.log(`error: ${masked}`);
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const requestId = randomUUID().toUpperCase();
    const time = Date.now();
    let action = "";
    let shown: Record<string, string> = {};
    let status = 200;
    let body: Answer;
    let code: string | undefined;
    try {
      const signed = await readRequest(request);
      const parameters = new Map([...signed.query, ...signed.form]);
      action = signed.query.get("Action") ?? signed.form.get("Action") ?? signed.headers["x-acs-action"] ?? "";
      shown = maskedParameters(parameters);
      body = { RequestId: requestId, ...(await this.answer(signed, action, parameters)) };
    } catch (thrown) {
      if (!request.complete) return this.log(`a client went away within its request${action && ` ${action}`}`);
      const error = thrown instanceof ApiError ? thrown : this.internalError(action, thrown);
      ({ status, code } = error);
      body = errorBody(error, requestId, this.endpoint);
    }
    const call: Call = { time, action, parameters: shown, status, ...(code === undefined ? {} : { code }) };
    this.calls.push(call);
    this.log(formatCall(call));
    response.writeHead(status, { "content-type": "application/json;charset=utf-8", "x-acs-request-id": requestId });
    response.end(JSON.stringify(body));
  }

  private async answer(signed: SignedRequest, action: string, parameters: Map<string, string>): Promise<Answer> {
    const fault = this.faults.findIndex((entry) => entry.action === action);
    const [injected] = fault < 0 ? [] : this.faults.splice(fault, 1);
    if (injected !== undefined) throw injected.error;
    const run = ACTIONS.get(action);
    // Not Alibaba's 404: the provider would take it for a resource that is gone.
    if (run === undefined) throw refuse("InvalidAction", "Specified api is not supported.");
    const version = signed.query.get("Version") ?? signed.form.get("Version") ?? signed.headers["x-acs-version"];
    if (version !== API_VERSION)
      throw refuse("InvalidVersion", `Specified version is not supported: ${API_VERSION} is.`);
    if (!/^(json)?$/i.test(parameters.get("Format") ?? "")) {
      throw refuse("UnsupportedFormat", "Specified format is not supported: json is.");
    }
    if (/^true$/i.test(parameters.get("DryRun") ?? "")) {
      throw refuse("UnsupportedDryRun", "This lab makes no dry runs: it would do what was asked.");
    }
    this.checkProof(verifySignature(signed, this.credentials));
    return this.once(action, parameters, () =>
      run({
        store: this.store,
        work: this.work,
        parameters: new Parameters(parameters),
        regionId: parameters.get("RegionId") || undefined,
        quoteTunnelScalars: this.quoteTunnelScalars,
      }),
    );
  }

  private checkProof({ nonce, timestamp }: { nonce: string; timestamp: string }): void {
    const now = Date.now();
    if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(timestamp) || Number.isNaN(Date.parse(timestamp))) {
      throw refuse("InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted.");
    }
    if (Math.abs(now - Date.parse(timestamp)) > this.clockSkew) {
      throw refuse("InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.");
    }
    for (const [old, end] of this.nonces) if (end < now) this.nonces.delete(old);
    if (this.nonces.has(nonce)) throw refuse("SignatureNonceUsed", "Specified signature nonce was used already.");
    this.nonces.set(nonce, now + 2 * this.clockSkew);
  }

  /** A call repeated with its ClientToken gets the first answer; with other parameters it is refused. */
  private async once(
    action: string,
    parameters: Map<string, string>,
    run: () => Answer | Promise<Answer>,
  ): Promise<Answer> {
    const token = parameters.get("ClientToken");
    if (token === undefined || token === "") return run();
    const key = `${action} ${token}`;
    const told = JSON.stringify(
      Object.entries(Object.fromEntries(parameters))
        .filter(([name]) => !isProof(name))
        .sort(),
    );
    const before = this.answers.get(key);
    if (before === undefined) {
      const answer = await run();
      this.answers.set(key, { parameters: told, answer });
      return answer;
    }
    if (before.parameters !== told) {
      throw refuse("IdempotentParameterMismatch", "The client token was used with other parameters before.");
    }
    return before.answer;
  }

  private internalError(action: string, thrown: unknown): ApiError {
    const message = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
    this.fail(`${action}: ${message}`);
    return new ApiError(500, "InternalError", "The emulated cloud has a defect; its log says which.");
  }
}

function isProof(name: string): boolean {
  return name === "Signature" || name === "SignatureNonce" || name === "Timestamp";
}

async function readRequest(request: IncomingMessage): Promise<SignedRequest> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAXIMUM_BODY) throw refuse("RequestTooLarge", "The request's body is too large.");
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks);
  if (request.method !== "GET" && request.method !== "POST") {
    throw refuse("UnsupportedHTTPMethod", "Specified HTTP method is not supported: GET and POST are.");
  }
  const url = new URL(request.url ?? "/", "http://127.0.0.1");
  if (url.pathname !== "/") throw refuse("InvalidAction", "Specified api is not supported.");
  const isForm = (request.headers["content-type"] ?? "").startsWith("application/x-www-form-urlencoded");
  if (body.length > 0 && !isForm) {
    throw refuse("UnsupportedContentType", "The body is not application/x-www-form-urlencoded.");
  }
  return {
    method: request.method,
    path: url.pathname,
    query: parseForm(url.search.slice(1)),
    form: parseForm(body.toString("utf8")),
    headers: Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(",") : value]),
    ),
    body,
  };
}

/** Names and values of a query or a form; a name that is there twice would be signed in one reading only. */
function parseForm(text: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(text)) {
    if (values.has(name)) throw refuse("InvalidParameter", `${name} is given twice.`);
    values.set(name, value);
  }
  return values;
}
