"""What of others' on the box would keep traffic for the VPC out of the tunnels, found before anything is changed.

Afterwards the kernel can be asked (ways.py); before, the connection's routes are not there yet.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from .. import paths
from ..site import Site
from . import wanted
from .netlink import GOTO, KERNEL_PROTOCOL, LOCAL_TABLE, MAIN_TABLE, NOTHING, THROW, TO_TABLE, Address, Place, Rule
from .network import Network, key
from .ways import describe

_Block = ipaddress.IPv4Network


def find(site: Site, network: Network, places: Sequence[Place]) -> Iterator[str]:
    """Each obstacle in one sentence: what is in the way, and what would be right. places: all routes of the box."""
    yield from _vrfs(site, network)
    theirs = [place for place in places if place.protocol != paths.ROUTE_PROTOCOL]
    yield from _first_rules(site, network, theirs)
    for block in map(_Block, site.vpc_cidrs):
        yield from _addresses(site, network, block)
        yield from _routes(site, network, block, theirs)
        yield from _rules(site, network, block, theirs)


def _vrfs(site: Site, network: Network) -> Iterator[str]:
    inside = set(wanted.inside_addresses(site, network))
    vrfs = {link.ifindex: link.name for link in network.links.values() if link.kind == "vrf"}
    uplinks = {uplink.address: uplink.number for uplink in site.uplinks}
    for found in network.addresses:
        name = network.name(found.ifindex) or ""
        vrf = vrfs.get(network.links[name].master) if name in network.links else None
        if vrf is None or (found.address not in uplinks and found.address not in inside):
            continue
        what = f"uplink {uplinks[found.address]}'s" if found.address in uplinks else "the data center's"
        yield (
            f"{what} interface {name} belongs to the VRF {vrf} on this box, whose routes are not the connection's: "
            f"take it out (`ip link set {name} nomaster`) or use another interface"
        )


def _first_rules(site: Site, network: Network, places: Sequence[Place]) -> Iterator[str]:
    """Rules of others that ours cannot come before, and that lead what charon sends to a tunnel."""
    last = max(rule.priority for rule in wanted.rules(site, network) if not rule.mark)
    for rule in _rules_of_others(site, network):
        if rule.priority > last or rule.mark or rule.oif or rule.vrf or rule.iif not in ("", "lo"):
            continue
        for tunnel in site.tunnels:
            ends = (site.uplink_of(tunnel).address, rule.source), (tunnel.ipsec_address, rule.destination)
            selects = all(not block or ipaddress.IPv4Address(end) in _Block(block) for end, block in ends)
            if selects != rule.inverted and _takes(rule, _Block(wanted.host(tunnel.ipsec_address)), places):
                yield (
                    f"a rule of this box (`ip rule`: {_text(rule)}) leaves no room for the connection's before it, and "
                    f"decides where the packets of tunnel {tunnel.number} go: give it a priority of 3 or more"
                )
                break


def _rules_of_others(site: Site, network: Network) -> list[Rule]:
    ours = {key(rule) for rule in wanted.rules(site, network)}
    theirs = [rule for rule in network.rules if rule.protocol != paths.ROUTE_PROTOCOL and key(rule) not in ours]
    return [rule for rule in theirs if rule.table not in (LOCAL_TABLE, MAIN_TABLE)]


def _addresses(site: Site, network: Network, block: _Block) -> Iterator[str]:
    for found in network.addresses:
        name = network.name(found.ifindex)
        own = _network(found)
        # What lies in a larger network of the interface's is still the tunnels', but not the box's address itself.
        if name not in site.interfaces and (own.subnet_of(block) or ipaddress.IPv4Address(found.address) in block):
            yield (
                f"the interface {name} of this box has the address {found.address}/{found.prefix_length}, inside the "
                f"VPC's block {block}: what is for {own} would not reach the tunnels; give {name} another network, "
                "or leave it out of the VPC's blocks"
            )


def _network(found: Address) -> _Block:
    return ipaddress.IPv4Interface(f"{found.address}/{found.prefix_length}").network


def _routes(site: Site, network: Network, block: _Block, places: Sequence[Place]) -> Iterator[str]:
    own = {str(_network(found)) for found in network.addresses}
    for place in places:
        if place.table != MAIN_TABLE or not _Block(place.destination).subnet_of(block):
            continue
        if place.protocol == KERNEL_PROTOCOL and place.destination in own:
            # It comes with the address, which is told.
            continue
        has = f"this box has a route to {describe(place)}"
        if _Block(place.destination) != block:
            yield (
                f"{has}, inside the VPC's block {block}: what is for {place.destination} would not reach the tunnels; "
                "remove the route, or leave it out of the VPC's blocks"
            )
        elif place.metric in (site.route_metric, paths.GUARD_METRIC):
            yield (
                f"{has} with metric {place.metric}, which the connection's route would replace: remove it, give it "
                "another metric, or set routeMetric to a smaller number"
            )
        elif place.metric < site.route_metric:
            smaller = f" or set routeMetric to less than {place.metric}" if place.metric > 1 else ""
            yield (
                f"{has} with metric {place.metric}, which comes before the connection's of {site.route_metric}: "
                f"remove it, give it a larger metric{smaller}"
            )


def _rules(site: Site, network: Network, block: _Block, places: Sequence[Place]) -> Iterator[str]:
    theirs = _rules_of_others(site, network)
    for rule in sorted(network.rules, key=lambda each: each.priority):
        if _leads_to_main(rule, block):
            return
        if rule in theirs and _selects(rule, site, network, block) and _takes(rule, block, places):
            yield (
                f"a rule of this box (`ip rule`: {_text(rule)}) comes before table main, where the connection's routes "
                f"are, and takes what is for the VPC's block {block}: put one before it, "
                f"`ip rule add to {block} lookup main priority {max(1, rule.priority - 1)}`"
            )


def _leads_to_main(rule: Rule, block: _Block) -> bool:
    """Whether all that comes to this rule and is for the block takes the connection's routes."""
    selects = (rule.source, rule.iif, rule.oif, rule.mark or rule.mask, rule.narrow)
    to_main = (rule.table, rule.action, rule.inverted) == (MAIN_TABLE, TO_TABLE, False) and not any(selects)
    covers = not rule.destination or block.subnet_of(_Block(rule.destination))
    return to_main and covers and rule.suppress < block.prefixlen


def _selects(rule: Rule, site: Site, network: Network, block: _Block) -> bool:
    """Whether the rule is for something that the data center or the box sends to the VPC, without a mark."""
    uplinks = [ipaddress.IPv4Interface(f"{up.address}/{up.prefix_length}").network for up in site.uplinks]
    devices = {wanted.device_of(uplink, network) for uplink in site.uplinks}
    if rule.oif or rule.vrf or rule.iif in {*site.interfaces, *devices}:
        return False
    if rule.inverted:
        # Whatever is not selected by all of it; what selects the whole block alone leaves nothing of it.
        alone = not (rule.source or rule.iif or rule.mark or rule.mask)
        return not (alone and rule.destination and block.subnet_of(_Block(rule.destination)))
    if rule.mark or (rule.destination and not block.overlaps(_Block(rule.destination))):
        return False
    if not rule.source:
        return True
    source = _Block(rule.source)
    # A packet with an uplink's address is the box's own to the internet: nothing that the tunnels carry.
    inside = any(source.overlaps(_Block(dc)) for dc in site.data_center_cidrs)
    return inside and not any(source.subnet_of(uplink) for uplink in uplinks)


def _takes(rule: Rule, block: _Block, places: Sequence[Place]) -> bool:
    """Whether the rule's table, or the rule itself, decides about something in the block."""
    if rule.action != TO_TABLE:
        return rule.action not in (GOTO, NOTHING)
    table = [(_Block(place.destination), place) for place in places if place.table == rule.table]
    table = [(network, place) for network, place in table if network.prefixlen > rule.suppress]
    if any(network.subnet_of(block) and network != block and place.kind != THROW for network, place in table):
        return True
    covering = [(network.prefixlen, -place.metric, place.kind) for network, place in table if block.subnet_of(network)]
    return bool(covering) and max(covering)[2] != THROW


def _text(rule: Rule) -> str:
    parts = [f"{rule.priority}:", "not" if rule.inverted else "", f"from {rule.source or 'all'}"]
    parts += [f"to {rule.destination}" if rule.destination else "", f"iif {rule.iif}" if rule.iif else ""]
    parts += [f"fwmark {rule.mark:#x}" if rule.mark or rule.mask else ""]
    parts += [f"lookup {rule.table}" if rule.action == TO_TABLE else ""]
    return " ".join(filter(None, parts))
