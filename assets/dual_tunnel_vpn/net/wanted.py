"""What a connection wants of the box's network, thing by thing, and what in it is the connection's."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from .. import paths
from ..site import Site, Tunnel, Uplink
from .netlink import LOCAL, LOCAL_TABLE, MAIN_TABLE, UNREACHABLE, Address, Route, Rule
from .network import Change, Key, Network, Put, Remove, XfrmLink, key, same_rule

RULE_PRIORITY = 5157
"""Of the rules that send marked packets (probes) to an uplink's own table, where nobody else's rule comes sooner."""

VIRTUAL_LENGTH = 32
"""The prefix length that VRRP gives the virtual gateway's address: the LAN's block is the box's own address's."""

_DEFAULT = "0.0.0.0/0"


def device_of(uplink: Uplink, network: Network) -> str | None:
    """The interface that the uplink leaves by, or None when it is not there now."""
    if uplink.device is not None:
        return uplink.device if uplink.device in network.links else None
    return network.device_with(uplink.address)


def lan_device(site: Site, network: Network) -> str | None:
    """The interface of a box of two that has its LAN address, or None when it is not there now."""
    if site.pair is None:
        return None
    device = site.pair.lan.device
    if device is not None:
        return device if device in network.links else None
    return network.device_with(site.pair.lan.address)


def lan_trouble(site: Site, network: Network) -> str:
    """Why nothing can pass by the LAN's interface, in words that go on from `the LAN`; empty when it can."""
    assert site.pair is not None
    device = lan_device(site, network)
    if device is None:
        return f"has no interface with the address {site.pair.lan.address}"
    link = network.links[device]
    if not link.up:
        return f"({device}) is switched off"
    if not link.carrier:
        return f"({device}) has lost its carrier"
    if device not in network.devices_with(site.pair.lan.address):
        return f"({device}) has lost its address {site.pair.lan.address}"
    return ""


def virtual_addresses(site: Site, network: Network) -> list[Address]:
    """The virtual gateway's address, where this box of two has it as VRRP gives it."""
    if site.pair is None:
        return []
    here = (site.pair.virtual_gateway, VIRTUAL_LENGTH)
    return [found for found in network.addresses if (found.address, found.prefix_length) == here]


def in_place_of(site: Site, uplink: Uplink, network: Network) -> str:
    """`DEVICE has ADDRESS` where the uplink's address has become another one; empty where none looks like that."""
    uplinks = {each.address for each in site.uplinks}
    gateway = ipaddress.IPv4Address(uplink.gateway)
    for found in network.addresses:
        device, address = network.name(found.ifindex), f"{found.address}/{found.prefix_length}"
        beside = gateway in ipaddress.IPv4Interface(address).network
        if found.address not in uplinks and device and (device == uplink.device or beside):
            return f"{device} has {address}"
    return ""


def xfrm_link(tunnel: Tunnel) -> XfrmLink:
    """The tunnel's interface, as it is made."""
    address = f"{tunnel.bgp.box_address}/{tunnel.bgp.prefix_length}" if tunnel.bgp is not None else ""
    return XfrmLink(tunnel.interface, tunnel.if_id, tunnel.mtu, address)


def end(tunnel: Tunnel, network: Network) -> Address | None:
    """The box's end of the tunnel's BGP session; None without BGP, or without the interface."""
    link = network.links.get(tunnel.interface)
    if tunnel.bgp is None or link is None:
        return None
    return Address(link.ifindex, tunnel.bgp.box_address, tunnel.bgp.prefix_length)


def former_ends(old: Site, new: Site, network: Network) -> list[Remove]:
    """What removes the ends of BGP sessions that only the former site had."""
    before, now = ({end(tunnel, network) for tunnel in site.tunnels} for site in (old, new))
    return [Remove(address) for address in network.addresses if address in before - now]


def rules(site: Site, network: Network) -> list[Rule]:
    """What sends marked packets to their uplink's own table, and the box's own others by the routes to the tunnels.

    A moved outer route is looked at only if no rule of others, such as one by the source, comes first. Theirs may have
    any priority, and one that is added without a priority comes before ours: then ours have to move.
    """
    # What is for the box itself comes before the marks, wherever that rule is: a moved tunnel's packets that come in
    # have one. Of rules with the same priority the kernel takes the one that was added later last.
    local = min((rule.priority for rule in network.rules if rule.table == LOCAL_TABLE), default=0)
    theirs = _rules_of_others(site, network)
    marked = max(local, _before(rule for rule in theirs if rule.priority >= local))
    return _rules(site, marked, _before(rule for rule in theirs if rule.priority >= local or not rule.mark) + 1)


def _before(theirs: Iterable[Rule]) -> int:
    """The priority that leaves room for another one before the first of these rules."""
    first = min((rule.priority for rule in theirs), default=RULE_PRIORITY + 2)
    return max(1, min(RULE_PRIORITY, first - 2))


def _rules(site: Site, priority: int, next_priority: int) -> list[Rule]:
    marked = [Rule(uplink.mark, uplink.table, priority) for uplink in site.uplinks]
    outer = [
        Rule(0, MAIN_TABLE, next_priority, destination=host(tunnel.ipsec_address), iif="lo") for tunnel in site.tunnels
    ]
    return [rule._replace(protocol=paths.ROUTE_PROTOCOL) for rule in (*marked, *outer)]


def _rules_of_others(site: Site, network: Network) -> list[Rule]:
    ours = set(map(key, _rules(site, 0, 0)))
    theirs = [rule for rule in network.rules if rule.protocol != paths.ROUTE_PROTOCOL and key(rule) not in ours]
    # That of VRFs is for packets of interfaces in one.
    return [rule for rule in theirs if rule.table != LOCAL_TABLE and not rule.vrf]


def rule_changes(site: Site, network: Network) -> list[Change]:
    """What makes the rules as wanted: new ones come before those that they replace go."""
    wanted = rules(site, network)
    claimed = set(map(key, wanted))
    there = [rule for rule in network.rules if key(rule) in claimed]
    missing = [rule for rule in wanted if not any(same_rule(rule, other) for other in there)]
    surplus = [rule for rule in there if not any(same_rule(rule, other) for other in wanted)]
    return [*map(Put, missing), *map(Remove, surplus)]


def default_route(uplink: Uplink, ifindex: int) -> Route:
    """The only route of the uplink's own table."""
    return _by(uplink, ifindex, _DEFAULT)._replace(table=uplink.table)


def outer_route(tunnel: Tunnel, uplink: Uplink, ifindex: int) -> Route:
    """The way to the tunnel's IPsec address by an uplink, its own or the other."""
    return _by(uplink, ifindex, host(tunnel.ipsec_address))


def inner_route(site: Site, block: str, ifindex: int, source: str | None = None) -> Route:
    """The way to a block of the VPC by a tunnel's interface. source: of what the box itself sends there."""
    return Route(block, ifindex, source=source, metric=site.route_metric, protocol=paths.ROUTE_PROTOCOL)


def beyond_route(site: Site, block: str, ifindex: int) -> Route:
    """The way to a block of the VPC by the other box of two. ifindex: the LAN's interface."""
    assert site.pair is not None
    way = inner_route(site, block, ifindex, site.pair.lan.address)
    return way._replace(gateway=site.pair.other_lan_address)


def source(site: Site, network: Network) -> str | None:
    """An address of the box that the tunnels carry: in the data center's blocks, an uplink's only if need be.

    Of two boxes the one on the LAN: the virtual gateway's comes and goes.
    """
    inside = inside_addresses(site, network)
    if site.pair is not None:
        return site.pair.lan.address if site.pair.lan.address in inside else None
    uplinks = {uplink.address for uplink in site.uplinks}
    return next((address for address in inside if address not in uplinks), inside[0] if inside else None)


def inside_addresses(site: Site, network: Network) -> list[str]:
    """The box's addresses in the data center's blocks."""
    blocks = [ipaddress.IPv4Network(block) for block in site.data_center_cidrs]
    addresses = [found.address for found in network.addresses]
    return [address for address in addresses if any(ipaddress.IPv4Address(address) in block for block in blocks)]


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
        _last(Route(host(uplink.address), loopback.ifindex, table=LOCAL_TABLE, kind=LOCAL)) for uplink in site.uplinks
    ]


def claims(site: Site) -> set[Key]:
    """The keys of all that is the connection's, whether the links unit or the agent put it there."""
    places = [(MAIN_TABLE, block) for block in site.vpc_cidrs]
    places += [(MAIN_TABLE, host(tunnel.ipsec_address)) for tunnel in site.tunnels]
    places += [(uplink.table, _DEFAULT) for uplink in site.uplinks]
    places += [(LOCAL_TABLE, host(uplink.address)) for uplink in site.uplinks]
    routes = {key(Route(destination, 0, table=table)) for table, destination in places}
    return {
        *routes,
        *map(key, _rules(site, RULE_PRIORITY, RULE_PRIORITY + 1)),
        *(key(xfrm_link(tunnel)) for tunnel in site.tunnels),
    }


def removals(keys: set[Key], network: Network) -> list[Remove]:
    """What removes from the network all that has one of these keys."""
    return [Remove(thing) for thing in network.things() if key(thing) in keys]


def host(address: str) -> str:
    """The block of one address."""
    return f"{address}/32"


def _by(uplink: Uplink, ifindex: int, destination: str) -> Route:
    # The gateway may lie outside of the uplink's network, as with an address alone.
    return Route(destination, ifindex, uplink.gateway, uplink.address, protocol=paths.ROUTE_PROTOCOL, onlink=True)


def _last(route: Route) -> Route:
    return route._replace(metric=paths.GUARD_METRIC, protocol=paths.ROUTE_PROTOCOL)
