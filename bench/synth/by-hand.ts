// The same Terraform JSON, made with the generated classes as one would write it without this library: a loop over the
// sites, texts with the site's values filled in, and a token wherever another element's attribute is meant. What a
// site consists of is read from the JSON that our constructs made of one site, before the clock starts, so that the
// two cannot drift apart.
import * as fs from "node:fs";
import { Resource } from "@cdktf/provider-null/lib/resource";
import { NullProvider } from "@cdktf/provider-null/lib/provider";
import {
  App,
  AssetType,
  LocalBackend,
  TerraformAsset,
  TerraformElement,
  TerraformLocal,
  TerraformMetaArguments,
  TerraformResource,
  TerraformStack,
  TerraformVariable,
  TerraformVariableConfig,
} from "cdktf";
import { DataAlicloudVpnGatewayZones } from "cdktf-alicloud-dual-tunnel-vpn/alicloud/data-alicloud-vpn-gateway-zones";
import { AlicloudProvider } from "cdktf-alicloud-dual-tunnel-vpn/alicloud/provider";
import { Vpc } from "cdktf-alicloud-dual-tunnel-vpn/alicloud/vpc";
import { VpnConnection } from "cdktf-alicloud-dual-tunnel-vpn/alicloud/vpn-connection";
import { VpnCustomerGateway } from "cdktf-alicloud-dual-tunnel-vpn/alicloud/vpn-customer-gateway";
import { VpnGateway } from "cdktf-alicloud-dual-tunnel-vpn/alicloud/vpn-gateway";
import { VpnRouteEntry } from "cdktf-alicloud-dual-tunnel-vpn/alicloud/vpn-route-entry";
import { Vswitch } from "cdktf-alicloud-dual-tunnel-vpn/alicloud/vswitch";
import { Construct } from "constructs";
import { hashAssets } from "../../lib/host/assets";
import { derivedMark, derivedNumber } from "../../lib/host/numbers";
import { BenchSite, benchSites } from "./sites";

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** What an element's configuration is written from: the site, and the elements made before. */
interface Context {
  readonly fill: ReadonlyMap<string, string>;
  readonly elements: ReadonlyMap<string, TerraformElement>;
}
type Written = (context: Context) => unknown;

/** terraform_data as a resource class of one's own: cdktf's asks the terraform program for its version. */
class TerraformData extends TerraformResource {
  constructor(
    scope: Construct,
    id: string,
    private readonly data: TerraformMetaArguments & { input: unknown; triggersReplace: unknown },
  ) {
    super(scope, id, { ...data, terraformResourceType: "terraform_data" });
  }

  protected override synthesizeAttributes(): Record<string, unknown> {
    return { input: this.data.input, triggers_replace: this.data.triggersReplace };
  }
}

/** A `moved` block, which cdktf makes only of a resource that it can ask the terraform program about. */
class Moved extends TerraformElement {
  constructor(
    scope: Construct,
    id: string,
    private readonly block: unknown,
  ) {
    super(scope, id);
  }

  override toTerraform(): unknown {
    return { moved: [this.block] };
  }
}

type ElementClass = new (scope: Construct, id: string, config: never) => TerraformElement;

const CLASSES: Readonly<Record<string, ElementClass>> = {
  "data.alicloud_vpn_gateway_zones": DataAlicloudVpnGatewayZones,
  alicloud_vpc: Vpc,
  alicloud_vswitch: Vswitch,
  alicloud_vpn_gateway: VpnGateway,
  alicloud_vpn_customer_gateway: VpnCustomerGateway,
  alicloud_vpn_connection: VpnConnection,
  alicloud_vpn_route_entry: VpnRouteEntry,
  terraform_data: TerraformData,
  null_resource: Resource,
};

/** Attributes whose keys are the user's own. */
const MAPS = new Set(["input", "triggers", "tags"]);

interface Element {
  readonly address: string;
  readonly needs: readonly string[];
  readonly make: (stack: TerraformStack, context: Context) => TerraformElement;
}

/** Reads the JSON of our stack of one site, and answers what builds so many with the generated classes. */
export function prepare(file: string, assets: string, count: number): () => App {
  const json = JSON.parse(fs.readFileSync(file, "utf8")) as {
    locals?: Record<string, string>;
    variable?: Record<string, TerraformVariableConfig>;
    data?: Record<string, Record<string, Record<string, Json>>>;
    resource: Record<string, Record<string, Record<string, Json>>>;
    moved?: Record<string, string>[];
  };
  const ordered = inOrder([
    ...Object.entries(json.variable ?? {}).map(([name, config]) => variable(name, config)),
    ...Object.entries(json.locals ?? {}).map(([name, value]) => local(name, value)),
    ...Object.entries(json.data ?? {}).flatMap(([type, all]) =>
      Object.entries(all).map(([name, body]) => resource(`data.${type}`, name, body)),
    ),
    ...Object.entries(json.resource).flatMap(([type, all]) =>
      Object.entries(all).map(([name, body]) => resource(type, name, body)),
    ),
    ...(json.moved ?? []).map(moved),
  ]);
  const [first] = benchSites(1);
  const isOfSite = ({ address }: Element) => placeholders(first).some((text) => address.includes(text));
  const shared = ordered.filter((element) => !isOfSite(element));
  const ofSite = ordered.filter(isOfSite);
  const fills = benchSites(count).map(
    (site) =>
      new Map(placeholders(first).map((placeholder, index) => [placeholder, placeholders(site)[index]] as const)),
  );
  return () => {
    const app = new App();
    const stack = new TerraformStack(app, "bench");
    new LocalBackend(stack, { path: "terraform.tfstate" });
    new AlicloudProvider(stack, "alicloud", { region: "ap-southeast-1" });
    new NullProvider(stack, "null");
    // By hand, too, somebody has to hash the files: by cdktf's own way the JSON would differ in the hash.
    const assetHash = hashAssets(assets);
    new TerraformAsset(stack, "dual-tunnel-vpn", { path: assets, type: AssetType.DIRECTORY, assetHash });
    const elements = new Map<string, TerraformElement>();
    for (const { address, make } of shared) elements.set(address, make(stack, { fill: NOTHING, elements }));
    for (const fill of fills) {
      for (const { address, make } of ofSite) elements.set(address, make(stack, { fill, elements }));
    }
    return app;
  };
}

const NOTHING: ReadonlyMap<string, string> = new Map();

/** What differs from site to site in the texts, always in the same order. */
function placeholders(site: BenchSite): string[] {
  return [
    site.name,
    site.name.replace(/-/g, "_"),
    site.dataCenterCidr,
    site.dataCenterCidr.replace(/[./]/g, "_"),
    ...site.egressIps,
    ...site.egressIps.map((address) => address.replace(/\./g, "_")),
    site.box,
    String(derivedNumber(site.name, 1)),
    String(derivedNumber(site.name, 2)),
    String(derivedMark(site.name, 1)),
    String(derivedMark(site.name, 2)),
  ];
}

function variable(name: string, config: TerraformVariableConfig): Element {
  const id = written(name);
  const body = written(camelKeys(config as Json));
  return {
    address: `var.${name}`,
    needs: [],
    make: (stack, context) =>
      new TerraformVariable(stack, id(context) as string, body(context) as TerraformVariableConfig),
  };
}

function moved(block: Record<string, string>): Element {
  const id = written(`moved-${block.to}`);
  const body = written(block);
  return {
    address: `moved.${block.to}`,
    needs: [],
    make: (stack, context) => new Moved(stack, id(context) as string, body(context)),
  };
}

function local(name: string, value: string): Element {
  const id = written(name);
  const text = written(value);
  return {
    address: `local.${name}`,
    needs: references(value),
    make: (stack, context) => new TerraformLocal(stack, id(context) as string, text(context)),
  };
}

function resource(type: string, name: string, body: Record<string, Json>): Element {
  const { depends_on, provisioner, ...attributes } = body;
  const id = written(name);
  const dependsOn = (depends_on ?? []) as readonly string[];
  const provisioners = ((provisioner ?? []) as readonly Record<string, Json>[]).map((entry) => {
    const [[kind, config]] = Object.entries(entry);
    return written({ type: kind, ...(camelKeys(config) as Record<string, Json>) });
  });
  const config = Object.entries(attributes)
    .filter(([key]) => key !== "//")
    .map(([key, value]) => [camel(key), written(MAPS.has(key) ? value : camelKeys(value))] as const);
  const Class = CLASSES[type];
  return {
    address: `${type}.${name}`,
    needs: [...references(body), ...dependsOn],
    make: (stack, context) =>
      new Class(
        stack,
        id(context) as string,
        {
          ...Object.fromEntries(config.map(([key, value]) => [key, value(context)])),
          ...(dependsOn.length > 0 ? { dependsOn: dependsOn.map((address) => context.elements.get(address)) } : {}),
          ...(provisioners.length > 0 ? { provisioners: provisioners.map((value) => value(context)) } : {}),
        } as never,
      ),
  };
}

const REFERENCE = /\$\{((?:var|local)\.\w+|alicloud_\w+\.[\w-]+)(?:\.(\w+))?\}/g;
const HOLES = new RegExp(
  `${REFERENCE.source}|${placeholders(benchSites(1)[0])
    // A number stands alone, or a hash may hold its digits.
    .map((text) => (/^\d+$/.test(text) ? `\\b${text}\\b` : text.replace(/[.]/g, "\\.")))
    .join("|")}`,
  "g",
);

/** A value with references as tokens and the site's own values filled in; what holds none is given as it is. */
function written(value: Json): Written {
  if (typeof value === "string") {
    const parts: (string | ((context: Context) => string))[] = [];
    let at = 0;
    for (const match of value.matchAll(HOLES)) {
      const [whole, address, attribute] = match as readonly (string | undefined)[];
      parts.push(
        value.slice(at, match.index),
        address
          ? ({ elements }) => token(elements.get(address), attribute)
          : ({ fill }) => fill.get(match[0]) ?? match[0],
      );
      at = match.index + (whole ?? "").length;
    }
    if (parts.length === 0) return () => value;
    parts.push(value.slice(at));
    return (context) => parts.map((part) => (typeof part === "string" ? part : part(context))).join("");
  }
  if (Array.isArray(value)) {
    const items = (value as readonly Json[]).map(written);
    return (context) => items.map((item) => item(context));
  }
  if (value !== null && typeof value === "object") {
    const entries = Object.entries(value).map(([key, inner]) => [key, written(inner)] as const);
    return (context) => Object.fromEntries(entries.map(([key, inner]) => [key, inner(context)]));
  }
  return () => value;
}

function token(element: TerraformElement | undefined, attribute: string | undefined): string {
  if (element instanceof TerraformVariable) return element.stringValue;
  if (element instanceof TerraformLocal) return element.asString;
  return (element as unknown as Record<string, string>)[camel(attribute ?? "id")];
}

/** The addresses that a value refers to by tokens. */
function references(value: Json): string[] {
  return [...JSON.stringify(value).matchAll(REFERENCE)].map(([, address]) => address);
}

/** Each element after those that it needs. */
function inOrder(elements: readonly Element[]): Element[] {
  const byAddress = new Map(elements.map((element) => [element.address, element]));
  const done = new Set<Element>();
  const visit = (element: Element): void => {
    if (done.has(element)) return;
    for (const address of element.needs) {
      const needed = byAddress.get(address);
      if (needed && needed !== element) visit(needed);
    }
    done.add(element);
  };
  elements.forEach(visit);
  return [...done];
}

function camel(key: string): string {
  return key.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

function camelKeys(value: Json): Json {
  if (Array.isArray(value)) return (value as readonly Json[]).map(camelKeys);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [camel(key), camelKeys(inner)]));
}
