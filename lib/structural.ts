// Inputs that any bindings' resources, data sources or plain objects fit, and how to see through their tokens:
// a generated class answers `cidrBlock` with a token but keeps the literal that it was given in `cidrBlockInput`.
import { Token } from "cdktf";

/** A VPC: an `alicloud_vpc` resource or data source of any bindings, or its plain facts. */
export interface VpcRef {
  /** `vpc-…`, or a token for it. */
  readonly id: string;
  /**
   * The VPC's primary CIDR block.
   * @default - unknown: checks against the VPC's addresses are left to Alibaba Cloud
   */
  readonly cidrBlock?: string;
}

/** A vSwitch: an `alicloud_vswitch` resource of any bindings, or its plain facts. */
export interface VswitchRef {
  /** `vsw-…`, or a token for it. */
  readonly id: string;
  /**
   * The zone's id, for example `ap-southeast-1a`.
   * @default - unknown: whether the zone has VPN gateways is left to Alibaba Cloud
   */
  readonly zoneId?: string;
}

/** The literal value of an attribute, or undefined when it is known only to Terraform. */
export function literal(of: object, attribute: string): string | undefined {
  const bag = of as Record<string, unknown>;
  // The literal first: asking a generated class for the attribute makes a token, which is slow.
  for (const key of [`${attribute}Input`, attribute]) {
    const value = bag[key];
    if (typeof value === "string" && isLiteral(value)) return value;
  }
  return undefined;
}

/** Whether a value is a literal, not a token nor text with a Terraform expression in it. */
export function isLiteral(value: unknown): boolean {
  return !Token.isUnresolved(value) && !(typeof value === "string" && value.includes("${"));
}
