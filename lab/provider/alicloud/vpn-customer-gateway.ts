// alicloud_vpn_customer_gateway over Create-, Describe-, Modify…Attribute and DeleteCustomerGateway.
import type { Resource } from "../provider";
import { Reader, sameValue } from "../values";
import { ApiError, clientToken, failure, given, type Api } from "./api";
import { describe } from "./describe";
import { readTags, updateTags } from "./tags";

const MINUTE = 60_000;

export const vpnCustomerGateway: Resource<Api> = {
  facts: { forceNew: ["asn", "ip_address"], conflicts: [["customer_gateway_name", "name"]] },
  timeouts: { create: 5 * MINUTE, update: 5 * MINUTE, delete: 5 * MINUTE },

  async create(api, planned, within) {
    const value = new Reader(planned);
    try {
      const answer = await api.retry(
        "CreateCustomerGateway",
        () =>
          given({
            RegionId: api.region,
            ClientToken: clientToken("CreateCustomerGateway"),
            IpAddress: value.string("ip_address"),
            Description: value.string("description"),
            Asn: value.string("asn"),
            Name: value.string("customer_gateway_name") ?? value.string("name"),
          }),
        ["OperationConflict"],
        within,
      );
      return { id: String(answer.CustomerGatewayId) };
    } catch (error) {
      throw failure("alicloud_vpn_customer_gateway", error);
    }
  },

  settle: (api, id, planned, within) => updateTags(api, "CUSTOMERGATEWAY", id, null, planned, within),

  async read(api, id) {
    const answer = await describe(api, "DescribeCustomerGateway", id, { CustomerGatewayId: id }, [
      "InvalidCustomerGatewayInstanceId.NotFound",
    ]);
    if (!answer) return undefined;
    return {
      asn: answer.Asn,
      create_time: answer.CreateTime,
      customer_gateway_name: answer.Name,
      description: answer.Description,
      ip_address: answer.IpAddress,
      name: answer.Name,
      tags: readTags(answer),
    };
  },

  async update(api, id, prior, planned, within) {
    const value = new Reader(planned);
    const changed = (name: string) => !sameValue(prior[name], planned[name]);
    const name = changed("customer_gateway_name") ? value.string("customer_gateway_name") : value.string("name");
    const changes = given({
      Description: changed("description") ? (value.string("description") ?? "") : undefined,
      Name: changed("customer_gateway_name") || changed("name") ? name : undefined,
    });
    if (Object.keys(changes).length > 0) {
      try {
        await api.retry(
          "ModifyCustomerGatewayAttribute",
          () => ({
            CustomerGatewayId: id,
            RegionId: api.region,
            ClientToken: clientToken("ModifyCustomerGatewayAttribute"),
            ...changes,
          }),
          [],
          within,
        );
      } catch (error) {
        throw failure(id, error);
      }
    }
    await updateTags(api, "CUSTOMERGATEWAY", id, prior, planned, within);
  },

  async delete(api, id, _prior, within) {
    try {
      await api.retry(
        "DeleteCustomerGateway",
        () => ({ CustomerGatewayId: id, RegionId: api.region, ClientToken: clientToken("DeleteCustomerGateway") }),
        ["VpnGateway.Configuring"],
        within,
      );
    } catch (error) {
      if (error instanceof ApiError && error.isOneOf(["InvalidCustomerGatewayInstanceId.NotFound"])) return;
      throw failure(id, error);
    }
  },
};
