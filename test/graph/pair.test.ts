// Two boxes for one connection, by the real Terraform: which comes first, what a change reaches, and how one box becomes two.
import { TerraformStack } from "cdktf";
import { DualTunnelVpn, Encryption, type DualTunnelVpnProps } from "../../lib";
import { StandInBox } from "./box";
import { Deployment } from "./deployment";
import { network } from "./sites";

jest.setTimeout(600_000);

/** What was done to a box, and how many calls the cloud had answered by then. */
interface Event {
  readonly what: string;
  readonly calls: number;
}

let boxes: StandInBox;
let deployment: Deployment;
let events: Event[];
beforeEach(async () => {
  boxes = await StandInBox.start(2);
  deployment = await Deployment.start();
  deployment.variables = { xx_psk_active: "key-of-xx-active", xx_psk_standby: "key-of-xx-standby" };
  events = [];
  boxes.onScript = (port, script) => {
    const verb = /install\.sh apply/.test(script)
      ? "configure"
      : /^option=/m.test(script)
        ? "prepare"
        : /dual-tunnel-vpn uninstall/.exec(script)?.[0].split(" ")[1];
    if (verb !== undefined) events.push({ what: `${verb} ${port + 1}`, calls: deployment.cloud.calls.length });
  };
});
afterEach(async () => {
  await deployment.close();
  await boxes.close();
});

const UPLINKS = [1, 2].map((number) => ({
  address: `172.16.${number}.93/24`,
  gateway: `172.16.${number}.253`,
  egressIp: `198.51.100.${number}`,
}));
const oneBox = (): Partial<DualTunnelVpnProps> => ({ ssh: boxes.sshBy(0), uplinks: UPLINKS });
const twoBoxes = (): Partial<DualTunnelVpnProps> => ({
  boxes: UPLINKS.map((uplink, index) => ({
    ssh: boxes.sshBy(index),
    uplink,
    lan: { address: `172.16.3.${2 + index}/24` },
  })),
  virtualGateway: "172.16.3.1",
});
const site = (changes: Partial<DualTunnelVpnProps>) => (stack: TerraformStack) =>
  new DualTunnelVpn(stack, "vpn", {
    name: "xx",
    gateway: network(stack, "net"),
    dataCenterCidrs: ["10.1.0.0/16", "172.16.3.0/24"],
    ...changes,
  });

/** Deploys, and answers what was done to the boxes, with the cloud's change of the connection among it. */
async function deploy(build: (stack: TerraformStack) => void): Promise<string[]> {
  const [event, call] = [events.length, deployment.cloud.calls.length];
  deployment.synthesize({ test: build });
  await deployment.apply("test");
  expect(await deployment.pending("test")).toBe("");
  const changes = deployment.cloud.calls.flatMap(({ action }, index): Event[] =>
    index >= call && /^(Create|Modify)VpnConnection(Attribute)?$/.test(action) ? [{ what: "cloud", calls: index }] : [],
  );
  return [...events.slice(event), ...changes].sort((a, b) => a.calls - b.calls).map(({ what }) => what);
}

const ALL = ["prepare 2", "prepare 1", "cloud", "configure 2", "configure 1"];

it("box 2 comes before box 1, both before the cloud and after it, and each with its own tunnel alone", async () => {
  expect(await deploy(site(twoBoxes()))).toEqual(ALL);
  expect(boxes.uploaded("tunnel-1.conf")).toContain("local_addrs = 172.16.1.93");
  expect(() => boxes.uploaded("tunnel-2.conf")).toThrow();
  const encryption = Encryption.AES_128;
  expect(await deploy(site({ ...twoBoxes(), tunnels: { ike: { encryption } } }))).toEqual(ALL);
  expect(await deploy(site({ ...twoBoxes(), activeTunnel: { ike: { encryption } } }))).toEqual([
    "prepare 2",
    "cloud",
    "configure 2",
  ]);
});

it("one box that gets another one beside it is not uninstalled, nor is the one that stays", async () => {
  expect(await deploy(site(oneBox()))).toEqual(["prepare 1", "cloud", "configure 1"]);
  const ids = Object.entries(deployment.ids("test")).filter(([address]) => address.startsWith("alicloud_"));
  expect(await deploy(site(twoBoxes()))).toEqual(["prepare 2", "prepare 1", "configure 2", "configure 1"]);
  expect(boxes.uninstalled).toEqual([]);
  expect(Object.entries(deployment.ids("test"))).toEqual(expect.arrayContaining(ids));

  await deploy((stack) => {
    site(oneBox())(stack).host.presence.moveFromId("terraform_data.xx_box_1_presence");
  });
  // Terraform runs no destroy-time provisioner of what the code has no more: the guide has the owner uninstall it.
  expect(boxes.uninstalled).toEqual([]);
  expect(Object.entries(deployment.ids("test"))).toEqual(expect.arrayContaining(ids));
  await deployment.destroy("test");
  expect(boxes.uninstalled).toEqual(["xx"]);
});

it("a box that is another machine is uninstalled and installed by itself, and a destroy leaves neither", async () => {
  await deploy(site(twoBoxes()));
  const pair = twoBoxes();
  const [first, second] = pair.boxes!;
  const moved = { ...second, ssh: { ...second.ssh, host: "localhost" } };
  const done = await deploy(site({ ...pair, boxes: [first, moved] }));
  expect([...done].sort()).toEqual(["configure 2", "prepare 2", "uninstall 2"]);
  expect(done.indexOf("uninstall 2")).toBeLessThan(done.indexOf("configure 2"));
  await deployment.destroy("test");
  expect(boxes.uninstalled).toEqual(["xx", "xx", "xx"]);
});
