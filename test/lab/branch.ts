// A second site in the lab: a device with a public address of its own, configured by hand from the text that the library
// gives for such devices. It lives in a network namespace of the world machine.
import type { Lab } from "../../lab/machines/lab";
import { BRANCH, INTERNET } from "../../lab/network";

const RUN = "/run/branch";
const UNIT = "branch-charon";
const URI = `unix://${RUN}/charon.vici`;

const CHARON = `charon {
  load = random nonce aes sha1 sha2 md5 hmac kdf gmp openssl kernel-netlink socket-default vici
  install_routes = no
  routing_table = 0
  plugins {
    vici {
      socket = ${URI}
    }
  }
}
`;

export class Branch {
  constructor(private readonly lab: Lab) {}

  /** Joins the device to the internet and starts its IKE daemon. */
  async start(): Promise<void> {
    const { world } = this.lab;
    await world.succeed(`mkdir -m 700 ${RUN}`);
    await world.write(CHARON, `${RUN}/strongswan.conf`);
    await world.succeed(
      [
        "set -e",
        "ip -batch - <<'LINKS'",
        "netns add branch",
        "link add branch netns inet type veth peer name wan netns branch",
        "LINKS",
        `ip -netns inet -batch - <<'LINKS'`,
        "link set branch up",
        `route add ${BRANCH.egressIp}/32 dev branch`,
        "LINKS",
        `ip -netns branch -batch - <<'LINKS'`,
        "link set lo up",
        `address add ${BRANCH.server}/32 dev lo`,
        `address add ${BRANCH.egressIp}/32 dev wan`,
        "link set wan up",
        `route add ${INTERNET.nat1.router} dev wan`,
        `route add default via ${INTERNET.nat1.router} src ${BRANCH.egressIp}`,
        "LINKS",
        `systemd-run --quiet --collect --unit=${UNIT} --property=Type=notify --property=NetworkNamespacePath=/run/netns/branch ` +
          `--setenv=STRONGSWAN_CONF=${RUN}/strongswan.conf /usr/sbin/charon-systemd`,
      ].join("\n"),
    );
  }

  /** Loads the configuration and makes the XFRM interfaces that it names; everything for the VPC goes by the first. */
  async configure(swanctl: string, vpcCidr: string): Promise<void> {
    const { world } = this.lab;
    const ifIds = [...swanctl.matchAll(/if_id_in = (\d+)/g)].map(([, number]) => number);
    await world.write(swanctl, `${RUN}/swanctl.conf`, 0o600);
    await world.succeed(
      [
        "ip -netns branch -batch - <<'LINKS' || exit 1",
        ...ifIds.flatMap((ifId, index) => [
          `link add tunnel${index + 1} type xfrm dev wan if_id ${ifId}`,
          `link set tunnel${index + 1} mtu 1400 up`,
        ]),
        `route add ${vpcCidr} dev tunnel1 src ${BRANCH.server}`,
        "LINKS",
        `swanctl --load-all --uri ${URI} --file ${RUN}/swanctl.conf`,
      ].join("\n"),
    );
  }

  /** `swanctl --list-sas` of the device. */
  listSas(): Promise<string> {
    return this.lab.world.succeed(`swanctl --list-sas --uri ${URI}`);
  }
}
