// A connection staged on the lab's box as Terraform's provisioners would, from texts typed here:
// what runs on the box is tested without the library that renders for it.
import { execFileSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import * as path from "node:path";
import type { CloudState } from "../cloud/cloud-end";
import type { Lab } from "../machines/lab";
import type { Result } from "../machines/shell";
import { DATA_CENTER_CIDR, IPSEC_ADDRESSES, UPLINKS, VPC_CIDR } from "../network";

const ROOT = path.join(__dirname, "../..");
/** The connection's name on the box. */
export const NAME = "singapore";

/** What can differ from one staging to the next. */
export interface Staged {
  /** @default "psk-of-tunnel-one" and "psk-of-tunnel-two" */
  readonly psks?: readonly [string, string];
  /** ESP proposal of each tunnel. @default aes256-sha256-modp2048 */
  readonly esp?: readonly [string, string];
  /** IKE lifetime of each tunnel, seconds. @default 86400 */
  readonly ikeLifetime?: readonly [number, number];
  /** Address of the first uplink. @default the lab's */
  readonly firstUplink?: string;
  /** Prefix length of that address. @default the lab's */
  readonly firstPrefixLength?: number;
  /** Firewall mark of each uplink's probes. @default 70001 and 70002 */
  readonly marks?: readonly [number, number];
  /** Whether a new SSH connection has to confirm the change, or the box takes it back. @default false */
  readonly confirmed?: boolean;
  /** The directory whose `assets` are uploaded. @default the repository */
  readonly tree?: string;
  /** The VPN gateway's bandwidth. @default not known */
  readonly bandwidthMbps?: number;
  /** Directory on the box from which packages come. @default the box's own package sources */
  readonly packages?: string;
}

/** An upload on the box, as begin.sh knows it. */
interface Upload {
  readonly id: string;
  readonly directory: string;
}

const PSKS = ["psk-of-tunnel-one", "psk-of-tunnel-two"] as const;
const ESP = "aes256-sha256-modp2048";

const files = ({
  psks = PSKS,
  esp = [ESP, ESP],
  ikeLifetime = [86400, 86400],
  firstUplink,
  firstPrefixLength,
  marks,
  bandwidthMbps,
}: Staged) => {
  const address = (i: number) => (i === 0 ? (firstUplink ?? UPLINKS[0].address) : UPLINKS[i].address);
  const number = (i: number) => 70001 + i;
  const site = {
    version: 1,
    name: NAME,
    vpcCidrs: [VPC_CIDR],
    dataCenterCidrs: [DATA_CENTER_CIDR],
    bandwidthMbps,
    routeMetric: 100,
    uplinks: UPLINKS.map((uplink, i) => ({
      number: i + 1,
      address: address(i),
      prefixLength: i === 0 ? (firstPrefixLength ?? uplink.prefixLength) : uplink.prefixLength,
      gateway: uplink.gateway,
      device: null,
      table: number(i),
      mark: marks?.[i] ?? number(i),
    })),
    tunnels: UPLINKS.map((uplink, i) => ({
      number: i + 1,
      role: i === 0 ? "active" : "standby",
      uplink: i + 1,
      connection: `${NAME}-${i + 1}`,
      child: `${NAME}-${i + 1}`,
      interface: `${NAME}-${i + 1}`,
      ifId: number(i),
      mtu: 1400,
      mss: 1360,
      ipsecAddress: IPSEC_ADDRESSES[i],
      localId: uplink.egressIp,
      remoteId: IPSEC_ADDRESSES[i],
    })),
    agent: {
      probeIntervalMs: 100,
      probeMisses: 6,
      holdSeconds: 5,
      vpcProbeAddresses: [],
      mechanisms: { outerMove: true, deleteByOtherUplink: true },
    },
  };
  const texts: Record<string, string> = {
    "site.json": JSON.stringify(site),
    "owner.json": JSON.stringify({ stack: "staged by hand", id: "staged" }),
  };
  UPLINKS.forEach((uplink, i) => {
    const name = `${NAME}-${i + 1}`;
    texts[`tunnel-${i + 1}.conf`] = `connections {
  ${name} {
    version = 2
    local_addrs = ${address(i)}
    remote_addrs = ${IPSEC_ADDRESSES[i]}
    proposals = aes256-sha256-modp2048
    encap = yes
    mobike = no
    dpd_delay = 10s
    rekey_time = ${ikeLifetime[i] - 8640}s
    keyingtries = 0
    unique = replace
    local {
      auth = psk
      id = ${uplink.egressIp}
    }
    remote {
      auth = psk
      id = ${IPSEC_ADDRESSES[i]}
    }
    children {
      ${name} {
        local_ts = 0.0.0.0/0
        remote_ts = 0.0.0.0/0
        esp_proposals = ${esp[i]}
        if_id_in = ${number(i)}
        if_id_out = ${number(i)}
        replay_window = 1024
        start_action = start
        close_action = none
        dpd_action = restart
      }
    }
  }
}
`;
    texts[`secrets-${i + 1}.conf`] = `secrets {
  ike-${name} {
    id-local = ${uplink.egressIp}
    id-remote = ${IPSEC_ADDRESSES[i]}
    secret = 0s${Buffer.from(psks[i]).toString("base64")}
  }
}
`;
  });
  return texts;
};

/** The state of the cloud end that answers to `Staged` with the same fields. */
export function cloudState({ psks = PSKS, esp = [ESP, ESP] }: Pick<Staged, "psks" | "esp"> = {}): CloudState {
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
        effectImmediately: false,
        tunnels: UPLINKS.map((uplink, i) => ({
          tunnelId: `tun-${i + 1}`,
          role: i === 0 ? ("master" as const) : ("slave" as const),
          ipsecAddress: IPSEC_ADDRESSES[i],
          peerAddress: uplink.egressIp,
          localId: IPSEC_ADDRESSES[i],
          remoteId: uplink.egressIp,
          psk: psks[i],
          dpd: true,
          natTraversal: true,
          ike: {
            version: "ikev2" as const,
            mode: "main" as const,
            enc: "aes256" as const,
            auth: "sha256" as const,
            dhGroup: "group14" as const,
            lifetime: 86400,
          },
          esp: {
            enc: esp[i].startsWith("aes128") ? ("aes" as const) : ("aes256" as const),
            auth: "sha256" as const,
            pfs: esp[i].endsWith("modp2048") ? ("group14" as const) : ("disabled" as const),
            lifetime: 86400,
          },
        })) as unknown as CloudState["connections"][number]["tunnels"],
      },
    ],
    routes: [
      { gatewayId: "vpn-1", connectionId: "vco-1", destination: DATA_CENTER_CIDR, weight: 100, published: true },
    ],
  };
}

/** Runs the first script, and uploads; gives the directory of the upload, or how the first script refused. */
async function upload(lab: Lab, staged: Staged, user: string): Promise<Upload | Result> {
  const home = user === "root" ? "/root" : `/home/${user}`;
  // Terraform's is as random; a saved lab may hold the upload of an earlier process.
  const id = `${randomInt(2 ** 47)}`;
  const script = `name=${NAME}\nupload=${id}\n${readFileSync(path.join(ROOT, "assets/begin.sh"), "utf8")}`;
  await lab.box.write(script, `${home}/.ssh/begin.sh`);
  const begun = await lab.box.execute(
    `cd ${home} && chown ${user}: .ssh/begin.sh && runuser -u ${user} -- sh .ssh/begin.sh 2>&1`,
  );
  await lab.box.succeed(`rm ${home}/.ssh/begin.sh`);
  if (begun.status !== 0) return begun;
  const directory = `/run/dual-tunnel-vpn-staging/${NAME}.${id}`;
  const tar = execFileSync("tar", ["--exclude=__pycache__", "-C", staged.tree ?? ROOT, "-czf", "-", "assets"], {
    maxBuffer: 2 ** 26,
  }).toString("base64");
  await lab.box.succeed(`base64 -d | tar -xzf - --no-same-owner -C ${directory}`, { stdin: tar });
  const { packages } = staged;
  const bundle = Object.entries({ ...files(staged), ...(packages && { packages }) }).map(
    ([name, text]) => `${name} ${Buffer.from(text).toString("base64")}\n`,
  );
  await lab.box.write(`${bundle.join("")}end\n`, `${directory}/bundle`, 0o600);
  await lab.box.succeed(`chown -R ${user}: ${directory}`);
  return { id, directory };
}

const installs = ({ directory }: Upload, { confirmed }: Staged) =>
  `sh ${directory}/assets/install.sh apply ${confirmed ? "--confirmed " : ""}${directory}`;

async function uploadAsRoot(lab: Lab, staged: Staged): Promise<Upload> {
  const uploaded = await upload(lab, staged, "root");
  if ("stdout" in uploaded) throw new Error(uploaded.stdout);
  return uploaded;
}

/** Uploads everything as root; gives the command that installs it. */
export async function stage(lab: Lab, staged: Staged = {}): Promise<string> {
  return installs(await uploadAsRoot(lab, staged), staged);
}

/** Uploads everything as root; gives the command that makes the box ready for it. */
export async function stagePreparation(lab: Lab, staged: Staged): Promise<string> {
  const { id, directory } = await uploadAsRoot(lab, staged);
  const script = `${directory}/prepare.sh`;
  const told = `name=${NAME}\nupload=${id}\noption=\n`;
  await lab.box.write(told + readFileSync(path.join(ROOT, "assets/prepare.sh"), "utf8"), script);
  return `sh ${script}`;
}

/** Stages and installs as a user of the box, root unless told otherwise. */
export async function install(lab: Lab, staged: Staged = {}, user = "root"): Promise<Result> {
  const uploaded = await upload(lab, staged, user);
  if ("stdout" in uploaded) return uploaded;
  return lab.box.execute(`runuser -u ${user} -- ${installs(uploaded, staged)} 2>&1`, { timeoutS: 400 });
}
