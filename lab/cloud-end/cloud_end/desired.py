"""What the emulated API asks for (lab/cloud/cloud-end.ts, CloudState), checked and typed.

Only what the cloud end acts on is kept; names and ids are the API's own.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["master", "slave"]


class Refused(Exception):
    """The state cannot be made real; the text is one sentence without a secret."""


@dataclass(frozen=True)
class Phase:
    """One negotiation's algorithms in Alibaba's words. lifetime: seconds."""

    enc: str
    auth: str
    group: str
    lifetime: int


@dataclass(frozen=True)
class Bgp:
    """A tunnel's BGP session, seen from the cloud."""

    cloud_asn: int
    peer_asn: int
    cloud_address: str
    peer_address: str
    prefix_length: int

    @property
    def network(self) -> ipaddress.IPv4Network:
        """The block that both addresses are in."""
        return ipaddress.IPv4Network(f"{self.cloud_address}/{self.prefix_length}", strict=False)


@dataclass(frozen=True)
class Tunnel:
    """A tunnel with every value that its negotiation depends on, and its BGP session, which it does not depend on."""

    id: str
    connection: str
    gateway: str
    role: Role
    ipsec_address: str
    peer_address: str
    local_id: str
    remote_id: str
    psk: str = field(repr=False)
    version: str
    mode: str
    ike: Phase
    esp: Phase
    dpd: bool
    nat_traversal: bool
    local_subnets: tuple[str, ...]
    remote_subnets: tuple[str, ...]
    immediate: bool
    bgp: Bgp | None = None


@dataclass(frozen=True)
class VpnGateway:
    """A VPN gateway's routes beside its own: auto_propagate lets them through both ways, announced are the VPC's."""

    auto_propagate: bool
    announced: tuple[str, ...]


@dataclass(frozen=True)
class Route:
    """A published route of a gateway; policy-based when it has a source."""

    connection: str
    destination: str
    source: str | None
    weight: int


@dataclass(frozen=True)
class Desired:
    """All tunnels by id, the connections with their two tunnels, the published routes in order, the gateways by id."""

    tunnels: dict[str, Tunnel]
    connections: dict[str, tuple[str, ...]]
    routes: tuple[Route, ...]
    addresses: tuple[str, ...]
    gateways: dict[str, VpnGateway] = field(default_factory=dict)


NOTHING = Desired({}, {}, (), ())


def parse(state: Any) -> Desired:
    """A CloudState from its JSON; Refused where something is missing or has the wrong form."""
    try:
        return _parse(state)
    except KeyError as error:
        raise Refused(f"The cloud state lacks {error.args[0]}.") from None
    except (TypeError, ValueError) as error:
        raise Refused(f"The cloud state is malformed: {error}.") from None


def _parse(state: Any) -> Desired:
    gateways = {
        _text(raw["id"]): VpnGateway(bool(raw["autoPropagate"]), tuple(_network(block) for block in raw["announced"]))
        for raw in state["gateways"]
    }
    tunnels: dict[str, Tunnel] = {}
    connections: dict[str, tuple[str, ...]] = {}
    for connection in state["connections"]:
        name = _text(connection["id"])
        for raw in connection["tunnels"]:
            tunnel = _tunnel(connection, name, raw)
            if tunnel.id in tunnels:
                raise Refused(f"Tunnel {tunnel.id} appears twice in the cloud state.")
            if tunnel.bgp is not None:
                _check_bgp(tunnel, tunnel.bgp, tunnels.values(), gateways)
            tunnels[tunnel.id] = tunnel
        own = tuple(t.id for t in tunnels.values() if t.connection == name)
        if sorted(tunnels[t].role for t in own) != ["master", "slave"]:
            raise Refused(f"Connection {name} needs exactly one master and one slave tunnel.")
        connections[name] = own
    routes = tuple(_route(raw) for raw in state["routes"] if raw["published"])
    for route in routes:
        if route.connection not in connections:
            raise Refused(f"The route to {route.destination} leads to {route.connection}, which does not exist.")
    addresses = {_address(a): None for gateway in state["gateways"] for a in gateway["ipsecAddresses"]}
    addresses.update({t.ipsec_address: None for t in tunnels.values()})
    return Desired(tunnels, connections, routes, tuple(addresses), gateways)


def _check_bgp(tunnel: Tunnel, bgp: Bgp, others: Iterable[Tunnel], gateways: Mapping[str, VpnGateway]) -> None:
    if tunnel.gateway not in gateways:
        raise Refused(f"Tunnel {tunnel.id} has BGP, and its gateway {tunnel.gateway} does not exist.")
    if ipaddress.IPv4Address(bgp.peer_address) not in bgp.network or bgp.peer_address == bgp.cloud_address:
        raise Refused(
            f"Tunnel {tunnel.id} has the BGP addresses {bgp.cloud_address} and {bgp.peer_address}; "
            f"they must be two of {bgp.network}."
        )
    for other in others:
        # Alibaba lets two gateways have the same block. Here all are in one namespace, whose addresses must differ.
        if other.bgp is not None and other.bgp.network.overlaps(bgp.network):
            raise Refused(f"Tunnels {other.id} and {tunnel.id} both have the block {bgp.network} for BGP.")


def _tunnel(connection: Any, name: str, raw: Any) -> Tunnel:
    ike, esp, role = raw["ike"], raw["esp"], raw["role"]
    if role not in ("master", "slave"):
        raise Refused(f"Tunnel {raw['tunnelId']} has the role {role}; it must be master or slave.")
    return Tunnel(
        id=_text(raw["tunnelId"]),
        connection=name,
        gateway=_text(connection["gatewayId"]),
        role=role,
        ipsec_address=_address(raw["ipsecAddress"]),
        peer_address=_address(raw["peerAddress"]),
        local_id=_text(raw["localId"]),
        remote_id=_text(raw["remoteId"]),
        psk=_text(raw["psk"]),
        version=_text(ike["version"]),
        mode=_text(ike["mode"]),
        ike=Phase(_text(ike["enc"]), _text(ike["auth"]), _text(ike["dhGroup"]), int(ike["lifetime"])),
        esp=Phase(_text(esp["enc"]), _text(esp["auth"]), _text(esp["pfs"]), int(esp["lifetime"])),
        dpd=bool(raw["dpd"]),
        nat_traversal=bool(raw["natTraversal"]),
        local_subnets=tuple(_network(s) for s in connection["localSubnets"]),
        remote_subnets=tuple(_network(s) for s in connection["remoteSubnets"]),
        immediate=bool(connection["effectImmediately"]),
        bgp=None if raw.get("bgp") is None else _bgp(raw["bgp"]),
    )


def _bgp(raw: Any) -> Bgp:
    return Bgp(
        cloud_asn=int(raw["cloudAsn"]),
        peer_asn=int(raw["peerAsn"]),
        cloud_address=_address(raw["cloudAddress"]),
        peer_address=_address(raw["peerAddress"]),
        prefix_length=int(raw["prefixLength"]),
    )


def _route(raw: Any) -> Route:
    source = raw.get("source")
    return Route(
        connection=_text(raw["connectionId"]),
        destination=_network(raw["destination"]),
        source=None if source is None else _network(source),
        weight=int(raw["weight"]),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("a text is missing or empty")
    return value


def _address(value: Any) -> str:
    return str(ipaddress.IPv4Address(_text(value)))


def _network(value: Any) -> str:
    return str(ipaddress.IPv4Network(_text(value)))
