"""A small AF_NETLINK client: routes, links, addresses, rules, IPsec states and nft counters.

Why not `ip`: a process costs tens of milliseconds on a small box, and a failover has none to spare.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

NETLINK_ROUTE, NETLINK_XFRM, NETLINK_NETFILTER = 0, 6, 12

_HEADER = struct.Struct("=IHHII")
_REQUEST, _ACK, _DUMP, _REPLACE, _CREATE = 0x1, 0x4, 0x300, 0x100, 0x400
_ERROR, _DONE = 2, 3
_SOL_NETLINK, _GET_STRICT_CHK = 270, 12

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_NEWRULE, RTM_DELRULE, RTM_GETRULE = 32, 33, 34
RTM_NEWSTATS, RTM_GETSTATS = 92, 94

GROUPS = 0x1 | 0x10 | 0x40 | 0x80 | 0x800000
"""Notifications of links, IPv4 addresses, IPv4 routes, rules, and settings such as forwarding."""

_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBI")
_ROUTE = struct.Struct("=BBBBBBBBI")
_STATS = struct.Struct("=BxxxII")

NFT_INET, NFT_IPV4 = 1, 2
"""Families of nftables' tables."""

_UP, _LOWER_UP = 0x1, 0x10000
UNICAST, LOCAL, UNREACHABLE = 1, 2, 7
MAIN_TABLE, LOCAL_TABLE = 254, 255
_SCOPE_UNIVERSE, _SCOPE_LINK, _SCOPE_HOST, _ONLINK, _FIB_MATCH = 0, 253, 254, 0x4, 0x2000


class NetlinkError(OSError):
    """The kernel refused a request; errno says why."""


class Link(NamedTuple):
    """A network interface. carrier: the interface is up and its peer is there."""

    ifindex: int
    name: str
    up: bool
    carrier: bool


class Address(NamedTuple):
    """An IPv4 address on an interface."""

    ifindex: int
    address: str
    prefix_length: int


class Route(NamedTuple):
    """An IPv4 unicast route with one next hop. metric 0 is the most preferred."""

    destination: str
    oif: int
    gateway: str | None = None
    source: str | None = None
    metric: int = 0
    table: int = MAIN_TABLE
    protocol: int = 0
    onlink: bool = False
    """The gateway is taken for reachable on the interface, whatever the addresses say."""
    kind: int = UNICAST
    """UNICAST; LOCAL: the destination is the box itself; UNREACHABLE (oif 0): what matches is refused."""


class Rule(NamedTuple):
    """A policy routing rule by fwmark."""

    mark: int
    table: int
    priority: int


class Counters(NamedTuple):
    """Packets that an interface received and sent since it was made."""

    received: int
    sent: int


class IpsecState(NamedTuple):
    """An ESP state in the kernel. added: when, in seconds of the wall clock; 0 replay window: outbound."""

    destination: str
    spi: int
    if_id: int
    added: int
    packets: int
    replay_window: int


class Note(NamedTuple):
    """A notification: message type and the raw body, for the decoders below."""

    kind: int
    body: bytes


def attribute(kind: int, value: bytes) -> bytes:
    """A netlink attribute, padded to four bytes."""
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def attributes(data: bytes) -> dict[int, bytes]:
    """The attributes in a message's tail by type; a malformed rest is left out."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4 or at + length > len(data):
            break
        found[kind & 0x3FFF] = data[at + 4 : at + length]
        at += (length + 3) & ~3
    return found


def messages(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """(type, flags, sequence, body) of each message in a datagram."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(data, at)
        if length < _HEADER.size or at + length > len(data):
            return
        yield kind, flags, sequence, data[at + _HEADER.size : at + length]
        at += (length + 3) & ~3


def _u32(value: int) -> bytes:
    return struct.pack("=I", value)


def _int(raw: bytes | None, default: int = 0) -> int:
    return default if raw is None or len(raw) < 4 else int(struct.unpack_from("=I", raw)[0])


def _ipv4(raw: bytes | None) -> str | None:
    return None if raw is None or len(raw) != 4 else socket.inet_ntoa(raw)


def encode_route(route: Route) -> bytes:
    """The body of a route message."""
    network = ipaddress.IPv4Network(route.destination)
    scope = {LOCAL: _SCOPE_HOST, UNREACHABLE: _SCOPE_UNIVERSE}.get(route.kind, _SCOPE_LINK)
    if route.gateway:
        scope = _SCOPE_UNIVERSE
    table = route.table if route.table < 256 else 0
    body = _ROUTE.pack(
        socket.AF_INET,
        network.prefixlen,
        0,
        0,
        table,
        route.protocol,
        scope,
        route.kind,
        _ONLINK if route.onlink else 0,
    )
    body += attribute(1, network.network_address.packed)
    if route.oif:
        body += attribute(4, _u32(route.oif))
    body += attribute(15, _u32(route.table))
    if route.gateway:
        body += attribute(5, socket.inet_aton(route.gateway))
    if route.source:
        body += attribute(7, socket.inet_aton(route.source))
    if route.metric:
        body += attribute(6, _u32(route.metric))
    return body


def decode_route(body: bytes) -> Route | None:
    """The IPv4 route in a message's body; None for what has not one next hop where one is due."""
    family, prefix_length, _, _, table, protocol, _, kind, flags = _ROUTE.unpack_from(body)
    found = attributes(body[_ROUTE.size :])
    oif = 0 if kind == UNREACHABLE else _int(found.get(4))
    if family != socket.AF_INET or kind not in (UNICAST, LOCAL, UNREACHABLE) or (kind != UNREACHABLE and not oif):
        return None
    return Route(
        destination=f"{_ipv4(found.get(1)) or '0.0.0.0'}/{prefix_length}",
        oif=oif,
        gateway=_ipv4(found.get(5)),
        source=_ipv4(found.get(7)),
        metric=_int(found.get(6)),
        table=_int(found.get(15), table),
        protocol=protocol,
        onlink=bool(flags & _ONLINK),
        kind=kind,
    )


def decode_link(body: bytes) -> Link:
    """The interface in a message's body."""
    _, _, index, flags, _ = _LINK.unpack_from(body)
    found = attributes(body[_LINK.size :])
    name = found.get(3, b"").rstrip(b"\0").decode("utf-8", "replace")
    return Link(index, name, bool(flags & _UP), bool(flags & _UP and flags & _LOWER_UP))


def decode_address(body: bytes) -> Address | None:
    """The IPv4 address in a message's body."""
    family, prefix_length, _, _, index = _ADDRESS.unpack_from(body)
    found = attributes(body[_ADDRESS.size :])
    address = _ipv4(found.get(2)) or _ipv4(found.get(1))
    if family != socket.AF_INET or address is None:
        return None
    return Address(index, address, prefix_length)


def decode_rule(body: bytes) -> Rule | None:
    """The rule in a message's body, if it selects by fwmark."""
    found = attributes(body[_ROUTE.size :])
    if 10 not in found:
        return None
    return Rule(_int(found[10]), _int(found.get(15), body[4]), _int(found.get(6)))


def decode_ipsec_state(body: bytes) -> IpsecState | None:
    """The IPv4 ESP state in a message's body (struct xfrm_usersa_info)."""
    if len(body) < 224:
        return None
    spi, protocol = struct.unpack_from("!IB", body, 72)
    packets, added = struct.unpack_from("=QQ", body, 168)
    (family,) = struct.unpack_from("=H", body, 212)
    if family != socket.AF_INET or protocol != socket.IPPROTO_ESP:
        return None
    found = attributes(body[224:])
    return IpsecState(socket.inet_ntoa(body[56:60]), spi, _int(found.get(31)), added, packets, body[215])


class Netlink:
    """A request socket of one netlink family. The kernel answers at once, so calls are plain."""

    def __init__(self, family: int = NETLINK_ROUTE) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, family)
        self._socket.settimeout(2.0)
        self._socket.bind((0, 0))
        if family == NETLINK_ROUTE:
            # Without it the kernel ignores a dump's filter and sends everything.
            self._socket.setsockopt(_SOL_NETLINK, _GET_STRICT_CHK, 1)
        self._sequence = 0
        # Kept: to map so much memory anew for each answer costs more than the answer.
        self._buffer = memoryview(bytearray(1 << 18))

    def close(self) -> None:
        """Ends the socket."""
        self._socket.close()

    def request(self, kind: int, flags: int, body: bytes) -> list[tuple[int, bytes]]:
        """The answers (type, body) to one request; raises NetlinkError when it is refused."""
        self._sequence += 1
        header = _HEADER.pack(_HEADER.size + len(body), kind, flags | _REQUEST, self._sequence, 0)
        self._socket.send(header + body)
        answers: list[tuple[int, bytes]] = []
        while True:
            length = self._socket.recv_into(self._buffer)
            for answer, _, sequence, content in messages(self._buffer[:length].tobytes()):
                if sequence != self._sequence:
                    continue
                if answer == _ERROR:
                    (code,) = struct.unpack_from("=i", content)
                    if code:
                        raise NetlinkError(-code, os.strerror(-code))
                    return answers
                if answer == _DONE:
                    return answers
                answers.append((answer, content))
                if not flags & (_ACK | _DUMP):
                    return answers

    def links(self) -> list[Link]:
        """All interfaces."""
        body = _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        return [decode_link(content) for _, content in self.request(RTM_GETLINK, _DUMP, body)]

    def put_xfrm_link(self, name: str, if_id: int, mtu: int) -> None:
        """Makes an XFRM interface, or switches on the one of that name."""
        named = attribute(3, name.encode() + b"\0")
        still, up = (_LINK.pack(socket.AF_UNSPEC, 0, 0, flags, _UP) + named for flags in (0, _UP))
        data = attribute(1, b"xfrm\0") + attribute(2, attribute(2, _u32(if_id)))
        self.request(RTM_NEWLINK, _ACK | _CREATE, still + attribute(18, data))
        # No IPv6 address of its own: nothing is to be sent into the tunnel unasked. The kernel takes this for an
        # interface that is there and still down, and only where it has IPv6.
        try:
            self.request(RTM_NEWLINK, _ACK, still + attribute(26, attribute(socket.AF_INET6, attribute(8, b"\x01"))))
        except NetlinkError as error:
            if error.errno != errno.EAFNOSUPPORT:
                raise
        self.request(RTM_NEWLINK, _ACK, up + attribute(4, _u32(mtu)))

    def counters(self, ifindex: int) -> Counters:
        """What an interface received and sent."""
        answer = self.request(RTM_GETSTATS, 0, _STATS.pack(socket.AF_UNSPEC, ifindex, 1))[0][1]
        # The one attribute asked for, a struct rtnl_link_stats64, begins with these two.
        received, sent = struct.unpack_from("=QQ", answer, _STATS.size + 4)
        return Counters(received, sent)

    def addresses(self) -> list[Address]:
        """All IPv4 addresses."""
        body = _ADDRESS.pack(socket.AF_INET, 0, 0, 0, 0)
        found = (decode_address(content) for _, content in self.request(RTM_GETADDR, _DUMP, body))
        return [address for address in found if address]

    def routes(self, table: int = MAIN_TABLE, protocol: int = 0) -> list[Route]:
        """The routes of a table, of one protocol or (0) all."""
        body = _ROUTE.pack(socket.AF_INET, 0, 0, 0, 0, protocol, 0, 0, 0) + attribute(15, _u32(table))
        try:
            found = (decode_route(content) for _, content in self.request(RTM_GETROUTE, _DUMP, body))
            return [route for route in found if route and route.table == table]
        except NetlinkError as error:
            if error.errno == 2:  # a table that nobody has put a route into does not exist
                return []
            raise

    def route_to(self, address: str) -> Route | None:
        """The route of the tables that a packet to this address would take."""
        body = _ROUTE.pack(socket.AF_INET, 32, 0, 0, 0, 0, 0, 0, _FIB_MATCH) + attribute(1, socket.inet_aton(address))
        try:
            return decode_route(self.request(RTM_GETROUTE, 0, body)[0][1])
        except NetlinkError:
            return None

    def replace_route(self, route: Route) -> None:
        """Puts a route in the place of the one with the same destination, metric and table, in one step."""
        self.request(RTM_NEWROUTE, _ACK | _CREATE | _REPLACE, encode_route(route))

    def delete_route(self, route: Route) -> None:
        """Removes a route."""
        self.request(RTM_DELROUTE, _ACK, encode_route(route))

    def rules(self) -> list[Rule]:
        """The IPv4 rules that select by fwmark."""
        body = _ROUTE.pack(socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0)
        found = (decode_rule(content) for _, content in self.request(RTM_GETRULE, _DUMP, body))
        return [rule for rule in found if rule]


class IpsecStates:
    """The kernel's ESP states (ip xfrm state)."""

    def __init__(self) -> None:
        self._netlink = Netlink(NETLINK_XFRM)

    def close(self) -> None:
        """Ends the socket."""
        self._netlink.close()

    def list(self) -> list[IpsecState]:
        """All IPv4 ESP states."""
        found = (decode_ipsec_state(content) for _, content in self._netlink.request(0x12, _DUMP, b""))
        return [state for state in found if state]

    def delete(self, state: IpsecState) -> None:
        """Removes one state."""
        destination = socket.inet_aton(state.destination) + bytes(12)
        self._netlink.request(0x11, _ACK, destination + struct.pack("!I", state.spi) + _ESP_ID)


_ESP_ID = struct.pack("=HBx", socket.AF_INET, socket.IPPROTO_ESP)


class Nftables:
    """What is there of nftables: tables, and the named counters of those in family ip."""

    def __init__(self) -> None:
        self._netlink = Netlink(NETLINK_NETFILTER)

    def close(self) -> None:
        """Ends the socket."""
        self._netlink.close()

    def has_table(self, family: int, name: str) -> bool:
        """Whether a table is there; a kernel that does not tell counts as one that has it."""
        body = struct.pack("!BBH", family, 0, 0) + attribute(1, name.encode() + b"\0")
        try:
            self._netlink.request((10 << 8) | 1, 0, body)
        except NetlinkError as error:
            return error.errno != errno.ENOENT
        return True

    def packets(self, table: str, name: str) -> int | None:
        """What a counter has counted, None when it is not there."""
        body = struct.pack("!BBH", NFT_IPV4, 0, 0)
        body += attribute(1, table.encode() + b"\0") + attribute(2, name.encode() + b"\0")
        body += attribute(3, struct.pack("!I", 1))
        try:
            answer = self._netlink.request((10 << 8) | 19, 0, body)[0][1]
        except NetlinkError:
            return None
        packets = attributes(attributes(answer[4:]).get(4, b"")).get(2)
        return None if packets is None else int(struct.unpack("!Q", packets)[0])


class Monitor:
    """Notifications of links, addresses, routes, rules and settings, for an event loop."""

    def __init__(self) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, NETLINK_ROUTE
        )
        self._socket.bind((0, GROUPS))

    def fileno(self) -> int:
        """The descriptor to watch."""
        return self._socket.fileno()

    def close(self) -> None:
        """Ends the socket."""
        self._socket.close()

    def read(self) -> list[Note] | None:
        """What was notified, or None when notifications were lost and all must be read again."""
        notes: list[Note] = []
        while True:
            try:
                data = self._socket.recv(1 << 16)
            except BlockingIOError:
                return notes
            except OSError as error:
                if error.errno == 105:  # ENOBUFS: the kernel dropped some
                    return None
                raise
            notes.extend(Note(kind, body) for kind, _, _, body in messages(data))
