// Terraform's provider protocol over a Provider: decodes, plans, applies, and turns errors into diagnostics.
import * as path from "node:path";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { planChange, validate, type Path } from "./plan";
import type { AnyProvider, Created, Resource, Timeouts } from "./provider";
import { conform, emptyValues, overlay, schemaToWire, type Schema } from "./schema";
import { fromWire, Reader, toWire, withoutUnknowns, type DynamicValue, type Values } from "./values";

interface Request {
  readonly type_name: string;
  readonly id: string;
  readonly config?: DynamicValue;
  readonly current_state?: DynamicValue;
  readonly prior_state?: DynamicValue;
  readonly planned_state?: DynamicValue;
  readonly proposed_new_state?: DynamicValue;
  readonly raw_state?: { readonly json: Uint8Array };
}

const diagnostic = (summary: string, at?: Path) => ({
  severity: "ERROR",
  summary,
  ...(at && at.length > 0 ? { attribute: pathToWire(at) } : {}),
});
const pathToWire = (steps: Path) => ({
  steps: steps.map((step) => (typeof step === "string" ? { attribute_name: step } : { element_key_int: step })),
});

// An API's text goes into it whole, as with the real providers: whoever keeps a secret out of it is the API.
const message = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** What a handler answers: everything else in it depends on the method. */
export type Response = Record<string, unknown> & { readonly diagnostics?: { readonly summary: string }[] };

/** A handler's answer; whatever it throws, at once or later, is a diagnostic: a crash would tell the user nothing. */
export async function answered(handle: (request: Request) => unknown, request: Request): Promise<Response> {
  try {
    return (await handle(request)) as Response;
  } catch (error) {
    return { diagnostics: [diagnostic(message(error))] };
  }
}

const UNITS: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** A duration in Go's notation ("1h30m"), in milliseconds. */
export function parseDuration(text: string): number | undefined {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)];
  if (parts.length === 0 || parts.map((part) => part[0]).join("") !== text) return undefined;
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * UNITS[unit], 0);
}

function timeout(resource: Resource<unknown>, values: Values, operation: keyof Timeouts): number {
  const wanted = new Reader(values).block("timeouts")?.string(operation);
  return (wanted === undefined ? undefined : parseDuration(wanted)) ?? resource.timeouts[operation];
}

/** The implementation of the provider service. */
export function providerService(provider: AnyProvider): Record<string, (request: Request) => unknown> {
  const stopping = new AbortController();
  let client: unknown;

  const schemaOf = (type: string): Schema => {
    const schema = provider.schema.resource_schemas?.[type];
    if (!schema) throw new Error(`Provider ${provider.name} has no resource ${type}.`);
    return schema;
  };
  const resourceOf = (type: string): Resource<unknown> => {
    const resource = provider.resources[type];
    if (!resource) throw new Error(`The stand-in for provider ${provider.name} does not serve ${type}.`);
    return resource;
  };

  /** What is there now, laid over `values`; null when it is gone. */
  const read = async (type: string, id: string, values: Values): Promise<Values | null> => {
    try {
      const found = await resourceOf(type).read(client, id, values);
      return found === undefined ? null : overlay(schemaOf(type).block, values, { ...found, id });
    } catch (error) {
      // What the provider itself says names the resource already.
      throw message(error).startsWith("[ERROR]")
        ? error
        : new Error(`${type} ${id}: ${message(error).replace(/\.$/, "")}.`);
    }
  };

  const create = async (type: string, planned: Values) => {
    const resource = resourceOf(type);
    const within = timeout(resource, planned, "create");
    let created: Created;
    try {
      created = await resource.create(client, planned, within);
    } catch (error) {
      return { new_state: toWire(null), diagnostics: [diagnostic(message(error))] };
    }
    const { id, values } = created;
    const made = overlay(schemaOf(type).block, withoutUnknowns(planned) as Values, { ...values, id });
    try {
      await resource.settle?.(client, id, planned, within);
      const state = await read(type, id, made);
      if (state === null) throw new Error(`${type} ${id} was created and cannot be found.`);
      return { new_state: toWire(withoutUnknowns(state)) };
    } catch (error) {
      return { new_state: toWire(made), diagnostics: [diagnostic(message(error))] };
    }
  };

  const update = async (type: string, prior: Values, planned: Values) => {
    const resource = resourceOf(type);
    try {
      await resource.update(client, idOf(prior), prior, planned, timeout(resource, planned, "update"));
      const state = await read(type, idOf(prior), withoutUnknowns(planned) as Values);
      return { new_state: toWire(state === null ? null : withoutUnknowns(state)) };
    } catch (error) {
      return { new_state: toWire(prior), diagnostics: [diagnostic(message(error))] };
    }
  };

  const remove = async (type: string, prior: Values) => {
    const resource = resourceOf(type);
    try {
      await resource.delete(client, idOf(prior), prior, timeout(resource, prior, "delete"));
      return { new_state: toWire(null) };
    } catch (error) {
      return { new_state: toWire(prior), diagnostics: [diagnostic(message(error))] };
    }
  };

  return {
    GetSchema: () => ({
      provider: schemaToWire(provider.schema.provider),
      resource_schemas: mapValues(provider.schema.resource_schemas ?? {}, schemaToWire),
      data_source_schemas: mapValues(provider.schema.data_source_schemas ?? {}, schemaToWire),
    }),

    PrepareProviderConfig: ({ config }) => ({ prepared_config: config }),

    ValidateResourceTypeConfig: ({ type_name: type, config }) => {
      const facts = provider.resources[type]?.facts ?? {};
      const problems = validate(schemaOf(type).block, facts, fromWire(config) ?? {});
      return { diagnostics: problems.map(({ path: at, problem }) => diagnostic(problem, at)) };
    },

    ValidateDataSourceConfig: () => ({}),

    Configure: ({ config }) => {
      client = provider.configure(fromWire(config) ?? {}, stopping.signal);
      return {};
    },

    UpgradeResourceState: ({ type_name: type, raw_state: raw }) => {
      const { block } = schemaOf(type);
      const stored = JSON.parse(Buffer.from(raw?.json ?? "null").toString() || "null") as Record<
        string,
        unknown
      > | null;
      if (stored === null) return { upgraded_state: toWire(null) };
      const known = Object.keys(emptyValues(block));
      return {
        upgraded_state: toWire(
          conform(block, Object.fromEntries(Object.entries(stored).filter(([name]) => known.includes(name)))),
        ),
      };
    },

    ReadResource: async ({ type_name: type, current_state: wire }) => {
      const state = fromWire(wire);
      if (state === null) return { new_state: toWire(null) };
      try {
        return { new_state: toWire(await read(type, idOf(state), state)) };
      } catch (error) {
        return { new_state: wire, diagnostics: [diagnostic(message(error))] };
      }
    },

    PlanResourceChange: ({ type_name: type, prior_state: prior, proposed_new_state: proposed, config }) => {
      const { facts } = resourceOf(type);
      const given = fromWire(config);
      const unserved = (facts.unserved ?? []).filter((name) => (given?.[name] ?? null) !== null);
      if (unserved.length > 0)
        throw new Error(
          `The stand-in for provider ${provider.name} does not serve ${unserved.join(", ")} of ${type}; the real provider does.`,
        );
      const plan = planChange(schemaOf(type).block, facts, fromWire(prior), fromWire(proposed), given);
      return {
        planned_state: toWire(plan.planned),
        requires_replace: plan.replace.map(pathToWire),
        legacy_type_system: true,
      };
    },

    ApplyResourceChange: async ({ type_name: type, prior_state: before, planned_state: after }) => {
      const prior = fromWire(before);
      const planned = fromWire(after);
      const result = planned
        ? prior
          ? await update(type, prior, planned)
          : await create(type, planned)
        : await remove(type, prior ?? {});
      return { ...result, legacy_type_system: true };
    },

    ImportResourceState: async ({ type_name: type, id }) => {
      const state = conform(schemaOf(type).block, { id, ...(await resourceOf(type).import?.(id)) });
      return { imported_resources: [{ type_name: type, state: toWire(state) }] };
    },

    ReadDataSource: async ({ type_name: type, config }) => {
      const source = provider.dataSources[type];
      const schema = provider.schema.data_source_schemas?.[type];
      if (!source || !schema)
        throw new Error(`The stand-in for provider ${provider.name} does not serve data source ${type}.`);
      const given = fromWire(config) ?? {};
      return { state: toWire(overlay(schema.block, given, await source.read(client, given))) };
    },

    Stop: () => {
      stopping.abort();
      return {};
    },
  };
}

const idOf = (values: Values): string => (typeof values.id === "string" ? values.id : "");

const mapValues = <A, B>(record: Readonly<Record<string, A>>, change: (value: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));

/** A gRPC server with the provider's service; `shutdown` is called when Terraform has no more use for it. */
export function makeServer(provider: AnyProvider, shutdown: () => void): grpc.Server {
  const server = new grpc.Server();
  const load = (file: string) =>
    grpc.loadPackageDefinition(
      loadSync(path.join(__dirname, file), { keepCase: true, defaults: true, arrays: true, enums: String }),
    );
  const serviceOf = (file: string, namespace: string, name: string) =>
    ((load(file)[namespace] as grpc.GrpcObject)[name] as grpc.ServiceClientConstructor).service;

  const handlers: grpc.UntypedServiceImplementation = {};
  for (const [name, handle] of Object.entries(providerService(provider)))
    handlers[name] = (call: grpc.ServerUnaryCall<Request, unknown>, callback: grpc.sendUnaryData<unknown>) => {
      void answered(handle, call.request).then((response) => callback(null, response));
    };
  server.addService(serviceOf("tfplugin5.proto", "tfplugin5", "Provider"), handlers);
  server.addService(serviceOf("controller.proto", "plugin", "GRPCController"), {
    Shutdown: (_call: unknown, callback: grpc.sendUnaryData<unknown>) => {
      callback(null, {});
      shutdown();
    },
  });
  return server;
}
