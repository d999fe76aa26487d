"""Runs in a namespace of the world machine: sends UDP packets with whatever addresses, each again and again.

Its arguments: the interface that they leave by, the MAC address that they are handed to, and a JSON list of their
source and destination addresses and destination ports.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import socket
import struct
import sys
import time

ETH_P_IP = 0x0800
INTERVAL_S = 0.2
SOURCE_PORT = 40000


def checksum(data: bytes) -> int:
    """The Internet checksum of a header of even length."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
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
    interface, mac, strays = sys.argv[1], bytes.fromhex(sys.argv[2].replace(":", "")), json.loads(sys.argv[3])
    packets = [packet(stray["source"], stray["destination"], stray["port"]) for stray in strays]
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0) as sender:
        while True:
            for data in packets:
                # An interface that is switched off for a moment.
                with contextlib.suppress(OSError):
                    sender.sendto(data, (interface, ETH_P_IP, 0, 0, mac))
            time.sleep(INTERVAL_S)


if __name__ == "__main__":
    main()
