"""The two boxes' agents tell each other how they are: UDP on the LAN, ten times a second and when something changes.

Nothing in it is secret. It is taken from the other box's LAN address alone, and from the same link alone: what a router
forwards has not the largest time to live any more (RFC 5082). Who can send on the LAN with the other box's address can
take the virtual gateway's by ARP as well.
"""

from __future__ import annotations

import dataclasses
import json
import random
import socket
import struct
from contextlib import suppress
from typing import Any

from ..agent.pair import REQUESTS, Word
from ..site import Pair

EVERY = 0.1
"""Seconds between words while nothing changes."""

LARGEST = 1024
"""Bytes; a word has a third of it."""

_AT_ONCE = 16
"""Words that are read in one go, lest somebody's flood keep the agent from its work."""

_IP_RECVTTL = 12
_VERSION = 1
_TTL = 255
_NUMBERS = ("asks", "grants")
_FIELDS = tuple(field.name for field in dataclasses.fields(Word))


def encode(name: str, box: int, session: int, sequence: int, word: Word) -> bytes:
    """A word as it is sent. session: of this agent's life. sequence: larger than that of every word before in it."""
    head = {"version": _VERSION, "name": name, "box": box, "session": session, "sequence": sequence}
    return json.dumps({**head, **dataclasses.asdict(word)}, separators=(",", ":")).encode()


def decode(data: bytes, name: str, box: int) -> tuple[int, int, Word] | None:
    """(session, sequence, word) of what that box of the connection sent; None when it is something else."""
    try:
        found: Any = json.loads(data)
        head = (found["version"], found["name"], found["box"])
        values = {key: found[key] for key in _FIELDS}
        order = (found["session"], found["sequence"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    numbers = (*order, *(values[key] for key in _NUMBERS))
    flags = [value for key, value in values.items() if key not in _NUMBERS]
    right = all(type(number) is int and 0 <= number < REQUESTS for number in numbers)
    if head != (_VERSION, name, box) or not right or not all(type(flag) is bool for flag in flags):
        return None
    return (*order, Word(**values))


class Talk:
    """This box's end."""

    def __init__(self, name: str, pair: Pair) -> None:
        self._name = name
        self._pair = pair
        self.trouble = ""
        """Why it is not open although the LAN's interface and address are there, in words; empty when it is."""
        self._socket: socket.socket | None = None
        self._session = random.randrange(1, REQUESTS)
        self._sequence = 0
        self._said: Word | None = None
        self._say_at = 0.0
        self._heard = (0, 0)
        """The session and the sequence of what was heard last."""

    @property
    def is_open(self) -> bool:
        """Whether the LAN's address was there to be bound to."""
        return self._socket is not None

    def reopen(self, device: str | None) -> None:
        """Makes a new socket; without the LAN's interface and address there is none. device: the LAN's interface."""
        self.close()
        self.trouble = ""
        if device is None:
            return
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\0")
            made.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, _TTL)
            made.setsockopt(socket.IPPROTO_IP, _IP_RECVTTL, 1)
            made.bind((self._pair.lan.address, self._pair.port))
        except OSError as error:
            made.close()
            port = f"UDP port {self._pair.port} of {self._pair.lan.address}"
            self.trouble = f"{port}, for the talk with the other box, cannot be opened: {error.strerror}"
            return
        self._socket = made
        self._say_at = 0.0

    @property
    def opened(self) -> socket.socket | None:
        """What is to be watched: another one after each opening, though its descriptor may be the same."""
        return self._socket

    def fileno(self) -> int:
        """The socket's descriptor, -1 when there is none."""
        return -1 if self._socket is None else self._socket.fileno()

    def say(self, now: float, word: Word) -> float:
        """Sends a word when it is new, or time; when the next one is due."""
        if word != self._said or now >= self._say_at:
            self._said, self._say_at = word, now + EVERY
            self._sequence += 1
            data = encode(self._name, self._pair.number, self._session, self._sequence, word)
            # Nobody there, or no way there: the other box hears nothing, which says it.
            with suppress(OSError):
                if self._socket is not None:
                    self._socket.sendto(data, (self._pair.other_lan_address, self._pair.port))
        return self._say_at

    def hear(self) -> Word | None:
        """The newest word that has come since the last call; None: none."""
        newest = None
        for _ in range(_AT_ONCE):
            data = self._receive()
            if data is None:
                break
            found = decode(data, self._name, 3 - self._pair.number)
            if found is None:
                continue
            session, sequence, word = found
            if session != self._heard[0] or sequence > self._heard[1]:
                self._heard, newest = (session, sequence), word
        return newest

    def _receive(self) -> bytes | None:
        """What the other box sent, empty when somebody else did; None: nothing more is there."""
        if self._socket is None:
            return None
        try:
            data, notes, _, sender = self._socket.recvmsg(LARGEST, 64)
        except BlockingIOError:
            return None
        except OSError:
            # A queued ICMP error: nobody listens there yet.
            return b""
        near = any(note[:2] == (socket.IPPROTO_IP, socket.IP_TTL) and _number(note[2]) == _TTL for note in notes)
        ours = sender == (self._pair.other_lan_address, self._pair.port)
        return data if ours and near else b""

    def close(self) -> None:
        """Ends it."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _number(value: bytes) -> int:
    return int(struct.unpack_from("=i", value)[0])
