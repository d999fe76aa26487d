"""Runs in the world machine: sends numbered UDP packets between two of its namespaces, both ways, and notes arrivals.

Both ends live in one process, so one clock tells every gap. It answers on a Unix socket, to one asker at a time: a JSON
object a line, answered by one.
"""

from __future__ import annotations

import bisect
import contextlib
import ctypes
import json
import os
import select
import socket
import struct
import sys
import time
from itertools import pairwise
from typing import Any

HEADER = struct.Struct("!Id")
CLONE_NEWNET = 0x40000000
# A packet sent this recently may still be under way: it counts neither as sent nor as lost.
UNDER_WAY_S = 1.0


def socket_in(namespace: str, address: str) -> socket.socket:
    """Opens a UDP socket that stays in the given namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        if libc.setns(descriptor, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter the namespace {namespace}")
    finally:
        os.close(descriptor)
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((address, 0))
    made.setblocking(False)
    return made


class Direction:
    """Packets of one direction: when each was sent, and when and which arrived."""

    def __init__(self) -> None:
        self.sent: list[float] = []
        self.arrivals: list[float] = []
        self.numbers: list[int] = []

    def send(self, source: socket.socket, target: tuple[str, int], now: float) -> None:
        # No route, no neighbour: lost like any other packet.
        with contextlib.suppress(OSError):
            source.sendto(HEADER.pack(len(self.sent), now), target)
        self.sent.append(now)

    def receive(self, target: socket.socket) -> None:
        while True:
            try:
                packet = target.recv(64)
            except BlockingIOError:
                return
            except OSError:
                # A queued ICMP error; the next call goes on.
                continue
            if len(packet) == HEADER.size:
                self.numbers.append(HEADER.unpack(packet)[0])
                self.arrivals.append(time.monotonic())

    def report(self, start: float, end: float) -> dict[str, Any]:
        """What happened from start to end, in seconds since start; an unfinished gap ends at `end`."""
        first = bisect.bisect_left(self.arrivals, start)
        last = bisect.bisect_right(self.arrivals, end)
        times = [self.arrivals[first - 1] if first > 0 else start, *self.arrivals[first:last], end]
        gap, began = max((after - before, before) for before, after in pairwise(times))
        low = bisect.bisect_left(self.sent, start)
        high = bisect.bisect_left(self.sent, max(start, end - UNDER_WAY_S))
        arrived = {number for number in self.numbers[first:] if low <= number < high}
        return {
            "longestGapS": round(gap, 4),
            "gapBeganS": round(began - start, 4),
            "sent": high - low,
            "lost": high - low - len(arrived),
            "silentS": round(end - (self.arrivals[-1] if self.arrivals else start), 4),
        }


class Asker:
    """Whoever is connected to the socket, and what of its lines has come."""

    def __init__(self, path: str) -> None:
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.bind(path)
        self._server.listen()
        self._connection: socket.socket | None = None
        self._pending = b""

    @property
    def waited_for(self) -> socket.socket:
        """What to select on."""
        return self._connection or self._server

    def requests(self) -> list[dict[str, Any]]:
        """Takes a connection, or what has come by it."""
        if self._connection is None:
            self._connection, _ = self._server.accept()
            self._pending = b""
            return []
        chunk = self._connection.recv(65536)
        if not chunk:
            self._connection.close()
            self._connection = None
            return []
        *lines, self._pending = (self._pending + chunk).split(b"\n")
        return [json.loads(line) for line in lines]

    def answer(self, answer: dict[str, Any]) -> None:
        """Sends a line."""
        assert self._connection is not None
        self._connection.sendall(json.dumps(answer).encode() + b"\n")


def main() -> None:
    """Arguments: socket, interval in ms, then namespace and address of either end.

    "out" goes from the first end to the second.
    """
    interval = int(sys.argv[2]) / 1000
    ends = [socket_in(sys.argv[3], sys.argv[4]), socket_in(sys.argv[5], sys.argv[6])]
    targets = [end.getsockname() for end in reversed(ends)]
    directions = [Direction(), Direction()]
    asker = Asker(sys.argv[1])
    began = time.monotonic()
    due = began
    while True:
        now = time.monotonic()
        if now >= due:
            for index, direction in enumerate(directions):
                direction.send(ends[index], targets[index], now)
            # A machine that stood still does not catch up with a burst.
            due = max(due + interval, now)
        ready, _, _ = select.select([*ends, asker.waited_for], [], [], max(0.0, due - time.monotonic()))
        for index, direction in enumerate(directions):
            if ends[1 - index] in ready:
                direction.receive(ends[1 - index])
        now = time.monotonic()
        if asker.waited_for not in ready:
            continue
        for request in asker.requests():
            start = began + request.get("since", 0.0)
            answer: dict[str, Any] = {"now": now - began}
            if request["verb"] != "mark":
                answer["out"], answer["in"] = (d.report(start, now) for d in directions)
            asker.answer({"result": answer})


if __name__ == "__main__":
    main()
