"""Proof that the cloud follows a moved tunnel: its packets, decrypted, come by the uplink that is not its own.

Pure: the counters are read by whoever made it. What merely arrives proves nothing, since anyone can send it.
"""

from __future__ import annotations

from typing import Callable


class Moved:
    """Watches the counters of moved tunnels."""

    def __init__(self, packets: Callable[[int], int | None]) -> None:
        """packets: how many a tunnel has brought decrypted by the uplink that is not its own, None when not known."""
        self._packets = packets
        self._base: dict[int, int] = {}

    def leaving(self, number: int) -> None:
        """The tunnel is about to be moved away from its own uplink."""
        base = self._packets(number)
        if base is not None:
            self._base[number] = base

    def home(self, number: int) -> None:
        """The tunnel is back on its own uplink."""
        self._base.pop(number, None)

    def proved(self) -> list[int]:
        """The tunnels of which something came since they were moved, each once."""
        found = []
        for number, base in self._base.items():
            count = self._packets(number)
            # A counter that was made anew began with nothing.
            if count is not None and count not in (0, base):
                found.append(number)
        for number in found:
            del self._base[number]
        return found
