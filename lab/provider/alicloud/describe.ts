// One Describe call about one thing: its answer, undefined when it does not exist, an error in the provider's form else.
import { ApiError, failure, type Answer, type Api } from "./api";

const MINUTE = 60_000;

/** @param goneCodes the action's own codes for what does not exist */
export async function describe(
  api: Api,
  action: string,
  id: string,
  parameters: Record<string, unknown>,
  goneCodes: readonly string[] = [],
): Promise<Answer | undefined> {
  try {
    return await api.retry(action, () => ({ RegionId: api.region, ...parameters }), [], MINUTE);
  } catch (error) {
    if (error instanceof ApiError && (error.isOneOf(goneCodes) || error.isNotFound)) return undefined;
    throw failure(id, error);
  }
}
