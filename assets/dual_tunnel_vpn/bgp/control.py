"""BIRD's control socket: lines of text with codes of four digits, one command after the other, never waited for."""

from __future__ import annotations

import socket
import struct
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, NamedTuple

_LONGEST = 1 << 16
"""Bytes of one line, far beyond what BIRD writes."""

_MOST_LINES = 10_000
"""Lines of one reply."""

_FIRST_ERROR = 8000
"""Codes from here on are failures, at run time or of the command's form."""

GREETING = 1


class ControlError(Exception):
    """The other end is gone, or does not speak as BIRD does."""


class Line(NamedTuple):
    """One line of a reply."""

    code: int
    text: str


@dataclass(frozen=True)
class Reply:
    """What BIRD answered to one command."""

    lines: tuple[Line, ...]

    @property
    def failed(self) -> str:
        """What went wrong, in BIRD's words; empty when nothing did."""
        return next((line.text.strip() for line in self.lines if line.code >= _FIRST_ERROR), "")


class Reader:
    """Makes replies of bytes, however they are cut."""

    def __init__(self) -> None:
        self._rest = b""
        self._lines: list[Line] = []

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that are complete with these bytes; ControlError for what BIRD would not send."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST:
            raise ControlError("BIRD sent a line without an end")
        return [reply for line in lines if (reply := self._take(line.decode(errors="replace"))) is not None]

    def _take(self, line: str) -> Reply | None:
        if line.startswith("+"):
            # What BIRD says unasked.
            return None
        if line.startswith(" "):
            # It goes on with the code of the line before.
            if not self._lines:
                raise ControlError("BIRD sent a line that goes on from none")
            self._add(self._lines[-1].code, line[1:])
            return None
        code, mark, text = line[:4], line[4:5], line[5:]
        if not (len(code) == 4 and code.isascii() and code.isdigit()) or mark not in ("-", " "):
            raise ControlError("BIRD sent a line without a code")
        self._add(int(code), text)
        if mark == "-":
            return None
        reply, self._lines = Reply(tuple(self._lines)), []
        return reply

    def _add(self, code: int, text: str) -> None:
        if len(self._lines) >= _MOST_LINES:
            raise ControlError("BIRD sent a reply without an end")
        self._lines.append(Line(code, text))


Done = Callable[[Reply], None]


class Control:
    """A non-blocking connection for an event loop, which watches `fileno()` and calls `readable()` and `writable()`.

    Once BIRD is gone, or talks nonsense, it has ended (`closed`): open another. No answer comes then.
    """

    def __init__(self, path: Path) -> None:
        """Connects at once or raises ControlError."""
        self._socket: socket.socket | None = socket.socket(
            socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        )
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise ControlError(f"BIRD cannot be reached at {path}: {error.strerror}") from None
        self._reader = Reader()
        self._out = b""
        self._queue: deque[tuple[str, Done]] = deque()
        self._waiting: Done | None = self._greeted

    def _greeted(self, reply: Reply) -> None:
        if reply.lines[-1].code != GREETING:
            raise ControlError("what answers is not BIRD")

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._socket is None

    @property
    def wants_write(self) -> bool:
        """Whether the loop should watch for writability."""
        return bool(self._out)

    @property
    def idle(self) -> bool:
        """Whether all has been answered."""
        return self._waiting is None and not self._queue

    def fileno(self) -> int:
        """The socket's descriptor, -1 when closed."""
        return -1 if self._socket is None else self._socket.fileno()

    def peer(self) -> int:
        """The process that listens at the other end, 0 when closed."""
        if self._socket is None:
            return 0
        credentials = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", credentials)[0])

    def ask(self, command: str, done: Done) -> None:
        """Gives a command, after those before it; its reply is called back with."""
        self._queue.append((command, done))
        self._pump()

    def _pump(self) -> None:
        if self._waiting is None and self._queue:
            command, self._waiting = self._queue.popleft()
            self._out += command.encode() + b"\n"
            self.writable()

    def writable(self) -> None:
        """Sends what the socket takes now."""
        if self._socket is None or not self._out:
            return
        try:
            self._out = self._out[self._socket.send(self._out) :]
        except BlockingIOError:
            return
        except OSError:
            self.close()

    def readable(self) -> None:
        """Takes what arrived and calls back for it."""
        while self._socket is not None:
            try:
                data = self._socket.recv(1 << 16)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            try:
                replies = self._reader.feed(data) if data else []
                for reply in replies:
                    self._answer(reply)
            except ControlError:
                data = b""
            if not data:
                self.close()

    def _answer(self, reply: Reply) -> None:
        done, self._waiting = self._waiting, None
        if done is not None:
            done(reply)
        self._pump()

    def close(self) -> None:
        """Ends it."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
