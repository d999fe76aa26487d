// A stand-in provider as Terraform starts it: one line on standard output, then gRPC on 127.0.0.1 under mutual TLS.
// It ends with the Terraform that started it, whatever became of that. Its file's name says which provider it is.
import { X509Certificate } from "node:crypto";
import * as path from "node:path";
import * as grpc from "@grpc/grpc-js";
import { generate } from "selfsigned";
import type { AnyProvider } from "./provider";
import { makeServer } from "./server";

/** What Terraform sets in the environment of a plugin: without it a person has started us. */
const COOKIE = { name: "TF_PLUGIN_MAGIC_COOKIE", length: 64 };

const PROVIDERS: Record<string, () => Promise<AnyProvider>> = {
  alicloud: async () => (await import("./alicloud/provider")).alicloud,
  null: async () => (await import("./null")).nullProvider,
  random: async () => (await import("./random")).random,
};

async function credentials(): Promise<{ credentials: grpc.ServerCredentials; certificate: string }> {
  const clientCertificate = process.env.PLUGIN_CLIENT_CERT;
  if (!clientCertificate) return { credentials: grpc.ServerCredentials.createInsecure(), certificate: "" };
  const made = await generate([{ name: "commonName", value: "localhost" }], {
    keyType: "ec",
    curve: "P-256",
    algorithm: "sha256",
    notBeforeDate: new Date(Date.now() - 60_000),
    extensions: [
      { name: "basicConstraints", cA: true, critical: true },
      { name: "keyUsage", digitalSignature: true, keyAgreement: true, keyCertSign: true, critical: true },
      { name: "extKeyUsage", serverAuth: true },
      { name: "subjectAltName", altNames: [{ type: 2, value: "localhost" }] },
    ],
  });
  return {
    credentials: grpc.ServerCredentials.createSsl(
      Buffer.from(clientCertificate),
      [{ private_key: Buffer.from(made.private), cert_chain: Buffer.from(made.cert) }],
      true,
    ),
    certificate: new X509Certificate(made.cert).raw.toString("base64").replace(/=+$/, ""),
  };
}

/** Ends this process as soon as its parent is another than the one that started it, or stops reading what it says. */
function endWithParent(): void {
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.exit(0);
  }, 200).unref();
  process.stdout.on("error", () => process.exit(0));
}

async function main(): Promise<void> {
  const name = /^terraform-provider-([a-z]+)_v/.exec(path.basename(process.argv[1] ?? ""))?.[1] ?? "";
  const provider = PROVIDERS[name];
  if (!provider)
    throw new Error(`This file must be named terraform-provider-${Object.keys(PROVIDERS).join("|")}_vVERSION.`);
  if (process.env[COOKIE.name]?.length !== COOKIE.length)
    throw new Error("This program is a Terraform provider: Terraform starts it.");
  endWithParent();
  // Terraform passes on the terminal's Ctrl-C by its own call Stop; dying of it here would lose what was made.
  process.on("SIGINT", () => undefined);
  process.on("SIGTERM", () => process.exit(0));
  const tls = await credentials();
  const server = makeServer(await provider(), () => setImmediate(() => process.exit(0)));
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", tls.credentials, (error, bound) => (error ? reject(error) : resolve(bound))),
  );
  process.stdout.write(`1|5|tcp|127.0.0.1:${port}|grpc|${tls.certificate}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
