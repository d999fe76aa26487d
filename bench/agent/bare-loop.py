"""The least that two probed paths can cost: an echo to each every 100 ms, its answer read at the next tick.

Arguments: pairs of source and destination.
"""

import socket
import struct
import sys
import time

INTERVAL = 0.1

sockets = []
for source, destination in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
    # The kernel writes identifier and checksum of such a socket, and gives it its own answers only.
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
    sock.setblocking(False)
    sock.bind((source, 0))
    sock.connect((destination, 0))
    sockets.append(sock)

sequence, due = 0, time.monotonic()
while True:
    sequence = (sequence + 1) & 0xFFFF
    for sock in sockets:
        try:  # noqa: SIM105 - a context manager would cost more than is measured here
            sock.recv(256)
        except OSError:
            pass
        sock.send(struct.pack("!BBHHH", 8, 0, 0, 0, sequence))
    due += INTERVAL
    time.sleep(max(0.0, due - time.monotonic()))
