"""Runs in the world machine: sends UDP packets with whatever addresses from its namespaces, each again and again.

Its argument is a JSON list of strays: the namespace and interface that one leaves by, the MAC address it is handed to,
its source and destination address, and its destination port, which tells it from all others.
"""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import json
import os
import socket
import struct
import sys
import time
from typing import Any

CLONE_NEWNET = 0x40000000
ETH_P_IP = 0x0800
INTERVAL_S = 0.2
SOURCE_PORT = 40000


def enter(namespace: str) -> None:
    """Moves this process into a namespace; sockets that it has stay where they were made."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        if libc.setns(descriptor, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter the namespace {namespace}")
    finally:
        os.close(descriptor)


def checksum(data: bytes) -> int:
    """The Internet checksum of a header of even length."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packet(source: str, destination: str, port: int) -> bytes:
    """An IPv4 packet with an empty UDP datagram, whose checksum is left out."""
    ends = ipaddress.IPv4Address(source).packed + ipaddress.IPv4Address(destination).packed
    head = struct.pack("!BBHHHBB", 0x45, 0, 28, 0, 0, 64, socket.IPPROTO_UDP)
    header = head + struct.pack("!H", checksum(head + b"\0\0" + ends)) + ends
    return header + struct.pack("!HHHH", SOURCE_PORT, port, 8, 0)


def main() -> None:
    """Sends until it is killed."""
    strays: list[dict[str, Any]] = json.loads(sys.argv[1])
    sockets: dict[str, socket.socket] = {}
    for namespace in sorted({stray["from"] for stray in strays}):
        enter(namespace)
        sockets[namespace] = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    packets = [
        (
            sockets[stray["from"]],
            packet(stray["source"], stray["destination"], stray["port"]),
            (stray["interface"], ETH_P_IP, 0, 0, bytes.fromhex(stray["mac"].replace(":", ""))),
        )
        for stray in strays
    ]
    while True:
        for sender, data, target in packets:
            # An interface that is switched off for a moment.
            with contextlib.suppress(OSError):
                sender.sendto(data, target)
        time.sleep(INTERVAL_S)


if __name__ == "__main__":
    main()
