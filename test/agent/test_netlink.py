"""The netlink client's codec: what goes out and what is understood, without a kernel."""

from __future__ import annotations

import random
import socket
import struct
import unittest

from dual_tunnel_vpn.net import netlink
from dual_tunnel_vpn.net.netlink import Address, Link, Route, Rule


class Codec(unittest.TestCase):
    def test_any_route_survives_the_wire(self) -> None:
        seed = random.randrange(2**32)
        rng = random.Random(seed)
        for _ in range(500):
            length = rng.randrange(33)
            network = rng.randrange(2**32) >> (32 - length) << (32 - length) if length else 0
            route = Route(
                destination=f"{socket.inet_ntoa(struct.pack('!I', network))}/{length}",
                oif=rng.randrange(1, 2**31),
                gateway=rng.choice((None, "172.16.1.253")),
                source=rng.choice((None, "172.16.1.93")),
                metric=rng.choice((0, 100, 2**32 - 2)),
                table=rng.choice((254, 20481, 2**31 - 1)),
                protocol=rng.randrange(256),
                onlink=rng.choice((False, True)),
            )
            if rng.random() < 0.2:
                route = route._replace(kind=netlink.UNREACHABLE, oif=0, gateway=None, onlink=False)
            self.assertEqual(netlink.decode_route(netlink.encode_route(route)), route, f"seed {seed}")

    def test_a_route_by_an_interface_without_a_gateway_has_link_scope(self) -> None:
        self.assertEqual(netlink.encode_route(Route("192.168.0.0/16", 7, protocol=157))[6], 253)
        self.assertEqual(netlink.encode_route(Route("0.0.0.0/0", 7, "10.0.0.1", protocol=157))[6], 0)

    def test_what_is_not_a_unicast_route_with_one_hop_is_left_out(self) -> None:
        body = bytearray(netlink.encode_route(Route("10.0.0.0/8", 3)))
        body[7] = 6  # blackhole
        self.assertIsNone(netlink.decode_route(bytes(body)))
        self.assertIsNone(netlink.decode_route(struct.pack("=BBBBBBBBI", 2, 8, 0, 0, 254, 4, 0, 1, 0)))

    def test_carrier_counts_only_on_an_interface_that_is_up(self) -> None:
        def link(flags: int) -> Link:
            return netlink.decode_link(struct.pack("=BxHiII", 0, 1, 3, flags, 0) + netlink.attribute(3, b"ens3\0"))

        self.assertEqual(link(0x1 | 0x10000), Link(3, "ens3", True, True))
        self.assertEqual(link(0x1), Link(3, "ens3", True, False))
        self.assertEqual(link(0x10000), Link(3, "ens3", False, False))

    def test_an_address_is_the_local_one_of_a_point_to_point_link(self) -> None:
        body = struct.pack("=BBBBI", socket.AF_INET, 32, 0, 0, 9)
        body += netlink.attribute(1, bytes((10, 0, 0, 2))) + netlink.attribute(2, bytes((10, 0, 0, 1)))
        self.assertEqual(netlink.decode_address(body), Address(9, "10.0.0.1", 32))

    def test_a_rule_is_known_by_its_mark(self) -> None:
        body = struct.pack("=BBBBBBBBI", 2, 0, 0, 0, 0, 0, 0, 1, 0)
        body += netlink.attribute(10, struct.pack("=I", 20481)) + netlink.attribute(15, struct.pack("=I", 20482))
        body += netlink.attribute(6, struct.pack("=I", 5157))
        self.assertEqual(netlink.decode_rule(body), Rule(20481, 20482, 5157))
        self.assertIsNone(netlink.decode_rule(body[:12]))

    def test_an_esp_state_is_read_with_its_if_id(self) -> None:
        body = bytearray(224)
        body[56:60] = bytes((192, 0, 2, 152))
        struct.pack_into("!IB", body, 72, 0xC0FFEE01, 50)
        struct.pack_into("=QQ", body, 168, 42, 1_700_000_000)
        struct.pack_into("=H", body, 212, socket.AF_INET)
        body[215] = 32
        found = netlink.decode_ipsec_state(bytes(body) + netlink.attribute(31, struct.pack("=I", 20481)))
        self.assertEqual(found, netlink.IpsecState("192.0.2.152", 0xC0FFEE01, 20481, 1_700_000_000, 42, 32))
        self.assertIsNone(netlink.decode_ipsec_state(bytes(body[:200])))

    def test_messages_of_a_datagram_are_told_apart_and_a_torn_one_is_left_out(self) -> None:
        one = struct.pack("=IHHII", 18, 24, 0, 7, 0) + b"ab"
        two = struct.pack("=IHHII", 16, 3, 2, 8, 0)
        self.assertEqual([m[0] for m in netlink.messages(one + b"\0\0" + two)], [24, 3])
        self.assertEqual([m[0] for m in netlink.messages(one + b"\0\0" + two[:10])], [24])

    def test_malformed_attributes_never_loop_or_raise(self) -> None:
        seed = random.randrange(2**32)
        rng = random.Random(seed)
        for _ in range(2000):
            netlink.attributes(bytes(rng.choice((0, 1, 4, 5, 8, 255)) for _ in range(rng.randrange(40))))


if __name__ == "__main__":
    unittest.main()
