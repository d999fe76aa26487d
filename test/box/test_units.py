"""Unit files and settings: what must be in them for the connection to come back by itself."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

from dual_tunnel_vpn import library

SYSTEMD = Path(library.__file__).resolve().parents[1] / "systemd"


def unit(name: str) -> dict[str, dict[str, list[str]]]:
    sections: dict[str, dict[str, list[str]]] = {}
    current: dict[str, list[str]] = {}
    for line in (SYSTEMD / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            current = sections.setdefault(line.strip("[]"), {})
        elif "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            current.setdefault(key, []).append(value)
    return sections


class Units(unittest.TestCase):
    def test_links_come_before_strongswan_at_every_boot(self) -> None:
        links = unit("dual-tunnel-vpn-links@.service")
        self.assertIn("strongswan.service", " ".join(links["Unit"]["Before"]))
        self.assertEqual(links["Install"]["WantedBy"], ["multi-user.target"])
        self.assertEqual(links["Service"]["RemainAfterExit"], ["yes"])
        self.assertNotIn("ExecStop", links["Service"])

    def test_guard_comes_before_any_network_and_after_whoever_loads_a_packet_filter(self) -> None:
        guard = unit("dual-tunnel-vpn-guard@.service")
        before, after = (" ".join(guard["Unit"][key]) for key in ("Before", "After"))
        self.assertIn("network-pre.target", before)
        self.assertIn("network-pre.target", guard["Unit"]["Wants"])
        self.assertIn("dual-tunnel-vpn-links@%i.service", before)
        for name in ("systemd-sysctl.service", "nftables.service", "firewalld.service", "ufw.service"):
            self.assertIn(name, after)
        # With the usual ones it would wait for basic.target, and some networks do not.
        self.assertEqual(guard["Unit"]["DefaultDependencies"], ["no"])
        self.assertEqual(guard["Install"]["WantedBy"], ["multi-user.target"])
        self.assertNotIn("ExecStop", guard["Service"])

    def test_links_follow_whatever_is_restarted_under_them(self) -> None:
        links = unit("dual-tunnel-vpn-links@.service")
        after, part_of = (" ".join(links["Unit"][key]) for key in ("After", "PartOf"))
        for name in ("systemd-networkd.service", "NetworkManager.service", "networking.service"):
            self.assertIn(name, part_of)
            self.assertIn(name, after)
        for name in ("nftables.service", "iptables.service", "firewalld.service", "ufw.service"):
            self.assertIn(name, after)
            # They conflict with each other: none could be restarted any more.
            self.assertNotIn(name, part_of)

    def test_a_repair_that_runs_is_joined_by_the_next_waits_for_nothing_and_is_started_however_often(self) -> None:
        repair = unit("dual-tunnel-vpn-repair@.service")
        # Only of a unit that is being started another start is the same; one that stays active would never run again.
        self.assertEqual(repair["Service"]["Type"], ["oneshot"])
        self.assertNotIn("RemainAfterExit", repair["Service"])
        for key in ("After", "Requires", "PartOf"):
            self.assertNotIn(key, repair["Unit"])
        self.assertEqual(repair["Unit"]["StartLimitIntervalSec"], ["0"])

    def test_agent_and_strongswan_are_restarted_always_and_without_limit(self) -> None:
        for name in ("dual-tunnel-vpn-agent@.service", "strongswan.service.conf"):
            found = unit(name)
            self.assertEqual(found["Service"]["Restart"], ["always"])
            self.assertEqual(found["Unit"]["StartLimitIntervalSec"], ["0"])

    def test_a_charon_that_spins_at_its_end_is_killed_soon(self) -> None:
        self.assertLessEqual(int(unit("strongswan.service.conf")["Service"]["TimeoutStopSec"][0]), 5)

    def test_charon_is_back_at_once(self) -> None:
        self.assertEqual(unit("strongswan.service.conf")["Service"]["RestartSec"], ["100ms"])

    def test_one_bad_connection_does_not_stop_strongswan(self) -> None:
        post = unit("strongswan.service.conf")["Service"]["ExecStartPost"]
        self.assertEqual(post[0], "")
        self.assertTrue(post[1].startswith("-"))

    def test_agent_is_watched(self) -> None:
        service = unit("dual-tunnel-vpn-agent@.service")["Service"]
        self.assertEqual(service["Type"], ["notify"])
        for key in ("WatchdogSec", "MemoryMax"):
            self.assertIn(key, service)

    def test_the_agent_may_open_every_kind_of_socket_that_it_opens(self) -> None:
        names = "[m.__file__ for n, m in sys.modules.items() if n.startswith('dual_tunnel_vpn.')]"
        code = f"import sys, dual_tunnel_vpn.agent.main, dual_tunnel_vpn.agent.loop; print(*{names})"
        assets = str(SYSTEMD.parent)
        done = subprocess.run([sys.executable, "-c", code], cwd=assets, capture_output=True, text=True, check=True)
        sources = [Path(name).read_text(encoding="utf-8") for name in done.stdout.split()]
        opened = {found for text in sources for found in re.findall(r"\bsocket\.socket\(\s*socket\.(AF_\w+)", text)}
        self.assertIn("AF_PACKET", opened)
        service = unit("dual-tunnel-vpn-agent@.service")["Service"]
        self.assertEqual(opened - set(service["RestrictAddressFamilies"][0].split()), set())
        # What a packet socket, and a raw one, takes besides.
        self.assertIn("CAP_NET_RAW", service["CapabilityBoundingSet"][0].split())

    def test_what_we_run_is_confined(self) -> None:
        for name in ("agent", "bgp", "guard", "links", "repair"):
            service = unit(f"dual-tunnel-vpn-{name}@.service")["Service"]
            self.assertEqual(service["ProtectSystem"], ["strict"], name)
            self.assertEqual(service["NoNewPrivileges"], ["yes"], name)
            self.assertEqual(service["SystemCallFilter"], ["@system-service", "~@privileged @resources"], name)
            self.assertNotRegex(service["CapabilityBoundingSet"][0], "SYS_|SETUID|MKNOD|CHOWN", name)

    def test_the_bgp_speaker_is_nobody_and_back_at_once(self) -> None:
        found = unit("dual-tunnel-vpn-bgp@.service")
        service = found["Service"]
        self.assertEqual(service["DynamicUser"], ["yes"])
        self.assertEqual(service["CapabilityBoundingSet"], ["CAP_NET_RAW"])
        self.assertEqual((service["Restart"], found["Unit"]["StartLimitIntervalSec"]), (["always"], ["0"]))
        self.assertEqual((service["RuntimeDirectoryMode"], service["UMask"]), (["0700"], ["0077"]))
        # Nothing of the distribution's own BIRD: its configuration, its socket, its user.
        self.assertNotRegex(str(service), "/etc/bird|/run/bird|bird.ctl|-u ")
        for key in ("PartOf", "Conflicts", "Requires"):
            self.assertNotIn(key, found["Unit"])

    def test_vrrp_is_confined_back_soon_and_follows_what_the_agent_leaves_in_run(self) -> None:
        found = unit("dual-tunnel-vpn-vrrp@.service")
        service = found["Service"]
        for key in ("ProtectSystem", "NoNewPrivileges"):
            self.assertIn(service[key], (["strict"], ["yes"]))
        # It calls setgroups before it runs what sees whether the agent lives.
        self.assertNotRegex(service["CapabilityBoundingSet"][0], "SYS_|SETUID|MKNOD|CHOWN")
        self.assertIn("CAP_SETGID", service["CapabilityBoundingSet"][0])
        self.assertEqual((service["Restart"], found["Unit"]["StartLimitIntervalSec"]), (["always"], ["0"]))
        self.assertEqual(service["RuntimeDirectoryPreserve"], ["yes"])
        # Nothing of the distribution's own keepalived: its configuration, its process ids.
        self.assertNotRegex(str(service), r"/etc/keepalived|/run/keepalived|DAEMON_ARGS")
        for key in ("PartOf", "Conflicts", "Requires", "BindsTo"):
            self.assertNotIn(key, found["Unit"])

    def test_no_unit_that_always_runs_is_exposed_more_than_a_little(self) -> None:
        if shutil.which("systemd-analyze") is None:
            self.skipTest("this host has no systemd-analyze")
        for name, most in (("bgp", 3.0), ("agent", 3.0)):
            file = str(SYSTEMD / f"dual-tunnel-vpn-{name}@.service")
            words = ["systemd-analyze", "security", "--offline=true", "--no-pager", file]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            if done.returncode and "offline" in done.stderr:
                self.skipTest("this systemd-analyze judges no file")
            level = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
            self.assertIsNotNone(level, done.stderr)
            self.assertLessEqual(float(level.group(1)), most, name)  # type: ignore[union-attr]

    def test_bgps_speaker_is_bound_to_no_addresses(self) -> None:
        # The kernel holds that against the packets that the tunnel makes of its own, too, and drops them.
        self.assertNotIn("IPAddressDeny", unit("dual-tunnel-vpn-bgp@.service")["Service"])

    def test_guard_needs_nothing_of_tmp_which_may_come_later(self) -> None:
        guard = unit("dual-tunnel-vpn-guard@.service")["Service"]
        for key in ("PrivateTmp", "PrivateDevices"):
            self.assertNotIn(key, guard)

    def test_charon_may_still_be_given_its_domain_and_write_the_kernels_parameters_of_networks(self) -> None:
        service = unit("strongswan-confined.conf")["Service"]
        # SELinux and AppArmor change the domain at the start of a program, which this would forbid.
        self.assertNotIn("NoNewPrivileges", service)
        self.assertEqual(service["ReadWritePaths"], ["/proc/sys/net"])


class Charon(unittest.TestCase):
    def setUp(self) -> None:
        self.settings = self.read("zz-dual-tunnel-vpn.conf")

    def read(self, name: str) -> dict[str, str]:
        return dict(re.findall(r"^\s*(\w+) = (\S+)$", library.asset(f"strongswan.d/{name}").decode(), re.MULTILINE))

    def test_leaves_routes_and_rules_alone_where_all_connections_are_ours(self) -> None:
        routes = self.read("zz-dual-tunnel-vpn-routes.conf")
        self.assertEqual(routes, {"install_routes": "no", "install_virtual_ip": "no", "routing_table": "0"})
        # They are in no other file, which connections of others would have too.
        self.assertFalse(set(routes).intersection(self.settings))

    def test_repeats_a_lost_message_soon_and_gives_a_dead_peer_up_within_ten_seconds(self) -> None:
        first, base = float(self.settings["retransmit_timeout"]), float(self.settings["retransmit_base"])
        tries = int(self.settings["retransmit_tries"])
        # A DELETE waits for the answer to a DPD message that is under way: for as long as that is repeated.
        self.assertLessEqual(first, 0.5)
        self.assertLess(sum(first * base**n for n in range(tries + 1)), 10)
        # Loss of 10 % each way must not end a healthy SA.
        self.assertLess((1 - 0.9**2) ** (tries + 1), 1e-5)


class Library(unittest.TestCase):
    def test_a_version_is_named_by_its_content(self) -> None:
        self.assertRegex(library.version(), r"\A[0-9a-f]{16}\Z")
        self.assertEqual(library.version(), library.version())

    def test_every_asset_that_apply_installs_is_there(self) -> None:
        for name in (
            "systemd/strongswan.service.conf",
            "systemd/strongswan-confined.conf",
            "systemd/networkd.conf",
            "systemd/dual-tunnel-vpn-guard@.service",
            "systemd/dual-tunnel-vpn-links@.service",
            "systemd/dual-tunnel-vpn-repair@.service",
            "systemd/dual-tunnel-vpn-agent@.service",
            "systemd/dual-tunnel-vpn-bgp@.service",
            "systemd/dual-tunnel-vpn-vrrp@.service",
            "systemd/dual-tunnel-vpn-rollback@.service",
            "systemd/dual-tunnel-vpn-rollback@.timer",
            "strongswan.d/zz-dual-tunnel-vpn.conf",
            "strongswan.d/zz-dual-tunnel-vpn-routes.conf",
            "dual-tunnel-vpn",
        ):
            self.assertTrue(library.asset(name), name)

    def test_networkd_keeps_its_hands_off(self) -> None:
        parser = configparser.ConfigParser()
        parser.read_string(library.asset("systemd/networkd.conf").decode())
        self.assertFalse(parser.getboolean("Network", "ManageForeignRoutes"))
        self.assertFalse(parser.getboolean("Network", "ManageForeignRoutingPolicyRules"))
