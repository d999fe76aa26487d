// The network that a lab's stack stands in: the lab's VPC with a vSwitch in each of two zones.
import { Vpc } from "@cdktf/provider-alicloud/lib/vpc";
import { Vswitch } from "@cdktf/provider-alicloud/lib/vswitch";
import type { TerraformStack } from "cdktf";
import { VPC_CIDR } from "../network";

export const REGION = "ap-southeast-1";
export const ZONES = [`${REGION}a`, `${REGION}b`] as const;
/** Blocks of the VPC, each a vSwitch's. */
export const VSWITCHES = ["192.168.10.0/24", "192.168.20.0/24"] as const;

/** Made by the stack: what a new gateway stands in. The active tunnel's vSwitch comes first. */
export function newNetwork(stack: TerraformStack, vpcName: string): { vpc: Vpc; vswitches: [Vswitch, Vswitch] } {
  const vpc = new Vpc(stack, "vpc", { vpcName, cidrBlock: VPC_CIDR });
  const vswitch = (index: 0 | 1) =>
    new Vswitch(stack, `vswitch-${index + 1}`, {
      vpcId: vpc.id,
      cidrBlock: VSWITCHES[index],
      zoneId: ZONES[index],
    });
  return { vpc, vswitches: [vswitch(0), vswitch(1)] };
}
