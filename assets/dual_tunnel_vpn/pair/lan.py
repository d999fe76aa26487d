"""Whether the LAN is there although the other box is silent: its hosts are asked by ARP, and what comes in is counted.

Whoever the kernel knows on the LAN is asked. Whatever arrives then proves the LAN, answer or not.
"""

from __future__ import annotations

import socket
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from ..net import neighbours

EVERY = 0.1
"""Seconds between questions."""

MOST = 16
"""Hosts that are asked."""

KNOWN = Path("/proc/net/arp")

_ETH_P_ARP = 0x0806


def hosts(text: str, device: str, besides: Collection[str]) -> list[str]:
    """The addresses of those that the kernel knows by the device, from the text of /proc/net/arp."""
    rows = [row.split() for row in text.splitlines()[1:]]
    # Address, type, flags, hardware address, mask, device; flags without 2 have never answered.
    known = [row[0] for row in rows if len(row) == 6 and row[5] == device and int(row[2], 16) & 2]
    return [address for address in known if address not in besides][:MOST]


def ask(device: str, address: str, besides: Collection[str]) -> int:
    """Asks the hosts on the device whether they are there; how many. besides: addresses that are no host's."""
    try:
        asked = hosts(KNOWN.read_text(encoding="ascii", errors="replace"), device, besides)
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as opened:
            opened.bind((device, _ETH_P_ARP))
            hardware = opened.getsockname()[4]
            for host in asked:
                with suppress(OSError):
                    opened.send(neighbours.request(hardware, address, host))
    except (OSError, ValueError):
        # The interface is away, which is said elsewhere.
        return 0
    return len(asked)

