"""What this box is told about one connection: site.json, read and checked.

Rendered by lib/host/site.ts of the library; docs/architecture.md describes it. No secrets.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

VERSION = 1
"""The site.json version that this package reads."""

BOUNDS: Mapping[str, tuple[int, int]] = {
    "bandwidthMbps": (1, 1_000_000),
    "routeMetric": (1, 2**32 - 2),
    "uplinks.number": (1, 2),
    "uplinks.prefixLength": (1, 32),
    "uplinks.table": (1, 2**31 - 1),
    "uplinks.mark": (1, 2**32 - 1),
    "tunnels.number": (1, 2),
    "tunnels.uplink": (1, 2),
    "tunnels.ifId": (1, 2**32 - 1),
    "tunnels.mtu": (576, 1446),
    "tunnels.mss": (536, 1406),
    "agent.probeIntervalMs": (20, 60_000),
    "agent.probeMisses": (1, 100),
    "agent.holdSeconds": (0, 3600),
    "bgp.cloudAsn": (1, 2**32 - 1),
    "bgp.asn": (1, 2**32 - 1),
    "bgp.holdSeconds": (3, 2**16 - 1),
    "tunnels.bgp.prefixLength": (30, 30),
    "pair.number": (1, 2),
    "pair.lan.prefixLength": (8, 29),
    "pair.virtualRouterId": (1, 255),
    "pair.port": (4800, 5799),
}
"""Smallest and largest value of each number, by its path in site.json: as SITE_BOUNDS in lib/host/site-format.ts."""

PATTERNS: Mapping[str, str] = {
    "name": "[a-z][a-z0-9-]{0,10}",
    "uplinks.device": "[A-Za-z0-9_.-]{1,15}",
}
"""What a text has to match whole, by its path in site.json: those of SITE_PATTERNS in lib/host/site-format.ts."""

_INDEX = re.compile(r"\[\d+\]")


class SiteError(Exception):
    """site.json is not usable; the text is one sentence."""


@dataclass(frozen=True)
class Uplink:
    """An on-prem interface towards the internet with its own gateway."""

    number: int
    address: str
    prefix_length: int
    gateway: str
    device: str | None
    """The network interface, or None: found on the box by the address."""
    table: int
    """The routing table whose only default route leaves by this uplink."""
    mark: int
    """The firewall mark that selects the table (probes carry it)."""


@dataclass(frozen=True)
class Bgp:
    """What both tunnels' BGP sessions share."""

    cloud_asn: int
    asn: int
    """The data center's."""
    hold_seconds: int
    """The hold time that the box offers; of both ends' offers the smaller one counts."""


@dataclass(frozen=True)
class TunnelBgp:
    """The ends of one tunnel's BGP session, on its XFRM interface."""

    cloud_address: str
    box_address: str
    prefix_length: int

    @property
    def block(self) -> str:
        """The block that both addresses lie in."""
        return str(ipaddress.IPv4Interface(f"{self.box_address}/{self.prefix_length}").network)


@dataclass(frozen=True)
class Tunnel:
    """One of the two tunnels."""

    number: int
    role: str
    """active or standby."""
    uplink: int
    """The number of the uplink that it leaves by."""
    connection: str
    """The swanctl connection's name."""
    child: str
    """The CHILD_SA's name."""
    interface: str
    """The XFRM interface's name."""
    if_id: int
    mtu: int
    """MTU of the XFRM interface, bytes."""
    mss: int
    """Largest TCP MSS on what enters or leaves it, bytes."""
    ipsec_address: str
    """The VPN gateway's public address for this tunnel."""
    local_id: str
    remote_id: str
    bgp: TunnelBgp | None = None
    """None where the connection has no BGP."""


@dataclass(frozen=True)
class Agent:
    """Options of the failover agent."""

    probe_interval_ms: int
    probe_misses: int
    hold_seconds: float
    vpc_probe_addresses: tuple[str, ...]
    outer_move: bool
    delete_by_other_uplink: bool


@dataclass(frozen=True)
class Lan:
    """A box's interface to the data center's LAN."""

    address: str
    prefix_length: int
    device: str | None
    """The network interface, or None: found on the box by the address."""


@dataclass(frozen=True)
class Pair:
    """What a box knows that shares the connection with another box, each having one of the tunnels."""

    number: int
    """This box's, and its tunnel's."""
    lan: Lan
    other_lan_address: str
    virtual_gateway: str
    """The address of whichever box the LAN's hosts are to send to."""
    virtual_router_id: int
    """VRRP's, on the LAN."""
    port: int
    """UDP, on which the two boxes' agents talk."""


@dataclass(frozen=True)
class Site:
    """One connection of this box."""

    name: str
    vpc_cidrs: tuple[str, ...]
    data_center_cidrs: tuple[str, ...]
    route_metric: int
    """Metric of the routes to the VPC."""
    uplinks: tuple[Uplink, ...]
    tunnels: tuple[Tunnel, ...]
    """Both, the active tunnel first; of two boxes each has its own alone."""
    agent: Agent
    bandwidth_mbps: int | None = None
    """The VPN gateway's bandwidth in Mbit/s, where the stack knows it."""
    bgp: Bgp | None = None
    """None where the routing is another."""
    pair: Pair | None = None
    """None where the connection has this box alone."""

    def tunnel(self, number: int) -> Tunnel:
        """The box's tunnel of that number."""
        return next(tunnel for tunnel in self.tunnels if tunnel.number == number)

    def other(self, tunnel: Tunnel) -> Tunnel | None:
        """The box's other tunnel; None where that is another box's."""
        return next((other for other in self.tunnels if other is not tunnel), None)

    def uplink(self, number: int) -> Uplink:
        """The uplink of that number."""
        return next(uplink for uplink in self.uplinks if uplink.number == number)

    def uplink_of(self, tunnel: Tunnel) -> Uplink:
        """The uplink that the tunnel leaves by."""
        return self.uplink(tunnel.uplink)

    @property
    def interfaces(self) -> tuple[str, ...]:
        """The XFRM interfaces' names, the active tunnel's first."""
        return tuple(tunnel.interface for tunnel in self.tunnels)


def is_name(text: str) -> bool:
    """Whether text can be a connection's name on its box."""
    return re.fullmatch(PATTERNS["name"], text) is not None


class _Reader:
    """Reads typed fields; every error names the field by its path in site.json."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, Mapping):
            raise SiteError(f"site.json: {where or 'the document'} must be an object")
        self._fields: Mapping[str, Any] = value
        self._where = where

    def path(self, key: str) -> str:
        return f"{self._where}.{key}" if self._where else key

    def fail(self, key: str, wanted: str) -> NoReturn:
        raise SiteError(f"site.json: {self.path(key)} must be {wanted}")

    def get(self, key: str) -> Any:
        return self._fields.get(key)

    def text(self, key: str) -> str:
        value = self.get(key)
        if not isinstance(value, str) or not value:
            self.fail(key, "text that is not empty")
        return value

    def bounds(self, key: str) -> tuple[int, int]:
        return BOUNDS[_INDEX.sub("", self.path(key))]

    def integer(self, key: str) -> int:
        low, high = self.bounds(key)
        value = self.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.fail(key, f"a whole number from {low} to {high}")
        return int(value)

    def number(self, key: str) -> float:
        low, high = self.bounds(key)
        value = self.get(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            self.fail(key, f"a number from {low} to {high}")
        return float(value)

    def flag(self, key: str) -> bool:
        value = self.get(key)
        if not isinstance(value, bool):
            self.fail(key, "true or false")
        return value

    def address(self, key: str) -> str:
        try:
            return str(ipaddress.IPv4Address(self.text(key)))
        except ValueError:
            self.fail(key, "an IPv4 address")

    def items(self, key: str) -> list[Any]:
        value = self.get(key)
        if not isinstance(value, list):
            self.fail(key, "a list")
        return value

    def networks(self, key: str) -> tuple[str, ...]:
        try:
            networks = tuple(str(ipaddress.IPv4Network(item)) for item in self.items(key))
        except ValueError:
            self.fail(key, "a list of IPv4 CIDR blocks without host bits")
        if not networks:
            self.fail(key, "a list with at least one CIDR block")
        return networks

    def addresses(self, key: str) -> tuple[str, ...]:
        try:
            return tuple(str(ipaddress.IPv4Address(item)) for item in self.items(key))
        except ValueError:
            self.fail(key, "a list of IPv4 addresses")

    def section(self, key: str) -> _Reader:
        return _Reader(self.get(key), self.path(key))

    def sections(self, key: str) -> list[_Reader]:
        return [_Reader(item, f"{self.path(key)}[{index}]") for index, item in enumerate(self.items(key))]


def _is_device(value: Any) -> bool:
    # The kernel keeps two names for directories.
    return isinstance(value, str) and bool(re.fullmatch(PATTERNS["uplinks.device"], value)) and value not in (".", "..")


def _device(reader: _Reader) -> str | None:
    device = reader.get("device")
    if device is not None and not _is_device(device):
        reader.fail("device", "a network interface's name or null")
    return None if device is None else str(device)


def _uplink(reader: _Reader) -> Uplink:
    return Uplink(
        number=reader.integer("number"),
        address=reader.address("address"),
        prefix_length=reader.integer("prefixLength"),
        gateway=reader.address("gateway"),
        device=_device(reader),
        table=reader.integer("table"),
        mark=reader.integer("mark"),
    )


def _bgp(reader: _Reader) -> Bgp | None:
    if reader.get("bgp") is None:
        return None
    section = reader.section("bgp")
    return Bgp(section.integer("cloudAsn"), section.integer("asn"), section.integer("holdSeconds"))


def _tunnel_bgp(reader: _Reader) -> TunnelBgp | None:
    if reader.get("bgp") is None:
        return None
    section = reader.section("bgp")
    ends = TunnelBgp(section.address("cloudAddress"), section.address("boxAddress"), section.integer("prefixLength"))
    hosts = set(map(str, ipaddress.IPv4Network(ends.block).hosts()))
    if {ends.cloud_address, ends.box_address} != hosts:
        section.fail("cloudAddress", "one host address of the block in which boxAddress is the other")
    return ends


def _tunnel(reader: _Reader, name: str, uplinks: Mapping[int, Uplink]) -> Tunnel:
    number = reader.integer("number")
    wanted = f"{name}-{number}"
    for key in ("connection", "child", "interface"):
        if reader.text(key) != wanted:
            reader.fail(key, f'"{wanted}"')
    role = reader.text("role")
    if role != ("active", "standby")[number - 1]:
        reader.fail("role", '"active" for tunnel 1 and "standby" for tunnel 2')
    uplink = reader.integer("uplink")
    if uplink not in uplinks:
        reader.fail("uplink", "the number of an uplink")
    return Tunnel(
        number=number,
        role=role,
        uplink=uplink,
        connection=wanted,
        child=wanted,
        interface=wanted,
        if_id=reader.integer("ifId"),
        mtu=reader.integer("mtu"),
        mss=reader.integer("mss"),
        ipsec_address=reader.address("ipsecAddress"),
        local_id=reader.text("localId"),
        remote_id=reader.text("remoteId"),
        bgp=_tunnel_bgp(reader),
    )


def _pair(reader: _Reader) -> Pair | None:
    if reader.get("pair") is None:
        return None
    section = reader.section("pair")
    lan = section.section("lan")
    pair = Pair(
        number=section.integer("number"),
        lan=Lan(lan.address("address"), lan.integer("prefixLength"), _device(lan)),
        other_lan_address=section.address("otherLanAddress"),
        virtual_gateway=section.address("virtualGateway"),
        virtual_router_id=section.integer("virtualRouterId"),
        port=section.integer("port"),
    )
    block = ipaddress.IPv4Interface(f"{pair.lan.address}/{pair.lan.prefix_length}").network
    hosts = {pair.lan.address, pair.other_lan_address, pair.virtual_gateway}
    for key, address in (("otherLanAddress", pair.other_lan_address), ("virtualGateway", pair.virtual_gateway)):
        if not _is_host(address, block) or len(hosts) < 3:
            section.fail(key, f"another host's address in {block}, the LAN's block")
    if not _is_host(pair.lan.address, block):
        lan.fail("address", f"a host's address in {block}")
    return pair


def _is_host(address: str, block: ipaddress.IPv4Network) -> bool:
    found = ipaddress.IPv4Address(address)
    return found in block and found not in (block.network_address, block.broadcast_address)


def _agent(reader: _Reader) -> Agent:
    mechanisms = reader.section("mechanisms")
    return Agent(
        probe_interval_ms=reader.integer("probeIntervalMs"),
        probe_misses=reader.integer("probeMisses"),
        hold_seconds=reader.number("holdSeconds"),
        vpc_probe_addresses=reader.addresses("vpcProbeAddresses"),
        outer_move=mechanisms.flag("outerMove"),
        delete_by_other_uplink=mechanisms.flag("deleteByOtherUplink"),
    )


def parse(text: str) -> Site:
    """The site that the text of a site.json describes; SiteError when it is not usable."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise SiteError(f"site.json is not JSON: {error}") from None
    reader = _Reader(document, "")
    if reader.get("version") != VERSION:
        raise SiteError(
            f"site.json has version {reader.get('version')!r}, this package reads version {VERSION}: "
            "deploy with one version of the library"
        )
    name = reader.text("name")
    if not is_name(name):
        reader.fail("name", "a lower-case letter and up to 10 more letters, digits or hyphens")
    pair = _pair(reader)
    uplinks = {uplink.number: uplink for uplink in map(_uplink, reader.sections("uplinks"))}
    numbers = [[1], [1, 2]] if pair is None else [[pair.number]]
    if sorted(uplinks) not in numbers or len(uplinks) != len(reader.items("uplinks")):
        one = "one uplink numbered 1 or two numbered 1 and 2"
        reader.fail("uplinks", one if pair is None else f"one uplink numbered {pair.number}, as the box")
    if len({uplink.table for uplink in uplinks.values()}) != len(uplinks):
        reader.fail("uplinks", "uplinks with a routing table each")
    tunnels = [_tunnel(tunnel, name, uplinks) for tunnel in reader.sections("tunnels")]
    if [tunnel.number for tunnel in tunnels] != ([1, 2] if pair is None else [pair.number]):
        both = "tunnel 1 and tunnel 2, in this order"
        reader.fail("tunnels", both if pair is None else f"tunnel {pair.number} alone, as the box")
    distinct = ({tunnel.if_id for tunnel in tunnels}, {tunnel.ipsec_address for tunnel in tunnels})
    if any(len(found) < len(tunnels) for found in distinct):
        reader.fail("tunnels", "tunnels that differ in ifId and ipsecAddress")
    bgp, sessions = _bgp(reader), [tunnel.bgp for tunnel in tunnels]
    if any((session is None) != (bgp is None) for session in sessions):
        reader.fail("tunnels", "tunnels that each have bgp where the connection has it, and else none")
    if bgp is not None and len({session.block for session in sessions if session is not None}) < len(sessions):
        reader.fail("tunnels", "tunnels that differ in the block of their bgp")
    return Site(
        name=name,
        vpc_cidrs=reader.networks("vpcCidrs"),
        data_center_cidrs=reader.networks("dataCenterCidrs"),
        route_metric=reader.integer("routeMetric"),
        uplinks=tuple(uplinks[number] for number in sorted(uplinks)),
        tunnels=tuple(tunnels),
        agent=_agent(reader.section("agent")),
        bandwidth_mbps=None if reader.get("bandwidthMbps") is None else reader.integer("bandwidthMbps"),
        bgp=bgp,
        pair=pair,
    )


def load(path: Path) -> Site:
    """The site described by a file; SiteError when it cannot be read or used."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SiteError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SiteError(f"{path} is damaged: it is no text") from None
    return parse(text)
