// Refusals in Alibaba's shape: an HTTP status, a code that programs compare and a message that people read.
// The alicloud provider takes status 404, or "NotFound" inside a message, for "this resource is gone": neither is used for anything else.

/** A refusal; its message must never hold a secret. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** The input is wrong: status 400. */
export function refuse(code: string, message: string): ApiError {
  return new ApiError(400, code, message);
}

/** A parameter has a value that the action does not take. The message leaves the value out: it may be a secret. */
export function illegal(parameter: string, expectation: string): ApiError {
  return refuse(`IllegalParam.${lastName(parameter)}`, `The specified "${parameter}" is invalid: ${expectation}.`);
}

/** A parameter that the action needs is not there. */
export function missing(parameter: string): ApiError {
  return refuse(`Missing${lastName(parameter)}`, `${parameter} is mandatory for this action.`);
}

/** `CustomerGatewayId` of `TunnelOptionsSpecification.1.CustomerGatewayId`, `ResourceId` of `ResourceId.1`. */
function lastName(parameter: string): string {
  return (
    parameter
      .split(".")
      .filter((part) => !/^\d+$/.test(part))
      .at(-1) ?? parameter
  );
}

/** There are as many of something as an account or a gateway may have. */
export function quotaFull(what: string): ApiError {
  return refuse("Resource.QuotaFull", `The quota of resource is full: ${what}.`);
}

/** The gateway has a change under way. The one conflict code that every retrying action of the provider understands. */
export function configuring(): ApiError {
  return refuse("VpnGateway.Configuring", "The specified service is configuring.");
}

/** The error as the API's JSON body. */
export function errorBody(error: ApiError, requestId: string, hostId: string): Record<string, string> {
  return {
    RequestId: requestId,
    HostId: hostId,
    Code: error.code,
    Message: error.message,
    Recommend: "https://api.alibabacloud.com/troubleshoot",
  };
}

export function noGateway(): ApiError {
  return refuse("InvalidVpnGatewayInstanceId.NotFound", "The specified vpn gateway instance id does not exist.");
}

export function noConnection(): ApiError {
  return refuse("InvalidVpnConnectionInstanceId.NotFound", "The specified vpn connection instance id does not exist.");
}

export function noVSwitch(): ApiError {
  return refuse("InvalidVSwitchId.NotFound", "The specified vswitchId is not found.");
}
