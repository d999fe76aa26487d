"""A small AF_NETLINK client: routes, links, addresses, rules, IPsec states and policies, nft tables and counters.

Why not `ip`: a process costs tens of milliseconds on a small box, and a failover has none to spare. It needs nothing
else of the package: the lab's gateway uses it too.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
from collections.abc import Iterator
from functools import wraps
from typing import Callable, NamedTuple, TypeVar

NETLINK_ROUTE, NETLINK_XFRM, NETLINK_NETFILTER = 0, 6, 12

_HEADER = struct.Struct("=IHHII")
_REQUEST, _ACK, _DUMP, _REPLACE, _EXCLUSIVE, _CREATE = 0x1, 0x4, 0x300, 0x100, 0x200, 0x400
_INTERRUPTED = 0x10
"""The flag of a dump during which something changed: it may be inconsistent."""
_ERROR, _DONE = 2, 3
_SOL_NETLINK, _GET_STRICT_CHK = 270, 12
_TYPE_MASK = 0x3FFF
"""Of an attribute's type: the rest are flags."""

DUMPS = 20
"""How often an interrupted dump is asked for before the box is taken for one that never stands still."""

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_NEWRULE, RTM_DELRULE, RTM_GETRULE = 32, 33, 34
RTM_NEWSTATS, RTM_GETSTATS = 92, 94

GROUPS = 0x1 | 0x10 | 0x40 | 0x80 | 0x800000
"""Notifications of links, IPv4 addresses, IPv4 routes, rules, and settings such as forwarding."""

FILTER_GROUPS = 0x40
"""Notifications of nftables (of the family NETLINK_NETFILTER): a transaction's changes, and its end."""

# Attributes, by the names of the kernel's headers.
IFLA_IFNAME, IFLA_MTU, IFLA_MASTER, IFLA_LINKINFO, IFLA_AF_SPEC = 3, 4, 10, 18, 26
IFLA_INFO_KIND, IFLA_INFO_DATA = 1, 2
IFLA_XFRM_IF_ID = 2
IFLA_INET6_ADDR_GEN_MODE, _ADDR_GEN_MODE_NONE = 8, b"\x01"
IFLA_STATS_LINK_64 = 1
IFA_ADDRESS, IFA_LOCAL = 1, 2
RTA_DST, RTA_SRC, RTA_IIF, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC, RTA_TABLE = 1, 2, 3, 4, 5, 6, 7, 15
RTA_IP_PROTO, RTA_SPORT, RTA_DPORT = 27, 28, 29
FRA_DST, FRA_SRC, FRA_IIFNAME, FRA_PRIORITY, FRA_FWMARK, FRA_SUPPRESS_PREFIXLEN = 1, 2, 3, 6, 10, 14
FRA_TABLE, FRA_FWMASK, FRA_OIFNAME, FRA_L3MDEV, FRA_PROTOCOL = 15, 16, 17, 19, 21
FRA_TUN_ID, FRA_UID_RANGE, FRA_IP_PROTO, FRA_SPORT_RANGE, FRA_DPORT_RANGE, FRA_DSCP = 12, 20, 22, 23, 24, 25
XFRMA_ALG_CRYPT, XFRMA_ALG_AEAD, XFRMA_ALG_AUTH_TRUNC, XFRMA_IF_ID = 2, 18, 20, 31
NFTA_TABLE_NAME = NFTA_RULE_TABLE = 1
NFTA_OBJ_TABLE, NFTA_OBJ_NAME, NFTA_OBJ_TYPE, NFTA_OBJ_DATA = 1, 2, 3, 4
NFTA_COUNTER_PACKETS = 2

_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBI")
_ROUTE = struct.Struct("=BBBBBBBBI")
"""Of rules too, whose message has the same form: the last fields are the table, two unused, action and flags."""
_STATS = struct.Struct("=BxxxII")

XFRM_DELSA, XFRM_GETSA, XFRM_DELPOLICY, XFRM_GETPOLICY = 0x11, 0x12, 0x14, 0x15
_STATE_BYTES, _POLICY_BYTES = 224, 168
"""The lengths of struct xfrm_usersa_info and xfrm_userpolicy_info."""
_ALGORITHM = struct.Struct("=64sII")
"""The head of struct xfrm_algo_auth and xfrm_algo_aead: name, and bits of the key and of the check value."""
_CIPHER = struct.Struct("=64sI")
"""The head of struct xfrm_algo: name, and bits of the key."""
_SELECTOR_BYTES, _SELECTOR_FAMILY, _POLICY_DIRECTION = 56, 40, 160
"""Where in a policy the selector ends, where in it the family is, and where the direction."""

NFT_INET, NFT_IPV4 = 1, 2
"""Families of nftables' tables."""
_NFT_GETTABLE, _NFT_GETRULE, _NFT_GETOBJ = (10 << 8) | 1, (10 << 8) | 7, (10 << 8) | 19
_NFT_HEAD = 4
"""The length of a message's own head, which says in which generation of all rules it was."""
_NFT_OBJECT_COUNTER = 1

_UP, _LOWER_UP = 0x1, 0x10000
UNICAST, LOCAL, BLACKHOLE, UNREACHABLE, PROHIBIT, THROW = 1, 2, 6, 7, 8, 9
MAIN_TABLE, LOCAL_TABLE, ANY_TABLE = 254, 255, 0
_SCOPE_UNIVERSE, _SCOPE_LINK, _SCOPE_HOST, _SCOPE_NOWHERE = 0, 253, 254, 255
_ONLINK, _LEARNT, _LOOKUP_TABLE, _FIB_MATCH = 0x4, 0x200, 0x1000, 0x2000
"""Flags of routes: onlink, RTM_F_CLONED, RTM_F_LOOKUP_TABLE and RTM_F_FIB_MATCH."""
KERNEL_PROTOCOL = 2
"""Of the routes that come with an interface's address."""
TO_TABLE, GOTO, NOTHING = 1, 2, 3
"""Actions of rules: a table is looked up, another rule comes next, none. Others refuse the packet."""
_NARROWING = frozenset((FRA_TUN_ID, FRA_UID_RANGE, FRA_IP_PROTO, FRA_SPORT_RANGE, FRA_DPORT_RANGE, FRA_DSCP))
_INVERTED = 0x2
"""The flag of a rule that selects what its selectors do not match."""
_WHOLE = 0xFFFFFFFF


class NetlinkError(OSError):
    """The kernel refused a request: errno and `reason` say why, the text also says what was to be done."""

    def __init__(self, code: int, what: str) -> None:
        self.reason = os.strerror(code)
        super().__init__(code, f"{what}: {self.reason}")

    def __str__(self) -> str:
        return str(self.strerror)


class Link(NamedTuple):
    """A network interface. carrier: the interface is up and its peer is there."""

    ifindex: int
    name: str
    up: bool
    carrier: bool
    kind: str = ""
    """The driver's name for interfaces made by software, such as xfrm; empty for others."""
    if_id: int = 0
    """Of an XFRM interface."""
    mtu: int = 0
    master: int = 0
    """The bridge, bond or VRF that it belongs to."""


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


class Place(NamedTuple):
    """Where a route of any kind is, whoever made it, and where it leads: oif 0 where it has not one next hop."""

    table: int
    destination: str
    protocol: int
    metric: int = 0
    kind: int = UNICAST
    oif: int = 0
    gateway: str | None = None


class Question(NamedTuple):
    """A packet whose way the kernel is asked for: the box's own, or with iif one that came in by that interface."""

    destination: str
    source: str = ""
    """Empty: the kernel chooses."""
    iif: int = 0
    port: int = 0
    """UDP, from this port to the same one."""


class Rule(NamedTuple):
    """A policy routing rule. What selects nothing is empty or 0; a mark of 0 does where the mask is not."""

    mark: int
    table: int
    priority: int
    mask: int = 0
    """0 with a mark: the whole mark."""
    destination: str = ""
    source: str = ""
    iif: str = ""
    """lo: packets of the box's own."""
    oif: str = ""
    protocol: int = 0
    """Whose it is, as of routes; 0: not told."""
    action: int = TO_TABLE
    inverted: bool = False
    suppress: int = -1
    """Routes with a prefix of at most this length do not count, -1: all do."""
    vrf: bool = False
    """The table is that of the VRF which a packet's interface belongs to."""
    narrow: bool = False
    """It selects by something else too: protocol, ports, TOS, the user whose packet it is."""


class Counters(NamedTuple):
    """Packets that an interface received and sent since it was made."""

    received: int
    sent: int


class Algorithms(NamedTuple):
    """What an ESP state encrypts and authenticates with, by the kernel's names."""

    cipher: str
    """Such as cbc(aes); one that authenticates too, such as rfc4106(gcm(aes)), stands alone."""
    cipher_bits: int
    """Of the cipher's key, its salt included."""
    integrity: str = ""
    """Such as hmac(sha256)."""
    integrity_bits: int = 0
    """Of the integrity's key."""
    icv_bits: int = 0
    """Of the check value at a packet's end."""


class IpsecState(NamedTuple):
    """An ESP state in the kernel. added: when, in seconds of the wall clock."""

    destination: str
    spi: int
    if_id: int
    added: int
    packets: int
    algorithms: Algorithms | None = None


class IpsecPolicy(NamedTuple):
    """An IPv4 IPsec policy in the kernel: its selector as the kernel has it, and its direction."""

    selector: bytes
    direction: int
    if_id: int


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
        found[kind & _TYPE_MASK] = data[at + 4 : at + length]
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


def _string(raw: bytes | None) -> str:
    return "" if raw is None else raw.rstrip(b"\0").decode("utf-8", "replace")


def _ipv4(raw: bytes | None) -> str | None:
    return None if raw is None or len(raw) != 4 else socket.inet_ntoa(raw)


def _text(value: str) -> bytes:
    return value.encode() + b"\0"


def _block(raw: bytes | None, length: int) -> str:
    if length > 32:
        raise ValueError
    # A rule's may have bits beyond its length, which the kernel passes over.
    bits = int.from_bytes(raw or b"", "big") >> (32 - length) << (32 - length)
    return f"{socket.inet_ntoa(struct.pack('!I', bits))}/{length}"


_Thing = TypeVar("_Thing")


def _decoder(decode: Callable[[bytes], _Thing | None]) -> Callable[[bytes], _Thing | None]:
    """Has what is malformed be None, like what is not meant: nobody's mistake is to end the agent."""

    @wraps(decode)
    def decoded(body: bytes) -> _Thing | None:
        try:
            return decode(body)
        except (struct.error, IndexError, ValueError):
            return None

    return decoded


def encode_route(route: Route, any_scope: bool = False) -> bytes:
    """The body of a route message. any_scope: for a deletion, which then finds the route whatever its scope."""
    network = ipaddress.IPv4Network(route.destination)
    scope = {LOCAL: _SCOPE_HOST, UNREACHABLE: _SCOPE_UNIVERSE}.get(route.kind, _SCOPE_LINK)
    if route.gateway:
        scope = _SCOPE_UNIVERSE
    body = _ROUTE.pack(
        socket.AF_INET,
        network.prefixlen,
        0,
        0,
        route.table if route.table < 256 else 0,
        route.protocol,
        _SCOPE_NOWHERE if any_scope else scope,
        route.kind,
        _ONLINK if route.onlink else 0,
    )
    body += attribute(RTA_DST, network.network_address.packed)
    if route.oif:
        body += attribute(RTA_OIF, _u32(route.oif))
    body += attribute(RTA_TABLE, _u32(route.table))
    if route.gateway:
        body += attribute(RTA_GATEWAY, socket.inet_aton(route.gateway))
    if route.source:
        body += attribute(RTA_PREFSRC, socket.inet_aton(route.source))
    if route.metric:
        body += attribute(RTA_PRIORITY, _u32(route.metric))
    return body


@_decoder
def decode_route(body: bytes) -> Route | None:
    """The IPv4 route in a message's body; None for what has not one next hop where one is due."""
    family, prefix_length, _, _, table, protocol, _, kind, flags = _ROUTE.unpack_from(body)
    found = attributes(body[_ROUTE.size :])
    oif = 0 if kind == UNREACHABLE else _int(found.get(RTA_OIF))
    if family != socket.AF_INET or kind not in (UNICAST, LOCAL, UNREACHABLE) or (kind != UNREACHABLE and not oif):
        return None
    return Route(
        destination=_block(found.get(RTA_DST), prefix_length),
        oif=oif,
        gateway=_ipv4(found.get(RTA_GATEWAY)),
        source=_ipv4(found.get(RTA_PREFSRC)),
        metric=_int(found.get(RTA_PRIORITY)),
        table=_int(found.get(RTA_TABLE), table),
        protocol=protocol,
        onlink=bool(flags & _ONLINK),
        kind=kind,
    )


@_decoder
def decode_place(body: bytes) -> Place | None:
    """Where the IPv4 route in a message's body is, whatever its kind and its next hops."""
    _, prefix_length, _, _, table, protocol, _, kind, _ = _ROUTE.unpack_from(body)
    found = attributes(body[_ROUTE.size :])
    return Place(
        table=_int(found.get(RTA_TABLE), table),
        destination=_block(found.get(RTA_DST), prefix_length),
        protocol=protocol,
        metric=_int(found.get(RTA_PRIORITY)),
        kind=kind,
        oif=_int(found.get(RTA_OIF)),
        gateway=_ipv4(found.get(RTA_GATEWAY)),
    )


@_decoder
def decode_link(body: bytes) -> Link | None:
    """The interface in a message's body."""
    _, _, index, flags, _ = _LINK.unpack_from(body)
    found = attributes(body[_LINK.size :])
    info = attributes(found.get(IFLA_LINKINFO, b""))
    kind = _string(info.get(IFLA_INFO_KIND))
    data = attributes(info.get(IFLA_INFO_DATA, b"")) if kind == "xfrm" else {}
    return Link(
        ifindex=index,
        name=_string(found.get(IFLA_IFNAME)),
        up=bool(flags & _UP),
        carrier=bool(flags & _UP and flags & _LOWER_UP),
        kind=kind,
        if_id=_int(data.get(IFLA_XFRM_IF_ID)),
        mtu=_int(found.get(IFLA_MTU)),
        master=_int(found.get(IFLA_MASTER)),
    )


@_decoder
def decode_address(body: bytes) -> Address | None:
    """The IPv4 address in a message's body."""
    family, prefix_length, _, _, index = _ADDRESS.unpack_from(body)
    found = attributes(body[_ADDRESS.size :])
    address = _ipv4(found.get(IFA_LOCAL)) or _ipv4(found.get(IFA_ADDRESS))
    if family != socket.AF_INET or address is None:
        return None
    return Address(index, address, prefix_length)


def encode_rule(rule: Rule) -> bytes:
    """The body of a rule message for a rule that has a table looked up, as `ip rule add` sends it."""
    ends = [(FRA_DST, rule.destination), (FRA_SRC, rule.source)]
    blocks = {kind: ipaddress.IPv4Network(block) for kind, block in ends if block}
    lengths = (blocks[kind].prefixlen if kind in blocks else 0 for kind in (FRA_DST, FRA_SRC))
    table = rule.table if rule.table < 256 else 0
    body = _ROUTE.pack(socket.AF_INET, *lengths, 0, table, 0, 0, TO_TABLE, 0)
    body += attribute(FRA_PRIORITY, _u32(rule.priority)) + attribute(FRA_TABLE, _u32(rule.table))
    for kind, block in blocks.items():
        body += attribute(kind, block.network_address.packed)
    if rule.iif:
        body += attribute(FRA_IIFNAME, _text(rule.iif))
    if rule.mark:
        body += attribute(FRA_FWMARK, _u32(rule.mark))
    if rule.protocol:
        body += attribute(FRA_PROTOCOL, bytes((rule.protocol,)))
    return body


@_decoder
def decode_rule(body: bytes) -> Rule | None:
    """The IPv4 rule in a message's body."""
    _, to_length, from_length, tos, table, _, _, action, flags = _ROUTE.unpack_from(body)
    found = attributes(body[_ROUTE.size :])
    mask = _int(found.get(FRA_FWMASK))
    suppress = _int(found.get(FRA_SUPPRESS_PREFIXLEN), _WHOLE)
    return Rule(
        mark=_int(found.get(FRA_FWMARK)),
        table=_int(found.get(FRA_TABLE), table),
        priority=_int(found.get(FRA_PRIORITY)),
        mask=0 if mask == _WHOLE else mask,
        destination=_block(found[FRA_DST], to_length) if FRA_DST in found else "",
        source=_block(found[FRA_SRC], from_length) if FRA_SRC in found else "",
        iif=_string(found.get(FRA_IIFNAME)),
        oif=_string(found.get(FRA_OIFNAME)),
        protocol=found.get(FRA_PROTOCOL, b"\0")[0],
        action=action,
        inverted=bool(flags & _INVERTED),
        suppress=-1 if suppress == _WHOLE else suppress,
        vrf=FRA_L3MDEV in found and found[FRA_L3MDEV] != b"\0",
        narrow=bool(tos) or not _NARROWING.isdisjoint(found),
    )


@_decoder
def decode_ipsec_state(body: bytes) -> IpsecState | None:
    """The IPv4 ESP state in a message's body (struct xfrm_usersa_info)."""
    if len(body) < _STATE_BYTES:
        return None
    spi, protocol = struct.unpack_from("!IB", body, 72)
    packets, added = struct.unpack_from("=QQ", body, 168)
    (family,) = struct.unpack_from("=H", body, 212)
    if family != socket.AF_INET or protocol != socket.IPPROTO_ESP:
        return None
    found = attributes(body[_STATE_BYTES:])
    if_id = _int(found.get(XFRMA_IF_ID))
    return IpsecState(socket.inet_ntoa(body[56:60]), spi, if_id, added, packets, _algorithms(found))


def _algorithms(found: dict[int, bytes]) -> Algorithms | None:
    """Names and lengths only: the keys, which lie behind them, go nowhere."""
    if XFRMA_ALG_AEAD in found:
        name, key, icv = _ALGORITHM.unpack_from(found[XFRMA_ALG_AEAD])
        return Algorithms(_string(name), key, icv_bits=icv)
    if XFRMA_ALG_CRYPT not in found or XFRMA_ALG_AUTH_TRUNC not in found:
        return None
    cipher, cipher_key = _CIPHER.unpack_from(found[XFRMA_ALG_CRYPT])
    integrity, key, icv = _ALGORITHM.unpack_from(found[XFRMA_ALG_AUTH_TRUNC])
    return Algorithms(_string(cipher), cipher_key, _string(integrity), key, icv)


@_decoder
def decode_ipsec_policy(body: bytes) -> IpsecPolicy | None:
    """The IPv4 policy in a message's body (struct xfrm_userpolicy_info)."""
    if len(body) < _POLICY_BYTES or struct.unpack_from("=H", body, _SELECTOR_FAMILY)[0] != socket.AF_INET:
        return None
    if_id = _int(attributes(body[_POLICY_BYTES:]).get(XFRMA_IF_ID))
    return IpsecPolicy(body[:_SELECTOR_BYTES], body[_POLICY_DIRECTION], if_id)


def device_name(ifindex: int) -> str:
    """The interface's name for people, its number when it is gone."""
    try:
        return socket.if_indextoname(ifindex)
    except OSError:
        return f"interface {ifindex}"


def describe_route(route: Route) -> str:
    """The route for people."""
    kind = {LOCAL: "local ", UNREACHABLE: "unreachable "}.get(route.kind, "")
    way = f" via {route.gateway}" if route.gateway else ""
    device = f" by {device_name(route.oif)}" if route.oif else ""
    table = "" if route.table == MAIN_TABLE else f" in table {route.table}"
    return f"the {kind}route to {route.destination}{way}{device}{table}"


def describe_rule(rule: Rule) -> str:
    """The rule for people, by what it selects."""
    return f"the rule for mark {rule.mark}" if rule.mark else f"the rule to {rule.destination or 'everywhere'}"


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

    def request(self, kind: int, flags: int, body: bytes, what: str) -> list[tuple[int, bytes]]:
        """The answers (type, body) to one request.

        what: what is to be done, for the NetlinkError that is raised when it is refused. A dump in which something
        changed is asked for again.
        """
        for _ in range(DUMPS):
            answers, interrupted = self._ask(kind, flags, body, what)
            if not interrupted:
                return answers
        raise NetlinkError(errno.EAGAIN, what)

    def _ask(self, kind: int, flags: int, body: bytes, what: str) -> tuple[list[tuple[int, bytes]], bool]:
        self._sequence += 1
        header = _HEADER.pack(_HEADER.size + len(body), kind, flags | _REQUEST, self._sequence, 0)
        self._socket.send(header + body)
        answers: list[tuple[int, bytes]] = []
        interrupted = False
        while True:
            try:
                length = self._socket.recv_into(self._buffer)
            except socket.timeout:
                raise NetlinkError(errno.ETIMEDOUT, what) from None
            for answer, marks, sequence, content in messages(self._buffer[:length].tobytes()):
                if sequence != self._sequence:
                    continue
                interrupted = interrupted or bool(marks & _INTERRUPTED)
                if answer in (_ERROR, _DONE):
                    # The end of a dump carries an error too, when one came up on the way.
                    (code,) = struct.unpack_from("=i", content) if len(content) >= 4 else (0,)
                    if code < 0:
                        raise NetlinkError(-code, what)
                    return answers, interrupted
                answers.append((answer, content))
                if not flags & (_ACK | _DUMP):
                    return answers, False

    def one(self, kind: int, body: bytes, what: str) -> bytes:
        """The body of the one answer to a request."""
        answers = self.request(kind, 0, body, what)
        if not answers:
            raise NetlinkError(errno.EBADMSG, what)
        return answers[0][1]

    def delete(self, kind: int, body: bytes, what: str, gone: tuple[int, ...]) -> None:
        """Has the thing removed that `what` names. gone: errors which say that it is not there, as it should be."""
        try:
            self.request(kind, _ACK, body, f"{what} could not be removed")
        except NetlinkError as error:
            if error.errno not in gone:
                raise

    def links(self) -> list[Link]:
        """All interfaces."""
        body = _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        answers = self.request(RTM_GETLINK, _DUMP, body, "the interfaces could not be read")
        return [link for _, content in answers if (link := decode_link(content))]

    def put_xfrm_link(self, name: str, if_id: int, mtu: int, address: str = "") -> None:
        """Makes an XFRM interface, or gives the one of that name its MTU and address and switches it on."""
        named = attribute(IFLA_IFNAME, _text(name))
        still, up = (_LINK.pack(socket.AF_UNSPEC, 0, 0, flags, _UP) + named for flags in (0, _UP))
        what = f"the interface {name} could not be made"
        data = attribute(IFLA_INFO_KIND, _text("xfrm"))
        data += attribute(IFLA_INFO_DATA, attribute(IFLA_XFRM_IF_ID, _u32(if_id)))
        self.request(RTM_NEWLINK, _ACK | _CREATE, still + attribute(IFLA_LINKINFO, data), what)
        # No IPv6 address of its own: nothing is to be sent into the tunnel unasked. The kernel takes this for an
        # interface that is there and still down, and only where it has IPv6.
        mode = attribute(socket.AF_INET6, attribute(IFLA_INET6_ADDR_GEN_MODE, _ADDR_GEN_MODE_NONE))
        try:
            self.request(RTM_NEWLINK, _ACK, still + attribute(IFLA_AF_SPEC, mode), what)
        except NetlinkError as error:
            if error.errno != errno.EAFNOSUPPORT:
                raise
        what = f"the interface {name} could not be switched on with an MTU of {mtu}"
        self.request(RTM_NEWLINK, _ACK, up + attribute(IFLA_MTU, _u32(mtu)), what)
        if address:
            self._put_address(name, address)

    def _put_address(self, name: str, text: str) -> None:
        address = ipaddress.IPv4Interface(text)
        try:
            ifindex = socket.if_nametoindex(name)
        except OSError as error:
            what = f"the interface {name} could not be given the address {text}"
            raise NetlinkError(error.errno or errno.ENODEV, what) from None
        self.put_address(Address(ifindex, str(address.ip), address.network.prefixlen))

    def put_address(self, address: Address) -> None:
        """Gives an interface an address; one that it has is as good."""
        packed = socket.inet_aton(address.address)
        body = _ADDRESS.pack(socket.AF_INET, address.prefix_length, 0, 0, address.ifindex)
        body += attribute(IFA_LOCAL, packed) + attribute(IFA_ADDRESS, packed)
        what = f"the address {address.address} could not be given to an interface"
        self.request(RTM_NEWADDR, _ACK | _CREATE | _REPLACE, body, what)

    def delete_address(self, address: Address) -> None:
        """Takes an address away; one that is gone is as good."""
        body = _ADDRESS.pack(socket.AF_INET, address.prefix_length, 0, 0, address.ifindex)
        body += attribute(IFA_LOCAL, socket.inet_aton(address.address))
        self.delete(RTM_DELADDR, body, f"the address {address.address}", (errno.EADDRNOTAVAIL, errno.ENODEV))

    def delete_link(self, name: str) -> None:
        """Removes an interface; one that is gone is as good."""
        body = _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + attribute(IFLA_IFNAME, _text(name))
        self.delete(RTM_DELLINK, body, f"the interface {name}", (errno.ENODEV,))

    def counters(self, ifindex: int) -> Counters:
        """What an interface received and sent."""
        body = _STATS.pack(socket.AF_UNSPEC, ifindex, 1 << (IFLA_STATS_LINK_64 - 1))
        what = f"the counters of {device_name(ifindex)} could not be read"
        answer = self.one(RTM_GETSTATS, body, what)
        if len(answer) < _STATS.size + 20:
            raise NetlinkError(errno.EBADMSG, what)
        # The one attribute asked for, a struct rtnl_link_stats64, begins with these two.
        received, sent = struct.unpack_from("=QQ", answer, _STATS.size + 4)
        return Counters(received, sent)

    def addresses(self) -> list[Address]:
        """All IPv4 addresses."""
        body = _ADDRESS.pack(socket.AF_INET, 0, 0, 0, 0)
        answers = self.request(RTM_GETADDR, _DUMP, body, "the addresses could not be read")
        found = (decode_address(content) for _, content in answers)
        return [address for address in found if address]

    def routes(self, protocol: int) -> list[Route]:
        """The routes of all tables that have this protocol."""
        found = (decode_route(content) for content in self._route_bodies(protocol))
        return [route for route in found if route and route.protocol == protocol]

    def places(self) -> list[Place]:
        """Where routes are, in all tables, of all kinds and protocols."""
        return [place for content in self._route_bodies(0) if (place := decode_place(content))]

    def _route_bodies(self, protocol: int) -> list[bytes]:
        body = _ROUTE.pack(socket.AF_INET, 0, 0, 0, ANY_TABLE, protocol, 0, 0, 0)
        answers = self.request(RTM_GETROUTE, _DUMP, body, "the routes could not be read")
        # What the kernel has learnt of a destination, such as its MTU, comes as a route too.
        whole = (content for _, content in answers if len(content) >= _ROUTE.size)
        return [content for content in whole if not _ROUTE.unpack_from(content)[-1] & _LEARNT]

    def match(self, question: Question) -> Place:
        """The route that such a packet takes, as the tables have it; NetlinkError when it has no way."""
        body = _ROUTE.pack(
            socket.AF_INET, 32, 32 if question.source else 0, 0, 0, 0, 0, 0, _FIB_MATCH | _LOOKUP_TABLE
        )
        body += attribute(RTA_DST, socket.inet_aton(question.destination))
        if question.source:
            body += attribute(RTA_SRC, socket.inet_aton(question.source))
        if question.iif:
            body += attribute(RTA_IIF, _u32(question.iif))
        if question.port:
            port = struct.pack("!H", question.port)
            body += attribute(RTA_IP_PROTO, bytes((socket.IPPROTO_UDP,)))
            body += attribute(RTA_SPORT, port) + attribute(RTA_DPORT, port)
        what = f"there is no way to {question.destination}"
        place = decode_place(self.one(RTM_GETROUTE, body, what))
        if place is None:
            raise NetlinkError(errno.EBADMSG, what)
        return place

    def way_to(self, address: str, source: str) -> Route | None:
        """The way that a packet of this box from `source` to this address takes, as a route of its own."""
        ends = attribute(RTA_DST, socket.inet_aton(address)) + attribute(RTA_SRC, socket.inet_aton(source))
        body = _ROUTE.pack(socket.AF_INET, 32, 32, 0, 0, 0, 0, 0, 0) + ends
        try:
            return decode_route(self.one(RTM_GETROUTE, body, f"there is no way to {address}"))
        except NetlinkError:
            return None

    def replace_route(self, route: Route) -> None:
        """Puts a route in the place of the one with the same destination, metric and table, in one step."""
        what = f"{describe_route(route)} could not be set"
        self.request(RTM_NEWROUTE, _ACK | _CREATE | _REPLACE, encode_route(route), what)

    def delete_route(self, route: Route) -> None:
        """Removes a route; one that is gone, alone or with its interface, is as good."""
        body = encode_route(route, any_scope=True)
        self.delete(RTM_DELROUTE, body, describe_route(route), (errno.ESRCH, errno.ENODEV))

    def rules(self) -> list[Rule]:
        """The IPv4 rules."""
        body = _ROUTE.pack(socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0)
        answers = self.request(RTM_GETRULE, _DUMP, body, "the rules could not be read")
        return [rule for _, content in answers if (rule := decode_rule(content))]

    def add_rule(self, rule: Rule) -> None:
        """Adds a rule; one that is there is as good."""
        what = f"{describe_rule(rule)} could not be added"
        try:
            self.request(RTM_NEWRULE, _ACK | _CREATE | _EXCLUSIVE, encode_rule(rule), what)
        except NetlinkError as error:
            if error.errno != errno.EEXIST:
                raise

    def delete_rule(self, rule: Rule) -> None:
        """Removes a rule; one that is gone is as good."""
        self.delete(RTM_DELRULE, encode_rule(rule), describe_rule(rule), (errno.ENOENT,))


class Ipsec:
    """The kernel's ESP states and IPsec policies (ip xfrm)."""

    def __init__(self) -> None:
        self._netlink = Netlink(NETLINK_XFRM)

    def close(self) -> None:
        """Ends the socket."""
        self._netlink.close()

    def states(self) -> list[IpsecState]:
        """All IPv4 ESP states."""
        answers = self._netlink.request(XFRM_GETSA, _DUMP, b"", "the IPsec states could not be read")
        found = (decode_ipsec_state(content) for _, content in answers)
        return [state for state in found if state]

    def delete_state(self, state: IpsecState) -> None:
        """Removes one state; one that is gone is as good."""
        body = socket.inet_aton(state.destination) + bytes(12) + struct.pack("!I", state.spi) + _ESP_ID
        what = f"the IPsec state {state.spi:#010x} to {state.destination}"
        self._netlink.delete(XFRM_DELSA, body, what, (errno.ESRCH,))

    def policies(self) -> list[IpsecPolicy]:
        """All IPv4 policies, those of sockets left out."""
        answers = self._netlink.request(XFRM_GETPOLICY, _DUMP, b"", "the IPsec policies could not be read")
        found = (decode_ipsec_policy(content) for _, content in answers)
        return [policy for policy in found if policy and policy.direction < _POLICY_DIRECTIONS]

    def delete_policy(self, policy: IpsecPolicy) -> None:
        """Removes one policy; one that is gone is as good."""
        # struct xfrm_userpolicy_id: an index of 0 has the kernel look by the selector.
        body = policy.selector + struct.pack("=IB3x", 0, policy.direction)
        body += attribute(XFRMA_IF_ID, _u32(policy.if_id))
        self._netlink.delete(XFRM_DELPOLICY, body, f"an IPsec policy of if_id {policy.if_id}", (errno.ENOENT,))


_ESP_ID = struct.pack("=HBx", socket.AF_INET, socket.IPPROTO_ESP)
_POLICY_DIRECTIONS = 3
"""in, out and forward; those beyond are of sockets."""


class Nftables:
    """What is there of nftables: tables, and the named counters of those in family ip."""

    def __init__(self) -> None:
        self._netlink = Netlink(NETLINK_NETFILTER)

    def close(self) -> None:
        """Ends the socket."""
        self._netlink.close()

    def has_table(self, family: int, name: str) -> bool:
        """Whether a table is there; a kernel that does not tell counts as one that has it."""
        body = struct.pack("!BBH", family, 0, 0) + attribute(NFTA_TABLE_NAME, _text(name))
        try:
            self._netlink.request(_NFT_GETTABLE, 0, body, f"the table {name} could not be read")
        except NetlinkError as error:
            return error.errno != errno.ENOENT
        return True

    def rules(self, family: int, table: str) -> list[bytes] | None:
        """The rules of a table as the kernel tells them, the same until one is changed; None where it does not tell."""
        body = struct.pack("!BBH", family, 0, 0) + attribute(NFTA_RULE_TABLE, _text(table))
        try:
            answers = self._netlink.request(_NFT_GETRULE, _DUMP, body, f"the rules of {table} could not be read")
        except NetlinkError:
            return None
        return [content[_NFT_HEAD:] for _, content in answers]

    def packets(self, table: str, name: str) -> int | None:
        """What a counter has counted, None when it is not there."""
        body = struct.pack("!BBH", NFT_IPV4, 0, 0)
        body += attribute(NFTA_OBJ_TABLE, _text(table)) + attribute(NFTA_OBJ_NAME, _text(name))
        body += attribute(NFTA_OBJ_TYPE, struct.pack("!I", _NFT_OBJECT_COUNTER))
        try:
            answer = self._netlink.one(_NFT_GETOBJ, body, f"the counter {name} could not be read")
        except NetlinkError:
            return None
        data = attributes(attributes(answer[4:]).get(NFTA_OBJ_DATA, b""))
        packets = data.get(NFTA_COUNTER_PACKETS)
        return None if packets is None or len(packets) != 8 else int(struct.unpack("!Q", packets)[0])


class Monitor:
    """Notifications for an event loop: of links, addresses, routes, rules and settings, unless others are named."""

    def __init__(self, family: int = NETLINK_ROUTE, groups: int = GROUPS) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, family
        )
        self._socket.bind((0, groups))

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
                if error.errno == errno.ENOBUFS:  # the kernel dropped some
                    return None
                raise
            notes.extend(Note(kind, body) for kind, _, _, body in messages(data))

    def drain(self) -> bool:
        """Whether anything was notified, for whom it does not matter what."""
        any_at_all = False
        while True:
            try:
                # A datagram's head is enough: the rest of it is dropped.
                any_at_all = bool(self._socket.recv(_HEADER.size)) or any_at_all
            except BlockingIOError:
                return any_at_all
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                any_at_all = True
