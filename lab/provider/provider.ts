// What a stand-in provider consists of; server.ts speaks Terraform's protocol for it.
import type { Facts } from "./plan";
import type { ProviderSchema } from "./schema";
import type { Values } from "./values";

/** Milliseconds that one operation on a resource may take. */
export interface Timeouts {
  readonly create: number;
  readonly update: number;
  readonly delete: number;
}

/** What exists once a resource is created: its id, and attributes that cannot be read later. */
export interface Created {
  readonly id: string;
  readonly values?: Record<string, unknown>;
}

/** One resource type; `Client` is what the provider's configuration makes. */
export interface Resource<Client> {
  readonly facts: Facts;
  readonly timeouts: Timeouts;
  /** Makes the resource, nothing more: what follows belongs to `settle`. */
  create(client: Client, planned: Values, within: number): Promise<Created>;
  /** What follows a creation; when it fails the resource is kept, tainted. */
  settle?(client: Client, id: string, planned: Values, within: number): Promise<void>;
  /** The attributes that can be read; undefined when the resource is gone. */
  read(client: Client, id: string, state: Values): Promise<Record<string, unknown> | undefined>;
  update(client: Client, id: string, prior: Values, planned: Values, within: number): Promise<void>;
  delete(client: Client, id: string, prior: Values, within: number): Promise<void>;
  /** The state from which an import reads on. @default only the id */
  import?(id: string): Promise<Record<string, unknown>>;
}

export interface DataSource<Client> {
  read(client: Client, config: Values): Promise<Record<string, unknown>>;
}

export interface Provider<Client> {
  /** As in `aliyun/alicloud`, without the namespace. */
  readonly name: string;
  readonly schema: ProviderSchema;
  readonly resources: Readonly<Record<string, Resource<Client>>>;
  readonly dataSources: Readonly<Record<string, DataSource<Client>>>;
  /**
   * Makes the client of a configuration.
   * @param stopped aborted when Terraform asks running operations to end
   * @throws Error when the configuration cannot be used
   */
  configure(config: Values, stopped: AbortSignal): Client;
}

/** A provider of whatever client, as server.ts sees it. */
export type AnyProvider = Provider<unknown>;
