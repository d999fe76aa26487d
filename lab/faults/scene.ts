// Where faults are made: a booted lab, a contender on its box, traffic through its tunnels, and words for what is awaited.
import { setTimeout as delay } from "node:timers/promises";
import { sum } from "simple-statistics";
import { holdersOf, tunnelFrom } from "../box/gateway";
import { idsOf, isSingle, parseListSas } from "../box/sas";
import type { WorldCloudEnd } from "../cloud-end";
import type { Direction, Impairment, Lab, LinkName } from "../machines/lab";
import type { Machine } from "../machines/machine";
import { ECS } from "../network";
import type { Traffic } from "../traffic/traffic";
import type { Contender, Session, TunnelNumber } from "./contender";

export class Scene {
  constructor(
    readonly lab: Lab,
    readonly cloud: WorldCloudEnd,
    readonly contender: Contender,
    readonly traffic: Traffic,
  ) {}

  get box(): Machine {
    return this.lab.box;
  }

  /** The box at which a tunnel ends. */
  private boxOf(tunnel: TunnelNumber): Machine {
    return this.lab.boxes[tunnel - 1] ?? this.lab.box;
  }

  /** Drops a link's packets silently. */
  async cut(link: LinkName, direction?: Direction): Promise<void> {
    await this.lab.cut(link, direction);
  }

  /** Takes back every cut and impairment of a link. */
  async restore(link: LinkName): Promise<void> {
    await this.lab.restore(link);
  }

  async impair(link: LinkName, impairment: Impairment): Promise<void> {
    await this.lab.impair(link, impairment);
  }

  /** Takes back every cut and impairment there is. */
  async restoreAll(): Promise<void> {
    await this.lab.restoreAll();
  }

  /**
   * Waits until traffic for the VPC goes into this tunnel. Of two boxes those are looked at that have the shared address.
   */
  async trafficBy(tunnel: TunnelNumber, timeoutS = 60): Promise<void> {
    if (this.lab.boxes.length === 2) {
      await this.until(async () => {
        const holders = await holdersOf(this.lab);
        const ways = await Promise.all(holders.map((box) => tunnelFrom(this.lab, box, this.contender.interfaces)));
        const right = ways.length > 0 && ways.every((way) => way === tunnel);
        return right ? "" : `from box ${holders.join(" and ") || "none"} traffic goes by tunnel ${ways.join(" and ")}`;
      }, timeoutS);
      return;
    }
    await this.box.waitUntilSucceeds(
      `ip route get ${ECS.address} | grep -qw 'dev ${this.contender.interfaces[tunnel - 1]}'`,
      { timeoutS, intervalMs: 100 },
    );
  }

  /** Waits until these boxes, and no others, have the address by which the LAN reaches the VPC. */
  async gatewayAt(...boxes: readonly (1 | 2)[]): Promise<void> {
    await this.until(async () => {
      const holders = await holdersOf(this.lab);
      return holders.join() === boxes.join() ? "" : `the shared address is at box ${holders.join(" and ") || "none"}`;
    });
  }

  /** Waits until the cloud sends by this tunnel. */
  async cloudBy(tunnel: TunnelNumber, timeoutS = 60): Promise<void> {
    await this.cloud.waitForTrafficVia(tunnel === 1 ? "master" : "slave", { timeoutS });
  }

  /** Waits until packets have flowed both ways without a gap for more than a second from now on. */
  async flowing(timeoutS = 60): Promise<void> {
    await this.traffic.waitUntilFlowing({ timeoutS });
  }

  /** Waits until the contender says that all is well, and the cloud sends by the active tunnel. */
  async well(timeoutS = 120): Promise<void> {
    await this.untroubled(timeoutS);
    await Promise.all([this.cloudBy(1, timeoutS), this.flowing(timeoutS)]);
  }

  /** Waits until the contender says that all is well. */
  async untroubled(timeoutS = 120): Promise<void> {
    await this.until(() => this.contender.trouble(), timeoutS);
  }

  /** Waits until a look at things finds no fault in them. @param look says what is wrong, empty when nothing is */
  async until(look: () => Promise<string>, timeoutS = 60): Promise<void> {
    const deadline = Date.now() + timeoutS * 1000;
    for (;;) {
      const wrong = await look();
      if (wrong === "") return;
      if (Date.now() > deadline) throw new Error(`Not within ${timeoutS} s: ${wrong}.`);
      await delay(150);
    }
  }

  /** The gateway's id of a tunnel. */
  async tunnelId(tunnel: TunnelNumber): Promise<string> {
    const role = tunnel === 1 ? "master" : "slave";
    const { tunnels } = await this.cloud.report();
    const found = Object.entries(tunnels).find(([, report]) => report.role === role);
    if (!found) throw new Error(`The gateway has no ${role} tunnel.`);
    return found[0];
  }

  /** The unique ids of a tunnel's SAs at the box, IKE and CHILD; a rekey changes them. */
  async sas(tunnel: TunnelNumber): Promise<{ readonly ike: string; readonly child: string }> {
    const connection = this.contender.connections[tunnel - 1];
    const { stdout } = await this.boxOf(tunnel).execute(`swanctl --list-sas --ike ${connection}`);
    const ids = (pattern: RegExp) => [...stdout.matchAll(pattern)].map((match) => match[1]).join(",");
    return { ike: ids(/^\S+: #(\d+), ESTABLISHED/gm), child: ids(/^\s+\S+: #(\d+), .*INSTALLED/gm) };
  }

  /** Waits until both tunnels are up at their box. */
  async bothUp(timeoutS = 90): Promise<void> {
    await this.until(async () => {
      const lists = await Promise.all(this.lab.boxes.map((box) => box.execute("swanctl --list-sas")));
      const listed = lists.map(({ stdout }) => stdout).join("\n");
      const down = this.contender.children.find((name) => !new RegExp(`${name}: #.*INSTALLED`).test(listed));
      return down ? `${down} is not installed` : "";
    }, timeoutS);
  }

  /**
   * Waits until each tunnel has one IKE_SA at both ends: both may have set it up at once, and one may have forgotten one of
   * the two, of which the other hears by its next DPD and negotiates once more.
   */
  async settled(timeoutS = 120): Promise<void> {
    await this.until(async () => {
      await this.cloud.waitUntilSettled({ timeoutS });
      const lists = await Promise.all(this.lab.boxes.map((box) => box.execute("swanctl --list-sas")));
      const sas = parseListSas(lists.map(({ stdout }) => stdout).join("\n"));
      const twice = this.contender.connections.filter((name) => !isSingle(sas.get(name)));
      return twice.map((name) => `${name} has not one IKE_SA, but ${idsOf(sas.get(name))}`).join("; ");
    }, timeoutS);
  }

  /** Waits until the contender tells of something, in these words, that came after a moment of the box's clock. */
  async noticed(words: string, sinceS: number, timeoutS = 60): Promise<void> {
    await this.until(async () => {
      const told = await this.contender.story(sinceS);
      return told.some((line) => line.includes(words)) ? "" : `nothing was said about "${words}"`;
    }, timeoutS);
  }

  /** For how long the contender says that a tunnel was down since a moment of the box's clock, seconds. */
  async downFor(tunnel: TunnelNumber, sinceS: number): Promise<number> {
    const story = (await this.contender.story(sinceS)).map((line) => /^([\d.]+) s: (?:box2?: )?(.*)$/.exec(line) ?? []);
    const at = (...words: readonly string[]) =>
      story.find(
        ([, , text = ""]) => text.startsWith(`tunnel ${tunnel} `) && words.some((word) => text.includes(word)),
      );
    // One that the cloud has deleted is not told to be gone, but that it is tried.
    const [gone, back] = [at("has no SA any more", "is tried with", "is missing"), at("is up")];
    if (!gone || !back)
      throw new Error(`Nothing is told of tunnel ${tunnel}: ${story.map(([line]) => line).join("; ")}.`);
    return Number(back[1]) - Number(gone[1]);
  }

  /** Does something that ends the failover agent, and waits until another one works. */
  async anotherAgent(command: string): Promise<void> {
    const pid = "systemctl show --property=MainPID,ActiveState --value 'dual-tunnel-vpn-agent@*'";
    const before = await this.box.succeed(pid);
    await this.box.succeed(command);
    await this.box.waitUntilSucceeds(
      `now=$(${pid}); [ "$now" != '${before.trimEnd()}' ] && echo "$now" | grep -qx active`,
    );
  }

  /** Does something that ends each box's BGP speaker, and waits until others have both sessions. */
  async anotherSpeaker(command: string): Promise<void> {
    const pid = "systemctl show --property=MainPID --value 'dual-tunnel-vpn-bgp@*'";
    for (const box of this.lab.boxes) {
      const before = await box.succeed(pid);
      await box.succeed(command);
      await box.waitUntilSucceeds(`now=$(${pid}); [ "$now" != '${before.trimEnd()}' ] && [ "$now" != 0 ]`);
    }
    await this.until(async () => {
      const down = (await this.sessions()).findIndex((session) => !session?.established);
      return down < 0 ? "" : `tunnel ${down + 1}'s BGP session is not established at the box`;
    });
    await this.until(async () => {
      const sessions = Object.entries(await this.cloud.bgp());
      const down = sessions.find(([, { established, routes }]) => !established || routes.length === 0);
      return down ? `${down[0]}'s BGP session is not established at the cloud, or without routes` : "";
    });
  }

  /**
   * Packets from the cloud that had no SA: at the gateway none to send them by, at a box none to take them in by. What a
   * tunnel's end costs is among them, whichever end went first, and what the gateway sends by a new SA before the box
   * can have it (XfrmAcquireError: its SPI is there, and no key). The kernels count since their start.
   */
  async withoutSa(): Promise<number> {
    const sent = "ip netns exec cloud sh -c 'cat /sys/class/net/ipsec*/statistics/tx_errors'";
    const read = "awk '/^Xfrm(In|Acquire)/ { count += $2 } END { print count }' /proc/net/xfrm_stat";
    const counts = await Promise.all([this.lab.world.succeed(sent), ...this.lab.boxes.map((box) => box.succeed(read))]);
    return sum(counts.join("\n").split("\n").map(Number));
  }

  /** The BGP sessions of tunnel 1 and 2 as the contender sees them; undefined where it has none. */
  sessions(): Promise<readonly (Session | undefined)[]> {
    return this.contender.sessions();
  }

  /** Does something that rekeys the active tunnel, and waits until none of its SAs is one of before. */
  async rekeyed(what: "child" | "ike", rekey: () => Promise<unknown>): Promise<void> {
    const before = (await this.sas(1))[what];
    await rekey();
    await this.until(async () => {
      const now = (await this.sas(1))[what];
      // Both ends may have negotiated at once, at the start: two SAs are no fault.
      const old = now.split(",").filter((id) => before.split(",").includes(id));
      return now !== "" && old.length === 0 ? "" : `the ${what} SA is ${now}, was ${before}`;
    }, 30);
  }

  /** Seconds of the box's clock, as its logs have it; of two boxes' clocks that of one that has power. */
  async boxClock(): Promise<number> {
    const box = this.lab.boxes.find((each) => each.isRunning()) ?? this.box;
    return Number(await box.succeed("date +%s.%N"));
  }
}
