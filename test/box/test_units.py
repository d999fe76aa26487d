"""Unit files and settings: what must be in them for the connection to come back by itself."""

from __future__ import annotations

import configparser
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

    def test_links_follow_whatever_is_restarted_under_them(self) -> None:
        links = unit("dual-tunnel-vpn-links@.service")
        for name in ("nftables.service", "firewalld.service", "systemd-networkd.service", "NetworkManager.service"):
            self.assertIn(name, " ".join(links["Unit"]["PartOf"]))
            self.assertIn(name, " ".join(links["Unit"]["After"]))

    def test_agent_and_strongswan_are_restarted_always_and_without_limit(self) -> None:
        for name in ("dual-tunnel-vpn-agent@.service", "strongswan.service.conf"):
            found = unit(name)
            self.assertEqual(found["Service"]["Restart"], ["always"])
            self.assertEqual(found["Unit"]["StartLimitIntervalSec"], ["0"])

    def test_one_bad_connection_does_not_stop_strongswan(self) -> None:
        post = unit("strongswan.service.conf")["Service"]["ExecStartPost"]
        self.assertEqual(post[0], "")
        self.assertTrue(post[1].startswith("-"))

    def test_agent_is_watched_and_confined(self) -> None:
        service = unit("dual-tunnel-vpn-agent@.service")["Service"]
        self.assertEqual(service["Type"], ["notify"])
        for key in ("WatchdogSec", "MemoryMax", "CapabilityBoundingSet", "NoNewPrivileges", "ProtectSystem"):
            self.assertIn(key, service)


class Library(unittest.TestCase):
    def test_a_version_is_named_by_its_content(self) -> None:
        self.assertRegex(library.version(), r"\A[0-9a-f]{16}\Z")
        self.assertEqual(library.version(), library.version())

    def test_every_asset_that_apply_installs_is_there(self) -> None:
        for name in (
            "systemd/strongswan.service.conf",
            "systemd/networkd.conf",
            "systemd/dual-tunnel-vpn-links@.service",
            "systemd/dual-tunnel-vpn-agent@.service",
            "strongswan.d/zz-dual-tunnel-vpn.conf",
            "dual-tunnel-vpn",
        ):
            self.assertTrue(library.asset(name), name)

    def test_networkd_keeps_its_hands_off(self) -> None:
        parser = configparser.ConfigParser()
        parser.read_string(library.asset("systemd/networkd.conf").decode())
        self.assertFalse(parser.getboolean("Network", "ManageForeignRoutes"))
        self.assertFalse(parser.getboolean("Network", "ManageForeignRoutingPolicyRules"))
