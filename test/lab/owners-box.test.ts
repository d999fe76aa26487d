// A box whose owner has strongSwan and ways in of his own: an IPsec connection that is not ours goes on whatever becomes of
// ours, Terraform comes by whichever way the owner allows, and what cannot be is refused with its reason.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import * as path from "node:path";
import type { TerraformStack } from "cdktf";
import { differences, listingOf } from "../../lab/box/listing";
import { newNetwork } from "../../lab/deployment/new-network";
import { DATA_CENTER_CIDR, LAN } from "../../lab/network";
import { runBound } from "../../lab/process";
import { DualTunnelVpn, HostKey, type SshOptions } from "../../lib";
import { sshTo, uplink } from "./shapes-stacks";
import { StackDeployment } from "./stack-deployment";
import { TerraformLab } from "./terraform-lab";

jest.setTimeout(400_000);

const NAME = "singapore";
/** Where sshd listens for root alone. */
const PORT = 2222;
const PSK = "psk-of-the-office";

/** One end of the owner's connection, which protects pings between box and server. */
const office = (local: string, remote: string) => `connections {
  office {
    version = 2
    local_addrs = ${local}
    remote_addrs = ${remote}
    local { auth = psk\n id = ${local}\n }
    remote { auth = psk\n id = ${remote}\n }
    children { office { mode = transport\n local_ts = dynamic[icmp]\n remote_ts = dynamic[icmp]\n } }
  }
}
secrets { ike-office { id-1 = ${local}\n id-2 = ${remote}\n secret = "${PSK}"\n } }
`;

describe("a box that its owner uses otherwise too", () => {
  const place = new TerraformLab("owners-box");
  const { lab, directory } = place;
  const agentSocket = path.join(directory, "agent");
  let sshAgent: ChildProcess;
  let site: StackDeployment;
  let pristine: string;
  let ssh: SshOptions;
  let sas: string;

  const listing = () => listingOf(lab.box);

  /** The unique ids of the owner's SAs, after a ping has passed by them; rejects where it goes in clear. */
  async function officeSas(): Promise<string> {
    const list = "swanctl --list-sas --ike office";
    const packets = async () => {
      const text = await lab.box.succeed(list);
      const [, sent] = / out .* (\d+) packets/.exec(text) ?? [];
      if (sent === undefined) throw new Error(`The owner's connection is down:\n${text}`);
      return Number(sent);
    };
    const before = await packets();
    await lab.box.succeed(`ping -c 1 -W 5 -I ${LAN.box} ${LAN.server}`);
    expect(await packets()).toBe(before + 1);
    return lab.box.succeed(`${list} | grep -o 'office: #[0-9]*'`);
  }

  function build(stack: TerraformStack): void {
    new DualTunnelVpn(stack, "vpn", {
      name: NAME,
      gateway: newNetwork(stack, NAME),
      dataCenterCidrs: [DATA_CENTER_CIDR],
      uplinks: [uplink(0), uplink(1)],
      ssh,
    });
  }

  /** The owner's connection: a second charon in the world, at the server in the data center. */
  async function startOffice(): Promise<void> {
    const run = "/run/office";
    await lab.world.succeed(`mkdir -p ${run}`);
    await lab.world.write(
      `charon-systemd {\n load_modular = yes\n plugins {\n include /etc/strongswan.d/charon/*.conf\n vici { socket = unix://${run}/vici }\n }\n}\n`,
      `${run}/strongswan.conf`,
    );
    await lab.world.write(office(LAN.server, LAN.box), `${run}/swanctl.conf`, 0o600);
    await lab.world.succeed(
      `systemd-run --quiet --unit=office -p NetworkNamespacePath=/run/netns/dc -p Type=notify -E STRONGSWAN_CONF=${run}/strongswan.conf charon-systemd && ` +
        `swanctl --load-all --uri unix://${run}/vici --file ${run}/swanctl.conf`,
    );
    await lab.box.write(office(LAN.box, LAN.server), "/etc/swanctl/conf.d/office.conf", 0o600);
    await lab.box.succeed("systemctl restart strongswan && swanctl --load-all && swanctl --initiate --child office", {
      timeoutS: 90,
    });
  }

  beforeAll(async () => {
    await place.start();
    await startOffice();
    await lab.box.write(
      `Port 22\nPort ${PORT}\nMatch LocalPort ${PORT}\nAllowUsers root\n`,
      "/etc/ssh/sshd_config.d/owner.conf",
    );
    await lab.box.succeed("sshd -t && systemctl restart ssh");
    sshAgent = spawn("ssh-agent", ["-D", "-a", agentSocket], { stdio: ["ignore", "pipe", "inherit"] });
    await once(sshAgent.stdout!, "data");
    const added = await runBound("ssh-add", ["-q", lab.keyPath], {
      env: { ...process.env, SSH_AUTH_SOCK: agentSocket },
    });
    expect(added.status).toBe(0);
    sas = await officeSas();
    pristine = await listing();
    site = new StackDeployment({
      name: NAME,
      ...place.deploysWith,
      providerEnv: { ...place.deploysWith.providerEnv, SSH_AUTH_SOCK: agentSocket },
      build,
      variables: { [`${NAME}_psk_active`]: "psk-of-tunnel-one", [`${NAME}_psk_standby`]: "psk-of-tunnel-two" },
    });
  }, 900_000);

  afterAll(async () => {
    sshAgent?.kill();
    await place.stop();
  }, 60_000);

  it("is refused, and left as it was, where sudo wants a password", async () => {
    ssh = sshTo(lab);
    const sudoers = "/etc/sudoers.d/admin";
    await lab.box.succeed(`sed -i 's/NOPASSWD: //' ${sudoers}`);
    try {
      const text = (await site.failToApply()).replace(/\s+/g, " ");
      expect(text).toContain("the SSH user admin cannot run sudo without a password on this box");
    } finally {
      await lab.box.succeed(`sed -i 's/) ALL$/) NOPASSWD: ALL/' ${sudoers}`);
    }
    expect(differences(pristine, await listing())).toEqual([]);
  });

  it("is refused, and left as it was, while strongSwan's former daemon is in use", async () => {
    const unit = "/run/systemd/system/strongswan-starter.service";
    // Of the daemon the unit's name alone: it holds no ports here, and is refused for what it would hold.
    await lab.box.write("[Service]\nExecStart=/bin/sleep infinity\n", unit);
    await lab.box.succeed("systemctl daemon-reload && systemctl start strongswan-starter");
    try {
      const text = (await site.failToApply()).replace(/\s+/g, " ");
      expect(text).toContain(
        "strongswan-starter.service is in use on this box and holds the IKE ports: disable it first",
      );
    } finally {
      await lab.box.succeed(`systemctl stop strongswan-starter && rm ${unit} && systemctl daemon-reload`);
    }
    expect(differences(pristine, await listing())).toEqual([]);
  });

  it("is reached as root, on another port, through a bastion, with a key that only an agent has", async () => {
    const hostKey = HostKey.ecdsa(lab.box.hostKeyEcdsa);
    ssh = {
      host: LAN.box,
      port: PORT,
      hostKey,
      // Another user of the same machine: what is behind it is reached by the LAN's address alone.
      bastion: { host: "127.0.0.1", port: lab.box.sshPort, user: "nosudo", hostKey },
    };
    expect(await site.apply()).toMatch(/connection singapore: both tunnels are up/);
    await lab.box.waitUntilSucceeds("dual-tunnel-vpn status");
    expect(await site.pendingChanges()).toBeUndefined();
  });

  it("keeps its owner's connection, whose SAs were not touched", async () => {
    expect(await officeSas()).toBe(sas);
  });

  it("is as it was once ours is destroyed, the same way, and its owner's connection goes on", async () => {
    await site.destroy();
    expect(differences(pristine, await listing())).toEqual([]);
    expect(await officeSas()).toBe(sas);
  });
});
