// The lab's VPN gateway against a box that was set up by hand: what the rest of the lab takes for granted about it.
import { setTimeout as delay } from "node:timers/promises";
import type { CloudConnection, CloudRoute, CloudState, CloudTunnel } from "../../lab/cloud/cloud-end";
import { WorldCloudEnd, type CloudReport, type WorldBgpSession } from "../../lab/cloud-end";
import { Lab } from "../../lab/machines/lab";
import { BGP, DATA_CENTER_CIDR, ECS, IPSEC_ADDRESSES, LAN, UPLINKS, VPC_CIDR } from "../../lab/network";
import { answered, unanswered } from "./echoes";
import { HandMadeBox } from "./hand-made-box";

jest.setTimeout(300_000);

const PSKS = ["psk of the active tunnel", "psk of the standby tunnel"] as const;

type TunnelChange = Partial<Omit<CloudTunnel, "ike" | "esp">> & {
  readonly ike?: Partial<CloudTunnel["ike"]>;
  readonly esp?: Partial<CloudTunnel["esp"]>;
};

function tunnel(number: 1 | 2, change: TunnelChange = {}): CloudTunnel {
  const ipsecAddress = IPSEC_ADDRESSES[number - 1];
  const peerAddress = UPLINKS[number - 1].egressIp;
  return {
    tunnelId: `tun-${number}`,
    role: number === 1 ? "master" : "slave",
    ipsecAddress,
    peerAddress,
    localId: ipsecAddress,
    remoteId: peerAddress,
    psk: PSKS[number - 1],
    dpd: true,
    natTraversal: true,
    ...change,
    ike: {
      version: "ikev2",
      mode: "main",
      enc: "aes256",
      auth: "sha256",
      dhGroup: "group14",
      lifetime: 86400,
      ...change.ike,
    },
    esp: { enc: "aes256", auth: "sha256", pfs: "group14", lifetime: 86400, ...change.esp },
  };
}

interface StateChange {
  readonly one?: TunnelChange;
  readonly two?: TunnelChange;
  readonly published?: boolean;
  readonly routes?: readonly CloudRoute[];
  readonly more?: readonly CloudConnection[];
}

const ROUTE: CloudRoute = {
  gatewayId: "vpn-1",
  connectionId: "vco-1",
  destination: DATA_CENTER_CIDR,
  weight: 100,
  published: true,
};

function state({
  one,
  two,
  published = true,
  routes = [{ ...ROUTE, published }],
  more = [],
}: StateChange = {}): CloudState {
  return {
    gateways: [
      {
        id: "vpn-1",
        vpcCidrBlock: VPC_CIDR,
        ipsecAddresses: [IPSEC_ADDRESSES[0], IPSEC_ADDRESSES[1]],
        autoPropagate: false,
        announced: [],
      },
    ],
    connections: [
      {
        id: "vco-1",
        name: "site",
        gatewayId: "vpn-1",
        localSubnets: ["0.0.0.0/0"],
        remoteSubnets: ["0.0.0.0/0"],
        effectImmediately: true,
        tunnels: [tunnel(1, one), tunnel(2, two)],
      },
      ...more,
    ],
    routes,
  };
}

// Beside these there may be attempts of the gateway's own, which no NAT lets through.
const established = (report: CloudReport, id: string) =>
  report.tunnels[id].sas.filter((sa) => sa.state === "ESTABLISHED");

const idsOf = (report: CloudReport, id: string) =>
  established(report, id).flatMap((sa) => [sa.uniqueId, ...sa.children.map((child) => child.uniqueId)]);

describe("the cloud end", () => {
  const lab = new Lab({ packages: true });
  const box = new HandMadeBox(lab);
  let cloud: WorldCloudEnd;

  async function until(what: string, condition: (report: CloudReport) => boolean, timeoutS = 30): Promise<CloudReport> {
    const deadline = Date.now() + timeoutS * 1000;
    for (;;) {
      const report = await cloud.report();
      if (condition(report)) return report;
      if (Date.now() > deadline) {
        throw new Error(
          `Not within ${timeoutS} s: ${what}.\n${JSON.stringify(report, null, 1)}\n${await cloud.log(60)}`,
        );
      }
      await delay(200);
    }
  }

  const up = (report: CloudReport, id: string) => report.tunnels[id].status === "ipsec_sa_established";

  /** Both tunnels negotiated, as at the start of every test. */
  async function bothUp(): Promise<CloudReport> {
    for (const number of [1, 2] as const) {
      if (!up(await cloud.report(), `tun-${number}`)) await box.initiate(number);
    }
    return until("both tunnels established", (report) => up(report, "tun-1") && up(report, "tun-2"));
  }

  /** The same with one IKE_SA each: of two, one is going to end. */
  async function settled(): Promise<CloudReport> {
    await bothUp();
    await cloud.waitUntilSettled();
    return cloud.report();
  }

  const otherEnd = { ecs: LAN.server, dc: ECS.address };
  const pings = (from: "ecs" | "dc") => answered(lab.namespace(from), otherEnd[from], 3);
  const isCutOff = (from: "ecs" | "dc") => unanswered(lab.namespace(from), otherEnd[from]);

  beforeAll(async () => {
    await lab.start();
    cloud = new WorldCloudEnd(lab);
    await Promise.all([cloud.start(), box.prepare()]);
    await box.load({ psk: PSKS[0] }, { psk: PSKS[1] });
  }, 900_000);

  afterAll(() => lab.stop());

  it("has no tunnels before it is told of any", async () => {
    expect(await cloud.tunnelStatus()).toEqual({});
  });

  it("negotiates both tunnels, each with a pre-shared key of its own", async () => {
    await cloud.apply(state());
    const report = await bothUp();
    expect(await cloud.tunnelStatus()).toEqual({ "tun-1": "ipsec_sa_established", "tun-2": "ipsec_sa_established" });
    for (const [id, uplink] of [
      ["tun-1", UPLINKS[0]],
      ["tun-2", UPLINKS[1]],
    ] as const) {
      const [sa] = established(report, id);
      expect(sa.peer).toBe(`${uplink.egressIp}:4500`);
      expect(sa.children.map((child) => child.encapsulated)).toEqual([true]);
    }
  });

  it("carries traffic both ways by the active tunnel, whose ESP is on uplink 1 only", async () => {
    await bothUp();
    await cloud.waitForTrafficVia("master");
    expect(await pings("ecs")).toBe(true);
    expect(await pings("dc")).toBe(true);
    const { uplinks, gateway } = (await cloud.report()).counters;
    const used = uplinks.map(({ uplink, direction, ipsecAddress }) => `${uplink} ${direction} ${ipsecAddress}`);
    expect(used.sort()).toEqual([`nat1 toBox ${IPSEC_ADDRESSES[0]}`, `nat1 toCloud ${IPSEC_ADDRESSES[0]}`]);
    expect(uplinks.every(({ packets }) => packets >= 6)).toBe(true);
    expect(gateway.map((g) => `${g.direction} ${g.ipsecAddress} ${g.peerAddress}`).sort()).toEqual([
      `received ${IPSEC_ADDRESSES[0]} ${UPLINKS[0].egressIp}`,
      `sent ${IPSEC_ADDRESSES[0]} ${UPLINKS[0].egressIp}`,
    ]);
  });

  it("sends by the standby tunnel when the active one is gone, and by the active one when it is back", async () => {
    await bothUp();
    await cloud.deleteTunnel("tun-1");
    await cloud.waitForTrafficVia("slave", { timeoutS: 30 });
    await box.sendBy(2);
    expect(await pings("ecs")).toBe(true);
    const standby = (await cloud.report()).counters.uplinks.filter((c) => c.ipsecAddress === IPSEC_ADDRESSES[1]);
    expect(standby.map(({ uplink }) => uplink)).toEqual(["nat2", "nat2"]);
    await box.initiate(1);
    await cloud.waitForTrafficVia("master", { timeoutS: 30 });
    await box.sendBy(1);
    expect(await pings("ecs")).toBe(true);
  });

  it("leaves every SA alone when the same state comes again", async () => {
    const before = await settled();
    await cloud.apply(state());
    const after = await cloud.report();
    for (const id of ["tun-1", "tun-2"]) expect(idsOf(after, id)).toEqual(idsOf(before, id));
  });

  it("restarts only the tunnel whose parameters differ", async () => {
    const before = await settled();
    await cloud.apply(state({ two: { esp: { lifetime: 43200 } } }));
    const after = await bothUp();
    expect(idsOf(after, "tun-1")).toEqual(idsOf(before, "tun-1"));
    expect(idsOf(after, "tun-2").some((id) => idsOf(before, "tun-2").includes(id))).toBe(false);
  });

  it("restarts both tunnels when it is set to", async () => {
    await cloud.apply(state());
    const before = await bothUp();
    await cloud.setOptions({ restart: "both" });
    try {
      await cloud.apply(state({ two: { esp: { lifetime: 43200 } } }));
      const after = await bothUp();
      expect(idsOf(after, "tun-1").some((id) => idsOf(before, "tun-1").includes(id))).toBe(false);
    } finally {
      await cloud.setOptions({ restart: "changed" });
      await cloud.apply(state());
    }
  });

  it("takes a tunnel down at once when its pre-shared key is changed, and back up when it is repaired", async () => {
    const before = await settled();
    await cloud.apply(state({ one: { psk: "another key" } }));
    await cloud.waitForTrafficVia("slave", { timeoutS: 30 });
    expect(await box.canInitiate(1)).toBe(false);
    expect((await cloud.tunnelStatus())["tun-1"]).toBe("ike_sa_not_established");
    await cloud.apply(state());
    const after = await bothUp();
    await cloud.waitForTrafficVia("master", { timeoutS: 30 });
    expect(idsOf(after, "tun-2")).toEqual(idsOf(before, "tun-2"));
  });

  it("lets instances send into the data center only by a published route", async () => {
    await bothUp();
    await cloud.apply(state({ published: false }));
    expect(await isCutOff("ecs")).toBe(true);
    await cloud.apply(state());
    expect(await pings("ecs")).toBe(true);
  });

  it("routes by policy where a route has a source", async () => {
    await bothUp();
    const routed = (source: string) => state({ routes: [{ ...ROUTE, source }] });
    await cloud.apply(routed("192.168.99.0/24"));
    expect(await isCutOff("ecs")).toBe(true);
    await cloud.apply(routed("192.168.10.0/24"));
    expect(await pings("ecs")).toBe(true);
    await cloud.apply(state());
  });

  it("rekeys CHILD_SA and IKE_SA from its side", async () => {
    const before = await settled();
    const [ike] = established(before, "tun-1");
    await cloud.rekey("tun-1", "child");
    await until("a new CHILD_SA in the same IKE_SA", (report) =>
      established(report, "tun-1").some(
        (sa) => sa.uniqueId === ike.uniqueId && sa.children.some((c) => c.uniqueId > ike.children[0].uniqueId),
      ),
    );
    await cloud.rekey("tun-1", "ike");
    await until("a new IKE_SA", (report) => {
      const sas = established(report, "tun-1");
      return sas.length > 0 && sas.every((sa) => sa.uniqueId > ike.uniqueId);
    });
    expect(await pings("ecs")).toBe(true);
  });

  describe("with tunnel 1's packets coming from the other egress IP", () => {
    beforeEach(async () => {
      await cloud.apply(state());
      await bothUp();
      await box.moveTunnel1ToUplink2();
    });
    afterEach(async () => {
      await box.moveTunnel1Back();
      await cloud.setOptions({ peer: "cooperative" });
      await box.terminate(1);
      await cloud.deleteTunnel("tun-1");
    });

    it("follows an authenticated peer when it cooperates", async () => {
      await box.poke();
      await until("the new peer address", (report) =>
        established(report, "tun-1")[0].peer.startsWith(UPLINKS[1].egressIp),
      );
      expect(await pings("dc")).toBe(true);
      expect(await pings("ecs")).toBe(true);
    });

    it("drops ESP but takes a DELETE when it is set to take IKE only", async () => {
      await cloud.setOptions({ peer: "ike-only" });
      expect(await isCutOff("dc")).toBe(true);
      expect(up(await cloud.report(), "tun-1")).toBe(true);
      await box.terminate(1);
      await cloud.waitForTrafficVia("slave", { timeoutS: 30 });
    });

    it("drops ESP and IKE when it is pinned", async () => {
      await cloud.setOptions({ peer: "pinned" });
      const [{ uniqueId }] = established(await cloud.report(), "tun-1");
      expect(await isCutOff("dc")).toBe(true);
      await box.terminate(1);
      // Longer than an answered DELETE takes; retransmission goes on beyond.
      await delay(3000);
      const after = await cloud.report();
      expect(established(after, "tun-1").map((sa) => sa.uniqueId)).toEqual([uniqueId]);
      expect(after.carrying).toEqual({ "vco-1": "tun-1" });
    });

    it("negotiates no new tunnel 1 with a stranger, however cooperative", async () => {
      await box.terminate(1);
      await until("tunnel 1 ended", (report) => established(report, "tun-1").length === 0);
      expect(await box.canInitiate(1)).toBe(false);
    });
  });

  it("answers nothing from an IPsec address that is lost", async () => {
    await bothUp();
    await cloud.loseIpsecAddress(IPSEC_ADDRESSES[0]);
    try {
      expect(await unanswered(lab.box, IPSEC_ADDRESSES[0])).toBe(true);
      expect(await answered(lab.box, IPSEC_ADDRESSES[1])).toBe(true);
      expect(await isCutOff("ecs")).toBe(true);
    } finally {
      await cloud.returnIpsecAddress(IPSEC_ADDRESSES[0]);
    }
    expect(await pings("ecs")).toBe(true);
  });

  it("detects a dead peer by DPD and the retransmission it was given", async () => {
    await cloud.setOptions({ dpdDelay: 1, retransmitTimeout: 0.5, retransmitBase: 1, retransmitTries: 2 });
    try {
      await cloud.deleteTunnel("tun-1");
      await bothUp();
      await cloud.waitForTrafficVia("master");
      await lab.cut("uplink1");
      await cloud.waitForTrafficVia("slave", { timeoutS: 60 });
    } finally {
      await lab.restore("uplink1");
      await cloud.setOptions({ dpdDelay: 10, retransmitTimeout: 4, retransmitBase: 1.8, retransmitTries: 5 });
    }
  });

  it("has its tunnels again after a restart and after a crash of its IKE daemon", async () => {
    await box.terminate(1);
    await bothUp();
    await cloud.restartIke();
    await bothUp();
    await cloud.crashIke();
    // The box takes the silent gateway's tunnels for alive: it has to begin anew.
    for (const number of [1, 2] as const) await box.terminate(number);
    await bothUp();
    expect(await pings("ecs")).toBe(true);
  });

  it("takes in another gateway's connection without touching the first one's", async () => {
    const before = await settled();
    const second: CloudConnection = {
      ...state().connections[0],
      id: "vco-2",
      gatewayId: "vpn-2",
      tunnels: [
        tunnel(1, { tunnelId: "tun-3", ipsecAddress: IPSEC_ADDRESSES[2], localId: IPSEC_ADDRESSES[2] }),
        tunnel(2, { tunnelId: "tun-4", ipsecAddress: IPSEC_ADDRESSES[3], localId: IPSEC_ADDRESSES[3] }),
      ],
    };
    await cloud.apply(state({ more: [second] }));
    const after = await cloud.report();
    expect(Object.keys(after.tunnels)).toEqual(["tun-1", "tun-2", "tun-3", "tun-4"]);
    expect(idsOf(after, "tun-1")).toEqual(idsOf(before, "tun-1"));
    expect(after.carrying).toEqual({ "vco-1": "tun-1", "vco-2": null });
    expect(await answered(lab.box, IPSEC_ADDRESSES[2])).toBe(true);
    await cloud.apply(state());
    expect(Object.keys((await cloud.report()).tunnels)).toEqual(["tun-1", "tun-2"]);
    expect(await unanswered(lab.box, IPSEC_ADDRESSES[2])).toBe(true);
    expect(await pings("ecs")).toBe(true);
  });

  it("refuses what it cannot make, in one sentence and without a secret", async () => {
    const refused = cloud.apply(state({ one: { psk: "very secret", ike: { enc: "rot13" } } }));
    await expect(refused).rejects.toThrow(
      "The cloud end refused apply: Tunnel tun-1 has the IKE encryption rot13; the cloud end knows aes, aes192, aes256, des, 3des.",
    );
    await expect(refused).rejects.not.toThrow("very secret");
    expect(await cloud.log(2000)).not.toContain("very secret");
  });

  describe("with BGP in both tunnels", () => {
    const [BOTH_HALVES, NONE] = [BGP.halves, []];

    const speaking = (autoPropagate = true): CloudState => {
      const [one, two] = BGP.tunnels.map(({ cloudAddress, boxAddress }) => ({
        bgp: {
          cloudAsn: BGP.cloudAsn,
          peerAsn: BGP.asn,
          cloudAddress,
          peerAddress: boxAddress,
          prefixLength: 30 as const,
        },
      }));
      const made = state({ one, two, routes: [] });
      return { ...made, gateways: [{ ...made.gateways[0], autoPropagate, announced: ["192.168.10.0/24"] }] };
    };

    type Sessions = Readonly<Record<string, WorldBgpSession>>;

    async function untilHeard(what: string, condition: (sessions: Sessions) => boolean, timeoutS = 30): Promise<void> {
      const deadline = Date.now() + timeoutS * 1000;
      for (;;) {
        const sessions = await cloud.bgp();
        if (condition(sessions)) return;
        if (Date.now() > deadline) {
          const bird = await box.askBird("show protocols all");
          throw new Error(
            `Not within ${timeoutS} s: ${what}.\n${JSON.stringify(sessions, null, 1)}\n${bird}\n${await cloud.log(60)}`,
          );
        }
        await delay(200);
      }
    }

    const blocks = (sessions: Sessions, id: string) => sessions[id].routes.map(({ destination }) => destination).sort();

    const bothSpeak = () =>
      untilHeard("the data center's block by both tunnels", (sessions) =>
        ["tun-1", "tun-2"].every((id) => sessions[id].established && blocks(sessions, id).includes(DATA_CENTER_CIDR)),
      );

    const sentBy = async (address: string): Promise<number> =>
      (await cloud.report()).counters.gateway.find((c) => c.direction === "sent" && c.ipsecAddress === address)
        ?.packets ?? 0;

    beforeAll(async () => {
      await box.prepareBgp();
      await cloud.apply(state());
      await bothUp();
      await box.speakBgp();
      await cloud.apply(speaking());
      await bothSpeak();
    });

    beforeEach(async () => {
      await cloud.apply(speaking());
      await box.speakBgp();
      await bothSpeak();
      await cloud.waitForTrafficVia("master");
    });

    it("hears the data center's block, and has the data center hear the VPC's", async () => {
      expect(await cloud.bgp()).toEqual({
        "tun-1": { established: true, routes: [{ destination: DATA_CENTER_CIDR, asPath: "65010", med: 100 }] },
        "tun-2": { established: true, routes: [{ destination: DATA_CENTER_CIDR, asPath: "65010", med: 200 }] },
      });
      for (const name of ["t1", "t2"]) {
        // What the gateway tells comes a moment after what it has taken.
        await lab.box.waitUntilSucceeds(
          `birdc -r -s /run/bird/hand-made.ctl show route protocol ${name} | grep -q 192.168.10.0`,
        );
        const heard = await box.askBird(`show route protocol ${name} all`);
        expect(heard).toContain("192.168.10.0/24");
        expect(heard).toContain("BGP.as_path: 45104");
        expect(heard).not.toContain(DATA_CENTER_CIDR);
      }
      expect(await pings("ecs")).toBe(true);
    });

    it("sends by the lower MED, before that by the shorter AS path, and else by the active tunnel", async () => {
      await box.speakBgp({ med: [200, 100] });
      await cloud.waitForTrafficVia("slave");
      await box.speakBgp({ med: [200, 100], prepended: [0, 2] });
      await cloud.waitForTrafficVia("master");
      await box.speakBgp({ med: [100, 200], prepended: [1, 0] });
      await cloud.waitForTrafficVia("slave");
      await box.speakBgp({ med: [100, 100] });
      await cloud.waitForTrafficVia("master");
    });

    it("sends by the longer prefixes of the standby tunnel, whatever else the active one says", async () => {
      const before = await sentBy(IPSEC_ADDRESSES[1]);
      await box.speakBgp({ more: [NONE, BOTH_HALVES], prepended: [0, 3] });
      await cloud.waitForTrafficVia("slave");
      await box.sendBy(2);
      try {
        expect(await pings("ecs")).toBe(true);
      } finally {
        await box.sendBy(1);
      }
      expect(await sentBy(IPSEC_ADDRESSES[1])).toBeGreaterThanOrEqual(before + 3);
    });

    it("ignores the MED when it is set to", async () => {
      await box.speakBgp({ med: [200, 100] });
      await cloud.waitForTrafficVia("slave");
      await cloud.setOptions({ ignoreMed: true });
      try {
        await cloud.waitForTrafficVia("master");
      } finally {
        await cloud.setOptions({ ignoreMed: false });
      }
      await cloud.waitForTrafficVia("slave");
    });

    it("offers 60 and 180 seconds, of which a smaller hold time is taken", async () => {
      const timers = async () => {
        const said = await box.askBird("show protocols all t2");
        return ["Hold", "Keepalive"].map((name) => Number(new RegExp(`${name} timer: .*/(\\d+)`).exec(said)?.[1]));
      };
      expect(await timers()).toEqual([3, 1]);
      await box.speakBgp({ hold: 240 });
      // The sessions are down for a second or less.
      for (const deadline = Date.now() + 60_000; (await timers())[0] === 3 && Date.now() < deadline;) await delay(200);
      await bothSpeak();
      expect(await timers()).toEqual([180, 60]);
    });

    it("sends by the standby tunnel once the active one's hold time is over, its SA being alive", async () => {
      await lab.cut("uplink1");
      try {
        await cloud.waitForTrafficVia("slave", { timeoutS: 15 });
        expect(up(await cloud.report(), "tun-1")).toBe(true);
      } finally {
        await lab.restore("uplink1");
      }
    });

    it("neither tells nor lets instances use what was learnt where nothing is propagated", async () => {
      await cloud.apply(speaking(false));
      expect(blocks(await cloud.bgp(), "tun-1")).toEqual([DATA_CENTER_CIDR]);
      expect(await isCutOff("ecs")).toBe(true);
      await lab.box.waitUntilSucceeds(
        "! birdc -r -s /run/bird/hand-made.ctl show route protocol t1 | grep -q 192.168.10.0",
      );
      await cloud.apply(speaking());
      await cloud.waitForTrafficVia("master");
      expect(await pings("ecs")).toBe(true);
    });

    it("takes no default route and nothing of Alibaba's own block", async () => {
      await box.speakBgp({ more: [["0.0.0.0/0", "100.64.1.0/24", "10.40.0.0/16"], NONE] });
      await untilHeard("another block", (sessions) => blocks(sessions, "tun-1").includes("10.40.0.0/16"));
      expect(blocks(await cloud.bgp(), "tun-1")).toEqual(["10.40.0.0/16", DATA_CENTER_CIDR]);
    });

    it("speaks by the active tunnel only when it is set to, and by the standby when that has ended", async () => {
      await cloud.setOptions({ activeSessionOnly: true });
      try {
        const sessions = await cloud.bgp();
        expect([sessions["tun-1"].established, sessions["tun-2"].established]).toEqual([true, false]);
        await cloud.deleteTunnel("tun-1");
        await untilHeard("the standby tunnel's session alone", ({ "tun-1": one, "tun-2": two }) => {
          return !one.established && two.established && two.routes.length > 0;
        });
        await cloud.waitForTrafficVia("slave");
      } finally {
        await cloud.setOptions({ activeSessionOnly: false });
        await bothUp();
      }
    });

    it("keeps the routes of a session that has ended where both ends restart gracefully", async () => {
      await cloud.setOptions({ gracefulRestart: true });
      await box.speakBgp({ gracefulRestart: true });
      try {
        await bothSpeak();
        await box.killBird();
        await untilHeard("sessions that ended", (sessions) => Object.values(sessions).every((s) => !s.established));
        expect(blocks(await cloud.bgp(), "tun-1")).toEqual([DATA_CENTER_CIDR]);
        expect(await pings("ecs")).toBe(true);
      } finally {
        await cloud.setOptions({ gracefulRestart: false });
      }
      expect(blocks(await cloud.bgp(), "tun-1")).toEqual([]);
    });

    it("has no BGP any more when the tunnels have none", async () => {
      await cloud.apply(state());
      expect(await cloud.bgp()).toEqual({});
      expect(await lab.in("cloud", "ip -4 address")).not.toContain("169.254.");
      await lab.world.fail("systemctl is-active cloud-end-bgpd.service");
      await cloud.waitForTrafficVia("master");
      expect(await pings("ecs")).toBe(true);
    });
  });

  it.each(["main", "aggressive"] as const)("negotiates IKEv1 in %s mode", async (mode) => {
    await cloud.apply(state({ one: { ike: { version: "ikev1", mode } } }));
    await box.load({ psk: PSKS[0], version: 1, aggressive: mode === "aggressive" }, { psk: PSKS[1] });
    await bothUp();
    expect(await pings("ecs")).toBe(true);
  });

  it("forgets everything when the state is empty", async () => {
    await cloud.apply({ gateways: [], connections: [], routes: [] });
    expect(await cloud.tunnelStatus()).toEqual({});
    expect(await unanswered(lab.box, IPSEC_ADDRESSES[0])).toBe(true);
  });
});
