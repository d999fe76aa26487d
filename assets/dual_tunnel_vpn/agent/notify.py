"""Talks to systemd: ready, alive, and a log with priorities (sd_notify(3), sd-daemon(3))."""

from __future__ import annotations

import os
import socket
import sys


class Notifier:
    """Sends to $NOTIFY_SOCKET; outside systemd it does nothing."""

    def __init__(self) -> None:
        self._address = os.environ.pop("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):
            self._address = "\0" + self._address[1:]
        self._socket: socket.socket | None = None
        if self._address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)
        self.watchdog = int(os.environ.pop("WATCHDOG_USEC", "0")) / 1e6
        """Seconds within which systemd wants a sign of life; 0: it does not watch."""

    def send(self, *states: str) -> None:
        """Sends states such as READY=1; a full socket is no reason to stop."""
        if self._socket is not None:
            try:
                self._socket.sendto("\n".join(states).encode(errors="replace"), self._address)
            except OSError:
                return


def log(text: str, level: int = 6) -> None:
    """Writes a line for the journal. level: 6 info, 5 notice (a decision), 4 warning."""
    sys.stderr.write(f"<{level}>{text}\n" if "JOURNAL_STREAM" in os.environ else f"{text}\n")
    sys.stderr.flush()
