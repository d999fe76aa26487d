// Runs Terraform so that nothing can reach a real account: a scrubbed environment, and a look at every provider block.
import { runBound, type Finished, type RunOptions } from "../process";

/** The lab's only credentials, as the provider block's properties; they open nothing. */
export const DUMMY_KEYS = { accessKey: "test", secretKey: "test" } as const;

/** Names that could bring real credentials, endpoints or a detour into a run. */
const FORBIDDEN = /^(ALICLOUD_.*|ALIBABA_CLOUD_.*|ALIBABACLOUD_.*|.*_PROXY|TF_ENDPOINT_PATH)$/i;

/** `base` without credentials, endpoints and proxies of Alibaba's tools, and with Terraform's own telephone calls off. */
export function scrubbedEnvironment(base: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return {
    ...Object.fromEntries(Object.entries(base).filter(([name]) => !FORBIDDEN.test(name))),
    CHECKPOINT_DISABLE: "1",
  };
}

/**
 * Runs `terraform` to its end in a scrubbed environment, bound to this process.
 * @param options `env` is laid over the scrubbed environment: give `prepareProviders(...).env` here
 */
export function runTerraform(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return runBound("terraform", args, {
    ...options,
    env: { ...scrubbedEnvironment(), TF_IN_AUTOMATION: "1", ...options.env },
  });
}

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null;
const asList = (value: unknown): unknown[] => (Array.isArray(value) ? value : value === undefined ? [] : [value]);

/** Arguments by which the alicloud provider would find credentials other than the two dummy keys. */
const OTHER_CREDENTIALS = [
  "security_token",
  "profile",
  "shared_credentials_file",
  "ecs_role_name",
  "credentials_uri",
  "assume_role",
  "assume_role_with_oidc",
  "sign_version",
];

/**
 * Refuses a synthesized stack that could reach anything but the emulated API.
 *
 * Every alicloud provider block must have the emulator's endpoint for `vpc`, no endpoint outside 127.0.0.1, protocol
 * HTTP, the two dummy keys and no other credentials, all literal; and there must be at least one such block.
 * @param synthesized the parsed `cdk.tf.json`
 * @param endpoint the emulated API, `127.0.0.1:PORT`
 * @throws Error one sentence with everything that is wrong; never a value of a key
 */
export function assertEmulated(synthesized: unknown, endpoint: string): void {
  const problems: string[] = [];
  if (!/^127\.0\.0\.1:\d+$/.test(endpoint)) problems.push(`the endpoint ${endpoint} is not 127.0.0.1:PORT`);
  const blocks = aliasesOfAlicloud(synthesized).flatMap((name) =>
    asList(isObject(synthesized) && isObject(synthesized.provider) ? synthesized.provider[name] : undefined),
  );
  if (blocks.length === 0) problems.push("there is no alicloud provider block");
  blocks.forEach((block, index) => {
    const provider = isObject(block) ? block : {};
    const say = (what: string) => problems.push(`alicloud provider block ${index + 1} ${what}`);
    if (provider.access_key !== DUMMY_KEYS.accessKey || provider.secret_key !== DUMMY_KEYS.secretKey)
      say("has other keys than the lab's dummy keys");
    if (provider.protocol !== "HTTP") say('has a protocol other than "HTTP"');
    for (const name of OTHER_CREDENTIALS) if (asList(provider[name]).length > 0) say(`has ${name}`);
    const products = asList(provider.endpoints).flatMap((each) => (isObject(each) ? Object.entries(each) : []));
    const vpc = products.filter(([product]) => product === "vpc");
    if (vpc.length !== 1 || vpc[0][1] !== endpoint) say(`has not exactly one endpoint for vpc, ${endpoint}`);
    for (const [product, address] of products)
      if (address !== "" && !/^127\.0\.0\.1:\d+$/.test(String(address)))
        say(`has an endpoint for ${product} outside 127.0.0.1`);
  });
  if (problems.length > 0)
    throw new Error(`The stack could reach a real account, so nothing was run: ${problems.join("; ")}.`);
}

/** The local names under which the stack knows the provider aliyun/alicloud: normally just `alicloud`. */
function aliasesOfAlicloud(synthesized: unknown): string[] {
  const names = new Set(["alicloud"]);
  const terraform = isObject(synthesized) ? asList(synthesized.terraform) : [];
  for (const settings of terraform)
    for (const required of isObject(settings) ? asList(settings.required_providers) : [])
      for (const [name, wanted] of Object.entries(isObject(required) ? required : {}))
        if (isObject(wanted) && /(^|\/)alicloud$/i.test(String(wanted.source))) names.add(name);
  return [...names];
}
