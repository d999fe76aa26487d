"""The box's network as the kernel has it: observed, changed, and asked, all by netlink.

What a connection wants of it is in wanted.py. A difference is a list of changes, each of which names one thing.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from typing import NamedTuple, Union

from .. import paths
from .netlink import Address, Link, Netlink, NetlinkError, Place, Route, Rule, device_name


class XfrmLink(NamedTuple):
    """An XFRM interface as it is wanted, switched on."""

    name: str
    if_id: int
    mtu: int
    address: str = ""
    """As in `169.254.11.2/30`; empty where it needs none."""


Thing = Union[XfrmLink, Address, Route, Rule]

Key = tuple[object, ...]
"""What makes a thing the same thing, however it differs otherwise."""


@dataclass(frozen=True)
class Put:
    """The thing is to be there as it is given, in place of one with the same key."""

    thing: Thing


@dataclass(frozen=True)
class Remove:
    """The thing is to be gone."""

    thing: Thing


Change = Union[Put, Remove]


@dataclass
class Network:
    """The box's interfaces and IPv4 addresses, its rules, and the routes that are ours."""

    links: dict[str, Link] = field(default_factory=dict)
    addresses: list[Address] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)

    def name(self, ifindex: int) -> str | None:
        """The interface of that number."""
        return next((link.name for link in self.links.values() if link.ifindex == ifindex), None)

    def device_with(self, address: str) -> str | None:
        """The interface that has the address; of several the first one that leads anywhere."""
        return next(iter(self.devices_with(address)), None)

    def devices_with(self, address: str) -> list[str]:
        """All interfaces that have the address, the loopback interface last: it may be on more than one."""
        names = (self.name(found.ifindex) for found in self.addresses if found.address == address)
        return sorted(filter(None, names), key=lambda name: name == "lo")

    def has(self, wanted: Route) -> bool:
        """Whether a route leads where the wanted one would."""
        return any(_way(route) == _way(wanted) for route in self.routes)

    def things(self) -> list[Thing]:
        """All that could be ours, in the order in which it goes: what hangs on an interface before it."""
        links = [XfrmLink(link.name, link.if_id, link.mtu) for link in self.links.values() if link.kind == "xfrm"]
        # A former version did not say whose its rules are; their marks tell.
        rules = [rule for rule in self.rules if rule.protocol == paths.ROUTE_PROTOCOL or rule.mark]
        return [*rules, *self.routes, *links]


def _way(route: Route) -> tuple[object, ...]:
    return (route.destination, route.table, route.metric, route.oif, route.gateway, route.kind)


def same_rule(one: Rule, other: Rule) -> bool:
    """Whether two rules do the same, whosever they are."""
    return one._replace(protocol=0) == other._replace(protocol=0)


def key(thing: Thing) -> Key:
    """What makes it the same thing: an interface's name, a route's table and destination, a rule's selectors and table.

    A rule's priority is none of it: it depends on the rules of others.
    """
    if isinstance(thing, XfrmLink):
        return ("link", thing.name)
    if isinstance(thing, Address):
        return ("address", *thing)
    if isinstance(thing, Route):
        return ("route", thing.table, thing.destination)
    return ("rule", thing.mark, thing.destination, thing.iif, thing.table, thing.narrow)


def observe(netlink: Netlink | None = None) -> Network:
    """The box's network now. netlink: a socket to use, for who looks often."""
    if netlink is None:
        with closing(Netlink()) as own:
            return observe(own)
    return Network(
        links={link.name: link for link in netlink.links()},
        addresses=netlink.addresses(),
        routes=netlink.routes(paths.ROUTE_PROTOCOL),
        rules=netlink.rules(),
    )


def apply(changes: Iterable[Change]) -> list[str]:
    """Makes the changes, each whatever becomes of the others; what failed, in words."""
    with closing(Netlink()) as netlink:
        return apply_by(netlink, changes)


def apply_by(netlink: Netlink, changes: Iterable[Change]) -> list[str]:
    """The same by a socket of whoever changes often."""
    failed = []
    for change in changes:
        try:
            _apply(netlink, change)
        except NetlinkError as error:
            failed.append(str(error))
    return failed


def _apply(netlink: Netlink, change: Change) -> None:
    thing, put = change.thing, isinstance(change, Put)
    if isinstance(thing, XfrmLink):
        if put:
            netlink.put_xfrm_link(*thing)
        else:
            netlink.delete_link(thing.name)
    elif isinstance(thing, Address):
        (netlink.put_address if put else netlink.delete_address)(thing)
    elif isinstance(thing, Route):
        (netlink.replace_route if put else netlink.delete_route)(thing)
    else:
        (netlink.add_rule if put else netlink.delete_rule)(thing)


def places() -> list[Place]:
    """Where routes are on this box, whoever made them."""
    with closing(Netlink()) as netlink:
        return netlink.places()


def way_to(address: str, source: str) -> tuple[str, str]:
    """(device, gateway) that a packet of this box from `source` to `address` takes now, empty when none."""
    with closing(Netlink()) as netlink:
        route = netlink.way_to(address, source)
    if route is None or not route.oif:
        return "", ""
    return device_name(route.oif), route.gateway or ""
