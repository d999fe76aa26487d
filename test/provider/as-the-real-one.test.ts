// What the real provider 1.289.0 was seen to do that its documentation does not say, done by the stand-in too.
// Each case was measured or found in use with the real one; a stand-in that is kinder would hide a broken deploy.
import { startEmulatedCloud, type EmulatedCloud } from "../../lab/cloud/server";
import { Gate, NO_DELAYS } from "../cloud/gate";
import { call } from "../cloud/rpc-client";
import { Workspace } from "./workspace";

jest.setTimeout(300_000);

/** A VPC with a vSwitch in each of two zones; more of either on request. */
const network = `
resource "alicloud_vpc" "this" {
  cidr_block = "10.0.0.0/16"
}
resource "alicloud_vswitch" "this" {
  count      = 2
  vpc_id     = alicloud_vpc.this.id
  cidr_block = "10.0.\${count.index}.0/24"
  zone_id    = "ap-southeast-1\${["a", "b"][count.index]}"
}
`;
const gateway = (more = ""): string => `
resource "alicloud_vpn_gateway" "this" {
  vpc_id                       = alicloud_vpc.this.id
  vswitch_id                   = alicloud_vswitch.this[0].id
  disaster_recovery_vswitch_id = alicloud_vswitch.this[1].id
  bandwidth                    = 10
  ${more}
}
`;

/** A configuration in a cloud of its own. */
class Scene {
  private constructor(
    readonly cloud: EmulatedCloud,
    readonly gate: Gate,
    readonly workspace: Workspace,
  ) {}

  static async start(configuration: string): Promise<Scene> {
    const gate = new Gate();
    const cloud = await startEmulatedCloud({ delays: NO_DELAYS, cloudEnd: gate });
    return new Scene(cloud, gate, await Workspace.create(configuration, cloud.endpoint));
  }

  async close(): Promise<void> {
    this.gate.open();
    this.workspace.remove();
    await this.cloud.close();
  }

  id(address: string): string {
    return String(this.workspace.state()[address]?.id);
  }

  /** Does something by hand, as in the console. */
  async byHand(action: string, parameters: Record<string, string>): Promise<void> {
    const { status, body } = await call(this.cloud.endpoint, action, { RegionId: "ap-southeast-1", ...parameters });
    if (status !== 200) throw new Error(`${action}: ${String(body.Code)}`);
    if (!this.gateIsShut) await this.cloud.settled();
  }

  gateIsShut = false;
  shutGate(): void {
    this.gateIsShut = true;
    this.gate.shut();
  }
  async openGate(): Promise<void> {
    this.gateIsShut = false;
    this.gate.open();
    await this.cloud.settled();
  }

  /** How often an action was called since a point in the record, by outcome. */
  outcomes(action: string, since = 0): string[] {
    return this.cloud.calls
      .slice(since)
      .filter((each) => each.action === action)
      .map((each) => each.code ?? "OK");
  }
}

describe("a VPN gateway that is busy", () => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await Scene.start(network + gateway());
    await scene.workspace.apply();
  });
  afterAll(() => scene.close());

  it("ends an apply that changes it, for the provider does not try that call again", async () => {
    scene.shutGate();
    await scene.byHand("ModifyVpnGatewayAttribute", {
      VpnGatewayId: scene.id("alicloud_vpn_gateway.this"),
      Name: "one",
    });
    scene.workspace.write(network + gateway('description = "changed"'));
    const since = scene.cloud.calls.length;
    expect(await scene.workspace.fail("apply", "-auto-approve")).toContain("Code: VpnGateway.Configuring");
    expect(scene.outcomes("ModifyVpnGatewayAttribute", since)).toEqual(["VpnGateway.Configuring"]);
    await scene.openGate();
    await scene.workspace.apply();
    expect(await scene.workspace.hasChanges()).toBe(false);
  });
});
