// Tags, which all kinds of resources share: TagResources, UnTagResources, ListTagResources.
import { find, type Action, type Answer, type Context } from "../context";
import { missing, refuse } from "../errors";
import type { Parameters } from "../parameters";

interface Taggable {
  readonly id: string;
  readonly regionId: string;
  readonly tags: Map<string, string>;
}

/** Alibaba's own spelling of each kind. */
const KINDS: Readonly<Record<string, (context: Context) => ReadonlyMap<string, Taggable>>> = {
  VPC: ({ store }) => store.vpcs,
  VSWITCH: ({ store }) => store.vSwitches,
  VPNGATEWAY: ({ store }) => store.vpnGateways,
  CUSTOMERGATEWAY: ({ store }) => store.customerGateways,
  VPNCONNECTION: ({ store }) => store.vpnConnections,
};

const MAXIMUM_TAGS = 20;

export const tagActions: Record<string, Action> = {
  TagResources(context) {
    const tags = readTags(context.parameters, "Tag");
    if (tags.size === 0) throw missing("Tag.1.Key");
    const resources = taggedResources(context);
    for (const resource of resources) {
      if (new Set([...resource.tags.keys(), ...tags.keys()]).size > MAXIMUM_TAGS) {
        throw refuse("QuotaExceeded.Tag", `A resource has at most ${MAXIMUM_TAGS} tags.`);
      }
    }
    for (const resource of resources) for (const [key, value] of tags) resource.tags.set(key, value);
    return {};
  },

  UnTagResources(context) {
    const keys = context.parameters.strings("TagKey");
    const all = context.parameters.flag("All") ?? false;
    if (keys.length === 0 && !all) throw missing("TagKey.1");
    for (const resource of taggedResources(context)) {
      if (keys.length === 0) resource.tags.clear();
      for (const key of keys) resource.tags.delete(key);
    }
    return {};
  },

  ListTagResources(context) {
    const ResourceType = context.parameters.required("ResourceType");
    const rows = taggedResources(context).flatMap((resource): Answer[] =>
      [...resource.tags].map(([TagKey, TagValue]) => ({ ResourceId: resource.id, ResourceType, TagKey, TagValue })),
    );
    return { TagResources: { TagResource: rows }, NextToken: "" };
  },
};

/** `NAME.N.Key` and `NAME.N.Value` of a request. */
export function readTags(parameters: Parameters, name: string): Map<string, string> {
  const tags = new Map<string, string>();
  for (const tag of parameters.list(name)) {
    const key = tag.required("Key");
    const value = tag.raw("Value") ?? "";
    if (key.length > 64 || /^(aliyun|acs:)/i.test(key) || /https?:\/\//i.test(key)) {
      throw refuse(
        "InvalidTagKey",
        `The tag key ${key.slice(0, 64)} is not valid: it has at most 64 characters, does not start with aliyun or acs: and holds no http:// or https://.`,
      );
    }
    if (value.length > 128 || /^(aliyun|acs:)/i.test(value) || /https?:\/\//i.test(value)) {
      throw refuse(
        "InvalidTagValue",
        `The value of the tag ${key} is not valid: it has at most 128 characters, does not start with aliyun or acs: and holds no http:// or https://.`,
      );
    }
    if (tags.has(key)) throw refuse("Duplicate.TagKey", `The tag key ${key} is given twice.`);
    tags.set(key, value);
  }
  if (tags.size > MAXIMUM_TAGS) throw refuse("QuotaExceeded.Tag", `A resource has at most ${MAXIMUM_TAGS} tags.`);
  return tags;
}

function taggedResources(context: Context): Taggable[] {
  const type = context.parameters.required("ResourceType");
  const resources = KINDS[type.toUpperCase()]?.(context);
  if (resources === undefined) {
    throw refuse("InvalidResourceType", "The specified ResourceType is not supported.");
  }
  const ids = context.parameters.strings("ResourceId");
  if (ids.length === 0) throw missing("ResourceId.1");
  return ids.map((id) => {
    const resource = find(context, resources, id);
    if (resource === undefined) {
      throw refuse("InvalidResourceId.NotFound", `The specified resource ${id} does not exist.`);
    }
    return resource;
  });
}
