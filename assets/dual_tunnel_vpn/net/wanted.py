"""What a connection wants of the box's network, thing by thing, and what in it is the connection's."""

from __future__ import annotations

from .. import paths
from ..site import Site, Tunnel, Uplink
from .netlink import LOCAL, LOCAL_TABLE, MAIN_TABLE, UNREACHABLE, Route, Rule
from .network import Key, Network, Remove, XfrmLink, key

RULE_PRIORITY = 5157
"""Of the rules that send marked packets (probes) to an uplink's own table: before main's 32766."""

_DEFAULT = "0.0.0.0/0"


def device_of(uplink: Uplink, network: Network) -> str | None:
    """The interface that the uplink leaves by, or None when it is not there now."""
    if uplink.device is not None:
        return uplink.device if uplink.device in network.links else None
    return network.device_with(uplink.address)


def xfrm_link(tunnel: Tunnel) -> XfrmLink:
    """The tunnel's interface."""
    return XfrmLink(tunnel.interface, tunnel.if_id, tunnel.mtu)


def rule(uplink: Uplink) -> Rule:
    """What sends marked packets to the uplink's own table."""
    return Rule(uplink.mark, uplink.table, RULE_PRIORITY)


def default_route(uplink: Uplink, ifindex: int) -> Route:
    """The only route of the uplink's own table."""
    return _by(uplink, ifindex, _DEFAULT)._replace(table=uplink.table)


def outer_route(tunnel: Tunnel, uplink: Uplink, ifindex: int) -> Route:
    """The way to the tunnel's IPsec address by an uplink, its own or the other."""
    return _by(uplink, ifindex, _host(tunnel.ipsec_address))


def inner_route(site: Site, block: str, ifindex: int) -> Route:
    """The way to a block of the VPC by a tunnel's interface."""
    return Route(block, ifindex, metric=site.route_metric, protocol=paths.ROUTE_PROTOCOL)


def guards(site: Site) -> list[Route]:
    """What refuses what is for the VPC should its routes ever vanish; they need no interface."""
    return [_last(Route(block, 0, kind=UNREACHABLE)) for block in site.vpc_cidrs]


def ends(site: Site, network: Network) -> list[Route]:
    """What keeps an uplink's address the box's own when a network manager takes it away with the carrier.

    A tunnel that lives on by the other uplink still ends at that address.
    """
    loopback = network.links.get("lo")
    if loopback is None or len(site.uplinks) < 2:
        return []
    return [
        _last(Route(_host(uplink.address), loopback.ifindex, table=LOCAL_TABLE, kind=LOCAL)) for uplink in site.uplinks
    ]


def claims(site: Site) -> set[Key]:
    """The keys of all that is the connection's, whether the links unit or the agent put it there."""
    places = [(MAIN_TABLE, block) for block in site.vpc_cidrs]
    places += [(MAIN_TABLE, _host(tunnel.ipsec_address)) for tunnel in site.tunnels]
    places += [(uplink.table, _DEFAULT) for uplink in site.uplinks]
    places += [(LOCAL_TABLE, _host(uplink.address)) for uplink in site.uplinks]
    routes = {key(Route(destination, 0, table=table)) for table, destination in places}
    return {
        *routes,
        *(key(rule(uplink)) for uplink in site.uplinks),
        *(key(xfrm_link(tunnel)) for tunnel in site.tunnels),
    }


def removals(keys: set[Key], network: Network) -> list[Remove]:
    """What removes from the network all that has one of these keys."""
    return [Remove(thing) for thing in network.things() if key(thing) in keys]


def _host(address: str) -> str:
    return f"{address}/32"


def _by(uplink: Uplink, ifindex: int, destination: str) -> Route:
    # The gateway may lie outside of the uplink's network, as with an address alone.
    return Route(destination, ifindex, uplink.gateway, uplink.address, protocol=paths.ROUTE_PROTOCOL, onlink=True)


def _last(route: Route) -> Route:
    return route._replace(metric=paths.GUARD_METRIC, protocol=paths.ROUTE_PROTOCOL)
