// Proves who a call comes from: both of Alibaba's signatures, the RPC style's HMAC-SHA1 over the parameters
// (the alicloud provider) and ACS3-HMAC-SHA256 over a canonical request in headers (Alibaba's newer SDKs).
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { ApiError, refuse, missing } from "./errors";

/** An HTTP request as it came in; `body` are the raw bytes. */
export interface SignedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: ReadonlyMap<string, string>;
  readonly form: ReadonlyMap<string, string>;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

export interface Credentials {
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
}

/** What the signature covers besides the call itself: checked by the server against its clock and its memory. */
export interface Proof {
  readonly nonce: string;
  /** As sent: `2026-11-23T06:40:18Z`. */
  readonly timestamp: string;
}

/** Verifies the request's signature, of whichever kind it is. */
export function verifySignature(request: SignedRequest, credentials: Credentials): Proof {
  const authorization = request.headers["authorization"];
  return authorization === undefined
    ? verifyRpc(request, credentials)
    : verifyAcs3(request, authorization, credentials);
}

/** Alibaba's percent-encoding: RFC 3986's unreserved characters stay, all else is encoded. */
export function percentEncode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** The RPC style's signature over all parameters of query and form body but `Signature` itself. */
export function rpcSignature(method: string, parameters: ReadonlyMap<string, string>, accessKeySecret: string): string {
  const canonical = [...parameters]
    .filter(([name]) => name !== "Signature")
    .sort(([a], [b]) => compareBytes(a, b))
    .map(([name, value]) => `${percentEncode(name)}=${percentEncode(value)}`)
    .join("&");
  const toSign = `${method}&${percentEncode("/")}&${percentEncode(canonical)}`;
  return createHmac("sha1", `${accessKeySecret}&`).update(toSign).digest("base64");
}

function verifyRpc(request: SignedRequest, credentials: Credentials): Proof {
  const parameters = new Map([...request.query, ...request.form]);
  const required = (name: string): string => {
    const value = parameters.get(name);
    if (value === undefined || value === "") throw missing(name);
    return value;
  };
  checkAccessKey(required("AccessKeyId"), credentials);
  if (required("SignatureMethod").toUpperCase() !== "HMAC-SHA1") {
    throw refuse("InvalidSignatureMethod", "Specified signature method is not valid: it is HMAC-SHA1.");
  }
  if (required("SignatureVersion") !== "1.0") {
    throw refuse("InvalidSignatureVersion", "Specified signature version is not valid: it is 1.0.");
  }
  const proof = { nonce: required("SignatureNonce"), timestamp: required("Timestamp") };
  const duplicate = [...request.form.keys()].find((name) => request.query.has(name));
  if (duplicate !== undefined) {
    throw refuse("InvalidParameter", `${duplicate} is in the query and in the body: it belongs in one of them.`);
  }
  const expected = rpcSignature(request.method, parameters, credentials.accessKeySecret);
  if (!sameText(required("Signature"), expected)) throw mismatch();
  return proof;
}

const ACS3 = /^ACS3-HMAC-SHA256 Credential=([^,\s]+),\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{64})$/;

function verifyAcs3(request: SignedRequest, authorization: string, credentials: Credentials): Proof {
  const match = ACS3.exec(authorization);
  if (match === null) {
    throw refuse("InvalidAuthorization", "The Authorization header is not of the form of ACS3-HMAC-SHA256.");
  }
  const [, accessKeyId = "", signedHeaders = "", signature = ""] = match;
  checkAccessKey(accessKeyId, credentials);
  const header = (name: string): string => {
    const value = request.headers[name];
    if (value === undefined || value === "") throw missing(name);
    return value.trim();
  };
  const names = signedHeaders.split(";");
  // What is acted upon must be covered, or a header could be exchanged under a valid signature.
  const acted = ["host", ...Object.keys(request.headers).filter((name) => name.startsWith("x-acs-"))];
  if (request.body.length > 0) acted.push("content-type");
  const uncovered = acted.find((name) => !names.includes(name));
  if (uncovered !== undefined) {
    throw refuse("IncompleteSignature", `The signature does not cover the header ${uncovered}.`);
  }
  const payloadHash = createHash("sha256").update(request.body).digest("hex");
  const query = [...request.query]
    .sort(([a], [b]) => compareBytes(a, b))
    .map(([name, value]) => `${percentEncode(name)}=${percentEncode(value)}`)
    .join("&");
  const canonicalHeaders = [...names]
    .sort(compareBytes)
    .map((name) => `${name}:${header(name)}\n`)
    .join("");
  const canonical = [request.method, request.path, query, canonicalHeaders, signedHeaders, payloadHash].join("\n");
  const toSign = `ACS3-HMAC-SHA256\n${createHash("sha256").update(canonical).digest("hex")}`;
  const expected = createHmac("sha256", credentials.accessKeySecret).update(toSign).digest("hex");
  if (!sameText(signature, expected)) throw mismatch();
  return { nonce: header("x-acs-signature-nonce"), timestamp: header("x-acs-date") };
}

function checkAccessKey(accessKeyId: string, credentials: Credentials): void {
  if (accessKeyId === credentials.accessKeyId) return;
  // Alibaba may answer 404 here, which the provider would read as "every resource is gone".
  throw new ApiError(400, "InvalidAccessKeyId.NotFound", "Specified access key is not found.");
}

function mismatch(): ApiError {
  // Alibaba adds the string that it signed; it holds the call's secrets, so this server does not.
  return refuse("SignatureDoesNotMatch", "Specified signature is not matched with our calculation.");
}

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function sameText(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
