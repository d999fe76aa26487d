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
SO_RCVBUFFORCE = 33
# A packet sent this recently may still be under way: it counts neither as sent nor as lost.
UNDER_WAY_S = 1.0
# So may for longer what was sent after the last one that has arrived: a machine on the way may stand still.
STANDSTILL_S = 5.0


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
    # While a report is made nobody receives; what is counted is what the network loses.
    made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
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
        """Takes one packet: to look in vain for a second one costs as much as a packet."""
        try:
            packet = target.recv(64)
        except OSError:
            # A queued ICMP error.
            return
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
        latest = max(self.numbers[first:], default=-1) + 1
        due = min(bisect.bisect_left(self.sent, end - UNDER_WAY_S), latest)
        high = max(low, due, bisect.bisect_left(self.sent, end - STANDSTILL_S))
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

    def __init__(self, path: str, events: select.epoll) -> None:
        self._events = events
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Whoever finds it there is answered.
        self._server.bind(f"{path}.new")
        self._server.listen()
        os.rename(f"{path}.new", path)
        self._connection: socket.socket | None = None
        self._pending = b""
        self._events.register(self._server, select.EPOLLIN)

    def requests(self) -> list[dict[str, Any]]:
        """Takes a connection, or what has come by it."""
        if self._connection is None:
            self._connection, _ = self._server.accept()
            self._pending = b""
            self._events.unregister(self._server)
            self._events.register(self._connection, select.EPOLLIN)
            return []
        chunk = self._connection.recv(65536)
        if not chunk:
            self._events.unregister(self._connection)
            self._connection.close()
            self._connection = None
            self._events.register(self._server, select.EPOLLIN)
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
    interval = float(sys.argv[2]) / 1000
    ends = [socket_in(sys.argv[3], sys.argv[4]), socket_in(sys.argv[5], sys.argv[6])]
    targets = [end.getsockname() for end in reversed(ends)]
    directions = [Direction(), Direction()]
    # Not `select`, which looks at each descriptor anew: at hundreds of packets a second that is half of all the work.
    events = select.epoll()
    receivers = {}
    for index, direction in enumerate(directions):
        end = ends[1 - index]
        receivers[end.fileno()] = (direction, end)
        events.register(end, select.EPOLLIN)
    asker = Asker(sys.argv[1], events)
    began = time.monotonic()
    due = began
    while True:
        now = time.monotonic()
        if now >= due:
            for index, direction in enumerate(directions):
                direction.send(ends[index], targets[index], now)
            # A machine that stood still does not catch up with a burst.
            due = max(due + interval, now)
        for descriptor, _ in events.poll(max(0.0, due - time.monotonic())):
            if descriptor in receivers:
                direction, end = receivers[descriptor]
                direction.receive(end)
                continue
            for request in asker.requests():
                now = time.monotonic()
                start = began + request.get("since", 0.0)
                answer: dict[str, Any] = {"now": now - began}
                if request["verb"] != "mark":
                    answer["out"], answer["in"] = (d.report(start, now) for d in directions)
                asker.answer({"result": answer})


if __name__ == "__main__":
    main()
