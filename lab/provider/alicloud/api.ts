// Alibaba's VPC API through Alibaba's own SDK: calls in the API's words, retries, waits, and errors in the provider's form.
import { randomUUID } from "node:crypto";

/** An answer's JSON, or an object within it. */
export type Answer = Record<string, unknown>;

const isAnswer = (value: unknown): value is Answer =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The object that an answer has under a name; undefined when it has none, or an empty one. */
export function objectIn(answer: Answer, name: string): Answer | undefined {
  const value = answer[name] ?? undefined;
  if (value !== undefined && !isAnswer(value)) throw new Error(`${name} is not an object`);
  return value !== undefined && Object.keys(value).length > 0 ? value : undefined;
}

/** The list that an answer has in Alibaba's manner, `{ Tags: { Tag: [] } }`; undefined when there is none. */
export function listIn(answer: Answer, outer: string, inner: string): unknown[] | undefined {
  const list = objectIn(answer, outer)?.[inner] ?? undefined;
  if (list !== undefined && !Array.isArray(list)) throw new Error(`${outer}.${inner} is not a list`);
  return list;
}

/** Such a list of objects. */
export function objectsIn(answer: Answer, outer: string, inner: string): Answer[] | undefined {
  const list = listIn(answer, outer, inner);
  if (!list?.every(isAnswer)) {
    if (list) throw new Error(`${outer}.${inner} is not a list of objects`);
    return undefined;
  }
  return list;
}

/** A refusal by the API, or a failure to reach it. */
export class ApiError extends Error {
  constructor(
    readonly action: string,
    readonly statusCode: number | undefined,
    readonly code: string,
    message: string,
    readonly data: unknown,
  ) {
    super(message);
  }

  /** As the provider matches the codes that it expects: the code, a beginning of it, or the code anywhere in the answer. */
  isOneOf(codes: readonly string[]): boolean {
    const text = JSON.stringify(this.data ?? {});
    return codes.some((code) => (this.code !== "" && code.startsWith(this.code)) || text.includes(code));
  }

  /** What the provider takes for "it does not exist", besides an action's own codes. */
  get isNotFound(): boolean {
    return this.statusCode === 404 || this.message.includes("NotFound");
  }

  /** What Alibaba's client library tries again by itself: all but a refusal, and what the service could not do. */
  get isTriedAtOnce(): boolean {
    return this.statusCode === undefined || this.statusCode >= 500;
  }

  /** What the provider always tries again. */
  get isPassing(): boolean {
    return (
      (this.statusCode !== undefined && this.statusCode >= 500) ||
      /^(ServiceUnavailable|Rejected\.Throttling)$|Throttling/.test(this.code) ||
      this.message.includes("Client.Timeout")
    );
  }
}

/** The error that a user sees, in the provider's form. */
export function failure(what: string, error: unknown): Error {
  if (!(error instanceof ApiError)) return error instanceof Error ? error : new Error(String(error));
  return new Error(
    `[ERROR] Resource ${what} ${error.action} Failed!!! [SDK alibaba-cloud-sdk-go ERROR]:\n` +
      `SDKError:\n   StatusCode: ${error.statusCode}\n   Code: ${error.code}\n   Message: ${error.message}\n` +
      `   Data: ${JSON.stringify(error.data ?? {})}\n`,
  );
}

export interface Settings {
  readonly region: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** `127.0.0.1:PORT`. */
  readonly endpoint: string;
  /** Aborted when Terraform asks running operations to end. */
  readonly stopped: AbortSignal;
  /** Milliseconds; as the provider's client_read_timeout and client_connect_timeout. @default 60000 */
  readonly readTimeout?: number;
  readonly connectTimeout?: number;
}

// The provider sleeps 3 to 15 s between tries and up to 20 s before a first look; the emulated cloud is quicker than
// the real one, and a stand-in has nobody to spare. Its pauses grow too: a short wait ends soon, a long one costs little.
const FIRST_PAUSE = 50;
const LONGEST_PAUSE = 1000;
const GROWTH = 1.5;

/**
 * How often a request is sent at once before the provider hears of a failure: maxAttempts 3, without a backoff, in
 * alibabacloud-go/tea-rpc 1.2.0; seen with the real provider for dropped connections and for status 5xx alike.
 */
const TRIES = 4;

/** How often in a row a thing that is waited for may not be found: the default of the provider's framework. */
const NOT_FOUND_CHECKS = 20;

interface ModelClass {
  new (properties: Record<string, unknown>): object;
  names(): Record<string, string>;
  types(): Record<string, unknown>;
}

/** The SDK's request model for parameters in the API's own words (`VpcId`, `Tag: [{ Key, Value }]`). */
function model(kind: ModelClass, parameters: Record<string, unknown>): object {
  const names = Object.fromEntries(Object.entries(kind.names()).map(([property, name]) => [name, property]));
  const types = kind.types();
  const convert = (type: unknown, value: unknown): unknown => {
    if (typeof type === "function") return model(type as ModelClass, value as Record<string, unknown>);
    if (typeof type === "object" && type !== null && "itemType" in type && Array.isArray(value))
      return value.map((each) => convert(type.itemType, each));
    return value;
  };
  return new kind(
    Object.fromEntries(
      Object.entries(parameters).map(([name, value]) => {
        const property = names[name];
        if (property === undefined) throw new Error(`Alibaba's SDK knows no parameter ${name} in ${kind.name}.`);
        return [property, convert(types[property], value)];
      }),
    ),
  );
}

/** The parameters that are set. */
export const given = (parameters: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(parameters).filter(([, value]) => value !== undefined));

/** The parameter that makes a repeated request harmless, as the provider writes it. */
export const clientToken = (action: string): string =>
  `TF-${action}-${Math.floor(Date.now() / 1000)}-${randomUUID()}`.slice(0, 64);

export class Api {
  constructor(private readonly settings: Settings) {}

  get region(): string {
    return this.settings.region;
  }

  /**
   * One call as Alibaba's client library makes it for the provider: what fails on its way goes out again at once, with
   * the same ClientToken.
   * @param extra parameters that the provider sends and that Alibaba's SDK has no property for
   * @throws ApiError
   */
  async call(action: string, parameters: Record<string, unknown>, extra: Record<string, string> = {}): Promise<Answer> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.send(action, parameters, extra);
      } catch (error) {
        if (!(error instanceof ApiError && error.isTriedAtOnce) || tries === TRIES) throw error;
      }
    }
  }

  private async send(
    action: string,
    parameters: Record<string, unknown>,
    extra: Record<string, string>,
  ): Promise<Answer> {
    // Loaded at the first call: Terraform asks a provider for its schema more often than for anything else.
    const { Client, models } = await import("./sdk");
    let answer: unknown;
    // The SDK turns an answer's values into the types of Alibaba's description, which are not always those on the
    // wire: the provider looks at the wire, so do we.
    class WireClient extends Client {
      override async callApi(
        ...call: Parameters<InstanceType<typeof Client>["callApi"]>
      ): ReturnType<InstanceType<typeof Client>["callApi"]> {
        const response = await super.callApi(...call);
        answer = (response as { body: unknown }).body;
        return response;
      }
    }
    const client = new WireClient({
      accessKeyId: this.settings.accessKey,
      accessKeySecret: this.settings.secretKey,
      endpoint: this.settings.endpoint,
      protocol: "HTTP",
      regionId: this.settings.region,
      userAgent: "dual-tunnel-vpn-stand-in",
    } as ConstructorParameters<typeof Client>[0]);
    const kind = (models as unknown as Record<string, ModelClass | undefined>)[`${action}Request`];
    const method = `${action.charAt(0).toLowerCase()}${action.slice(1)}WithOptions`;
    const send = (client as unknown as Record<string, unknown>)[method];
    if (!kind || typeof send !== "function") throw new Error(`Alibaba's SDK knows no action ${action}.`);
    const request = model(kind, parameters);
    const runtime = {
      autoretry: false,
      readTimeout: this.settings.readTimeout ?? 60_000,
      connectTimeout: this.settings.connectTimeout ?? 60_000,
      ...(Object.keys(extra).length > 0 ? { extendsParameters: { queries: extra } } : {}),
    };
    try {
      await (send as (request: object, runtime: object) => Promise<unknown>).call(client, request, runtime);
    } catch (error) {
      // An answer that arrived and that the SDK cannot fit into its types is looked at all the same.
      if (answer === undefined) throw toApiError(action, error);
    }
    if (!isAnswer(answer)) throw new ApiError(action, undefined, "", "the answer is no JSON object", {});
    if (isRefusal(answer)) throw new ApiError(action, 200, codeOf(answer), String(answer.Message), answer);
    return answer;
  }

  /**
   * A call that is tried again while the API answers with one of the codes, or with what always passes.
   * @param within milliseconds for all tries together
   */
  async retry(
    action: string,
    parameters: () => Record<string, unknown>,
    codes: readonly string[],
    within: number,
    extra: Record<string, string> = {},
  ): Promise<Answer> {
    const end = Date.now() + within;
    for (let tries = 0; ; tries++) {
      try {
        return await this.call(action, parameters(), extra);
      } catch (error) {
        if (!(error instanceof ApiError && (error.isPassing || error.isOneOf(codes))) || Date.now() > end) throw error;
      }
      await this.pause(tries);
    }
  }

  /** Looks until `done` says that it is so. */
  async waitFor<T>(what: string, look: () => Promise<T>, done: (seen: T) => boolean, within: number): Promise<T> {
    const end = Date.now() + within;
    for (let looks = 0, missed = 0; ; looks++) {
      const seen = await look();
      if (done(seen)) return seen;
      missed = seen === undefined ? missed + 1 : 0;
      if (missed > NOT_FOUND_CHECKS) throw new Error(`[ERROR] ${what}: couldn't find resource (${missed} retries)`);
      if (Date.now() > end) throw new Error(`[ERROR] ${what}: timeout after ${Math.round(within / 1000)} s.`);
      await this.pause(looks);
    }
  }

  /** @param before how many pauses of the same wait there were */
  private pause(before: number): Promise<void> {
    const { stopped } = this.settings;
    return new Promise((resolve, reject) => {
      const interrupted = () => {
        clearTimeout(timer);
        reject(new Error("Interrupted: Terraform was asked to stop."));
      };
      const timer = setTimeout(
        () => {
          stopped.removeEventListener("abort", interrupted);
          resolve();
        },
        Math.min(LONGEST_PAUSE, FIRST_PAUSE * GROWTH ** before),
      );
      if (stopped.aborted) interrupted();
      else stopped.addEventListener("abort", interrupted, { once: true });
    });
  }
}

/** A code is text or a whole number; anything else is none. */
function codeOf(answer: Answer): string {
  const code = answer.Code ?? answer.code;
  return typeof code === "string" || typeof code === "number" ? String(code) : "";
}

/** A failure inside an answer of status 200, by the provider's own rule. */
function isRefusal(answer: Answer): boolean {
  const code = codeOf(answer);
  const success = answer.Success ?? answer.success;
  if (code === "" && success === undefined) return false;
  return !(success === true || answer.Message === "" || /^(success|ok|200|0)$/i.test(code));
}

function toApiError(action: string, error: unknown): ApiError {
  const { statusCode, code, data, message, name } = error as Error & {
    statusCode?: number;
    code?: string;
    data?: unknown;
  };
  if (statusCode === undefined) {
    // The error's own text may hold the signed request: what kind it is says enough.
    const reason = name === "RequestTimeoutError" ? "Client.Timeout exceeded" : `no answer: ${code ?? name}`;
    return new ApiError(action, undefined, code ?? "", reason, {});
  }
  // This SDK puts the code before the API's text, which the provider's does not: a code is no text.
  const prefix = `${code}: `;
  const text = message.startsWith(prefix) ? message.slice(prefix.length) : message;
  return new ApiError(action, statusCode, code ?? "", text, data);
}
