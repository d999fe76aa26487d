"""Who is there on an uplink's Ethernet segment, asked by ARP (RFC 5227); no table of the box's is touched."""

from __future__ import annotations

import fcntl
import ipaddress
import selectors
import socket
import struct
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import NamedTuple

SECONDS = 5.0
"""How long a gateway may take to answer."""

RIVAL_SECONDS = 0.5
"""How long somebody else with the box's address may take."""

_EVERY = 0.5
_ETHERNET, _NO_ARP = 1, 0x80
_ETH_P_ARP, _IPV4, _REQUEST = 0x0806, 0x0800, 1
_ARP = struct.Struct("!6s6sHHHBBH6s4s6s4s")
_SIOCGIFFLAGS, _SIOCGIFHWADDR = 0x8913, 0x8927
_IFREQ = struct.Struct("16sH14s8x")


class Segment(NamedTuple):
    """What is asked about: an uplink's interface, its address there and its gateway."""

    device: str
    address: str
    gateway: str


@dataclass
class Answer:
    """What a segment said."""

    gateway: bool = False
    """Whether the gateway is there."""
    rival: str = ""
    """The hardware address of a machine that has the box's address too; empty: none."""


def ask(segments: Sequence[Segment]) -> dict[Segment, Answer]:
    """Asks all segments at once. On one that knows no ARP, such as PPP, whoever is at the other end is the gateway."""
    found = {segment: Answer() for segment in segments}
    began = time.monotonic()
    with ExitStack() as stack:
        listening = selectors.DefaultSelector()
        stack.callback(listening.close)
        sockets = {}
        for segment in segments:
            opened = _open(segment.device)
            if opened is None:
                found[segment].gateway = True
                continue
            stack.callback(opened.close)
            sockets[segment] = opened
            listening.register(opened, selectors.EVENT_READ, segment)
        ours = set().union(*map(_own, sockets.values()))
        asked = began - _EVERY
        while sockets and (now := time.monotonic()) < began + SECONDS:
            if all(answer.gateway for answer in found.values()) and now >= began + RIVAL_SECONDS:
                break
            if now >= asked + _EVERY:
                asked = now
                for segment, opened in sockets.items():
                    _send(opened, segment)
            for ready, _ in listening.select(_EVERY / 5):
                _hear(sockets[ready.data], ready.data, ours, found[ready.data])
    return found


def _ioctl(opened: socket.socket, number: int, device: str) -> tuple[int, bytes]:
    """The first 16 bits of an interface's answer, and what follows."""
    answer = fcntl.ioctl(opened, number, _IFREQ.pack(device.encode(), 0, b""))
    _, first, rest = _IFREQ.unpack(answer)
    return first, rest


def _open(device: str) -> socket.socket | None:
    """A socket for the device's ARP packets; None where there are none."""
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0)
    opened.bind((device, _ETH_P_ARP))
    flags, _ = _ioctl(opened, _SIOCGIFFLAGS, device)
    if opened.getsockname()[3] == _ETHERNET and not flags & _NO_ARP:
        return opened
    opened.close()
    return None


def _own(opened: socket.socket) -> set[bytes]:
    """The box's hardware addresses: Linux answers by any interface for the address of another."""
    own = set()
    for _, device in socket.if_nameindex():
        with suppress(OSError):
            kind, rest = _ioctl(opened, _SIOCGIFHWADDR, device)
            if kind == _ETHERNET:
                own.add(rest[:6])
    return own


def request(hardware: bytes, sender: str, target: str) -> bytes:
    """An ARP request for the target's hardware address."""
    everybody, nobody = b"\xff" * 6, bytes(6)
    who, whom = (ipaddress.IPv4Address(each).packed for each in (sender, target))
    return _ARP.pack(
        everybody, hardware, _ETH_P_ARP, _ETHERNET, _IPV4, 6, 4, _REQUEST, hardware, who, nobody, whom
    )


def speaker(packet: bytes) -> tuple[bytes, str] | None:
    """The (hardware address, IPv4 address) of whoever sent an ARP packet; None when it is something else."""
    if len(packet) < _ARP.size:
        return None
    fields = _ARP.unpack_from(packet)
    if fields[2:7] != (_ETH_P_ARP, _ETHERNET, _IPV4, 6, 4):
        return None
    return fields[8], str(ipaddress.IPv4Address(fields[9]))


def _send(opened: socket.socket, segment: Segment) -> None:
    hardware = opened.getsockname()[4]
    # An interface that is down, or busy, has said enough by its silence.
    with suppress(OSError):
        opened.send(request(hardware, segment.address, segment.gateway))
        # From nobody (an ARP probe): no table on the segment changes, and a machine that has our address answers too.
        for asked in (segment.gateway, segment.address):
            opened.send(request(hardware, "0.0.0.0", asked))


def _hear(opened: socket.socket, segment: Segment, ours: set[bytes], answer: Answer) -> None:
    try:
        heard = speaker(opened.recv(2048))
    except OSError:
        return
    if heard is None or heard[0] in ours:
        return
    if heard[1] == segment.gateway:
        answer.gateway = True
    elif heard[1] == segment.address:
        answer.rival = heard[0].hex(":")
