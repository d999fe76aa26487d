// Customer gateways: the public addresses that the other side of a connection comes from.
import ipaddr from "ipaddr.js";
import {
  checkedText,
  find,
  isListed,
  page,
  requiredRegion,
  tagList,
  type Action,
  type Answer,
  type Context,
} from "../context";
import { configuring, illegal, missing, refuse, type ApiError } from "../errors";
import type { CustomerGateway } from "../store";
import { readTags } from "./tags";

/** Addresses that Alibaba's documentation excludes for customer gateways. */
const EXCLUDED = ["100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.0.0.0/8"];
/** Alibaba's own AS number. */
const ALIBABA_ASN = 45104;

export const customerGatewayActions: Record<string, Action> = {
  CreateCustomerGateway(context) {
    const { parameters, store } = context;
    const regionId = requiredRegion(context);
    const ipAddress = parameters.text("IpAddress");
    if (ipAddress === undefined) throw missing("IpAddress");
    if (!ipaddr.IPv4.isValidFourPartDecimal(ipAddress)) {
      throw refuse("InvalidIpAddress.WrongFormat", "Specified IpAddress is invalid.");
    }
    const excluded = EXCLUDED.find((block) => ipaddr.IPv4.parse(ipAddress).match(ipaddr.IPv4.parseCIDR(block)));
    if (excluded !== undefined) {
      throw refuse("InvalidIpAddress.WrongFormat", `Specified IpAddress is invalid: it lies in ${excluded}.`);
    }
    const others = [...store.customerGateways.values()].filter((gateway) => gateway.regionId === regionId);
    if (others.some((gateway) => gateway.ipAddress === ipAddress)) {
      throw refuse("InvalidIpAddress.AlreadyExist", "Specified IpAddress is already exist.");
    }
    const asn = readAsn(context);
    const resource = store.newResource("cgw", regionId, parameters.text("ResourceGroupId"));
    const gateway: CustomerGateway = {
      ...resource,
      ipAddress,
      ...(asn === undefined ? {} : { asn }),
      name: checkedText(parameters, "Name", 1, 100) || resource.id,
      description: checkedText(parameters, "Description", 1, 100) ?? "",
    };
    for (const [key, value] of readTags(parameters, "Tags")) gateway.tags.set(key, value);
    store.customerGateways.set(gateway.id, gateway);
    return identity(gateway);
  },

  DescribeCustomerGateway(context) {
    return describeCustomerGateway(requiredCustomerGateway(context));
  },

  DescribeCustomerGateways(context) {
    const id = context.parameters.text("CustomerGatewayId");
    const found = [...context.store.customerGateways.values()].filter(
      (gateway) => isListed(context, gateway) && (id === undefined || gateway.id === id),
    );
    const { counters, rows } = page(context, found, 10);
    return { ...counters, CustomerGateways: { CustomerGateway: rows.map(describeCustomerGateway) } };
  },

  ModifyCustomerGatewayAttribute(context) {
    const gateway = requiredCustomerGateway(context);
    const name = checkedText(context.parameters, "Name", 1, 100);
    const description = checkedText(context.parameters, "Description", 1, 100);
    gateway.name = name || gateway.name;
    gateway.description = description ?? gateway.description;
    return identity(gateway);
  },

  DeleteCustomerGateway(context) {
    const { store } = context;
    const gateway = requiredCustomerGateway(context);
    const users = [...store.vpnConnections.values()].filter((connection) =>
      connection.tunnels.some((tunnel) => tunnel.customerGatewayId === gateway.id),
    );
    if (users.some((connection) => connection.state !== "deleting")) {
      throw refuse(
        "DependencyViolation.VpnConnection",
        "There are vpn connections on specified customer gateway not deleted.",
      );
    }
    // Its last connection is going: that is worth a retry, a connection that stays is not.
    if (users.length > 0) throw configuring();
    store.customerGateways.delete(gateway.id);
    return {};
  },
};

export function noCustomerGateway(): ApiError {
  return refuse(
    "InvalidCustomerGatewayInstanceId.NotFound",
    "The specified customer gateway instance id does not exist.",
  );
}

function requiredCustomerGateway(context: Context): CustomerGateway {
  const id = context.parameters.required("CustomerGatewayId");
  const gateway = find(context, context.store.customerGateways, id);
  if (gateway === undefined) throw noCustomerGateway();
  return gateway;
}

/** An AS number, plain or as two halves with a period between. */
function readAsn(context: Context): number | undefined {
  const text = context.parameters.text("Asn");
  if (text === undefined) return undefined;
  const halves = text.split(".").map((half) => (/^\d{1,10}$/.test(half) ? Number(half) : NaN));
  const [high = NaN, low] = halves;
  const asn = low === undefined ? high : high <= 0xffff && low <= 0xffff ? high * 0x10000 + low : NaN;
  if (halves.length > 2 || !(asn >= 1 && asn <= 0xffffffff) || asn === ALIBABA_ASN) {
    throw illegal("Asn", `it is from 1 to 4294967295 and not ${ALIBABA_ASN}`);
  }
  return asn;
}

function identity(gateway: CustomerGateway): Answer {
  return {
    CustomerGatewayId: gateway.id,
    IpAddress: gateway.ipAddress,
    Name: gateway.name,
    Description: gateway.description,
    CreateTime: gateway.createTime,
  };
}

function describeCustomerGateway(gateway: CustomerGateway): Answer {
  return {
    ...identity(gateway),
    // Left out when unset: a value would make the provider replace the customer gateway.
    ...(gateway.asn === undefined ? {} : { Asn: gateway.asn }),
    Tags: tagList(gateway.tags),
  };
}
