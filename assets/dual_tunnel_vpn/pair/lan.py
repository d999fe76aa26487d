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


class Questions:
    """Asks them. The socket stays open: to close one makes the caller wait for the kernel, up to 30 ms."""

    def __init__(self) -> None:
        self.trouble = ""
        """Why nobody can be asked, in words; empty when they can, or the LAN's interface is not there."""
        self._device = ""
        self._socket: socket.socket | None = None

    @property
    def is_open(self) -> bool:
        """Whether somebody could be asked."""
        return self._socket is not None

    def reopen(self, device: str | None) -> None:
        """Makes a new socket. device: the LAN's interface, None when it is not there."""
        self.close()
        self.trouble = ""
        if device is None:
            return
        try:
            made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0)
        except OSError as error:
            self.trouble = f"the LAN's hosts cannot be asked whether they are there: {error.strerror}"
            return
        try:
            # For no protocol: it is there to send, and what it received nobody would read.
            made.bind((device, 0))
        except OSError:
            # The interface has just gone, which is said elsewhere.
            made.close()
            return
        self._device, self._socket = device, made

    def ask(self, address: str, besides: Collection[str]) -> int:
        """Asks the hosts on the LAN; how many. address: the box's. besides: addresses that are no host's."""
        if self._socket is None:
            return 0
        try:
            asked = hosts(KNOWN.read_text(encoding="ascii", errors="replace"), self._device, besides)
        except (OSError, ValueError):
            return 0
        hardware = self._socket.getsockname()[4]
        for host in asked:
            # An interface that is down, or busy, has said enough by its silence.
            with suppress(OSError):
                self._socket.sendto(neighbours.request(hardware, address, host), (self._device, _ETH_P_ARP))
        return len(asked)

    def close(self) -> None:
        """Ends it."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
