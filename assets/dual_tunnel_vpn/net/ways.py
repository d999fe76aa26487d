"""What the kernel answers about the ways that matter: to the VPC, and to the IPsec addresses as charon's packets go.

Tables and rules of others can lead traffic elsewhere in more ways than a model of them would know: so it is asked.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

from ..site import Site, Tunnel, Uplink
from . import wanted
from .netlink import LOCAL, MAIN_TABLE, Netlink, NetlinkError, Place, Question, device_name
from .network import Network, observe

IKE_PORT = 4500
"""What IKE and ESP in UDP leave by, and go to."""

ADDRESSES = 32
"""At most so many addresses of the VPC are asked about."""


@dataclass(frozen=True)
class Way:
    """Where a packet for the VPC goes."""

    destination: str
    source: str
    """Empty: the box's own packet; else that of a host in the data center."""
    interface: str
    """Empty: nowhere."""
    why: str
    """In words: by which route, or why nowhere."""
    gateway: str = ""
    """The next hop, where there is one."""


def overlapping(site: Site, places: Iterable[Place]) -> list[Place]:
    """The routes to something that lies in a block of the VPC, or in which a whole block lies."""
    blocks = [ipaddress.IPv4Network(block) for block in site.vpc_cidrs]
    return [place for place in places if _overlaps(place.destination, blocks)]


def _overlaps(destination: str, blocks: list[ipaddress.IPv4Network]) -> bool:
    return any(ipaddress.IPv4Network(destination).overlaps(block) for block in blocks)


def questions(site: Site, network: Network, places: Iterable[Place]) -> list[Question]:
    """What to ask about the VPC: of the box's own packets, and of those of a host in each of the data center's blocks.

    places: the routes of others that have to do with the VPC.
    """
    senders = [("", 0), *_hosts(site, network)]
    return [Question(to, source, iif) for to in _addresses(site, network, places) for source, iif in senders]


def _addresses(site: Site, network: Network, places: Iterable[Place]) -> list[str]:
    """One address of each block, and one wherever somebody has a way of his own."""
    blocks = [ipaddress.IPv4Network(block) for block in site.vpc_cidrs]
    theirs = [*(place.destination for place in places), *(rule.destination for rule in network.rules)]
    networks = set(map(ipaddress.IPv4Network, filter(None, theirs)))
    parts = sorted(part for part in networks if any(part.subnet_of(block) for block in blocks))
    found = [str(_beside(block, [part for part in parts if part != block])) for block in blocks]
    found += site.agent.vpc_probe_addresses
    found += [str(_first(part)) for part in parts if part not in blocks]
    return list(dict.fromkeys(found))[:ADDRESSES]


def _beside(block: ipaddress.IPv4Network, parts: list[ipaddress.IPv4Network]) -> ipaddress.IPv4Address:
    """An address of the block that is in none of the parts, where there is one."""
    candidates = [_first(block), *(part.broadcast_address + 1 for part in parts)]
    free = (each for each in candidates if each in block and not any(each in part for part in parts))
    return next(free, candidates[0])


def _first(block: ipaddress.IPv4Network) -> ipaddress.IPv4Address:
    return block[min(1, block.num_addresses - 1)]


def look(site: Site, network: Network) -> list[Way]:
    """Where packets for the VPC go, with all routes of the box looked through for what to ask about."""
    with closing(Netlink()) as netlink:
        return answers(questions(site, network, overlapping(site, netlink.places())), netlink)


def await_tunnels(site: Site, seconds: float) -> list[str]:
    """Waits until the kernel leads what is for the VPC into a tunnel; what still goes elsewhere then, in words."""
    deadline = time.monotonic() + seconds
    while (wrong := elsewhere(site, look(site, observe()))) and time.monotonic() < deadline:
        time.sleep(0.2)
    return wrong


def answers(asked: Iterable[Question], netlink: Netlink) -> list[Way]:
    """What the kernel answers now."""
    return [_way(question, netlink) for question in asked]


def _hosts(site: Site, network: Network) -> Iterator[tuple[str, int]]:
    """(address, interface) of what could be a neighbour of the box's, for each block of the data center at most one."""
    uplinks = {uplink.address for uplink in site.uplinks}
    own = {found.address for found in network.addresses}
    if site.pair is not None:
        # No host's: what the other box sends here, it does not send itself.
        own |= {site.pair.other_lan_address, site.pair.virtual_gateway}
    carrying = {link.ifindex for link in network.links.values() if link.carrier}
    for block in map(ipaddress.IPv4Network, site.data_center_cidrs):
        for found in network.addresses:
            if found.address in uplinks or found.ifindex not in carrying:
                continue
            here = ipaddress.IPv4Interface(f"{found.address}/{found.prefix_length}")
            beside = (here.ip + step for step in (1, -1, 2, -2))
            hosts = [ip for ip in beside if ip in here.network and ip in block and str(ip) not in own]
            # The first and the last address of a network are no host's, unless there are but these two (RFC 3021).
            if here.network.prefixlen < 31:
                hosts = [ip for ip in hosts if ip not in (here.network[0], here.network[-1])]
            if here.ip in block and hosts:
                yield str(hosts[0]), found.ifindex
                break


def _way(question: Question, netlink: Netlink) -> Way:
    try:
        place = netlink.match(question)
    except NetlinkError as error:
        return Way(question.destination, question.source, "", error.reason)
    if place.kind == LOCAL:
        return Way(question.destination, question.source, "lo", "it is an address of the box itself")
    interface = device_name(place.oif) if place.oif else "several interfaces"
    why = f"the route to {describe(place)}"
    return Way(question.destination, question.source, interface, why, place.gateway or "")


def describe(place: Place) -> str:
    """A route of anybody's, for people: where to, by what, in which table if not in main."""
    destination = "everywhere" if place.destination == "0.0.0.0/0" else place.destination
    gateway = f" via {place.gateway}" if place.gateway else ""
    device = f" by {device_name(place.oif)}" if place.oif else ""
    table = "" if place.table == MAIN_TABLE else f" in table {place.table}"
    return f"{destination}{gateway}{device}{table}"


def by_other_box(site: Site, way: Way) -> bool:
    """Whether it goes to the other box of two, which has the other tunnel."""
    return site.pair is not None and way.gateway == site.pair.other_lan_address


def elsewhere(site: Site, ways: Iterable[Way]) -> list[str]:
    """What is for the VPC and does not go by a tunnel, in words: one sentence for each reason."""
    reasons: dict[tuple[bool, str, str], Way] = {}
    for way in ways:
        if way.interface not in site.interfaces and not by_other_box(site, way):
            reasons.setdefault((bool(way.source), way.interface, way.why), way)
    # What is forwarded and what the box sends itself mostly fail for one reason.
    told = [way for key, way in reasons.items() if key[0] or (True, *key[1:]) not in reasons]
    return [_sentence(way) for way in told]


def _sentence(way: Way) -> str:
    whose = f"from {way.source}" if way.source else "from this box itself"
    where = f"leaves by {way.interface} and not by a tunnel" if way.interface else "has no way"
    return f"what is for {way.destination} in the VPC {whose} {where} ({way.why})"


def misled(tunnel: Tunnel, own: Uplink, by: Uplink, device: str | None, netlink: Netlink) -> str:
    """Why charon's packets to a tunnel's IPsec address do not leave by that uplink; empty when they do."""
    question = Question(tunnel.ipsec_address, own.address, port=IKE_PORT)
    what = f"what charon sends from {own.address} to {tunnel.ipsec_address}"
    try:
        place = netlink.match(question)
    except NetlinkError as error:
        return f"{what} has no way by uplink {by.number}: {error.reason}"
    route = (place.table, place.destination, place.gateway, device_name(place.oif) if place.oif else None)
    if route == (MAIN_TABLE, wanted.host(tunnel.ipsec_address), by.gateway, device):
        return ""
    return f"{what} takes the route to {describe(place)} and not uplink {by.number}: see `ip rule` and `ip route`"
