"""The sockets that probes leave by: an echo to an IPsec address, an IKE header where echoes are filtered,
and an echo through a tunnel.

A probe carries its uplink's mark and is bound to its device, so that no moved route can mislead it.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import time
from typing import Callable

_SO_BINDTODEVICE, _SO_MARK, _SO_ATTACH_FILTER, _SO_TIMESTAMPNS = 25, 36, 26, 35
_SOL_RAW, _ICMP_FILTER = 255, 1
_ECHO_REQUEST, _ECHO_REPLY = 8, 0
_ONLY_ECHO_REPLIES = struct.pack("=I", 0xFFFFFFFF ^ (1 << _ECHO_REPLY))
_NOTHING = struct.pack("=I", 0xFFFFFFFF)

Answer = tuple[int, float]
"""A sequence number and how many seconds ago its answer arrived at the box."""

COOKIE = os.urandom(6)
"""Tells our answers from those to anyone else's pings; six bytes keep a probe at 34 bytes of IP."""


def echo_request(identifier: int, sequence: int, cookie: bytes = COOKIE) -> bytes:
    """An ICMP echo request. cookie: an even number of bytes."""
    # The internet checksum: a sum of words with the carry added again is the remainder by 0xFFFF (0 stands for it).
    words = (_ECHO_REQUEST << 8) + identifier + sequence + int.from_bytes(cookie, "big")
    return struct.pack("!BBHHH", _ECHO_REQUEST, 0, -words % 0xFFFF, identifier, sequence) + cookie


def echo_reply(packet: bytes, identifier: int, cookie: bytes = COOKIE) -> int | None:
    """The sequence number that an IP packet answers, None when it does not answer us."""
    if len(packet) < 20:
        return None
    body = packet[(packet[0] & 0xF) * 4 :]
    if len(body) < 8 + len(cookie):
        return None
    kind, _, _, found, sequence = struct.unpack_from("!BBHHH", body)
    if kind != _ECHO_REPLY or found != identifier or body[8 : 8 + len(cookie)] != cookie:
        return None
    return int(sequence)


def ike_probe(initiator: bytes) -> bytes:
    """An IKE header of major version 3: a responder must answer INVALID_MAJOR_VERSION (RFC 7296, 2.5)."""
    return initiator + bytes(8) + struct.pack("!BBBBII", 0, 0x30, 34, 0x08, 0, 28)


def ike_answer(packet: bytes) -> bytes | None:
    """The initiator SPI that an IKE message answers, None when it is no IKE message."""
    return packet[:8] if len(packet) >= 28 else None


def _attach(sock: socket.socket, identifier: int) -> None:
    # Classic BPF over the IP packet: keep it when the ICMP identifier is ours. Without it every ping of
    # anyone on the box would land in our buffer.
    program = struct.pack(
        "=HBBIHBBIHBBIHBBIHBBI",
        *(0xB1, 0, 0, 0),  # x = length of the IP header
        *(0x48, 0, 0, 4),  # a = two bytes at x + 4
        *(0x15, 0, 1, identifier),  # equal?
        *(0x06, 0, 0, 0xFFFFFFFF),  # keep
        *(0x06, 0, 0, 0),  # drop
    )
    buffer = ctypes.create_string_buffer(program)
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", 5, ctypes.addressof(buffer)))


def _bind(sock: socket.socket, device: str, mark: int, source: str) -> None:
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    sock.setsockopt(socket.SOL_SOCKET, _SO_BINDTODEVICE, device.encode() + b"\0")
    if mark:
        sock.setsockopt(socket.SOL_SOCKET, _SO_MARK, mark)
    sock.bind((source, 0))


class Echo:
    """Echoes to one IPsec address by one uplink. Raises OSError when the uplink is not there."""

    def __init__(self, device: str, mark: int, source: str, destination: str, identifier: int) -> None:
        self.identifier = identifier
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_ICMP)
        try:
            self._socket.setsockopt(_SOL_RAW, _ICMP_FILTER, _ONLY_ECHO_REPLIES)
            _attach(self._socket, identifier)
            _bind(self._socket, device, mark, source)
            self._socket.connect((destination, 0))
        except OSError:
            self._socket.close()
            raise

    def send(self, sequence: int) -> None:
        """Sends one; what the kernel refuses is a probe lost, nothing more."""
        try:
            self._socket.send(echo_request(self.identifier, sequence))
        except OSError:
            return

    def receive(self, at_most: int) -> list[Answer]:
        """What was answered since the last call."""
        return _drain(self._socket, at_most, lambda packet: echo_reply(packet, self.identifier))

    def close(self) -> None:
        """Ends it."""
        self._socket.close()


class IkeKnock:
    """IKE headers to one IPsec address by one uplink, for where echoes are filtered."""

    def __init__(self, device: str, mark: int, source: str, destination: str) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            _bind(self._socket, device, mark, source)
            self._socket.connect((destination, 500))
        except OSError:
            self._socket.close()
            raise

    def send(self, sequence: int) -> None:
        """Sends one; its SPI carries the sequence number."""
        try:
            self._socket.send(ike_probe(COOKIE + struct.pack("!H", sequence)))
        except OSError:
            return

    def receive(self, at_most: int) -> list[Answer]:
        """What was answered since the last call."""
        return _drain(self._socket, at_most, _ike_sequence)

    def close(self) -> None:
        """Ends it."""
        self._socket.close()


def _ike_sequence(packet: bytes) -> int | None:
    spi = ike_answer(packet)
    if spi is None or spi[:6] != COOKIE:
        return None
    return int(struct.unpack("!H", spi[6:])[0])


def _drain(sock: socket.socket, at_most: int, decode: Callable[[bytes], int | None]) -> list[Answer]:
    # Bounded by what is awaited: asking a socket once more, to hear that it is empty, doubles the cost.
    found: list[Answer] = []
    while len(found) < at_most:
        try:
            packet, notes, _, _ = sock.recvmsg(256, 64)
        except BlockingIOError:
            return found
        except OSError:
            # A queued ICMP error (unreachable): the probe is lost, which its missing answer says already.
            continue
        sequence = decode(packet)
        if sequence is not None:
            found.append((sequence, _age(notes)))
    return found


def _age(notes: list[tuple[int, int, bytes]]) -> float:
    for _, kind, stamp in notes:
        if kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = struct.unpack("@ll", stamp)
            # The stamp is of the wall clock, which may have been set meanwhile.
            age: float = time.time() - seconds - nanoseconds / 1e9
            return min(1.0, max(0.0, age))
    return 0.0


class ThroughTunnel:
    """Echoes from the data center's side to hosts in the VPC, each sent into the tunnel of choice.

    The answer may come by either tunnel (the cloud chooses), so one socket listens on all devices.
    """

    def __init__(self, identifier: int) -> None:
        self.identifier = identifier
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_ICMP)
        self._listener.setsockopt(_SOL_RAW, _ICMP_FILTER, _ONLY_ECHO_REPLIES)
        _attach(self._listener, identifier)
        self._listener.setblocking(False)
        self._senders: dict[tuple[str, str], socket.socket] = {}

    def send(self, device: str, source: str, destination: str, sequence: int) -> None:
        """Sends an echo into a tunnel."""
        try:
            self._sender(device, source).sendto(echo_request(self.identifier, sequence), (destination, 0))
        except OSError:
            self._forget(device, source)

    def knock(self, device: str, source: str, destination: str) -> None:
        """Sends one UDP packet (port 9, discard) into a tunnel, where no host is known that answers."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            try:
                _bind(sock, device, 0, source)
                sock.sendto(b"\0", (destination, 9))
            except OSError:
                return

    def receive(self, at_most: int) -> list[Answer]:
        """What was answered since the last call."""
        return _drain(self._listener, at_most, lambda packet: echo_reply(packet, self.identifier))

    def fileno(self) -> int:
        """The listener's descriptor."""
        return self._listener.fileno()

    def close(self) -> None:
        """Ends it."""
        self._listener.close()
        for sender in self._senders.values():
            sender.close()
        self._senders.clear()

    def _sender(self, device: str, source: str) -> socket.socket:
        key = (device, source)
        if key not in self._senders:
            sender = socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_ICMP)
            self._senders[key] = sender
            sender.setsockopt(_SOL_RAW, _ICMP_FILTER, _NOTHING)
            _bind(sender, device, 0, source)
        return self._senders[key]

    def _forget(self, device: str, source: str) -> None:
        sender = self._senders.pop((device, source), None)
        if sender is not None:
            sender.close()
