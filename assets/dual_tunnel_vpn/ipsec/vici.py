"""strongSwan's vici protocol, without the vici package that Debian 12 lacks.

A codec, a client whose every call ends by a deadline, and a channel for event loops.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Callable, NamedTuple, Optional, Union

Value = Union[str, list[str], "Message"]
"""What charon answers: text, a list of text, or a section."""

Message = dict[str, Value]
"""A decoded section. Bytes that are not UTF-8 are kept as surrogates (PEP 383)."""

Arguments = Mapping[str, Any]
"""What is sent: str, bytes, int, bool (yes/no), a list or tuple of those, or a mapping."""

SOCKETS = ("/run/charon.vici", "/var/run/charon.vici", "/run/strongswan/charon.vici")
"""Where charon listens: Debian and Ubuntu first, then EL9's strongswan package."""

MAX_PACKET = 512 * 1024
"""Largest packet that charon sends or takes (its VICI_MESSAGE_SIZE_MAX), bytes."""

CMD_REQUEST, CMD_RESPONSE, CMD_UNKNOWN = 0, 1, 2
EVENT_REGISTER, EVENT_UNREGISTER, EVENT_CONFIRM, EVENT_UNKNOWN, EVENT = 3, 4, 5, 6, 7
_REPEATED = 1000
"""At most so many sections of one name are told apart."""
_NAMED = frozenset((CMD_REQUEST, EVENT_REGISTER, EVENT_UNREGISTER, EVENT))

_SECTION_START, _SECTION_END, _KEY_VALUE, _LIST_START, _LIST_ITEM, _LIST_END = 1, 2, 3, 4, 5, 6


class ViciError(Exception):
    """Anything that kept a request from succeeding; the text is one sentence."""


class ViciUnavailable(ViciError):
    """charon is not there: no socket, refused, or the connection was closed."""


class ViciTimeout(ViciError):
    """charon did not answer within the deadline: it is busy or hung."""


class ViciRefused(ViciError):
    """charon answered that the command failed; the text carries its errmsg."""


class ViciFormatError(ViciError):
    """The bytes are not vici: too long, cut short, or out of order."""


class Packet(NamedTuple):
    """One packet of the transport: its type, its name (empty for answers), its content."""

    kind: int
    name: str
    message: Message


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _raw(value: Any) -> bytes:
    if isinstance(value, bool):
        return b"yes" if value else b"no"
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if isinstance(value, (str, int)):
        return str(value).encode("utf-8", "surrogateescape")
    raise ViciFormatError(f"a vici value must be text, bytes or a number, not {type(value).__name__}")


def _name(name: str) -> bytes:
    raw = name.encode("utf-8", "surrogateescape")
    if not 0 < len(raw) < 256:
        raise ViciFormatError("a vici name must be 1 to 255 bytes long")
    return bytes((len(raw),)) + raw


def _value(value: Any) -> bytes:
    raw = _raw(value)
    if len(raw) > 0xFFFF:
        raise ViciFormatError("a vici value must be at most 65535 bytes long")
    return struct.pack("!H", len(raw)) + raw


def encode_message(arguments: Arguments) -> bytes:
    """The wire form of a section's content. None values are left out."""
    out = bytearray()
    for key, value in arguments.items():
        if value is None:
            continue
        if isinstance(value, Mapping):
            out += bytes((_SECTION_START,)) + _name(key) + encode_message(value) + bytes((_SECTION_END,))
        elif isinstance(value, (list, tuple)):
            out += bytes((_LIST_START,)) + _name(key)
            for item in value:
                out += bytes((_LIST_ITEM,)) + _value(item)
            out.append(_LIST_END)
        else:
            out += bytes((_KEY_VALUE,)) + _name(key) + _value(value)
    return bytes(out)


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise ViciFormatError("the vici message is cut short")
        piece = self.data[self.at : self.at + count]
        self.at += count
        return piece

    def byte(self) -> int:
        return self.take(1)[0]

    def name(self) -> str:
        return _text(self.take(self.byte()))

    def value(self) -> str:
        return _text(self.take(struct.unpack("!H", self.take(2))[0]))

    @property
    def done(self) -> bool:
        return self.at == len(self.data)


def decode_message(data: bytes) -> Message:
    """A section's content from its wire form; raises ViciFormatError on anything else.

    A repeated section (charon repeats CHILD_SA names in some answers) is kept under its
    name with `#2`, `#3` ... appended, so that nothing is lost.
    """
    cursor = _Cursor(data)
    root: Message = {}
    stack: list[Message] = [root]
    while not cursor.done:
        kind = cursor.byte()
        if kind == _SECTION_START:
            section: Message = {}
            _put(stack[-1], cursor.name(), section)
            stack.append(section)
        elif kind == _SECTION_END:
            if len(stack) == 1:
                raise ViciFormatError("the vici message closes a section that it did not open")
            stack.pop()
        elif kind == _KEY_VALUE:
            key = cursor.name()
            stack[-1][key] = cursor.value()
        elif kind == _LIST_START:
            key = cursor.name()
            items: list[str] = []
            while True:
                inner = cursor.byte()
                if inner == _LIST_END:
                    break
                if inner != _LIST_ITEM:
                    raise ViciFormatError("the vici message has something other than items in a list")
                items.append(cursor.value())
            stack[-1][key] = items
        else:
            raise ViciFormatError(f"the vici message has an element of unknown type {kind}")
    if len(stack) != 1:
        raise ViciFormatError("the vici message leaves a section open")
    return root


def _put(parent: Message, name: str, section: Message) -> None:
    key, count = name, 1
    while key in parent:
        count += 1
        if count > _REPEATED:
            raise ViciFormatError(f"the vici message has more than {_REPEATED} sections of one name")
        key = f"{name}#{count}"
    parent[key] = section


def encode_packet(kind: int, name: str = "", arguments: Arguments | None = None) -> bytes:
    """A transport packet with its length in front."""
    body = bytes((kind,))
    if kind in _NAMED:
        body += _name(name)
    body += encode_message(arguments or {})
    if len(body) > MAX_PACKET:
        raise ViciFormatError(f"the vici packet {name} is larger than {MAX_PACKET} bytes")
    return struct.pack("!I", len(body)) + body


class PacketReader:
    """Cuts a byte stream into packets: feed it what arrived, take what is complete."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Packet]:
        """The packets completed by these bytes; raises ViciFormatError on a bad stream."""
        self._buffer += data
        packets: list[Packet] = []
        while len(self._buffer) >= 4:
            (length,) = struct.unpack_from("!I", self._buffer)
            if not 0 < length <= MAX_PACKET:
                raise ViciFormatError(f"a vici packet announces {length} bytes")
            if len(self._buffer) < 4 + length:
                break
            packets.append(_decode_packet(bytes(self._buffer[4 : 4 + length])))
            del self._buffer[: 4 + length]
        return packets


def _decode_packet(body: bytes) -> Packet:
    kind, rest, name = body[0], body[1:], ""
    if kind > EVENT:
        raise ViciFormatError(f"a vici packet has unknown type {kind}")
    if kind in _NAMED:
        cursor = _Cursor(rest)
        name = cursor.name()
        rest = rest[cursor.at :]
    return Packet(kind, name, decode_message(rest))


def find_socket(candidates: tuple[str, ...] = SOCKETS) -> str:
    """The first vici socket that exists, else Debian's usual path."""
    for path in candidates:
        if os.path.exists(path):
            return path
    return candidates[0]


def section(message: Message, key: str) -> Message:
    """The section under key, empty when there is none."""
    found = message.get(key)
    return found if isinstance(found, dict) else {}


def text(message: Message, key: str, default: str = "") -> str:
    """The text under key, or the default."""
    found = message.get(key)
    return found if isinstance(found, str) else default


def number(message: Message, key: str, default: int = 0, base: int = 10) -> int:
    """The number under key, or the default."""
    try:
        return int(text(message, key), base)
    except ValueError:
        return default


def check(command: str, answer: Message) -> Message:
    """The answer, or ViciRefused when it says `success = no`."""
    if text(answer, "success", "yes") != "yes":
        raise ViciRefused(f"charon refused {command}: {text(answer, 'errmsg', 'no reason given')}")
    return answer


def _connect(path: str, timeout: float) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        sock.settimeout(timeout)
        sock.connect(path)
    except (BlockingIOError, socket.timeout) as error:
        sock.close()
        raise ViciTimeout(f"charon does not take connections on {path}") from error
    except OSError as error:
        sock.close()
        raise ViciUnavailable(f"charon is not reachable on {path}: {error.strerror}") from error
    return sock


class Client:
    """A blocking client. Every call ends within its timeout, whatever charon does.

    After a ViciTimeout the connection is closed, since a late answer would be taken for
    the next one; the following call connects again (and forgets registered events).
    Usable as a context manager.
    """

    def __init__(self, path: str | None = None, timeout: float = 5.0) -> None:
        """path: the socket (default: found). timeout: default for each call, seconds."""
        self._path = path
        self._timeout = timeout
        self._socket: socket.socket | None = None
        self._reader = PacketReader()
        self._packets: deque[Packet] = deque()
        self._events: deque[Packet] = deque()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection; the client may be used again afterwards."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._reader = PacketReader()
        self._packets.clear()
        self._events.clear()

    def request(self, command: str, arguments: Arguments | None = None, timeout: float | None = None) -> Message:
        """charon's answer to a command; ViciRefused when it says `success = no`."""
        deadline = self._deadline(timeout)
        self._send(encode_packet(CMD_REQUEST, command, arguments), deadline, command)
        answer = self._answer(deadline, command)
        if answer.kind != CMD_RESPONSE:
            raise ViciRefused(f"charon does not know the command {command}")
        return check(command, answer.message)

    def stream(
        self, command: str, event: str, arguments: Arguments | None = None, timeout: float | None = None
    ) -> list[Message]:
        """The events that a command streams before its answer (list-sas, list-conns ...)."""
        deadline = self._deadline(timeout)
        self._subscribe(EVENT_REGISTER, event, deadline)
        streamed: list[Message] = []
        self._send(encode_packet(CMD_REQUEST, command, arguments), deadline, command)
        answer = self._answer(deadline, command, event, streamed)
        self._subscribe(EVENT_UNREGISTER, event, deadline)
        if answer.kind != CMD_RESPONSE:
            raise ViciRefused(f"charon does not know the command {command}")
        check(command, answer.message)
        return streamed

    def register(self, event: str, timeout: float | None = None) -> None:
        """Subscribes to an event (ike-updown, child-updown, log ...)."""
        self._subscribe(EVENT_REGISTER, event, self._deadline(timeout))

    def next_event(self, timeout: float) -> Packet | None:
        """The next registered event, or None when none came within timeout seconds."""
        deadline = time.monotonic() + timeout
        while not self._events:
            try:
                self._receive(deadline, "events")
            except ViciTimeout:
                return None
            while self._packets:
                packet = self._packets.popleft()
                if packet.kind == EVENT:
                    self._events.append(packet)
        return self._events.popleft()

    def version(self, timeout: float | None = None) -> Message:
        """Daemon, version, sysname, release, machine."""
        return self.request("version", None, timeout)

    def list_sas(
        self, ike: str | None = None, timeout: float | None = None, wait: bool = False
    ) -> list[tuple[str, Message]]:
        """(connection name, IKE_SA) for each IKE_SA, those being deleted included.

        What charon is busy with is passed over, or waited for. That noblock is given is what counts for charon.
        """
        streamed = self.stream("list-sas", "list-sa", {"ike": ike, "noblock": None if wait else True}, timeout)
        return [(name, sa) for entry in streamed for name, sa in entry.items() if isinstance(sa, dict)]

    def list_conns(self, ike: str | None = None, timeout: float | None = None) -> dict[str, Message]:
        """The loaded connections by name."""
        streamed = self.stream("list-conns", "list-conn", {"ike": ike}, timeout)
        return {name: conn for entry in streamed for name, conn in entry.items() if isinstance(conn, dict)}

    def initiate(self, child: str, ike: str | None = None, wait: float = 0.0, timeout: float | None = None) -> None:
        """Starts a CHILD_SA. wait: seconds charon waits for the outcome; 0 returns at once."""
        limit = int(wait * 1000) if wait > 0 else -1
        self.request(
            "initiate",
            {"child": child, "ike": ike, "timeout": limit, "loglevel": -1},
            timeout if timeout is not None else self._timeout + wait,
        )

    def terminate(
        self,
        child: str | None = None,
        ike: str | None = None,
        ike_id: int | None = None,
        force: bool = False,
        wait: float = 0.0,
        timeout: float | None = None,
    ) -> None:
        """Closes SAs by child name, connection name or unique id. wait as for initiate.

        force removes the SA at once when the peer does not answer within wait.
        ViciRefused when nothing matched.
        """
        limit = int(wait * 1000) if wait > 0 else -1
        self.request(
            "terminate",
            {
                "child": child,
                "ike": ike,
                "ike-id": ike_id,
                "force": True if force else None,
                "timeout": limit,
                "loglevel": -1,
            },
            timeout if timeout is not None else self._timeout + wait,
        )

    def rekey(self, child: str | None = None, ike: str | None = None, timeout: float | None = None) -> None:
        """Rekeys a CHILD_SA or an IKE_SA by its configured name."""
        self.request("rekey", {"child": child, "ike": ike}, timeout)

    def load_conn(self, name: str, connection: Arguments, timeout: float | None = None) -> None:
        """Loads or replaces one connection; the section is as in swanctl.conf."""
        self.request("load-conn", {name: connection}, timeout)

    def unload_conn(self, name: str, timeout: float | None = None) -> None:
        """Forgets a connection; its SAs stay until they are terminated."""
        self.request("unload-conn", {"name": name}, timeout)

    def load_psk(self, secret_id: str, secret: bytes, owners: list[str], timeout: float | None = None) -> None:
        """Loads or replaces a pre-shared key for the given identities."""
        self.request("load-shared", {"id": secret_id, "type": "ike", "data": secret, "owners": owners}, timeout)

    def unload_shared(self, secret_id: str, timeout: float | None = None) -> None:
        """Forgets a shared secret by its id."""
        self.request("unload-shared", {"id": secret_id}, timeout)

    def _deadline(self, timeout: float | None) -> float:
        return time.monotonic() + (self._timeout if timeout is None else timeout)

    def _subscribe(self, kind: int, event: str, deadline: float) -> None:
        self._send(encode_packet(kind, event), deadline, event)
        if self._answer(deadline, event).kind != EVENT_CONFIRM:
            raise ViciRefused(f"charon does not know the event {event}")

    def _answer(self, deadline: float, what: str, event: str = "", streamed: list[Message] | None = None) -> Packet:
        while True:
            while self._packets:
                packet = self._packets.popleft()
                if packet.kind != EVENT:
                    return packet
                if streamed is not None and packet.name == event:
                    streamed.append(packet.message)
                else:
                    self._events.append(packet)
            self._receive(deadline, what)

    def _remaining(self, deadline: float, what: str) -> float:
        left = deadline - time.monotonic()
        if left <= 0:
            self.close()
            raise ViciTimeout(f"charon did not answer {what} in time")
        return left

    def _send(self, data: bytes, deadline: float, what: str) -> None:
        if self._socket is None:
            self._socket = _connect(self._path or find_socket(), self._remaining(deadline, what))
        self._socket.settimeout(self._remaining(deadline, what))
        try:
            self._socket.sendall(data)
        except socket.timeout as error:
            self.close()
            raise ViciTimeout(f"charon did not take {what} in time") from error
        except OSError as error:
            self.close()
            raise ViciUnavailable(f"charon closed the connection at {what}: {error.strerror}") from error

    def _receive(self, deadline: float, what: str) -> None:
        if self._socket is None:
            raise ViciUnavailable("there is no connection to charon")
        left = deadline - time.monotonic()
        if left <= 0:
            if what != "events":
                self.close()
            raise ViciTimeout(f"charon did not answer {what} in time")
        self._socket.settimeout(left)
        try:
            data = self._socket.recv(65536)
        except socket.timeout:
            return
        except OSError as error:
            self.close()
            raise ViciUnavailable(f"charon closed the connection at {what}: {error.strerror}") from error
        if not data:
            self.close()
            raise ViciUnavailable(f"charon closed the connection at {what}")
        try:
            self._packets.extend(self._reader.feed(data))
        except ViciFormatError:
            self.close()
            raise


Done = Callable[[Optional[list[Message]], Optional[ViciError]], None]
"""How a channel's request ends: streamed messages followed by the answer, or an error."""


class _Call(NamedTuple):
    data: bytes
    command: str
    done: Done | None


class Channel:
    """A non-blocking vici connection for an event loop; it never waits.

    Requests queue up and are answered in order. The loop watches `fileno()` and calls
    `readable()` and `writable()`. Once charon is gone the channel has ended (`closed`): open another.
    """

    def __init__(self, on_event: Callable[[str, Message], None], path: str | None = None) -> None:
        """Connects at once or raises ViciUnavailable or ViciTimeout."""
        self._socket: socket.socket | None = socket.socket(
            socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        )
        where = path or find_socket()
        try:
            self._socket.connect(where)
        except BlockingIOError as error:
            self._socket.close()
            raise ViciTimeout(f"charon does not take connections on {where}") from error
        except OSError as error:
            self._socket.close()
            raise ViciUnavailable(f"charon is not reachable on {where}: {error.strerror}") from error
        self._on_event = on_event
        self._reader = PacketReader()
        self._out = bytearray()
        self._waiting: deque[_Call] = deque()
        self._queue: deque[_Call] = deque()
        self._streamed: list[Message] = []
        self._stream_event = ""

    @property
    def closed(self) -> bool:
        """Whether the channel has ended and another must be opened."""
        return self._socket is None

    @property
    def wants_write(self) -> bool:
        """Whether the loop should watch for writability."""
        return bool(self._out)

    def fileno(self) -> int:
        """The socket's descriptor, -1 when closed."""
        return -1 if self._socket is None else self._socket.fileno()

    def peer(self) -> int:
        """The process that listens at the other end (0 when closed)."""
        if self._socket is None:
            return 0
        credentials = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", credentials)[0])

    def register(self, event: str) -> None:
        """Subscribes to an event."""
        self._enqueue(_Call(encode_packet(EVENT_REGISTER, event), event, None))

    def request(self, command: str, arguments: Arguments | None, done: Done | None) -> None:
        """Asks charon. The streamed event of list-sas and list-conns must be registered before."""
        self._enqueue(_Call(encode_packet(CMD_REQUEST, command, arguments), command, done))

    def _enqueue(self, call: _Call) -> None:
        if self._socket is None:
            if call.done:
                call.done(None, ViciUnavailable("the connection to charon has ended"))
            return
        self._queue.append(call)
        self._pump()

    def _pump(self) -> None:
        # charon answers one request of a connection at a time: the next leaves after the answer.
        if self._queue and not self._waiting:
            call = self._queue.popleft()
            self._waiting.append(call)
            self._streamed = []
            self._stream_event = _STREAMS.get(call.command, "")
            self._out += call.data
            self.writable()

    def writable(self) -> None:
        """Sends what the socket takes now."""
        if self._socket is None or not self._out:
            return
        try:
            sent = self._socket.send(self._out)
            del self._out[:sent]
        except BlockingIOError:
            return
        except OSError as error:
            self._end(ViciUnavailable(f"charon closed the connection: {error.strerror}"))

    def readable(self) -> None:
        """Takes what arrived and calls back for it."""
        while self._socket is not None:
            try:
                data = self._socket.recv(65536)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno == errno.EINTR:
                    continue
                self._end(ViciUnavailable(f"charon closed the connection: {error.strerror}"))
                return
            if not data:
                self._end(ViciUnavailable("charon closed the connection"))
                return
            try:
                packets = self._reader.feed(data)
            except ViciFormatError as error:
                self._end(error)
                return
            for packet in packets:
                self._take(packet)

    def _take(self, packet: Packet) -> None:
        if packet.kind == EVENT:
            if self._waiting and packet.name == self._stream_event:
                self._streamed.append(packet.message)
            else:
                self._on_event(packet.name, packet.message)
            return
        if not self._waiting:
            return
        call = self._waiting.popleft()
        streamed, self._streamed = self._streamed, []
        self._pump()
        if call.done is None:
            return
        if packet.kind != CMD_RESPONSE:
            call.done(None, ViciRefused(f"charon does not know the command {call.command}"))
            return
        try:
            call.done([*streamed, check(call.command, packet.message)], None)
        except ViciRefused as error:
            call.done(None, error)

    def close(self) -> None:
        """Ends the channel; what was asked is answered by ViciUnavailable."""
        self._end(ViciUnavailable("the connection to charon has ended"))

    def _end(self, error: ViciError) -> None:
        if self._socket is None:
            return
        self._socket.close()
        self._socket = None
        calls = [*self._waiting, *self._queue]
        self._waiting.clear()
        self._queue.clear()
        for call in calls:
            if call.done:
                call.done(None, error)


_STREAMS = {"list-sas": "list-sa", "list-conns": "list-conn", "list-policies": "list-policy"}
