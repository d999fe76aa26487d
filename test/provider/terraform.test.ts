// The guard between the lab and a real account, each rule broken once.
import { assertEmulated, DUMMY_KEYS, runTerraform, scrubbedEnvironment } from "../../lab/terraform/terraform";

const ENDPOINT = "127.0.0.1:18080";
const good = () => ({
  terraform: { required_providers: { alicloud: { source: "aliyun/alicloud", version: ">= 1.246.0" } } },
  provider: {
    alicloud: [
      {
        region: "ap-southeast-1",
        access_key: DUMMY_KEYS.accessKey,
        secret_key: DUMMY_KEYS.secretKey,
        protocol: "HTTP",
        endpoints: [{ vpc: ENDPOINT }] as unknown,
      },
    ],
    null: [{}],
  } as Record<string, unknown[]>,
});
type Stack = ReturnType<typeof good>;
const first = (stack: Stack) => stack.provider.alicloud[0] as Record<string, unknown>;

it("accepts a provider block that points at the emulated API", () => {
  expect(() => assertEmulated(good(), ENDPOINT)).not.toThrow();
});

it("accepts other products' endpoints on 127.0.0.1, and a single object in place of a list", () => {
  const stack = good();
  first(stack).endpoints = { vpc: ENDPOINT, ecs: "127.0.0.1:9" };
  stack.provider.alicloud = first(stack) as never;
  expect(() => assertEmulated(stack, ENDPOINT)).not.toThrow();
});

const breaches: [string, (stack: Stack) => void, string][] = [
  ["no provider block at all", (s) => delete s.provider.alicloud, "no alicloud provider block"],
  ["an empty list of provider blocks", (s) => (s.provider.alicloud = []), "no alicloud provider block"],
  ["an access key of one's own", (s) => (first(s).access_key = "LTAI-real"), "other keys"],
  ["a secret key of one's own", (s) => (first(s).secret_key = "real"), "other keys"],
  ["no access key, so that the environment's would count", (s) => delete first(s).access_key, "other keys"],
  ["a key that is a variable", (s) => (first(s).secret_key = "${var.secret}"), "other keys"],
  ["protocol HTTPS", (s) => (first(s).protocol = "HTTPS"), "protocol"],
  ["no protocol", (s) => delete first(s).protocol, "protocol"],
  ["no endpoints", (s) => delete first(s).endpoints, "endpoint for vpc"],
  ["endpoints without vpc", (s) => (first(s).endpoints = [{ ecs: ENDPOINT }]), "endpoint for vpc"],
  ["another vpc endpoint", (s) => (first(s).endpoints = [{ vpc: "127.0.0.1:1" }]), "endpoint for vpc"],
  [
    "Alibaba's vpc endpoint",
    (s) => (first(s).endpoints = [{ vpc: "vpc.ap-southeast-1.aliyuncs.com" }]),
    "vpc outside 127.0.0.1",
  ],
  [
    "two vpc endpoints",
    (s) => (first(s).endpoints = [{ vpc: ENDPOINT }, { vpc: "127.0.0.1:1" }]),
    "exactly one endpoint for vpc",
  ],
  [
    "another product's endpoint outside",
    (s) => (first(s).endpoints = [{ vpc: ENDPOINT, sts: "sts.aliyuncs.com" }]),
    "sts outside",
  ],
  [
    "an endpoint that only begins like 127.0.0.1",
    (s) => (first(s).endpoints = [{ vpc: ENDPOINT, ecs: "127.0.0.1:1.example.com" }]),
    "ecs outside",
  ],
  ["an assumed role", (s) => (first(s).assume_role = [{ role_arn: "acs:ram::1:role/x" }]), "has assume_role"],
  ["a profile", (s) => (first(s).profile = "default"), "has profile"],
  ["a security token", (s) => (first(s).security_token = "t"), "has security_token"],
  [
    "a second block that is not the lab's",
    (s) => s.provider.alicloud.push({ alias: "real", region: "eu-central-1" }),
    "block 2 has other keys",
  ],
  [
    "a block under another local name",
    (s) => {
      Object.assign(s.terraform.required_providers, { cloud: { source: "registry.terraform.io/aliyun/alicloud" } });
      s.provider.cloud = [{ region: "eu-central-1" }];
    },
    "block 2 has other keys",
  ],
];
it.each(breaches)("refuses %s", (_name, breach, message) => {
  const stack = good();
  breach(stack);
  expect(() => assertEmulated(stack, ENDPOINT)).toThrow(message);
});

it("refuses an emulated endpoint that is not on 127.0.0.1", () => {
  const stack = good();
  first(stack).endpoints = [{ vpc: "vpc.aliyuncs.com:80" }];
  expect(() => assertEmulated(stack, "vpc.aliyuncs.com:80")).toThrow("is not 127.0.0.1:PORT");
});

it("refuses what is no stack", () => {
  for (const nothing of [undefined, null, 1, "", [], {}]) expect(() => assertEmulated(nothing, ENDPOINT)).toThrow();
});

it("reports all that is wrong at once and prints no key", () => {
  const stack = good();
  Object.assign(first(stack), { access_key: "LTAI-real", secret_key: "real-secret", protocol: "HTTPS" });
  const act = () => assertEmulated(stack, ENDPOINT);
  expect(act).toThrow(/other keys.*protocol/);
  expect(act).not.toThrow(/LTAI-real|real-secret/);
});

it("takes credentials, endpoints and proxies out of the environment, whatever their case", () => {
  const dirty = {
    PATH: "/bin",
    HOME: "/root",
    ALICLOUD_ACCESS_KEY: "x",
    ALIBABA_CLOUD_ENDPOINT_VPC: "x",
    alicloud_region: "x",
    http_proxy: "x",
    HTTPS_PROXY: "x",
    No_Proxy: "x",
    all_proxy: "x",
    TF_ENDPOINT_PATH: "x",
  };
  expect(scrubbedEnvironment(dirty)).toEqual({ PATH: "/bin", HOME: "/root", CHECKPOINT_DISABLE: "1" });
});

it("runs terraform in that environment", async () => {
  process.env.ALICLOUD_ACCESS_KEY = "x";
  try {
    const { status, stdout } = await runTerraform(["console"], { input: "1 + 1\n", env: { TF_CLI_CONFIG_FILE: "" } });
    expect([status, stdout.trim()]).toEqual([0, "2"]);
  } finally {
    delete process.env.ALICLOUD_ACCESS_KEY;
  }
});
