// A site for the tests of the constructs: a stack with both providers, and what its synthesis says and yields.
import { AlicloudProvider } from "@cdktf/provider-alicloud/lib/provider";
import { NullProvider } from "@cdktf/provider-null/lib/provider";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { AnnotationMetadataEntryType, App, TerraformStack, Testing } from "cdktf";
import {
  CustomerGatewayPairAttributes,
  DualTunnelVpn,
  DualTunnelVpnGatewayAttributes,
  DualTunnelVpnProps,
  HostKey,
  NewGatewayOptions,
} from "../../lib";

export const HOST_KEY =
  "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEezOmxkZMy7opKgwFB9nkt5YRrYMjNuG5N87uRgg6CLrbo5wAdT/y6v0mKV0U2w0WZ2YB/++Tpockg=";

export const NEW_GATEWAY: NewGatewayOptions = {
  vpc: { id: "vpc-1", cidrBlock: "192.168.0.0/16" },
  vswitches: [
    { id: "vsw-1", zoneId: "ap-southeast-1a" },
    { id: "vsw-2", zoneId: "ap-southeast-1b" },
  ],
};

export const UPLINK_1 = { address: "172.16.1.93/24", gateway: "172.16.1.253", egressIp: "198.51.100.198" };
export const UPLINK_2 = { address: "172.16.2.57/24", gateway: "172.16.2.253", egressIp: "203.0.113.181" };

/** A gateway that exists. */
export const EXISTING_GATEWAY: DualTunnelVpnGatewayAttributes = {
  vpnGatewayId: "vpn-1",
  activeIpsecAddress: "192.0.2.152",
  standbyIpsecAddress: "192.0.2.10",
  vpcCidrs: ["192.168.0.0/16"],
};

/** The customer gateways of the page's egress IPs, which exist. */
export const EXISTING_CUSTOMER_GATEWAYS: CustomerGatewayPairAttributes = {
  activeCustomerGatewayId: "cgw-1",
  activeEgressIp: UPLINK_1.egressIp,
  standbyCustomerGatewayId: "cgw-2",
  standbyEgressIp: UPLINK_2.egressIp,
};

/** The how-to page's site. */
export const SITE: DualTunnelVpnProps & Required<Pick<DualTunnelVpnProps, "ssh" | "uplinks">> = {
  name: "singapore",
  gateway: NEW_GATEWAY,
  dataCenterCidrs: ["172.16.0.0/16"],
  uplinks: [UPLINK_1, UPLINK_2],
  ssh: { host: "box.example.com", hostKey: HostKey.ecdsa(HOST_KEY) },
};

/** The same with two boxes, each with one of the uplinks. */
export const TWO_BOXES = {
  ...SITE,
  ssh: undefined,
  uplinks: undefined,
  boxes: [
    { ssh: { ...SITE.ssh, host: "box-1.example.com" }, uplink: UPLINK_1, lan: { address: "172.16.3.2/24" } },
    { ssh: { ...SITE.ssh, host: "box-2.example.com" }, uplink: UPLINK_2, lan: { address: "172.16.3.3/24" } },
  ],
  virtualGateway: "172.16.3.1",
} satisfies DualTunnelVpnProps;

/** One directory for the apps of a test file: cdktf makes it when an app is made, whether or not anything is written. */
const outdir = fs.mkdtempSync(path.join(os.tmpdir(), "dual-tunnel-vpn-test-"));
afterAll(() => fs.rmSync(outdir, { recursive: true, force: true }));

/** A stack with the providers that the constructs need. */
export function newStack(region = "ap-southeast-1"): TerraformStack {
  const stack = new TerraformStack(Testing.stubVersion(new App({ outdir, stackTraces: false })), "test");
  new AlicloudProvider(stack, "alicloud", { region });
  new NullProvider(stack, "null");
  return stack;
}

/** A stack with one site: the page's, changed where the test wants it. */
export function siteStack(changes: Partial<DualTunnelVpnProps> = {}, region?: string): TerraformStack {
  const stack = newStack(region);
  new DualTunnelVpn(stack, "vpn", { ...SITE, ...changes });
  return stack;
}

/** What the validations of a stack's constructs say. */
export function problems(stack: TerraformStack): string[] {
  return stack.node.findAll().flatMap((construct) => construct.node.validate());
}

/** The warnings of a stack's constructs, after its validations ran. */
export function warnings(stack: TerraformStack): string[] {
  problems(stack);
  return stack.node
    .findAll()
    .flatMap((construct) => construct.node.metadata)
    .filter((entry) => (entry.type as AnnotationMetadataEntryType) === AnnotationMetadataEntryType.WARN)
    .map((entry) => String(entry.data));
}

/** Part of Terraform's JSON, as the tests read it. */
export interface Synthesized {
  readonly resource: Record<string, Record<string, Resource>>;
  readonly data?: Record<string, Record<string, Resource>>;
  readonly variable?: Record<string, Resource>;
  readonly locals?: Record<string, string>;
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- attributes of every shape, compared as they are
export type Resource = Record<string, any>;

/** The Terraform JSON of a stack. */
export function synthesized(stack: TerraformStack): Synthesized {
  return JSON.parse(Testing.synth(stack)) as Synthesized;
}

/** The Terraform JSON of one site. */
export function synthesizedSite(changes: Partial<DualTunnelVpnProps> = {}): Synthesized {
  return synthesized(siteStack(changes));
}
