"""Kernel parameters: noted once, restored when nobody needs them, in an order that the kernel does not undo."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from dual_tunnel_vpn import paths
from dual_tunnel_vpn.manifest import Box
from dual_tunnel_vpn.net import sysctl

from . import samples


class FakeKernel:
    """/proc/sys as files; switching forwarding rewrites the interfaces' values as Linux does."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("all", "default", "lo", "eth0", "eth1", "singapore-1", "singapore-2"):
            self.put(f"net/ipv4/conf/{name}/forwarding", "0")
            self.put(f"net/ipv4/conf/{name}/rp_filter", "1")
            self.put(f"net/ipv4/conf/{name}/accept_redirects", "0")
        self.put("net/ipv4/ip_forward", "0")
        self.put("net/ipv4/conf/all/accept_redirects", "1")
        self.put("net/core/xfrm_acq_expires", "30")

    def put(self, key: str, value: str) -> None:
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value)

    def write(self, key: str, value: str) -> bool:
        before = sysctl.read(key)
        self.put(key, value)
        if key == sysctl.FORWARD and value != before:
            for path in (self.root / "net/ipv4/conf").iterdir():
                self.put(f"net/ipv4/conf/{path.name}/forwarding", value)
            self.put("net/ipv4/conf/all/accept_redirects", "0" if value == "1" else "1")
        return True

    def write_all(self, values: dict[str, str]) -> bool:
        written = [self.write(key, value) for key, value in values.items()]
        return all(written)

    def values(self) -> dict[str, str]:
        return {str(path.relative_to(self.root)): path.read_text() for path in self.root.rglob("*") if path.is_file()}


class Case(unittest.TestCase):
    """A box with the sample's uplinks and interfaces, and files of its own."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.etc = Path(directory.name) / "sysctl.d"
        self.etc.mkdir()
        self.fake = FakeKernel(Path(directory.name) / "proc")
        for patch in (
            mock.patch.object(sysctl, "_ROOT", self.fake.root),
            mock.patch.object(sysctl, "_put", self.fake.write_all),
            mock.patch.object(sysctl, "_CONFIGURED", (str(self.etc), str(self.etc.parent / "sysctl.conf"))),
            mock.patch.object(paths, "sysctl_file", lambda name: self.etc / f"90-dual-tunnel-vpn-{name}.conf"),
        ):
            patch.start()
            self.addCleanup(patch.stop)
        self.wanted = sysctl.wanted(samples.site(), ["eth0", "eth1"])
        self.noted = [key for key in self.wanted if "singapore" not in key]

    def install(self, box: Box) -> None:
        sysctl.remember(box, self.noted)
        for key, value in self.wanted.items():
            sysctl.write(key, value)
        sysctl.forward(samples.site())

    def amiss(self) -> list[str]:
        return sysctl.amiss(samples.site(), ["eth0", "eth1"])

    def forwarding(self, name: str) -> str | None:
        return sysctl.read(f"net/ipv4/conf/{name}/forwarding")


class Forwards(Case):
    def test_by_each_interface_and_those_to_come_and_says_nothing_of_its_own_in_ip_forward(self) -> None:
        self.install(Box())
        self.assertEqual(sysctl.read(sysctl.FORWARD), "0")
        self.assertEqual({self.forwarding(name) for name in ("default", "eth0", "eth1", "singapore-1")}, {"1"})
        self.assertEqual(self.forwarding("lo"), "0")
        self.assertEqual(sysctl.read(sysctl.REDIRECTS), "0")
        self.assertEqual(self.amiss(), [])

    def test_nothing_by_a_file_that_is_read_before_guards_and_filter_are_there(self) -> None:
        self.assertNotIn(b"forward", sysctl.render("singapore", self.wanted))

    def test_touches_nothing_where_others_forward_already(self) -> None:
        self.fake.write(sysctl.FORWARD, "1")
        self.fake.put("net/ipv4/conf/eth1/forwarding", "0")
        box = Box()
        self.install(box)
        self.assertEqual(self.forwarding("eth1"), "0")
        self.assertEqual(sysctl.forwarded_before(box), [])
        sysctl.restore(box, ())
        self.assertEqual((sysctl.read(sysctl.FORWARD), self.forwarding("eth1")), ("1", "0"))

    def test_is_not_right_any_more_once_somebody_switched_all_forwarding_on_and_off(self) -> None:
        self.install(Box())
        self.fake.write(sysctl.FORWARD, "1")
        self.assertEqual(self.amiss(), [])
        self.fake.write(sysctl.FORWARD, "0")
        self.assertEqual(
            self.amiss(), ["forwarding was switched off (default, eth0, eth1, singapore-1, singapore-2)"]
        )
        sysctl.forward(samples.site())
        self.assertEqual(self.amiss(), [])

    def test_is_not_right_where_one_interface_does_not_forward_any_more(self) -> None:
        self.install(Box())
        self.fake.put("net/ipv4/conf/eth1/forwarding", "0")
        self.assertEqual(self.amiss(), ["forwarding was switched off (eth1)"])

    def test_by_the_tunnels_wherever_others_forward_and_by_their_interfaces_as_they_say(self) -> None:
        self.install(Box())
        self.fake.write(sysctl.FORWARD, "1")
        for name in ("eth1", "singapore-2"):
            self.fake.put(f"net/ipv4/conf/{name}/forwarding", "0")
        self.assertEqual(self.amiss(), ["forwarding was switched off (singapore-2)"])
        sysctl.forward(samples.site())
        self.assertEqual((self.forwarding("eth1"), self.forwarding("singapore-2")), ("0", "1"))

    def test_is_not_right_where_a_hardening_file_made_the_reverse_path_filter_strict(self) -> None:
        self.install(Box())
        for name in ("eth0", "singapore-1"):
            self.fake.put(sysctl.loose(name), "1")
        self.assertEqual(self.amiss(), ["the reverse-path filter was not loose (eth0, singapore-1)"])

    def test_knows_the_interfaces_that_forwarded_before(self) -> None:
        self.fake.put("net/ipv4/conf/eth1/forwarding", "1")
        box = Box()
        self.install(box)
        sysctl.remember(box, self.noted)
        self.assertEqual(sysctl.forwarded_before(box), ["eth1"])


class TakesOverFromAFormerVersion(Case):
    def old(self, before: str) -> Box:
        """What a former version left: ip_forward switched on, noted, and in the file."""
        box = Box(sysctls={sysctl.FORWARD: before})
        if before == "0":
            noted = [f"net/ipv4/conf/{name}/forwarding" for name in ("default", "lo", "eth0", "eth1")]
            noted += [f"net/ipv4/conf/{name}/accept_redirects" for name in ("all", "default")]
            box.sysctls.update({key: str(sysctl.read(key)) for key in noted})
        self.fake.write(sysctl.FORWARD, "1")
        for name in ("singapore", "tokyo"):
            values = {sysctl.FORWARD: "1", **self.wanted}
            paths.sysctl_file(name).write_bytes(sysctl.render(name, values))
        return box

    def test_hands_forwarding_over_to_the_interfaces_and_gives_it_back_at_the_end(self) -> None:
        before = self.fake.values()
        box = self.old("0")
        self.assertTrue(sysctl.remember(box, self.noted))
        self.assertEqual((sysctl.read(sysctl.FORWARD), self.forwarding("eth0")), ("0", "1"))
        self.assertNotIn(sysctl.FORWARD, box.sysctls)
        for name in ("singapore", "tokyo"):
            self.assertEqual(sysctl.parse(paths.sysctl_file(name).read_bytes()), self.wanted)
        self.install(box)
        sysctl.restore(box, ())
        for name in ("singapore-1", "singapore-2"):
            self.fake.put(f"net/ipv4/conf/{name}/rp_filter", "1")
        self.assertEqual(self.fake.values(), before)

    def test_leaves_a_box_that_forwarded_before_as_it_is(self) -> None:
        box = self.old("1")
        sysctl.remember(box, self.noted)
        self.assertEqual(sysctl.read(sysctl.FORWARD), "1")
        sysctl.restore(box, ())
        self.assertEqual((sysctl.read(sysctl.FORWARD), self.forwarding("eth0")), ("1", "1"))

    def test_leaves_forwarding_on_where_a_file_of_others_asks_for_it_since(self) -> None:
        box = self.old("0")
        (self.etc / "50-router.conf").write_text("# router\n-net.ipv4.ip_forward = 1\n")
        sysctl.remember(box, self.noted)
        self.assertEqual(sysctl.read(sysctl.FORWARD), "1")

    def test_an_uninstall_with_nothing_taken_over_restores_all_the_same(self) -> None:
        before = self.fake.values()
        sysctl.restore(self.old("0"), ())
        self.assertEqual(self.fake.values(), before)


class RestoresParameters(Case):
    def test_everything_is_as_before_after_install_and_restore(self) -> None:
        self.fake.put("net/ipv4/conf/eth1/forwarding", "1")
        before = self.fake.values()
        box = Box()
        self.install(box)
        self.assertEqual(sysctl.read("net/ipv4/conf/eth0/rp_filter"), "2")
        sysctl.restore(box, ())
        for name in ("singapore-1", "singapore-2"):
            self.fake.put(f"net/ipv4/conf/{name}/rp_filter", "1")
        self.assertEqual(self.fake.values(), before)
        self.assertEqual(box.sysctls, {})

    def test_an_interface_that_came_later_is_left_as_it_would_have_come_without_us(self) -> None:
        box = Box()
        self.install(box)
        self.fake.put("net/ipv4/conf/vlan7/forwarding", "1")
        sysctl.restore(box, ())
        self.assertEqual(self.forwarding("vlan7"), "0")

    def test_nothing_is_switched_off_that_others_have_switched_on_since(self) -> None:
        box = Box()
        self.install(box)
        self.fake.write(sysctl.FORWARD, "1")
        sysctl.restore(box, ())
        self.assertEqual((sysctl.read(sysctl.FORWARD), self.forwarding("eth0")), ("1", "1"))
        self.assertEqual(box.sysctls, {})

    def test_a_second_note_keeps_the_first_values(self) -> None:
        box = Box()
        self.install(box)
        self.assertFalse(sysctl.remember(box, self.noted))
        self.assertEqual(box.sysctls["net/ipv4/conf/eth0/forwarding"], "0")
        self.assertEqual(box.sysctls[sysctl.loose("eth0")], "1")

    def test_what_another_connection_needs_stays(self) -> None:
        box = Box()
        self.install(box)
        values = {sysctl.loose("eth1"): "2"}
        paths.sysctl_file("tokyo").write_bytes(sysctl.render("tokyo", values))
        sysctl.restore(box, sysctl.others("singapore"))
        self.assertEqual((self.forwarding("eth0"), self.forwarding("default")), ("1", "1"))
        self.assertEqual(sysctl.read("net/ipv4/conf/eth1/rp_filter"), "2")
        self.assertEqual(sysctl.read("net/ipv4/conf/eth0/rp_filter"), "1")
        sysctl.restore(box, sysctl.others("tokyo"))
        self.assertEqual((self.forwarding("eth0"), self.forwarding("default")), ("0", "0"))

    def test_an_interface_that_is_gone_is_no_error(self) -> None:
        box = Box(sysctls={"net/ipv4/conf/gone0/rp_filter": "1"})
        sysctl.restore(box, ())
        self.assertEqual(box.sysctls, {})

    def test_the_file_says_what_is_wanted(self) -> None:
        text = sysctl.render("singapore", self.wanted)
        self.assertEqual(sysctl.parse(text), self.wanted)
        self.assertIn(b"net/ipv4/conf/eth0/rp_filter = 2\n", text)
