// Generates the workspace @cdktf/provider-alicloud from packages/provider-alicloud/schema.json, offline.
// `npm run bindings -- FILE` first replaces the schema by FILE, the output of `terraform providers schema -json`.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
process.env.CHECKPOINT_DISABLE = "1";
// The packages below ask `terraform version` as they load, which complains about a CLI configuration that is not there.
delete process.env.TF_CLI_CONFIG_FILE;
// The package root of provider-generator requires jsii-pacmak, which it does not declare: hence the deep imports.
import { ConstructsMakerProviderTarget, Language, TerraformProviderConstraint } from "@cdktf/commons";
import { TerraformProviderGenerator } from "@cdktf/provider-generator/lib/get/generator/provider-generator";
import { sanitizeProviderSchema } from "@cdktf/provider-schema/src/provider-schema";
import { CodeMaker } from "codemaker";

/** The oldest provider with everything that the library emits is 1.246.0 (role, local_id, remote_id computed). */
const PROVIDER = {
  name: "alicloud",
  source: "aliyun/alicloud",
  version: ">= 1.246.0, < 2.0.0",
};
const FQN = "registry.terraform.io/aliyun/alicloud";
/** What of the provider's thousand resources the bindings hold. */
const KEPT = /^alicloud_(vpc|vswitch|vswitches|vpcs|security_group\w*|route_\w+|vpn_\w+|cms_\w+|zones)$/;

const root = path.resolve(__dirname, "..");
const workspace = path.join(root, "packages/provider-alicloud");
const schemaFile = path.join(workspace, "schema.json");

interface Schema {
  format_version: string;
  provider_schemas: Record<string, Record<string, Record<string, unknown>>>;
}

/** Cuts what the provider prints down to KEPT; leaves `provider_versions` out, which would pin one version into every stack. */
function cut(printed: Schema): Schema {
  const provider = printed.provider_schemas[FQN];
  if (!provider) throw new Error(`the schema file holds no provider ${FQN}`);
  const keep = (all: Record<string, unknown>) =>
    Object.fromEntries(
      Object.entries(all)
        .filter(([name]) => KEPT.test(name))
        .sort(),
    );
  return {
    format_version: printed.format_version,
    provider_schemas: {
      [FQN]: {
        data_source_schemas: keep(provider.data_source_schemas),
        provider: provider.provider,
        resource_schemas: keep(provider.resource_schemas),
      },
    },
  };
}

async function main(): Promise<void> {
  const given = process.argv[2];
  if (given)
    fs.writeFileSync(schemaFile, JSON.stringify(cut(JSON.parse(fs.readFileSync(given, "utf8")) as Schema)) + "\n");

  const lib = path.join(workspace, "lib");
  const stamp = path.join(lib, ".made-of");
  const madeOf = createHash("sha256")
    .update(fs.readFileSync(schemaFile))
    .update(fs.readFileSync(__filename))
    .update(fs.readFileSync(path.join(root, "package-lock.json")))
    .digest("hex");
  if (fs.existsSync(stamp) && fs.readFileSync(stamp, "utf8") === madeOf) return;

  const work = fs.mkdtempSync(path.join(os.tmpdir(), "alicloud-bindings-"));
  try {
    const schema = sanitizeProviderSchema(JSON.parse(fs.readFileSync(schemaFile, "utf8")) as never);
    const generator = new TerraformProviderGenerator(new CodeMaker(), schema);
    generator.generate(
      new ConstructsMakerProviderTarget(new TerraformProviderConstraint(PROVIDER), Language.TYPESCRIPT),
    );
    await generator.save(work);
    const src = path.join(workspace, "src");
    fs.rmSync(src, { recursive: true, force: true });
    fs.rmSync(lib, { recursive: true, force: true });
    fs.cpSync(path.join(work, "providers/alicloud"), src, { recursive: true });
    fs.rmSync(path.join(src, "lazy-index.ts"));
    execFileSync(process.execPath, [require.resolve("typescript/bin/tsc"), "-p", workspace], { stdio: "inherit" });
    fs.writeFileSync(stamp, madeOf);
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
}

main().catch((error: unknown) => {
  console.error(`bindings: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
