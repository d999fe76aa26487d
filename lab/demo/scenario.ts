// The how-to page as a story: what is done, in order, and what must be seen after each step.
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { startEmulatedCloud, type EmulatedCloud } from "../cloud/server";
import { WorldCloudEnd } from "../cloud-end";
import { cacheDirectory } from "../cache";
import { ensureImages } from "../image/image";
import { Lab } from "../machines/lab";
import { ECS, IPSEC_ADDRESSES, LAN } from "../network";
import { prepareProviders } from "../terraform/providers";
import { Traffic, type Mark } from "../traffic/traffic";
import { differences, listingOf } from "../box/listing";
import { Deployment, exampleConfig, newPsk } from "../deployment/deployment";
import reboot from "../faults/catalogue/box-reboot";
import failback from "../faults/catalogue/failback";
import drill from "../faults/catalogue/psk-drill";
import drillEnds from "../faults/catalogue/psk-repaired";
import silentCut from "../faults/catalogue/uplink1-silent";
import type { Fault } from "../faults/fault";
import { DeployedProduct } from "../faults/product";
import { Scene } from "../faults/scene";
import type { Reporter } from "./reporter";
import { idsOf, isUp, parseListSas, type TunnelSas } from "../box/sas";

/** The connection's name on the box, as bin/ has it. */
const NAME = "singapore";
const [TUNNEL_1, TUNNEL_2] = [`${NAME}-1`, `${NAME}-2`];

/** Longest interval between packets of one direction that a failover may leave, seconds. Generous: it must fail only when a mechanism is broken, not when the machine is slow. */
const FAILOVER_BOUND_S = 5;
/** The same for a failback, which is make before break: what remains is for how long a machine may stand still. */
const FAILBACK_BOUND_S = 3;

/** The same for a reboot: a box emulated on a busy machine takes a minute or more to boot. */
const REBOOT_BOUND_S = 180;

export interface DemoOptions {
  /** Leaves the machines up at the end. */
  readonly keep: boolean;
}

/** Runs the whole story; everything it starts is stopped again unless `keep`. */
export async function runDemo(reporter: Reporter, options: DemoOptions): Promise<void> {
  const progress = (line: string) => reporter.progress(line);
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "dual-tunnel-vpn-demo-"));
  const lab = new Lab({ detached: options.keep, fresh: true, log: progress });
  let cloud: EmulatedCloud | undefined;
  try {
    await reporter.step("Build the machines' images (cached by content)", () => ensureImages(lab.system, progress));
    const providers = await reporter.step("Boot the box and the outside world, find the providers", async () => {
      const [found] = await Promise.all([prepareProviders({ cacheDir: cacheDirectory() }), lab.start()]);
      reporter.say(found.description);
      return found;
    });
    const cloudEnd = new WorldCloudEnd(lab);
    cloud = await startEmulatedCloud({ cloudEnd });
    const deployment = new Deployment({
      directory,
      endpoint: cloud.endpoint,
      providerEnv: providers.env,
      config: exampleConfig(lab, { vpcProbeAddresses: [ECS.address] }),
      onLine: (line) => {
        const told = tellable(line);
        if (told) progress(told);
      },
    });
    await new Story(reporter, lab, cloud, cloudEnd, deployment).tell(options);
  } finally {
    await cloud?.close();
    if (options.keep) {
      reporter.say("The machines stay up, connected: npm run lab -- status | shell box | down");
    } else {
      await lab.stop();
      fs.rmSync(directory, { recursive: true, force: true });
    }
  }
}

/** What of Terraform's output is worth the live line. */
function tellable(line: string): string | undefined {
  const text = line.replace(/^\S+\s{2,}/, "").trim();
  return /: (Creating|Creation|Modif|Destr|Still|Provisioning|Refreshing)|dual-tunnel-vpn:|Initializing|Apply complete|Destroy complete/.test(
    text,
  )
    ? text
    : undefined;
}

class Story {
  constructor(
    private readonly reporter: Reporter,
    private readonly lab: Lab,
    private readonly cloud: EmulatedCloud,
    private readonly cloudEnd: WorldCloudEnd,
    private readonly deployment: Deployment,
  ) {}

  async tell({ keep }: DemoOptions): Promise<void> {
    const { reporter, lab } = this;
    const before = await reporter.step("List what is on the box before anything of ours is", () => this.listBox());

    await reporter.step("cdktf deploy: the cloud side, then the box over SSH", async () => {
      const { text } = await this.deployment.deploy().finally(() => this.cloud.errors.forEach((e) => reporter.say(e)));
      reporter.check("cdktf deploy creates everything", /Apply complete/.test(text), resultLine(text));
    });
    await this.tunnels();
    const traffic = await Traffic.start(lab, { intervalMs: 100 });
    try {
      const product = new DeployedProduct(lab, { api: this.cloud, deployment: this.deployment });
      const scene = new Scene(lab, this.cloudEnd, product, traffic);
      await this.drill(scene);
      await this.silentCut(scene);
      await this.reboot(scene);
      await this.changes(scene);
    } finally {
      await traffic.stop();
    }
    if (!keep) await this.destroy(before);
    reporter.check(
      "the emulated cloud met no trouble",
      this.cloud.errors.length === 0,
      this.cloud.errors.join("; ") || "none",
    );
  }

  private async tunnels(): Promise<void> {
    const { reporter, lab } = this;
    await reporter.step("Both tunnels, their keys, and pings both ways", async () => {
      const sas = await this.waitForBothTunnels(30);
      reporter.require("tunnel 1 is ESTABLISHED", isUp(sas.get(TUNNEL_1)), idsOf(sas.get(TUNNEL_1)));
      reporter.require("tunnel 2 is ESTABLISHED", isUp(sas.get(TUNNEL_2)), idsOf(sas.get(TUNNEL_2)));
      const secret = (tunnel: string) =>
        lab.box.succeed(`grep -ho 'secret *=.*' $(find /etc -name '${tunnel}.secrets.conf')`);
      const [psk1, psk2] = [await secret(TUNNEL_1), await secret(TUNNEL_2)];
      reporter.check(
        "each tunnel has a pre-shared key of its own",
        psk1.trim() !== "" && psk1 !== psk2,
        psk1 !== psk2 ? "they differ" : "they are the same",
      );
      for (const [from, to, what] of [
        ["dc", ECS.address, "the data center's server pings the ECS instance"],
        ["ecs", LAN.server, "the ECS instance pings the data center's server"],
      ] as const) {
        const { status, stdout } = await lab.namespace(from).execute(`ping -c 3 -i 0.2 -w 15 ${to}`);
        reporter.require(what, status === 0, /rtt .*/.exec(stdout)?.[0] ?? "no answer");
      }
      await this.pingThrough(TUNNEL_2);
      const seen = await this.espByUplink();
      for (const tunnel of [0, 1]) {
        const [own, other] = [seen[tunnel][tunnel], seen[1 - tunnel][tunnel]];
        reporter.check(
          `tunnel ${tunnel + 1}'s ESP is on uplink ${tunnel + 1} only`,
          own > 0 && other === 0,
          `${own} packets on uplink ${tunnel + 1}, ${other} on uplink ${2 - tunnel}`,
        );
      }
    });
  }

  /** Packets of ESP that each uplink's NAT let through, by uplink and tunnel. */
  private async espByUplink(): Promise<number[][]> {
    const { uplinks } = (await this.cloudEnd.report()).counters;
    return ["nat1", "nat2"].map((nat) =>
      IPSEC_ADDRESSES.slice(0, 2).map((address) =>
        uplinks
          .filter(({ uplink, ipsecAddress }) => uplink === nat && ipsecAddress === address)
          .reduce((sum, { packets }) => sum + packets, 0),
      ),
    );
  }

  /** One packet on purpose through the named XFRM interface, so that the standby tunnel has something to count. */
  private async pingThrough(device: string): Promise<void> {
    await this.lab.box.execute(`ping -c 3 -i 0.2 -W 1 -I ${device} ${ECS.address}`);
  }

  private async drill(scene: Scene): Promise<void> {
    await this.reporter.step("The page's drill: the active tunnel's PSK is changed at the cloud", () =>
      this.withstood("failover by the drill", scene, drill, FAILOVER_BOUND_S),
    );
    await this.reporter.step("The drill ends: the PSK is restored at the cloud, traffic goes back", () =>
      this.withstood("failback after the drill", scene, drillEnds, FAILBACK_BOUND_S),
    );
  }

  private async silentCut(scene: Scene): Promise<void> {
    // By which tunnel the cloud answers is the agent's affair: it may have moved tunnel 1 to the other uplink.
    await this.reporter.step("Uplink 1 goes silent: blackholed both ways, its carrier stays", () =>
      this.withstood("failover by the silent cut", scene, silentCut, FAILOVER_BOUND_S),
    );
    await this.reporter.step("Uplink 1 is repaired, traffic goes back", () =>
      this.withstood("failback after the cut", scene, failback, FAILBACK_BOUND_S),
    );
  }

  /** Makes a fault of the catalogue, for which the one before has prepared everything, and checks the gaps. */
  private async withstood(what: string, scene: Scene, fault: Fault, boundS: number): Promise<void> {
    const mark = await scene.traffic.mark();
    await fault.make(scene);
    this.reporter.progress((await this.lab.box.succeed(`ip route get ${ECS.address} | head -n 1`)).trim());
    await this.gaps(what, scene.traffic, mark, boundS);
  }

  private async reboot(scene: Scene): Promise<void> {
    const { reporter } = this;
    await reporter.step("The box reboots, without any apply", async () => {
      const mark = await scene.traffic.mark();
      await reboot.make(scene);
      const sas = await this.listSas();
      reporter.check("both tunnels are back", bothUp(sas), `${idsOf(sas.get(TUNNEL_1))}; ${idsOf(sas.get(TUNNEL_2))}`);
      await scene.flowing();
      const { out } = await scene.traffic.since(mark);
      reporter.check(
        `hosts reach each other again, at most ${REBOOT_BOUND_S} s after the last packet before`,
        out.longestGapS <= REBOOT_BOUND_S,
        `${out.longestGapS.toFixed(1)} s`,
      );
    });
  }

  private async changes(scene: Scene): Promise<void> {
    const { reporter, lab } = this;
    await reporter.step("A second cdktf deploy: no changes", async () => {
      const calls = this.cloud.calls.length;
      const { text } = await this.deployment.deploy();
      reporter.check(
        "nothing changes",
        /No changes/.test(text),
        /No changes[^\n]*/.exec(text)?.[0] ?? resultLine(text),
      );
      const writes = this.cloud.calls.slice(calls).filter(({ action }) => !action.startsWith("Describe"));
      reporter.check(
        "the API sees only reads",
        writes.length === 0,
        writes.map(({ action }) => action).join(", ") || "reads only",
      );
    });

    await this.change(
      "Tunnel 1 gets another IKE lifetime and ESP proposal",
      scene,
      () => {
        this.deployment.config = {
          ...this.deployment.config,
          tunnels: {
            active: { ike: { lifetimeSeconds: 43200 }, esp: { encryption: "aes192", lifetimeSeconds: 43200 } },
          },
        };
      },
      TUNNEL_1,
      TUNNEL_2,
    );
    const esp = await lab.box.succeed("swanctl --list-sas");
    const suite = new RegExp(`^ +${TUNNEL_1}: .*ESP:(\\S+)`, "m").exec(esp)?.[1] ?? "none";
    reporter.check("tunnel 1 uses the new ESP proposal", /192/.test(suite), suite);

    await this.change(
      "The standby tunnel's PSK variable changes",
      scene,
      () => {
        this.deployment.variables.singapore_psk_standby = newPsk();
      },
      TUNNEL_2,
      TUNNEL_1,
    );

    await reporter.step("The box's SSH port changes in the stack", async () => {
      const { box } = this.deployment.config as { box: Record<string, unknown> };
      await scene.settled();
      const sas = await this.listSas();
      this.deployment.config = { ...this.deployment.config, box: { ...box, port: lab.box.altSshPort } };
      const { text } = await this.deployment.deploy();
      reporter.check(
        "no uninstall runs",
        !/uninstall/i.test(text) && /Apply complete|No changes/.test(text),
        resultLine(text),
      );
      const after = await this.listSas();
      reporter.check(
        "both tunnels keep their SAs",
        same(sas, after, TUNNEL_1) && same(sas, after, TUNNEL_2),
        [TUNNEL_1, TUNNEL_2].map((tunnel) => `${idsOf(sas.get(tunnel))}, then ${idsOf(after.get(tunnel))}`).join("; "),
      );
    });
  }

  /** Deploys a change of one tunnel: it is renegotiated, the other one's SAs keep their unique ids. */
  private async change(title: string, scene: Scene, edit: () => void, changed: string, kept: string): Promise<void> {
    const { reporter } = this;
    await reporter.step(`${title}, deployed`, async () => {
      await scene.settled();
      const before = await this.listSas();
      const mark = await scene.traffic.mark();
      edit();
      const { text } = await this.deployment.deploy();
      reporter.check("the change is applied", /Apply complete/.test(text), resultLine(text));
      const after = await this.waitForBothTunnels(60);
      reporter.check(
        `${changed} was renegotiated and is up`,
        isUp(after.get(changed)) && !same(before, after, changed),
        idsOf(after.get(changed)),
      );
      reporter.check(
        `${kept} keeps its SAs`,
        same(before, after, kept),
        `${idsOf(before.get(kept))}, then ${idsOf(after.get(kept))}`,
      );
      await this.waitForRoute(TUNNEL_1);
      await this.waitForCloudVia("master");
      await this.gaps("while the change was applied", scene.traffic, mark, FAILOVER_BOUND_S);
    });
  }

  private async destroy(before: string): Promise<void> {
    const { reporter } = this;
    await reporter.step("cdktf destroy", async () => {
      const { text } = await this.deployment.destroy();
      reporter.check("everything is destroyed", /Destroy complete/.test(text), resultLine(text));
      const left = this.cloud.state();
      reporter.check(
        "nothing is left in the cloud",
        left.connections.length === 0 && left.gateways.length === 0,
        `${left.gateways.length} gateways, ${left.connections.length} connections`,
      );
    });
    await reporter.step("The box is as it was before", async () => {
      const after = await this.listBox();
      const found = differences(before, after);
      for (const line of found.slice(0, 40)) reporter.say(line);
      reporter.check(
        "files, units, interfaces, rules, routes and sysctls equal those before",
        found.length === 0,
        found.length === 0 ? `${after.split("\n").length} lines, no difference` : `${found.length} lines differ`,
      );
    });
  }

  private listBox(): Promise<string> {
    return listingOf(this.lab.box);
  }

  private async listSas(): Promise<Map<string, TunnelSas>> {
    return parseListSas(await this.lab.box.succeed("swanctl --list-sas"));
  }

  /** The SAs once both tunnels have them, or as they are then. */
  private async waitForBothTunnels(timeoutS: number): Promise<Map<string, TunnelSas>> {
    const deadline = Date.now() + timeoutS * 1000;
    for (;;) {
      const { status, stdout } = await this.lab.box.execute("swanctl --list-sas");
      const sas = parseListSas(stdout);
      if ((status === 0 && bothUp(sas)) || Date.now() > deadline) return sas;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }

  /** Waits until the box sends traffic for the VPC into this XFRM interface. */
  private async waitForRoute(device: string): Promise<void> {
    const out = await this.lab.box.waitUntilSucceeds(`ip route get ${ECS.address} | grep -w 'dev ${device}'`, {
      timeoutS: 60,
    });
    this.reporter.progress(out.trim());
  }

  private async waitForCloudVia(role: "master" | "slave"): Promise<void> {
    await this.cloudEnd.waitForTrafficVia(role, { timeoutS: 240 });
  }

  private async gaps(what: string, traffic: Traffic, mark: Mark, boundS: number): Promise<void> {
    await traffic.waitUntilFlowing();
    const { out, in: back } = await traffic.since(mark);
    for (const [direction, { longestGapS, lost }] of [
      ["box to cloud", out],
      ["cloud to box", back],
    ] as const) {
      this.reporter.check(
        `${what}, ${direction}: longest gap at most ${boundS} s`,
        longestGapS <= boundS,
        `${longestGapS.toFixed(2)} s, ${lost} packets lost`,
      );
    }
  }
}

function bothUp(sas: Map<string, TunnelSas>): boolean {
  return isUp(sas.get(TUNNEL_1)) && isUp(sas.get(TUNNEL_2));
}

function same(before: Map<string, TunnelSas>, after: Map<string, TunnelSas>, tunnel: string): boolean {
  return isUp(after.get(tunnel)) && idsOf(before.get(tunnel)) === idsOf(after.get(tunnel));
}

/** Terraform's own closing line. */
function resultLine(text: string): string {
  return /(Apply|Destroy) complete![^\n]*|No changes[^\n]*/.exec(text)?.[0] ?? "no closing line of Terraform's";
}
