"""Random bytes on every socket that the agent reads: they are refused or left out, and nothing ends."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import socket
import tempfile
import time
import unittest
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from dual_tunnel_vpn.agent import probes
from dual_tunnel_vpn.agent.routes import Routes
from dual_tunnel_vpn.bgp.control import ControlError, Reader
from dual_tunnel_vpn.bgp.conversation import Speaker
from dual_tunnel_vpn.bgp.heard import Heard, prefixes, protocols
from dual_tunnel_vpn.ipsec import sas, vici
from dual_tunnel_vpn.ipsec.channel import Charon
from dual_tunnel_vpn.net import netlink, ways
from dual_tunnel_vpn.net.netlink import Ipsec, Monitor, Netlink, NetlinkError, Nftables, Question, Route, Rule

from .test_channel import example, ike
from .test_speaker import GREETING, NONE, PROTOCOLS, ROUTES

SEED = int(os.environ.get("SEED", random.randrange(2**32)))
ROUNDS = 3000

REAL = [
    netlink.encode_route(Route("192.168.0.0/16", 3, "172.16.1.253", "172.16.1.93", 100, 20481, 157)),
    netlink.encode_rule(Rule(20481, 20481, 5157, destination="192.0.2.152/32", iif="lo", protocol=157)),
    bytes(16)
    + netlink.attribute(3, b"lab-1\0")
    + netlink.attribute(18, netlink.attribute(1, b"xfrm\0") + netlink.attribute(2, netlink.attribute(2, b"\1\2\3\4"))),
    bytes((socket.AF_INET, 24, 0, 0, 2, 0, 0, 0)) + netlink.attribute(2, bytes((172, 16, 1, 93))),
    bytes(400),
]
"""Bodies that the kernel could send; what is random alone seldom comes far."""


def damaged(rng: random.Random) -> bytes:
    """A real body with bytes changed and cut off, or mere noise."""
    if rng.random() < 0.3:
        return rng.randbytes(rng.randrange(80))
    body = bytearray(rng.choice(REAL))
    for _ in range(rng.randrange(1, 6)):
        body[rng.randrange(len(body))] = rng.choice((0, 1, 2, 4, 33, 255, rng.randrange(256)))
    return bytes(body[: rng.randrange(len(body) + 1)])


def message(rng: random.Random, sequence: int) -> bytes:
    """A netlink message with such a body, its head right or not."""
    body = damaged(rng)
    length = 16 + len(body) if rng.random() < 0.9 else rng.randrange(100)
    kind = rng.choice((2, 3, 16, 20, 24, 25, 32, 92, rng.randrange(1 << 16)))
    head = length.to_bytes(4, "little") + kind.to_bytes(2, "little") + rng.randbytes(2)
    return head + sequence.to_bytes(4, "little") + bytes(4) + body + bytes(-len(body) % 4)


class Noise:
    """A socket that noise comes from."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._asked = 0
        self._left = 0

    def send(self, data: bytes) -> None:
        """Takes a request."""
        self._asked = int.from_bytes(data[8:12], "little")
        self._left = self._rng.randrange(1, 4)

    def _datagram(self) -> bytes:
        rng = self._rng
        return b"".join(message(rng, self._asked) for _ in range(rng.randrange(1, 4)))

    def recv_into(self, buffer: memoryview) -> int:
        """An answer, until there is none."""
        if not self._left:
            raise TimeoutError
        self._left -= 1
        data = self._datagram()
        buffer[: len(data)] = data
        return len(data)

    def recv(self, _: int) -> bytes:
        """A notification, or none any more."""
        if self._rng.random() < 0.5:
            raise BlockingIOError
        if self._rng.random() < 0.05:
            raise OSError(errno.ENOBUFS, "lost")
        return self._datagram()

    def recvmsg(self, *_: int) -> tuple[bytes, list[tuple[int, int, bytes]], int, Any]:
        """A packet from the network."""
        if self._rng.random() < 0.1:
            raise BlockingIOError
        if self._rng.random() < 0.1:
            raise ConnectionRefusedError
        return self._rng.randbytes(self._rng.randrange(90)), [(1, 35, bytes(16))], 0, None

    def __getattr__(self, _: str) -> Callable[..., None]:
        return lambda *__: None


class Malformed(unittest.TestCase):
    def setUp(self) -> None:
        self.rng = random.Random(SEED)

    @contextlib.contextmanager
    def noise(self) -> Iterator[None]:
        """Every socket that is made is noise; what goes wrong says by which seed."""
        with mock.patch("socket.socket", lambda *_: Noise(self.rng)), self.subTest(f"SEED={SEED}"):
            yield

    def test_answers_of_the_kernel_are_understood_or_are_an_error_in_words(self) -> None:
        with self.noise():
            client, ipsec, nftables = Netlink(), Ipsec(), Nftables()
            questions: list[Callable[[], object]] = [
                client.links,
                client.addresses,
                client.rules,
                client.places,
                lambda: client.routes(157),
                lambda: client.match(Question("192.168.0.1", "172.16.1.93", port=4500)),
                lambda: client.way_to("192.0.2.152", "172.16.1.93"),
                lambda: client.counters(3),
                lambda: client.replace_route(Route("192.168.0.0/16", 3)),
                ipsec.states,
                ipsec.policies,
                lambda: nftables.has_table(1, "t"),
                lambda: nftables.rules(1, "t"),
                lambda: nftables.packets("t", "c"),
            ]
            understood = 0
            for _ in range(ROUNDS):
                try:
                    self.rng.choice(questions)()
                    understood += 1
                except NetlinkError:
                    pass
            # Were nothing ever understood, nothing would have been tried.
            self.assertGreater(understood, ROUNDS / 10)

    def test_notifications_of_the_kernel_are_taken_or_left_out(self) -> None:
        with self.noise():
            routes = Routes(example(), mock.Mock())
            monitor = Monitor()
            for _ in range(ROUNDS):
                routes.note(monitor.read())
                monitor.drain()

    def test_what_is_decoded_of_a_route_can_be_compared(self) -> None:
        with self.noise():
            found = [place for _ in range(ROUNDS) if (place := netlink.decode_place(damaged(self.rng)))]
            self.assertGreater(len(found), 100)
            ways.overlapping(example(), found)

    def test_packets_from_the_network_answer_nobody(self) -> None:
        with self.noise():
            echo = probes.Echo("eth0", 1, "172.16.1.93", "192.0.2.152", 7)
            knock = probes.IkeKnock("eth0", 1, "172.16.1.93", "192.0.2.152")
            tunnel = probes.ThroughTunnel(7)
            for _ in range(ROUNDS):
                for receiver in (echo, knock, tunnel):
                    self.assertEqual(receiver.receive(self.rng.randrange(4)), [])

    def _arguments(self, depth: int = 0) -> dict[str, Any]:
        rng = self.rng
        values: list[Callable[[], Any]] = [
            lambda: rng.randbytes(rng.randrange(9)),
            lambda: [rng.randbytes(3)] * rng.randrange(3),
            lambda: rng.choice(("ESTABLISHED", "INSTALLED", "CONNECTING", "no", "yes", "0x1", "lab-1", "")),
            lambda: self._arguments(depth + 1) if depth < 4 else "end",
        ]
        names = ("lab-1", "lab-2", "child-sas", "name", "state", "uniqueid", "spi-in", "bytes-in", "up", "success", "x")
        return {rng.choice(names): rng.choice(values)() for _ in range(rng.randrange(6))}

    def _from_charon(self) -> bytes:
        rng = self.rng
        if rng.random() < 0.2:
            noise = rng.randbytes(rng.randrange(1, 40))
            # A length that is right: with another the rest is awaited, or it is refused at once.
            return len(noise).to_bytes(4, "big") + noise
        kind = rng.choice((vici.CMD_RESPONSE, vici.CMD_RESPONSE, vici.CMD_UNKNOWN, vici.EVENT, vici.EVENT_CONFIRM))
        arguments = dict([ike("lab-1")]) if rng.random() < 0.2 else self._arguments()
        name = rng.choice(("list-sa", "ike-updown", "child-updown", "x"))
        data = bytearray(vici.encode_packet(kind, name if kind == vici.EVENT else "", arguments))
        if rng.random() < 0.1:
            data[rng.randrange(4, len(data))] = rng.randrange(256)
        return bytes(data)

    def test_a_charon_that_talks_nonsense_is_talked_to_again(self) -> None:
        seen: list[dict[int, sas.Sa]] = []
        with tempfile.TemporaryDirectory() as directory, self.subTest(f"SEED={SEED}"):
            place = os.path.join(directory, "vici")
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
                listener.bind(place)
                listener.listen(8)
                listener.setblocking(False)
                charon = Charon(example(), seen.append, lambda _: None, path=place)
                peers: list[socket.socket] = []
                connected = 0
                now = time.monotonic()
                for _ in range(ROUNDS):
                    now += self.rng.random() * 3
                    charon.tick(now)
                    charon.ask_spis(lambda _: None)
                    with contextlib.suppress(BlockingIOError):
                        peers.append(listener.accept()[0])
                        connected += 1
                    for peer in list(peers):
                        try:
                            peer.setblocking(False)
                            with contextlib.suppress(BlockingIOError):
                                peer.recv(1 << 16)
                            peer.sendall(self._from_charon())
                        except OSError:
                            peer.close()
                            peers.remove(peer)
                    for channel in charon.channels:
                        channel.readable()
                charon.close()
                for peer in peers:
                    peer.close()
        self.assertGreater(connected, 10)
        self.assertGreater(len(seen), 10)

    def _from_bird(self) -> bytes:
        rng = self.rng
        text = bytearray("".join(rng.choice((PROTOCOLS, ROUTES, NONE)) for _ in range(3)).encode())
        for _ in range(rng.randrange(4) * (rng.random() < 0.5)):
            text[rng.randrange(len(text))] = rng.choice((10, 32, 45, 48, 57, 255, rng.randrange(256)))
        return bytes(text[: rng.randrange(len(text) + 1)] if rng.random() < 0.1 else text)

    def test_what_bird_says_is_understood_or_refused(self) -> None:
        understood = 0
        with self.subTest(f"SEED={SEED}"):
            for _ in range(ROUNDS):
                data = self._from_bird() if self.rng.random() < 0.8 else self.rng.randbytes(self.rng.randrange(80))
                with contextlib.suppress(ControlError):
                    for reply in Reader().feed(data):
                        protocols(reply, (1, 2))
                        prefixes(reply)
                        understood += not reply.failed
        self.assertGreater(understood, ROUNDS / 10)

    def test_a_bird_that_talks_nonsense_is_talked_to_again(self) -> None:
        seen: list[Heard | None] = []
        with tempfile.TemporaryDirectory() as directory, self.subTest(f"SEED={SEED}"):
            place = Path(directory) / "control"
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
                listener.bind(str(place))
                listener.listen(8)
                listener.setblocking(False)
                speaker = Speaker(place, (1, 2), seen.append, lambda _: None, lambda _: "")
                peers: list[socket.socket] = []
                connected = 0
                now = 100.0
                for _ in range(ROUNDS):
                    now += self.rng.random()
                    speaker.tick(now)
                    if self.rng.random() < 0.1:
                        speaker.take_over({self.rng.choice((1, 2))})
                    with contextlib.suppress(BlockingIOError):
                        peers.append(listener.accept()[0])
                        peers[-1].setblocking(False)
                        peers[-1].sendall(GREETING.encode())
                        connected += 1
                    for peer in list(peers):
                        try:
                            with contextlib.suppress(BlockingIOError):
                                peer.recv(1 << 16)
                            peer.sendall(self._from_bird())
                        except OSError:
                            peer.close()
                            peers.remove(peer)
                    for channel in speaker.channels:
                        channel.readable()
                speaker.close()
                for peer in peers:
                    peer.close()
        self.assertGreater(connected, 10)
        self.assertGreater(len(list(filter(None, seen))), 10)

    def test_sections_of_one_name_without_end_are_refused(self) -> None:
        with self.assertRaisesRegex(vici.ViciFormatError, "more than 1000 sections of one name"):
            vici.decode_message(b"\1\1a\2" * 100_000)


if __name__ == "__main__":
    unittest.main()
