"""What of others' routes, networks and rules is found in the way, and what is left alone."""

from __future__ import annotations

import struct
import unittest
from collections.abc import Sequence
from unittest import mock

from dual_tunnel_vpn.net import netlink, obstacles
from dual_tunnel_vpn.net.netlink import Address, Place, Rule

from . import samples

BLOCK = "192.168.0.0/16"
LOCAL_RULE, MAIN_RULE = Rule(0, 255, 0, protocol=2), Rule(0, 254, 32766, protocol=2)
LAN = "172.16.3.0/24"


def line(destination: str = BLOCK, metric: int = 0, table: int = 254, kind: int = netlink.UNICAST) -> Place:
    """Somebody's route by the LAN."""
    return Place(table, destination, 4, metric, kind, 4, "172.16.3.10")


class Finds(unittest.TestCase):
    def setUp(self) -> None:
        self.network = samples.network()
        self.network.links["eth2"] = samples.link(4, "eth2")
        self.network.addresses.append(Address(4, "172.16.3.1", 24))
        self.network.rules = [LOCAL_RULE, MAIN_RULE]
        name = mock.patch("socket.if_indextoname", lambda index: f"eth{index - 2}")
        name.start()
        self.addCleanup(name.stop)

    def found(self, *places: Place, rules: Sequence[Rule] = ()) -> list[str]:
        """What is in the way on the sample box with these routes and rules."""
        self.network.rules[1:1] = rules
        default = Place(254, "0.0.0.0/0", 4, oif=2, gateway="172.16.1.253")
        return list(obstacles.find(samples.site(), self.network, [default, *places]))

    def test_nothing_on_a_box_that_suits(self) -> None:
        connected = Place(254, LAN, netlink.KERNEL_PROTOCOL, oif=4)
        ours = [line()._replace(protocol=157), line("192.168.5.0/24")._replace(protocol=157)]
        others = [line("192.168.0.0/15"), line("10.0.0.0/8"), line(metric=101), line(table=7)]
        self.assertEqual(self.found(connected, *ours, *others), [])

    def test_a_network_of_the_boxs_own_inside_the_block_once(self) -> None:
        self.network.links["br0"] = samples.link(5, "br0", "bridge")
        self.network.addresses.append(Address(5, "192.168.0.1", 20))
        connected = Place(254, "192.168.0.0/20", netlink.KERNEL_PROTOCOL, oif=5)
        self.assertEqual(
            self.found(connected),
            [
                "the interface br0 of this box has the address 192.168.0.1/20, inside the VPC's block 192.168.0.0/16: "
                "what is for 192.168.0.0/20 would not reach the tunnels; give br0 another network, or leave it out of "
                "the VPC's blocks"
            ],
        )

    def test_an_address_of_the_boxs_own_in_the_block_whatever_its_network(self) -> None:
        for length in (8, 16, 32):
            self.network.addresses[-1] = Address(4, "192.168.9.9", length)
            [told] = self.found()
            self.assertIn(f"eth2 of this box has the address 192.168.9.9/{length}", told)

    def test_a_route_that_comes_first_or_is_in_the_place_of_ours(self) -> None:
        has = r"^this box has a route to 192\.168\.0\.0/16 via 172\.16\.3\.10 by eth2 with metric "
        for metric, words in (
            (0, "0, which comes before the connection's of 100: remove it, give it a larger metric$"),
            (50, "50, which comes before .* or set routeMetric to less than 50$"),
            (100, "100, which the connection's route would replace: .*set routeMetric to a smaller number$"),
            (4294967295, "4294967295, which the connection's route would replace"),
        ):
            [told] = self.found(line(metric=metric))
            self.assertRegex(told, has + words)

    def test_a_route_to_a_part_of_the_block_whatever_its_metric_and_kind(self) -> None:
        for kind in (netlink.UNICAST, netlink.BLACKHOLE, netlink.THROW):
            [told] = self.found(line("192.168.64.0/18", metric=5000, kind=kind))
            self.assertIn("192.168.64.0/18 via 172.16.3.10 by eth2, inside the VPC's block", told)

    def test_an_uplink_and_a_data_centers_interface_in_a_vrf(self) -> None:
        self.network.links["red"] = samples.link(9, "red", "vrf")
        self.network.links["br0"] = samples.link(8, "br0", "bridge")
        for name, words in (("eth0", "uplink 1's interface eth0"), ("eth2", "the data center's interface eth2")):
            link = self.network.links[name]
            self.network.links[name] = link._replace(master=8)
            self.assertEqual(self.found(), [])
            self.network.links[name] = link._replace(master=9)
            [told] = self.found()
            self.assertRegex(told, f"^{words} belongs to the VRF red on this box, .*`ip link set {name} nomaster`")
            self.network.links[name] = link

    def test_a_rule_that_takes_what_is_for_the_vpc_before_table_main(self) -> None:
        default = line("0.0.0.0/0", table=102)
        for rule in (
            Rule(0, 102, 100),
            Rule(0, 102, 100, source=LAN),
            Rule(0, 102, 100, destination="192.168.64.0/18"),
            Rule(0, 102, 100, iif="eth2"),
            Rule(0xCA6C, 102, 100, inverted=True),
            Rule(0, 102, 100, mask=0xFF),
            Rule(0, 0, 100, action=7, source=LAN),
        ):
            self.network.rules = [LOCAL_RULE, MAIN_RULE]
            [told] = self.found(default, rules=[rule])
            self.assertRegex(told, r"^a rule of this box \(`ip rule`: 100: .*\) comes before table main")
            self.assertTrue(told.endswith("`ip rule add to 192.168.0.0/16 lookup main priority 99`"), told)

    def test_a_rule_that_ours_cannot_come_before(self) -> None:
        default = line("0.0.0.0/0", table=101)
        for priority, words in ((3, []), (2, ["2"]), (0, ["0"])):
            self.network.rules = [LOCAL_RULE, MAIN_RULE]
            told = self.found(default, rules=[Rule(0, 101, priority, source="172.16.2.57/32")])
            self.assertEqual(len(told), len(words))
            for each in told:
                self.assertRegex(each, f"^a rule of this box .*{priority}: from 172.16.2.57/32 .* of tunnel 2 go")
        self.network.rules = [LOCAL_RULE, MAIN_RULE]
        others = [Rule(0, 101, 1, source="172.16.3.1/32"), Rule(7, 101, 1), Rule(0, 101, 1, destination="10.0.0.0/8")]
        self.assertEqual([told for told in self.found(default, rules=others) if "no room" in told], [])

    def test_a_rule_by_source_leaves_room_before_it_where_the_local_rule_was_moved_behind_it(self) -> None:
        default = line("0.0.0.0/0", table=101)
        self.network.rules = [LOCAL_RULE._replace(priority=32765), MAIN_RULE]
        self.assertEqual(self.found(default, rules=[Rule(0, 101, 100, source="172.16.1.93/32")]), [])

    def test_a_rule_behind_one_that_leads_to_table_main_only_a_part_of_what_is_for_the_vpc(self) -> None:
        default = line("0.0.0.0/0", table=102)
        tcp = struct.pack("=BBBBBBBBI", 2, 0, 0, 0, 254, 0, 0, 1, 0) + netlink.attribute(6, struct.pack("=I", 99))
        for body in (
            tcp + netlink.attribute(22, b"\6") + netlink.attribute(24, struct.pack("=HH", 22, 22)),
            tcp + netlink.attribute(20, struct.pack("=II", 1001, 1001)),
            tcp[:3] + b"\x10" + tcp[4:],
        ):
            part = netlink.decode_rule(body)
            assert part is not None
            self.network.rules = [LOCAL_RULE, MAIN_RULE]
            [told] = self.found(default, rules=[part, Rule(0, 102, 100)])
            self.assertRegex(told, r"^a rule of this box \(`ip rule`: 100: from all lookup 102\) comes before table ")

    def test_no_rule_that_leaves_the_vpcs_traffic_alone(self) -> None:
        default, leased = line("0.0.0.0/0", table=102), line("192.168.5.0/24", table=103)
        throws = [line("0.0.0.0/0", table=104), line(table=104, kind=netlink.THROW)]
        for rules in (
            [Rule(0, 102, 40000)],
            [Rule(0, 102, 100, source="172.16.1.93/32"), Rule(0, 102, 101, source="172.16.2.0/24")],
            [Rule(0, 102, 100, source="10.1.0.0/16")],
            [Rule(0, 102, 100, destination="10.0.0.0/8")],
            [Rule(0, 102, 100, iif="eth0"), Rule(0, 102, 101, oif="eth2")],
            [Rule(0x200, 102, 100, mask=0xF00)],
            [Rule(0, 102, 100, destination=BLOCK, inverted=True)],
            [Rule(0, 0, 1000, vrf=True)],
            [Rule(0, 105, 100)],
            [Rule(0, 103, 100, suppress=24)],
            [Rule(0, 104, 100)],
            [Rule(0, 254, 99, destination="192.168.0.0/15"), Rule(0, 102, 100)],
            # As wg-quick has it: main first, but for its default route.
            [Rule(0, 254, 99, suppress=0), Rule(0xCA6C, 102, 100, inverted=True)],
        ):
            self.network.rules = [LOCAL_RULE, MAIN_RULE]
            self.assertEqual(self.found(default, leased, *throws, rules=rules), [], rules)
