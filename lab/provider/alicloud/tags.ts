// Tags, which every resource of the VPC API has in the same way.
import { sameValue, Reader, type Values } from "../values";
import { failure, objectsIn, type Answer, type Api } from "./api";

/** Keys of Alibaba's own, which the provider neither sets nor shows. */
const RESERVED = /^(aliyun|acs:|http:\/\/|https:\/\/)/;

/** The tags in a Describe's answer. */
export function readTags(answer: Answer): Record<string, unknown> {
  const list = (objectsIn(answer, "Tags", "Tag") ?? []).filter((tag) => !RESERVED.test(String(tag.Key)));
  return Object.fromEntries(list.map((tag) => [String(tag.Key), tag.Value]));
}

/** A request's list of tags, undefined when there are none. */
export function tagList(values: Reader): { Key: string; Value: string }[] | undefined {
  const list = Object.entries(values.map("tags")).map(([Key, Value]) => ({ Key, Value }));
  return list.length > 0 ? list : undefined;
}

/**
 * Makes the tags those of `planned`: takes away what is gone or changed, then sets all.
 * @param prior null right after a creation
 */
export async function updateTags(
  api: Api,
  resourceType: string,
  id: string,
  prior: Values | null,
  planned: Values,
  within: number,
): Promise<void> {
  if (sameValue(prior?.tags, planned.tags)) return;
  const before = new Reader(prior ?? {}).map("tags");
  const after = new Reader(planned).map("tags");
  const gone = Object.keys(before).filter((key) => before[key] !== after[key]);
  const parameters = { RegionId: api.region, ResourceId: [id], ResourceType: resourceType };
  try {
    if (gone.length > 0) await api.retry("UnTagResources", () => ({ ...parameters, TagKey: gone }), [], within);
    const tags = tagList(new Reader(planned));
    if (tags) await api.retry("TagResources", () => ({ ...parameters, Tag: tags }), [], within);
  } catch (error) {
    throw failure(id, error);
  }
}
