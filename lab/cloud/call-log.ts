// The record of every call that the emulated cloud answered, with secrets masked, for people and for tests.

export interface Call {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly action: string;
  /** As sent, without what belongs to the signature; values that are secrets are `***`. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly status: number;
  /** The error's code; undefined for a success. */
  readonly code?: string;
}

const SIGNATURE_PARAMETERS = new Set([
  "Action",
  "Version",
  "Format",
  "AccessKeyId",
  "Signature",
  "SignatureMethod",
  "SignatureVersion",
  "SignatureNonce",
  "SignatureType",
  "SecurityToken",
  "Timestamp",
]);

/** The parameters of a call as they may be shown: pre-shared keys and other secrets masked. */
export function maskedParameters(parameters: ReadonlyMap<string, string>): Record<string, string> {
  const shown = [...parameters].filter(([name]) => !SIGNATURE_PARAMETERS.has(name));
  return Object.fromEntries(shown.map(([name, value]) => [name, holdsSecret(name) ? "***" : value]));
}

/** The call as one line. */
export function formatCall(call: Call): string {
  const parameters = Object.entries(call.parameters).map(
    ([name, value]) => `${name}=${/^[^\s"]*$/.test(value) ? value : JSON.stringify(value)}`,
  );
  return [call.status, call.code ?? "OK", call.action, ...parameters].join(" ");
}

/** Single-tunnel connections carry their pre-shared key inside the JSON of IkeConfig. */
function holdsSecret(name: string): boolean {
  return /psk|authkey|password|secret|^ikeconfig$|^bgpconfig$/i.test(name);
}
