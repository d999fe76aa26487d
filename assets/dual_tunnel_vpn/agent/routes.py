"""The box's links and routes as the agent sees and changes them, each by one netlink message and without a process."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol

from .. import files, paths
from ..net import sysctl, wanted, ways
from ..net.netlink import (
    MAIN_TABLE,
    NFT_INET,
    NFT_IPV4,
    RTM_DELROUTE,
    RTM_NEWROUTE,
    UNICAST,
    UNREACHABLE,
    Counters,
    Link,
    Netlink,
    NetlinkError,
    Nftables,
    Note,
    Place,
    Question,
    Route,
    decode_place,
)
from ..net.network import Network, apply_by, observe
from ..site import Site, Tunnel, Uplink


class RouteOwner(Protocol):
    """Leads the VPC's traffic into a tunnel: by routes of the box's own, or by whatever else decides its way."""

    def inner(self) -> int | None:
        """The tunnel that all traffic to the VPC is led into; None when that is not so."""

    def settled(self, number: int) -> bool:
        """Whether all is just as `set_inner` of that tunnel would make it."""

    def set_inner(self, number: int) -> str:
        """Leads the traffic into a tunnel; what failed, in words."""


class Routes:
    """The box's network, as far as one connection goes. It owns the static routes to the VPC (a RouteOwner)."""

    def __init__(self, site: Site, nftables: Nftables) -> None:
        self.site = site
        self.devices: dict[int, str] = {}
        """Device by uplink number, for uplinks that were ever found."""
        self.ifindexes: dict[int, int] = {}
        """The number of that device when it was last there: one that was made anew has another."""
        self.network = Network()
        self._others: list[Place] | None = None
        """Routes of others that have to do with the VPC; None: to be read again."""
        self._questions: list[Question] = []
        self._netlink = Netlink()
        self._nftables = nftables

    def note(self, notes: Iterable[Note] | None) -> None:
        """Takes what was notified, None when some was lost: whether others' routes have to be read again."""
        if notes is None:
            self._others = None
            return
        changed = (decode_place(body) for kind, body in notes if kind in (RTM_NEWROUTE, RTM_DELROUTE))
        if self._of_others(filter(None, changed)):
            self._others = None

    def _of_others(self, places: Iterable[Place]) -> list[Place]:
        """Those that have to do with the VPC and are not ours."""
        theirs = (place for place in places if place.protocol != paths.ROUTE_PROTOCOL)
        return ways.overlapping(self.site, theirs)

    def refresh(self) -> None:
        """Reads again what may have changed."""
        before, self.network = self.network, observe(self._netlink)
        if self._others is None or self.network != before:
            self._others = self._of_others(self._netlink.places()) if self._others is None else self._others
            # Most looks find nothing new, and to find what to ask costs more than to ask.
            self._questions = ways.questions(self.site, self.network, self._others)
        for uplink in self.site.uplinks:
            device = uplink.device or self.network.device_with(uplink.address)
            if device is not None:
                self.devices[uplink.number] = device
                if device in self.network.links:
                    self.ifindexes[uplink.number] = self.network.links[device].ifindex

    def uplink_trouble(self, uplink: Uplink) -> str:
        """Why the uplink cannot carry anything; empty when it can."""
        device = self.devices.get(uplink.number)
        link = self.network.links.get(device or "")
        if link is None:
            return "has no interface"
        if not link.up:
            return f"({device}) is switched off"
        if not link.carrier:
            return f"({device}) has lost its carrier"
        if device not in self.network.devices_with(uplink.address):
            other = wanted.in_place_of(self.site, uplink, self.network)
            return f"({device}) has lost its address {uplink.address}" + (f": {other}" if other else "")
        return ""

    def source(self) -> str | None:
        """An address of the box that the tunnels carry."""
        return wanted.source(self.site, self.network)

    def inner(self) -> int | None:
        """The tunnel that the routes to every block of the VPC lead to; None when one is missing or they differ."""
        routes = [self._inner_routes(block) for block in self.site.vpc_cidrs]
        first = [min(each, key=lambda route: route.metric, default=None) for each in routes]
        pair = self.site.pair
        if pair is not None and all(route is not None and route.gateway == pair.other_lan_address for route in first):
            return 3 - pair.number
        return next((tunnel.number for tunnel in self.site.tunnels if self._lead_to(tunnel, first)), None)

    def _lead_to(self, tunnel: Tunnel, routes: list[Route | None]) -> bool:
        link = self.network.links.get(tunnel.interface)
        return link is not None and all(route is not None and route.oif == link.ifindex for route in routes)

    def _inner_routes(self, block: str) -> list[Route]:
        """Our routes to a block of the VPC. A former version's may have another metric or no source."""
        here = (block, MAIN_TABLE, UNICAST)
        return [route for route in self.network.routes if (route.destination, route.table, route.kind) == here]

    def settled(self, number: int) -> bool:
        """Whether the routes to the VPC are just as they are wanted by that tunnel, and there is no other of ours."""
        link = self._link_to(number)
        if link is None:
            return False
        source = self.source()
        return all(
            self._inner_routes(block) == [self._inner_route(number, block, link.ifindex, source)]
            for block in self.site.vpc_cidrs
        )

    def _link_to(self, number: int) -> Link | None:
        """The interface by which a tunnel is reached: its own, or the LAN's where the other box of two has it."""
        if self._is_ours(number):
            return self.network.links.get(self.tunnel(number).interface)
        return self.network.links.get(wanted.lan_device(self.site, self.network) or "")

    def _is_ours(self, number: int) -> bool:
        return any(tunnel.number == number for tunnel in self.site.tunnels)

    def _inner_route(self, number: int, block: str, ifindex: int, source: str | None) -> Route:
        if self._is_ours(number):
            return wanted.inner_route(self.site, block, ifindex, source)
        return wanted.beyond_route(self.site, block, ifindex)

    def set_inner(self, number: int) -> str:
        """Routes the VPC by a tunnel, each block in one step; what failed, in words."""
        link = self._link_to(number)
        if link is None:
            return f"there is no interface {self.tunnel(number).interface if self._is_ours(number) else 'to the LAN'}"
        source = self.source()
        for block in self.site.vpc_cidrs:
            route = self._inner_route(number, block, link.ifindex, source)
            failed = self._in_the_place_of(block) or self._put_inner(route)
            if failed:
                return failed
        return ""

    def _in_the_place_of(self, block: str) -> str:
        here = (MAIN_TABLE, block, self.site.route_metric)
        theirs = [place for place in self._others or () if (place.table, place.destination, place.metric) == here]
        return f"somebody else's route to {ways.describe(theirs[0])} has the metric of ours: it stays" if theirs else ""

    def _put_inner(self, route: Route) -> str:
        # The address may have gone a moment ago: what is forwarded needs none.
        failed = self._put(route) and self._put(route._replace(source=None))
        for former in [] if failed else self._inner_routes(route.destination):
            if former.metric != route.metric:
                self._remove(former)
        return failed

    def outer(self, number: int) -> int | None:
        """The uplink that a tunnel's packets leave by, as charon sends them; None when they go another way."""
        return next((uplink.number for uplink in self.site.uplinks if not self.misled(number, uplink.number)), None)

    def misled(self, number: int, uplink_number: int) -> str:
        """Why charon's packets for a tunnel do not leave by that uplink, whatever our route says; empty: they do."""
        tunnel, uplink = self.tunnel(number), self.site.uplink(uplink_number)
        device = self.devices.get(uplink_number)
        return ways.misled(tunnel, self.site.uplink_of(tunnel), uplink, device, self._netlink)

    def elsewhere(self) -> list[str]:
        """What is for the VPC and does not go by a tunnel, as the kernel answers, in words."""
        return ways.elsewhere(self.site, ways.answers(self._questions, self._netlink))

    def set_rules(self) -> list[str]:
        """Puts our rules before those of others; what failed, or that it was done, in words."""
        changes = wanted.rule_changes(self.site, self.network)
        told = ["the connection's rules were gone or came after others: they come first"] if changes else []
        return apply_by(self._netlink, changes) or told

    def set_outer(self, number: int, uplink_number: int) -> str:
        """Routes a tunnel's IPsec address by an uplink; what failed, in words."""
        tunnel, uplink = self.tunnel(number), self.site.uplink(uplink_number)
        link = self.network.links.get(self.devices.get(uplink_number, ""))
        if link is None:
            return f"uplink {uplink_number} has no interface"
        return self._put(wanted.outer_route(tunnel, uplink, link.ifindex))

    def _put(self, route: Route) -> str:
        try:
            self._netlink.replace_route(route)
        except NetlinkError as error:
            return str(error)
        return ""

    def guard(self) -> list[str]:
        """Puts routes in place that matter only when others vanish; which of the VPC's were gone, or what failed."""
        told = []
        for route in (*wanted.guards(self.site), *wanted.ends(self.site, self.network)):
            if self.network.has(route):
                continue
            failed = self._put(route)
            if failed:
                told.append(failed)
            elif route.kind == UNREACHABLE:
                told.append(f"the guard for {route.destination} was not there: it is now")
        return told

    def restore_interfaces(self) -> list[str]:
        """Makes XFRM interfaces anew that were deleted or switched off or lack their address; which, or what failed."""
        told = []
        for tunnel in self.site.tunnels:
            link, end = self.network.links.get(tunnel.interface), wanted.end(tunnel, self.network)
            right = link is not None and link.up
            if right and (end is None or end in self.network.addresses):
                continue
            try:
                if right and end is not None:
                    self._netlink.put_address(end)
                else:
                    self._netlink.put_xfrm_link(*wanted.xfrm_link(tunnel))
                what = "had lost its address" if right else "had vanished"
                told.append(f"the interface {tunnel.interface} {what}: it is back")
            except NetlinkError as error:
                told.append(str(error))
        if told:
            self.refresh()
        return told

    def amiss(self) -> list[str]:
        """What is not any more as the links unit made it, in words."""
        gone = []
        tables = {route.table for route in self.network.routes}
        for uplink in self.site.uplinks:
            if not self.uplink_trouble(uplink) and uplink.table not in tables:
                gone.append(f"the table of uplink {uplink.number}")
        if not self._nftables.has_table(NFT_INET, paths.nft_table(self.site.name)):
            gone.append("the packet filter's table")
        told = [f"{', '.join(gone)} had vanished"] if gone else []
        told += sysctl.amiss(self.site, self._present())
        told += sysctl.redirects_amiss(wanted.lan_device(self.site, self.network))
        shared = self._nftables.has_table(NFT_IPV4, paths.SHARED_TABLE)
        if sysctl.forwarded_by_others() and shared:
            told.append("somebody else has switched forwarding on: what goes beside the tunnels is theirs")
        elif not sysctl.forwarded_by_others() and not shared:
            told.append("nobody else wants forwarding: what goes beside the tunnels has to be dropped")
        return told

    def _present(self) -> list[str]:
        return [name for name in self.devices.values() if name in self.network.links]

    def surroundings(self) -> tuple[set[str], bytes | None, list[str], str | None]:
        """What the packet filter has to follow beside what nftables notifies.

        Bridges, the older iptables' tables, and the uplinks' interfaces and the LAN's: an address may come late, or
        come back on another one.
        """
        bridges = {link.name for link in self.network.links.values() if link.kind == "bridge"}
        lan = wanted.lan_device(self.site, self.network)
        return bridges, files.content(paths.LEGACY_TABLES), sorted(self.devices.values()), lan

    def counters(self) -> dict[int, Counters]:
        """What each tunnel's XFRM interface carried."""
        found = {}
        for tunnel in self.site.tunnels:
            link = self.network.links.get(tunnel.interface)
            if link is not None:
                try:
                    found[tunnel.number] = self._netlink.counters(link.ifindex)
                except NetlinkError:
                    continue
        return found

    def carried(self, ifindex: int) -> Counters | None:
        """What an interface has carried; None when it is gone."""
        try:
            return self._netlink.counters(ifindex)
        except NetlinkError:
            return None

    def leave(self, moved: bool) -> None:
        """Takes back what only a running agent needs; the VPC's guards always stay.

        moved: some tunnel lives by the other uplink. What keeps an address that the box has lost then stays too.
        """
        there = {address.address for address in self.network.addresses}
        for route in wanted.ends(self.site, self.network):
            if not moved or route.destination.split("/")[0] in there:
                self._remove(route)

    def _remove(self, route: Route) -> None:
        with suppress(NetlinkError):
            self._netlink.delete_route(route)

    def tunnel(self, number: int) -> Tunnel:
        """The tunnel of that number."""
        return self.site.tunnel(number)

    def close(self) -> None:
        """Ends the socket."""
        self._netlink.close()
