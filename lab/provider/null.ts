// The stand-in for hashicorp/null: a resource that is nothing but its triggers.
import { randomInt } from "node:crypto";
import schemas from "./null-and-random-schema.json";
import type { Provider } from "./provider";
import type { ProviderSchema } from "./schema";

const minute = 60_000;

export const nullProvider: Provider<undefined> = {
  name: "null",
  schema: schemas.null as unknown as ProviderSchema,
  resources: {
    null_resource: {
      facts: { forceNew: ["triggers"] },
      timeouts: { create: minute, update: minute, delete: minute },
      create: async () => ({ id: String(randomInt(2 ** 47)) }),
      read: async () => ({}),
      update: async () => undefined,
      delete: async () => undefined,
    },
  },
  dataSources: {},
  configure: () => undefined,
};
