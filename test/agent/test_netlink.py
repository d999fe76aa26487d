"""The netlink client's codec: what goes out and what is understood, without a kernel."""

from __future__ import annotations

import errno
import os
import random
import socket
import struct
import unittest
from unittest import mock

from dual_tunnel_vpn.net import netlink
from dual_tunnel_vpn.net.netlink import Address, IpsecPolicy, Link, Monitor, Netlink, NetlinkError, Place, Route, Rule


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
        def link(flags: int) -> Link | None:
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
        self.assertEqual(netlink.decode_rule(body[:12]), Rule(0, 0, 0))

    def test_a_rule_of_others_is_read_with_all_that_it_selects_by(self) -> None:
        body = struct.pack("=BBBBBBBBI", 2, 16, 32, 0, 101, 0, 0, 1, 2)
        body += netlink.attribute(1, bytes((192, 168, 0, 0))) + netlink.attribute(2, bytes((172, 16, 1, 93)))
        body += netlink.attribute(3, b"eth2\0") + netlink.attribute(16, struct.pack("=I", 0xFF))
        body += netlink.attribute(14, struct.pack("=I", 0)) + netlink.attribute(21, b"\3")
        found = Rule(0, 101, 0, 0xFF, "192.168.0.0/16", "172.16.1.93/32", "eth2", protocol=3, inverted=True, suppress=0)
        self.assertEqual(netlink.decode_rule(body), found)

    def test_an_esp_state_is_read_with_its_if_id_and_its_algorithms(self) -> None:
        body = bytearray(224)
        body[56:60] = bytes((192, 0, 2, 152))
        struct.pack_into("!IB", body, 72, 0xC0FFEE01, 50)
        struct.pack_into("=QQ", body, 168, 42, 1_700_000_000)
        struct.pack_into("=H", body, 212, socket.AF_INET)
        found = netlink.decode_ipsec_state(bytes(body) + netlink.attribute(31, struct.pack("=I", 20481)))
        self.assertEqual(found, netlink.IpsecState("192.0.2.152", 0xC0FFEE01, 20481, 1_700_000_000, 42))
        self.assertIsNone(netlink.decode_ipsec_state(bytes(body[:200])))

        pair = netlink.attribute(2, struct.pack("=64sI", b"cbc(aes)", 256) + bytes(32))
        pair += netlink.attribute(20, struct.pack("=64sII", b"hmac(sha256)", 256, 128) + bytes(32))
        one = netlink.attribute(18, struct.pack("=64sII", b"rfc4106(gcm(aes))", 160, 128) + bytes(20))
        for attributes, algorithms in (
            (pair, netlink.Algorithms("cbc(aes)", 256, "hmac(sha256)", 256, 128)),
            (one, netlink.Algorithms("rfc4106(gcm(aes))", 160, icv_bits=128)),
        ):
            state = netlink.decode_ipsec_state(bytes(body) + attributes)
            self.assertEqual(state and state.algorithms, algorithms)

    def test_an_xfrm_interface_is_read_with_its_if_id(self) -> None:
        data = netlink.attribute(2, struct.pack("=I", 20481))
        info = netlink.attribute(18, netlink.attribute(1, b"xfrm\0") + netlink.attribute(2, data))
        body = struct.pack("=BxHiII", 0, 65534, 9, 0x1 | 0x10000, 0) + netlink.attribute(3, b"lab-1\0")
        body += netlink.attribute(4, struct.pack("=I", 1400))
        self.assertEqual(netlink.decode_link(body + info), Link(9, "lab-1", True, True, "xfrm", 20481, 1400))
        # The numbers of another driver's attributes mean other things.
        info = netlink.attribute(18, netlink.attribute(1, b"vlan\0") + netlink.attribute(2, data))
        found = netlink.decode_link(body + info)
        self.assertEqual(found and found.if_id, 0)

    def test_a_route_of_any_kind_has_a_place(self) -> None:
        body = bytearray(netlink.encode_route(Route("10.0.0.0/8", 0, table=20481, protocol=4)))
        body[7] = 6  # blackhole
        self.assertEqual(netlink.decode_place(bytes(body)), Place(20481, "10.0.0.0/8", 4, kind=6))

    def test_a_rule_survives_the_wire(self) -> None:
        outer = Rule(0, 254, 5158, destination="192.0.2.152/32", iif="lo", protocol=157)
        for rule in (Rule(20481, 20481, 5157), Rule(1, 200, 1), outer):
            self.assertEqual(netlink.decode_rule(netlink.encode_rule(rule)), rule)

    def test_an_ipsec_policy_is_read_with_its_if_id_and_those_of_ipv6_are_not(self) -> None:
        body = bytearray(168)
        body[0:4] = bytes((10, 0, 0, 1))
        struct.pack_into("=H", body, 40, socket.AF_INET)
        body[160] = 2
        tail = netlink.attribute(31, struct.pack("=I", 20481))
        self.assertEqual(netlink.decode_ipsec_policy(bytes(body) + tail), IpsecPolicy(bytes(body[:56]), 2, 20481))
        struct.pack_into("=H", body, 40, socket.AF_INET6)
        self.assertIsNone(netlink.decode_ipsec_policy(bytes(body) + tail))

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


class FakeSocket:
    """A kernel that answers each request with the next of these lists of datagrams; records what was asked."""

    def __init__(self, *answers: list[bytes]) -> None:
        self.sent: list[bytes] = []
        self._answers = list(answers)
        self._ready: list[bytes] = []

    def send(self, data: bytes) -> None:
        """Takes a request."""
        self.sent.append(data)
        (sequence,) = struct.unpack_from("=I", data, 8)
        answers = self._answers.pop(0)
        self._ready = [part[:8] + struct.pack("=I", sequence) + part[12:] for part in answers]

    def recv_into(self, buffer: memoryview) -> int:
        """The next datagram."""
        data = self._ready.pop(0)
        buffer[: len(data)] = data
        return len(data)


def message(kind: int, body: bytes = b"", flags: int = 0) -> bytes:
    """A datagram of one message."""
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 0, 0) + body


ROUTE = message(netlink.RTM_NEWROUTE, netlink.encode_route(Route("10.0.0.0/8", 3, protocol=157)), 2)
OTHER = message(netlink.RTM_NEWROUTE, netlink.encode_route(Route("10.1.0.0/16", 3, protocol=157)), 2)
DONE = message(3, struct.pack("=i", 0), 2)


def refused(code: int) -> list[bytes]:
    """The kernel's answer to a request that it refuses (0: that it took)."""
    return [message(2, struct.pack("=i", -code) + bytes(16))]


class Requests(unittest.TestCase):
    def client(self, *answers: list[bytes]) -> tuple[Netlink, FakeSocket]:
        client = Netlink.__new__(Netlink)
        fake = FakeSocket(*answers)
        client._socket = fake  # type: ignore[assignment]
        client._sequence, client._buffer = 0, memoryview(bytearray(1 << 16))
        return client, fake

    def test_a_dump_in_many_parts_is_read_to_its_end(self) -> None:
        client, _ = self.client([ROUTE, OTHER, DONE])
        self.assertEqual([route.destination for route in client.routes(157)], ["10.0.0.0/8", "10.1.0.0/16"])

    def test_what_the_kernel_has_learnt_of_a_destination_is_no_route(self) -> None:
        learnt = bytearray(OTHER)
        struct.pack_into("=I", learnt, 16 + 8, 0x200)
        client, _ = self.client([ROUTE, bytes(learnt), DONE], [ROUTE, bytes(learnt), DONE])
        self.assertEqual([route.destination for route in client.routes(157)], ["10.0.0.0/8"])
        self.assertEqual([place.destination for place in client.places()], ["10.0.0.0/8"])

    def test_a_dump_in_which_something_changed_is_asked_for_again(self) -> None:
        interrupted = bytearray(ROUTE)
        struct.pack_into("=H", interrupted, 6, 2 | 0x10)
        client, fake = self.client([bytes(interrupted), DONE], [OTHER, message(3, bytes(4), 0x12)], [OTHER, DONE])
        self.assertEqual([route.destination for route in client.routes(157)], ["10.1.0.0/16"])
        self.assertEqual(len(fake.sent), 3)

    def test_a_dump_that_is_never_whole_ends_with_a_sentence(self) -> None:
        client, fake = self.client(*[[message(3, bytes(4), 0x12)]] * netlink.DUMPS)
        with self.assertRaisesRegex(NetlinkError, "^the rules could not be read: "):
            client.rules()
        self.assertEqual(len(fake.sent), netlink.DUMPS)

    def test_an_error_at_the_end_of_a_dump_is_one(self) -> None:
        client, _ = self.client([ROUTE, message(3, struct.pack("=i", -errno.EPERM), 2)])
        with self.assertRaises(NetlinkError) as raised:
            client.routes(157)
        self.assertEqual(raised.exception.errno, errno.EPERM)

    def test_an_error_says_what_was_to_be_done_to_which_object(self) -> None:
        client, _ = self.client(refused(errno.ENETUNREACH), refused(errno.EINVAL), refused(errno.EPERM))
        with mock.patch("socket.if_indextoname", return_value="eth0"), self.assertRaisesRegex(
            NetlinkError,
            "^the route to 10.0.0.0/8 via 10.9.0.1 by eth0 in table 20481 could not be set: "
            f"{os.strerror(errno.ENETUNREACH)}$",
        ):
            client.replace_route(Route("10.0.0.0/8", 2, "10.9.0.1", table=20481))
        with self.assertRaisesRegex(NetlinkError, "^the interface lab-1 could not be made: Invalid argument$"):
            client.put_xfrm_link("lab-1", 1, 1400)
        with self.assertRaisesRegex(NetlinkError, "^the rule for mark 5 could not be removed: "):
            client.delete_rule(Rule(5, 5, 5157))

    def test_what_is_gone_or_there_already_is_as_good_as_done(self) -> None:
        client, _ = self.client(*map(refused, (errno.ESRCH, errno.ENOENT, errno.ENODEV, errno.EEXIST)))
        client.delete_route(Route("10.0.0.0/8", 2))
        client.delete_rule(Rule(5, 5, 5157))
        client.delete_link("lab-1")
        client.add_rule(Rule(5, 5, 5157))

    def test_only_a_deletion_takes_an_absence_for_success(self) -> None:
        client, _ = self.client(refused(errno.ENOENT), refused(errno.ESRCH), refused(errno.ENODEV))
        for request in (
            lambda: client.add_rule(Rule(5, 5, 5157)),
            lambda: client.replace_route(Route("10.0.0.0/8", 0, kind=netlink.UNREACHABLE)),
            lambda: client.put_xfrm_link("lab-1", 1, 1400),
        ):
            self.assertRaises(NetlinkError, request)

    def test_an_xfrm_interface_is_made_without_an_ipv6_address_before_it_is_up(self) -> None:
        client, fake = self.client(*map(refused, (0, errno.EAFNOSUPPORT, 0)))
        client.put_xfrm_link("lab-1", 20481, 1400)
        kinds = [struct.unpack_from("=HH", sent, 4) for sent in fake.sent]
        # NEWLINK each; the first with CREATE.
        self.assertEqual([(kind, bool(flags & 0x400)) for kind, flags in kinds], [(16, True), (16, False), (16, False)])
        made, mode, up = (netlink.attributes(sent[32:]) for sent in fake.sent)
        self.assertEqual({found[3] for found in (made, mode, up)}, {b"lab-1\0"})
        info = netlink.attributes(made[18])
        self.assertEqual((info[1], netlink.attributes(info[2])), (b"xfrm\0", {2: struct.pack("=I", 20481)}))
        self.assertEqual(netlink.attributes(netlink.attributes(mode[26])[socket.AF_INET6]), {8: b"\x01"})
        self.assertEqual(up[4], struct.pack("=I", 1400))
        self.assertEqual([struct.unpack_from("=I", sent, 24)[0] for sent in fake.sent], [0, 0, 1])

    def test_an_xfrm_interface_gets_its_address_once_it_is_up_and_loses_one_that_may_be_gone(self) -> None:
        client, fake = self.client(*map(refused, (0, 0, 0, 0, errno.EADDRNOTAVAIL)))
        with mock.patch("socket.if_nametoindex", return_value=9):
            client.put_xfrm_link("lab-1", 20481, 1400, "169.254.11.2/30")
        kind, flags = struct.unpack_from("=HH", fake.sent[3], 4)
        # CREATE and REPLACE: it may be there already.
        self.assertEqual((kind, flags & 0x500), (20, 0x500))
        address = Address(9, "169.254.11.2", 30)
        self.assertEqual(netlink.decode_address(fake.sent[3][16:]), address)
        client.delete_address(address)
        self.assertEqual(struct.unpack_from("=H", fake.sent[4], 4), (21,))
        self.assertEqual(netlink.decode_address(fake.sent[4][16:]), address)


if __name__ == "__main__":
    unittest.main()


class Notifications(unittest.TestCase):
    def test_only_whether_there_were_any_is_told_of_a_drained_one_lost_ones_included(self) -> None:
        again = BlockingIOError()
        lost = OSError(errno.ENOBUFS, "lost")
        for received, any_at_all in (([again], False), ([ROUTE, DONE, again], True), ([lost, again], True)):
            monitor = Monitor.__new__(Monitor)
            monitor._socket = mock.Mock(recv=mock.Mock(side_effect=received))
            self.assertEqual(monitor.drain(), any_at_all)

    def test_any_other_error_is_one(self) -> None:
        monitor = Monitor.__new__(Monitor)
        monitor._socket = mock.Mock(recv=mock.Mock(side_effect=OSError(errno.EBADF, "closed")))
        self.assertRaises(OSError, monitor.drain)
