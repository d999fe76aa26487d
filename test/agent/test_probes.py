"""Probe packets byte by byte, the sockets that they leave by, and the judgement of a path."""

from __future__ import annotations

import random
import socket
import struct
import unittest
from unittest import mock

from dual_tunnel_vpn.agent import probes
from dual_tunnel_vpn.agent.health import Health, Path


class Packets(unittest.TestCase):
    def test_an_echo_has_a_checksum_that_sums_to_nothing(self) -> None:
        rng = random.Random(1)
        for _ in range(500):
            packet = probes.echo_request(rng.randrange(65536), rng.randrange(65536), rng.randbytes(6))
            # RFC 1071, by its carries: the receiver's own sum is all ones.
            total = sum(struct.unpack(f"!{len(packet) // 2}H", packet))
            while total > 0xFFFF:
                total = (total & 0xFFFF) + (total >> 16)
            self.assertEqual(total, 0xFFFF)
            self.assertLessEqual(20 + len(packet), 34)

    def test_the_default_cadence_stays_within_eight_kilobits_an_uplink(self) -> None:
        bits = 2 * 8 * (20 + len(probes.echo_request(1, 1)))
        self.assertLess(bits * 10 + bits * 1, 8000)

    def reply(self, identifier: int, sequence: int, cookie: bytes) -> bytes:
        body = struct.pack("!BBHHH", 0, 0, 0, identifier, sequence) + cookie
        return bytes((0x45,)) + bytes(19) + body

    def test_only_our_own_answers_count(self) -> None:
        self.assertEqual(probes.echo_reply(self.reply(7, 9, probes.COOKIE), 7), 9)
        self.assertIsNone(probes.echo_reply(self.reply(8, 9, probes.COOKIE), 7))
        self.assertIsNone(probes.echo_reply(self.reply(7, 9, bytes(6)), 7))
        self.assertIsNone(probes.echo_reply(bytes(20) + probes.echo_request(7, 9), 7))
        for length in range(34):
            self.assertIsNone(probes.echo_reply(self.reply(7, 9, probes.COOKIE)[:length], 7))

    def test_ip_options_are_stepped_over(self) -> None:
        packet = self.reply(7, 9, probes.COOKIE)
        self.assertEqual(probes.echo_reply(bytes((0x46,)) + bytes(23) + packet[20:], 7), 9)

    def test_the_ike_probe_is_a_header_of_major_version_3(self) -> None:
        packet = probes.ike_probe(b"12345678")
        self.assertEqual(len(packet), 28)
        self.assertEqual(packet[17] >> 4, 3)
        self.assertEqual(struct.unpack("!I", packet[24:])[0], 28)
        self.assertEqual(probes.ike_answer(packet[:8] + bytes(28)), b"12345678")
        self.assertIsNone(probes.ike_answer(packet[:20]))


class Sockets(unittest.TestCase):
    def opened(self, probe: str, *arguments: object) -> mock.Mock:
        """The socket, never a real one, that a prober has made."""
        made = mock.Mock()
        with mock.patch.object(socket, "socket", return_value=made):
            getattr(probes, probe)(*arguments)
        return made

    def test_no_moved_route_misleads_a_probe(self) -> None:
        ways = ("eth0", 20481, "172.16.1.9", "192.0.2.1")
        for made in (self.opened("Echo", *ways, 7), self.opened("IkeKnock", *ways)):
            options = {call.args[1]: call.args[2] for call in made.setsockopt.call_args_list if call.args[0] == 1}
            self.assertEqual(options[socket.SO_MARK], 20481)
            self.assertEqual(options[socket.SO_BINDTODEVICE], b"eth0\0")
            made.bind.assert_called_once_with(("172.16.1.9", 0))
            self.assertEqual(made.connect.call_args.args[0][0], "192.0.2.1")

    def test_an_answer_from_the_vpc_is_heard_whichever_tunnel_it_comes_by(self) -> None:
        made = self.opened("ThroughTunnel", 7)
        self.assertNotIn(socket.SO_BINDTODEVICE, [call.args[1] for call in made.setsockopt.call_args_list])
        made.bind.assert_not_called()


class Judgement(unittest.TestCase):
    def path(self) -> Path:
        path = Path(0.1, 6)
        self.send(path, 0, 100)
        return path

    def send(self, path: Path, first: int, count: int, answered: bool = True, delay: float = 0.01) -> float:
        """Probes each 0.1 s; the time after the last."""
        for number in range(first, first + count):
            path.sent(number, number / 10)
            if answered:
                path.answered(number, number / 10 + delay)
            path.advance((number + 1) / 10)
        return (first + count) / 10

    def test_a_path_that_never_answered_is_never_silent(self) -> None:
        path = Path(0.1, 6)
        self.send(path, 0, 100, answered=False)
        self.assertIs(path.health, Health.UNPROVEN)
        self.assertFalse(path.silent)

    def test_six_misses_in_a_row_are_silence_and_five_are_not(self) -> None:
        path = self.path()
        self.send(path, 100, 5, answered=False)
        self.assertFalse(path.silent)
        self.send(path, 105, 1, answered=False)
        self.assertTrue(path.silent)
        self.assertAlmostEqual(path.first_missed_sent_at, 10.0)

    def test_one_answer_ends_a_row_of_misses_even_when_it_is_late(self) -> None:
        path = self.path()
        self.send(path, 100, 6, answered=False)
        path.answered(101, 10.61)
        self.assertEqual(path.missed_in_a_row, 0)

    def test_a_slow_path_is_given_time(self) -> None:
        path = Path(0.1, 6)
        for number in range(100):
            path.sent(number, number / 10)
            if number >= 6:
                path.answered(number - 6, number / 10)
            path.advance(number / 10)
            if number > 20:
                self.assertFalse(path.silent)
        self.assertGreater(path.timeout, 0.6)

    def test_our_own_pause_is_not_held_against_a_path(self) -> None:
        path = self.path()
        for number in range(100, 107):
            path.sent(number, 10.0)
        path.excuse(5.0)
        path.advance(15.05)
        self.assertEqual(path.missed_in_a_row, 0)

    def test_loss_is_known_only_over_a_full_window(self) -> None:
        path = Path(0.1, 6, window=10)
        for number in range(9):
            path.sent(number, 0)
        path.advance(5)
        self.assertEqual(path.loss, 0)
        path.sent(9, 5)
        path.answered(9, 5.01)
        self.assertAlmostEqual(path.loss, 0.9)


if __name__ == "__main__":
    unittest.main()
