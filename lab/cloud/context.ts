// What an action works with, and the few look-ups that many actions share.
import { missing, noConnection, noGateway, refuse } from "./errors";
import type { Parameters } from "./parameters";
import type { Store, VpnGateway, VpnConnection } from "./store";
import type { Work } from "./work";

/** The JSON object of a successful answer, without its RequestId. */
export type Answer = Record<string, unknown>;

export interface Context {
  readonly store: Store;
  readonly work: Work;
  readonly parameters: Parameters;
  /** The call's RegionId; undefined where the caller left it out. */
  readonly regionId: string | undefined;
  /** Whether four scalars of each tunnel are answered as JSON strings (Alibaba's description types them so). */
  readonly quoteTunnelScalars: boolean;
}

export type Action = (context: Context) => Answer | Promise<Answer>;

/** A resource by id, in the call's region. */
export function find<T extends { readonly regionId: string }>(
  context: Context,
  resources: ReadonlyMap<string, T>,
  id: string | undefined,
): T | undefined {
  const resource = id === undefined ? undefined : resources.get(id);
  return context.regionId === undefined || resource?.regionId === context.regionId ? resource : undefined;
}

/** Whether a list shows a resource: its region, and the resource group and tags that the call asks for. */
export function isListed(
  { regionId, parameters }: Context,
  resource: { regionId: string; resourceGroupId: string; tags: ReadonlyMap<string, string> },
): boolean {
  const resourceGroupId = parameters.text("ResourceGroupId");
  return (
    (regionId === undefined || resource.regionId === regionId) &&
    (resourceGroupId === undefined || resource.resourceGroupId === resourceGroupId) &&
    parameters.list("Tag").every((tag) => {
      const value = tag.text("Value");
      const actual = resource.tags.get(tag.required("Key"));
      return actual !== undefined && (value === undefined || actual === value);
    })
  );
}

/** The call's RegionId, which the action cannot do without. */
export function requiredRegion(context: Context): string {
  if (context.regionId === undefined) throw missing("RegionId");
  return context.regionId;
}

/** The VPN gateway that the call names by VpnGatewayId. */
export function requiredGateway(context: Context): VpnGateway {
  const gateway = find(context, context.store.vpnGateways, context.parameters.required("VpnGatewayId"));
  if (gateway === undefined) throw noGateway();
  return gateway;
}

/** The VPN connection that the call names by VpnConnectionId. */
export function requiredConnection(context: Context): VpnConnection {
  const connection = find(context, context.store.vpnConnections, context.parameters.required("VpnConnectionId"));
  if (connection === undefined) throw noConnection();
  return connection;
}

/** `{ Tag: [{ Key, Value }] }`. */
export function tagList(tags: ReadonlyMap<string, string>): Answer {
  return { Tag: [...tags].map(([Key, Value]) => ({ Key, Value })) };
}

/** One page of a list, with the counters that Alibaba puts beside it. */
export function page<T>(context: Context, all: readonly T[], defaultSize: number): { counters: Answer; rows: T[] } {
  const number = context.parameters.integer("PageNumber", 1, 1_000_000) ?? 1;
  const size = context.parameters.integer("PageSize", 1, 100) ?? defaultSize;
  return {
    counters: { TotalCount: all.length, PageNumber: number, PageSize: size },
    rows: all.slice((number - 1) * size, number * size),
  };
}

/** A name or description: its length, and no web address at its start. */
export function checkedText(
  parameters: Parameters,
  name: string,
  minimum: number,
  maximum: number,
): string | undefined {
  const value = parameters.raw(name);
  if (value === undefined || value === "") return value;
  if (value.length < minimum || value.length > maximum || /^https?:\/\//.test(value)) {
    const isName = name.endsWith("Name");
    throw refuse(
      isName ? "InvalidName" : "InvalidDescription",
      `The ${isName ? "name" : "description"} is not valid: it has ${minimum} to ${maximum} characters and does not start with http:// or https://.`,
    );
  }
  return value;
}
