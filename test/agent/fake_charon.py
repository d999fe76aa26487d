"""A charon for tests: answers vici on a socket of its own, as scripted, or not at all."""

from __future__ import annotations

import os
import select
import socket
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dual_tunnel_vpn.ipsec import vici

Answer = tuple[Sequence[tuple[str, Mapping[str, Any]]], Mapping[str, Any] | None]
"""Events to stream, then the response (None: unknown command)."""


class FakeCharon:
    """Answers commands by name with handlers; records what was asked.

    `hung`: takes connections and bytes but never answers.
    """

    def __init__(self, handlers: dict[str, Callable[[vici.Message], Answer]], hung: bool = False) -> None:
        self._dir = tempfile.TemporaryDirectory()
        self.path = os.path.join(self._dir.name, "charon.vici")
        self.asked: list[tuple[str, vici.Message]] = []
        self._handlers = handlers
        self._hung = hung
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.path)
        self._listener.listen(8)
        self._wake, self._stop = os.pipe()
        self._peers: dict[socket.socket, vici.PacketReader] = {}
        self._registered: dict[socket.socket, list[str]] = {}
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> FakeCharon:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stops answering and closes every connection."""
        if self._thread.is_alive():
            os.write(self._stop, b"x")
            self._thread.join()
        for peer in self._peers:
            peer.close()
        self._listener.close()
        os.close(self._wake)
        os.close(self._stop)
        self._dir.cleanup()

    def _serve(self) -> None:
        while True:
            watched: list[Any] = [self._wake, self._listener, *self._peers]
            ready = select.select(watched, [], [])[0]
            if self._wake in ready:
                return
            for sock in ready:
                if sock is self._listener:
                    peer, _ = self._listener.accept()
                    self._peers[peer] = vici.PacketReader()
                    self._registered[peer] = []
                    continue
                try:
                    data = sock.recv(65536)
                except ConnectionResetError:  # the asker went away with an answer unread
                    data = b""
                if not data:
                    del self._peers[sock]
                    sock.close()
                elif not self._hung:
                    for packet in self._peers[sock].feed(data):
                        self._answer(sock, packet)

    def _answer(self, peer: socket.socket, packet: vici.Packet) -> None:
        if packet.kind in (vici.EVENT_REGISTER, vici.EVENT_UNREGISTER):
            known = not packet.name.startswith("no-such")
            self._registered[peer].append(packet.name)
            peer.sendall(vici.encode_packet(vici.EVENT_CONFIRM if known else vici.EVENT_UNKNOWN))
            return
        self.asked.append((packet.name, packet.message))
        handler = self._handlers.get(packet.name)
        events, response = handler(packet.message) if handler else ([], None)
        for name, content in events:
            peer.sendall(vici.encode_packet(vici.EVENT, name, content))
        kind = vici.CMD_UNKNOWN if response is None else vici.CMD_RESPONSE
        peer.sendall(vici.encode_packet(kind, "", response))
