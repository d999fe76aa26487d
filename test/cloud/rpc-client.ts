// A small client of the emulated API for tests: signs in the RPC style, sends, and gives back status and JSON.
import { randomUUID } from "node:crypto";
import { percentEncode, rpcSignature } from "../../lab/cloud/signature";

export interface RpcAnswer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

export interface RpcRequest {
  readonly method?: "GET" | "POST";
  readonly query?: Readonly<Record<string, string>>;
  /** Undefined sends no body. */
  readonly form?: Readonly<Record<string, string>>;
  readonly accessKeySecret?: string;
}

/** The parameters that every call of an action has, fresh each time. */
export function commonParameters(action: string): Record<string, string> {
  return {
    Action: action,
    Version: "2016-04-28",
    Format: "json",
    AccessKeyId: "test",
    SignatureMethod: "HMAC-SHA1",
    SignatureVersion: "1.0",
    SignatureNonce: randomUUID(),
    Timestamp: new Date().toISOString().replace(/\.\d+Z$/, "Z"),
  };
}

/** Signs the request and sends it; `query` has the common parameters already. */
export async function send(endpoint: string, request: RpcRequest): Promise<RpcAnswer> {
  const { method = "POST", query = {}, form, accessKeySecret = "test" } = request;
  const signed = {
    ...query,
    Signature: rpcSignature(method, new Map(Object.entries({ ...query, ...form })), accessKeySecret),
  };
  return sendUnsigned(endpoint, method, signed, form);
}

/** Sends what it is given. */
export async function sendUnsigned(
  endpoint: string,
  method: "GET" | "POST",
  query: Readonly<Record<string, string>>,
  form?: Readonly<Record<string, string>>,
): Promise<RpcAnswer> {
  const response = await fetch(`http://${endpoint}/?${encodeForm(query)}`, {
    method,
    ...(form === undefined
      ? {}
      : { body: encodeForm(form), headers: { "content-type": "application/x-www-form-urlencoded" } }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

/** One call with its parameters in the body. */
export async function call(
  endpoint: string,
  action: string,
  parameters: Readonly<Record<string, string>>,
): Promise<RpcAnswer> {
  return send(endpoint, { query: commonParameters(action), form: parameters });
}

function encodeForm(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${percentEncode(name)}=${percentEncode(value)}`)
    .join("&");
}
