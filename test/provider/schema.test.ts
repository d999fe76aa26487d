// The committed schema holds what the provider prints, attributes called "description" included.
import schemas from "../../packages/provider-alicloud/schema.json";

const schema = schemas.provider_schemas["registry.terraform.io/aliyun/alicloud"];

it.each([
  ["alicloud_route_tables", "tables"],
  ["alicloud_security_group_rules", "rules"],
  ["alicloud_security_groups", "groups"],
  ["alicloud_vpcs", "vpcs"],
  ["alicloud_vpn_customer_gateways", "gateways"],
  ["alicloud_vpn_gateways", "gateways"],
  ["alicloud_vswitches", "vswitches"],
] as const)("data source %s tells each one's description", (name, list) => {
  const attributes: Record<string, { type: unknown }> = schema.data_source_schemas[name].block.attributes;
  expect(attributes[list].type).toEqual(["list", ["object", expect.objectContaining({ description: "string" })]]);
});
