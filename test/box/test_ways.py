"""What the kernel answers about ways, and what our rules make of it, asked of a real one in a namespace of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import unittest
from pathlib import Path
from unittest import mock

from dual_tunnel_vpn.agent.routes import Routes
from dual_tunnel_vpn.net import netlink, wanted, ways
from dual_tunnel_vpn.net.netlink import Netlink
from dual_tunnel_vpn.net.network import apply, observe

from . import samples

INSIDE = "DUAL_TUNNEL_VPN_NAMESPACE"
"""Set in the process whose network is the test's own."""

WORLD = """
link set lo up
link add eth0 type veth peer name far0
link add eth1 type veth peer name far1
link add eth2 type veth peer name far2
link add singapore-1 type veth peer name end1
link add singapore-2 type veth peer name end2
address add 172.16.1.93/24 dev eth0
address add 172.16.2.57/24 dev eth1
address add 172.16.3.1/24 dev eth2
"""
DEVICES = ("eth0", "eth1", "eth2", "singapore-1", "singapore-2", "far0", "far1", "far2", "end1", "end2")


def ip(*commands: str) -> None:
    """Has `ip` do it."""
    for command in commands:
        subprocess.run(["ip", *command.split()], check=True, capture_output=True)


class InNamespace(unittest.TestCase):
    @unittest.skipIf(INSIDE in os.environ, "this is the process inside")
    def test_holds_there(self) -> None:
        done = subprocess.run(
            ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-m", "unittest", "box.test_ways"],
            cwd=Path(__file__).resolve().parents[1],
            env={**os.environ, INSIDE: "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(done.returncode, 0, f"with user and network namespaces of its own:\n{done.stderr}")


class Asks(unittest.TestCase):
    def test_about_a_neighbour_on_a_link_of_two_addresses(self) -> None:
        for last, length, neighbours in ((0, 31, {"172.16.3.1"}), (1, 30, {"172.16.3.2"}), (1, 32, set[str]())):
            network = samples.network()
            network.links["eth2"] = samples.link(4, "eth2")
            network.addresses.append(netlink.Address(4, f"172.16.3.{last}", length))
            found = {question.source for question in ways.questions(samples.site(), network, [])}
            self.assertEqual(found - {""}, neighbours)


@unittest.skipUnless(INSIDE in os.environ, "only in a namespace of its own")
class Kernel(unittest.TestCase):
    """The sample box with its connection, whose XFRM interfaces are of another kind here."""

    @classmethod
    def setUpClass(cls) -> None:
        ip(*filter(None, WORLD.splitlines()), *(f"link set {name} up" for name in DEVICES))
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="ascii")

    def setUp(self) -> None:
        self.site = samples.site()
        self.undo: list[str] = []
        ip("route replace default via 172.16.1.253")
        with mock.patch("dual_tunnel_vpn.agent.routes.Nftables"):
            self.routes = Routes(self.site, mock.Mock())
        self.addCleanup(self.routes.close)
        self.routes.refresh()
        self.assertEqual([self.routes.set_inner(1), self.routes.set_outer(1, 1), self.routes.set_outer(2, 2)], [""] * 3)
        self.routes.set_rules()
        self.refresh()

    def tearDown(self) -> None:
        for command in reversed(self.undo):
            ip(command)
        apply(wanted.removals(wanted.claims(self.site), observe()))
        self.assertEqual([rule for rule in observe().rules if rule.protocol == 157], [])

    def has(self, command: str, undo: str) -> None:
        """Somebody does something, until the test ends."""
        ip(command)
        self.undo.append(undo)
        self.refresh()

    def refresh(self) -> None:
        self.routes.note(None)
        self.routes.refresh()

    def source_rule(self, where: str) -> None:
        self.has("route add default via 172.16.1.253 table 101", "route flush table 101")
        self.has(f"rule add from 172.16.1.93 lookup 101{where}", f"rule del from 172.16.1.93 lookup 101{where}")

    def test_all_goes_its_way(self) -> None:
        self.assertEqual(self.routes.elsewhere(), [])
        self.assertEqual((self.routes.outer(1), self.routes.outer(2)), (1, 2))
        self.assertEqual(wanted.rule_changes(self.site, self.routes.network), [])
        self.assertTrue(self.routes.settled(1))

    def test_a_moved_way_is_taken_although_a_rule_by_source_came_later_and_first(self) -> None:
        self.source_rule("")
        self.assertEqual(self.routes.set_outer(1, 2), "")
        self.assertIsNone(self.routes.outer(1))
        told = ["the connection's rules were gone or came after others: they come first"]
        self.assertEqual(self.routes.set_rules(), told)
        self.refresh()
        self.assertEqual(self.routes.outer(1), 2)
        self.assertEqual(self.routes.set_rules(), [])

    def test_what_comes_with_an_uplinks_mark_is_the_boxs_own_wherever_the_rule_for_that_is(self) -> None:
        # ESP of a tunnel that came by the other uplink: see rewriting.py.
        self.has("route add default via 172.16.2.253 table 20482", "route flush table 20482")
        self.has("rule add lookup local priority 32765", "rule del lookup local priority 32765")
        self.has("rule del lookup local priority 0", "rule add lookup local priority 0")
        self.source_rule(" priority 100")
        self.routes.set_rules()
        self.refresh()
        command = "ip route get 172.16.1.93 from 192.0.2.152 iif eth1 mark 20482"
        shown = subprocess.run(command.split(), capture_output=True, text=True, check=True)
        self.assertTrue(shown.stdout.startswith("local 172.16.1.93"), shown.stdout)
        self.assertEqual((self.routes.outer(1), self.routes.outer(2)), (1, 2))

    def test_a_way_that_nothing_can_put_right_is_named(self) -> None:
        self.source_rule(" priority 0")
        self.routes.set_outer(1, 2)
        self.routes.set_rules()
        self.refresh()
        route = "everywhere via 172.16.1.253 by eth0 in table 101"
        self.assertEqual(
            self.routes.misled(1, 2),
            f"what charon sends from 172.16.1.93 to 192.0.2.152 takes the route to {route} and not uplink 2: "
            "see `ip rule` and `ip route`",
        )

    def test_a_mark_does_not_mislead_what_is_encapsulated(self) -> None:
        # A packet's mark goes on to the packet that it is put into.
        self.has("route add default via 172.16.1.253 table 101", "route flush table 101")
        self.has("rule add fwmark 0x1 lookup 101", "rule del fwmark 0x1 lookup 101")
        self.routes.set_rules()
        self.routes.set_outer(1, 2)
        command = ["ip", "route", "get", "192.0.2.152", "from", "172.16.1.93", "mark", "1"]
        shown = subprocess.run(command, capture_output=True, text=True, check=True)
        self.assertIn("via 172.16.2.253", shown.stdout)

    def test_our_rules_are_for_what_the_box_itself_sends(self) -> None:
        self.has("route add default via 172.16.2.253 table 102", "route flush table 102")
        self.has("rule add from 172.16.3.0/24 lookup 102", "rule del from 172.16.3.0/24 lookup 102")
        self.routes.set_rules()
        forwarded = netlink.Question("192.0.2.152", "172.16.3.2", self.routes.network.links["eth2"].ifindex)
        netlink_ = Netlink()
        self.addCleanup(netlink_.close)
        self.assertEqual(netlink_.match(forwarded).table, 102)

    def test_what_takes_the_vpcs_traffic_is_named_whatever_it_is(self) -> None:
        self.has("route add default via 172.16.2.253 table 102", "route flush table 102")
        for make, undo, words in (
            (
                "address add 192.168.0.1/20 dev far2",
                "address del 192.168.0.1/20 dev far2",
                "what is for 192.168.0.1 in the VPC from 172.16.3.2 leaves by lo and not by a tunnel "
                "(it is an address of the box itself)",
            ),
            (
                "route add 192.168.0.0/16 via 172.16.3.10 metric 50",
                "route del 192.168.0.0/16 metric 50",
                "what is for 192.168.0.1 in the VPC from 172.16.3.2 leaves by eth2 and not by a tunnel "
                "(the route to 192.168.0.0/16 via 172.16.3.10 by eth2)",
            ),
            (
                "route add blackhole 192.168.64.0/18",
                "route del blackhole 192.168.64.0/18",
                "what is for 192.168.64.1 in the VPC from 172.16.3.2 has no way (Invalid argument)",
            ),
            (
                "rule add from 172.16.3.0/24 lookup 102",
                "rule del from 172.16.3.0/24 lookup 102",
                "what is for 192.168.0.1 in the VPC from 172.16.3.2 leaves by eth1 and not by a tunnel "
                "(the route to everywhere via 172.16.2.253 by eth1 in table 102)",
            ),
            (
                "rule add to 192.168.5.0/24 lookup 102",
                "rule del to 192.168.5.0/24 lookup 102",
                "what is for 192.168.5.1 in the VPC from 172.16.3.2 leaves by eth1 and not by a tunnel "
                "(the route to everywhere via 172.16.2.253 by eth1 in table 102)",
            ),
        ):
            ip(make)
            self.refresh()
            told = self.routes.elsewhere()
            ip(undo)
            self.refresh()
            self.assertIn(words, told)
            self.assertEqual(self.routes.elsewhere(), [])

    def test_a_block_is_asked_about_beside_the_parts_that_others_have(self) -> None:
        self.has("route add 192.168.0.0/20 via 172.16.3.10", "route del 192.168.0.0/20")
        self.has("route add 192.168.16.0/20 via 172.16.3.10", "route del 192.168.16.0/20")
        asked = {way.destination: way.interface for way in ways.look(self.site, self.routes.network)}
        self.assertEqual(asked, {"192.168.32.0": "singapore-1", "192.168.0.1": "eth2", "192.168.16.1": "eth2"})

    def test_the_box_itself_sends_from_its_address_on_the_lan(self) -> None:
        command = ["ip", "route", "get", "192.168.10.10"]
        shown = subprocess.run(command, capture_output=True, text=True, check=True)
        self.assertIn("dev singapore-1 src 172.16.3.1 ", shown.stdout)
        self.assertEqual(len(ways.look(self.site, self.routes.network)), 2)

    def test_routes_follow_a_changed_address_on_the_lan(self) -> None:
        self.has("address del 172.16.3.1/24 dev eth2", "address add 172.16.3.1/24 dev eth2")
        self.has("address add 172.16.3.77/24 dev eth2", "address del 172.16.3.77/24 dev eth2")
        # With the address that it named the kernel takes the route away.
        self.assertIsNone(self.routes.inner())
        self.assertEqual(self.routes.set_inner(1), "")
        self.refresh()
        self.assertTrue(self.routes.settled(1))
