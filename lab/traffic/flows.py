"""Runs in the world machine: many UDP flows between two of its namespaces, one socket each, answered at the other end.

Each line on standard input, {"within": SECONDS}, asks how many flows are answered from now on within that time;
the answer is one line, {"result": NUMBER}, given as soon as it is all of them.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import select
import socket
import sys
import time

CLONE_NEWNET = 0x40000000
PERIOD = 4.0
"""Seconds between two packets of a flow."""


def enter(namespace: str) -> None:
    """Moves this process into a namespace; sockets stay where they were made."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{namespace}", encoding="ascii") as file:
        if libc.setns(file.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter the namespace {namespace}")


def udp(address: str) -> socket.socket:
    """A UDP socket of the present namespace that never blocks."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((address, 0))
    made.setblocking(False)
    return made


def main() -> None:
    """Arguments: number of flows, then namespace and address of either end."""
    count = int(sys.argv[1])
    enter(sys.argv[4])
    far = udp(sys.argv[5])
    enter(sys.argv[2])
    near = [udp(sys.argv[3]) for _ in range(count)]
    poll = select.epoll()
    index = {sock.fileno(): number for number, sock in enumerate(near)}
    for descriptor in (*index, far.fileno(), sys.stdin.fileno()):
        poll.register(descriptor, select.EPOLLIN)
    waiting: set[int] | None = None
    deadline = 0.0
    turn, began = 0, time.monotonic()
    while True:
        due = began + turn * PERIOD / count
        now = time.monotonic()
        while due <= now:
            # No route: lost like any other packet.
            with contextlib.suppress(OSError):
                near[turn % count].sendto(b"flow", far.getsockname())
            turn += 1
            due = began + turn * PERIOD / count
        for descriptor, _ in poll.poll(max(0.0, min(due - now, 0.05))):
            if descriptor == far.fileno():
                drain(far, echo=True)
            elif descriptor == sys.stdin.fileno():
                line = sys.stdin.readline()
                if not line:
                    return
                waiting, deadline = set(range(count)), time.monotonic() + json.loads(line)["within"]
            else:
                drain(near[index[descriptor]], echo=False)
                if waiting is not None:
                    waiting.discard(index[descriptor])
        if waiting is not None and (not waiting or time.monotonic() > deadline):
            print(json.dumps({"result": count - len(waiting)}), flush=True)
            waiting = None


def drain(sock: socket.socket, echo: bool) -> None:
    """Takes what has arrived; echo: and sends it back."""
    while True:
        try:
            packet, sender = sock.recvfrom(64)
            if echo:
                sock.sendto(packet, sender)
        except BlockingIOError:
            return
        except OSError:
            continue


if __name__ == "__main__":
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (65536, 65536))
    main()
