// Preloaded (`node -r`) by tests that run code as customers write it: the names that customers import resolve to
// this repository's sources, lib/ and the generated bindings.
import Module from "node:module";
import * as path from "node:path";

const PACKAGE = "cdktf-alicloud-dual-tunnel-vpn";
const root = path.resolve(__dirname, "..");

type Resolve = (request: string, ...rest: unknown[]) => string;
const hooked = Module as unknown as { _resolveFilename: Resolve };
const resolve = hooked._resolveFilename;

hooked._resolveFilename = function (this: unknown, request: string, ...rest: unknown[]): string {
  return resolve.call(this, inRepository(request), ...rest);
};

function inRepository(request: string): string {
  if (request === PACKAGE) return path.join(root, "lib/index.ts");
  if (request.startsWith(`${PACKAGE}/alicloud/`)) {
    return path.join(root, "packages/provider-alicloud/lib", request.slice(`${PACKAGE}/alicloud/`.length));
  }
  return request;
}
