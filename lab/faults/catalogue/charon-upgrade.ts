import type { Fault } from "../fault";

export default {
  what: "The box's package manager installs strongSwan anew, as an upgrade does.",
  async make(scene) {
    const packages = "libstrongswan libcharon-extra-plugins charon-systemd strongswan-swanctl";
    await scene.box.succeed(
      `DEBIAN_FRONTEND=noninteractive apt-get -qq --yes --reinstall install $(dpkg-query -f '\${Package}\\n' -W ${packages} 2>/dev/null)`,
      { timeoutS: 240 },
    );
    await scene.bothUp();
  },
  limits: { out: { gapS: 15 }, in: { gapS: 15 } },
} satisfies Fault;
