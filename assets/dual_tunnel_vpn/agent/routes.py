"""The box's links and routes as the agent sees and changes them, each by one netlink message and without a process."""

from __future__ import annotations

import ipaddress
from typing import Protocol

from .. import paths
from ..net import sysctl, wanted
from ..net.netlink import NFT_INET, NFT_IPV4, UNREACHABLE, Counters, Netlink, NetlinkError, Nftables, Route
from ..net.network import Network, observe
from ..site import Site, Tunnel, Uplink


class RouteOwner(Protocol):
    """Leads the VPC's traffic into a tunnel: by routes of the box's own, or by whatever else decides its way."""

    def inner(self) -> int | None:
        """The tunnel that all traffic to the VPC is led into; None when that is not so."""

    def set_inner(self, number: int) -> str:
        """Leads the traffic into a tunnel; what failed, in words."""


class Routes:
    """The box's network, as far as one connection goes. It owns the static routes to the VPC (a RouteOwner)."""

    def __init__(self, site: Site, nftables: Nftables) -> None:
        self.site = site
        self.devices: dict[int, str] = {}
        """Device by uplink number, for uplinks that were ever found."""
        self.network = Network()
        self._netlink = Netlink()
        self._nftables = nftables

    def refresh(self) -> None:
        """Reads all again."""
        self.network = observe(self._netlink)
        for uplink in self.site.uplinks:
            device = uplink.device or self.network.device_with(uplink.address)
            if device is not None:
                self.devices[uplink.number] = device

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
        if self.network.device_with(uplink.address) != device:
            return f"({device}) has lost its address {uplink.address}"
        return ""

    def source(self) -> str | None:
        """An address of the box that the tunnels carry: in the data center's blocks, an uplink's only if need be."""
        blocks = [ipaddress.IPv4Network(block) for block in self.site.data_center_cidrs]
        uplinks = {uplink.address for uplink in self.site.uplinks}
        addresses = [found.address for found in self.network.addresses]
        inside = [a for a in addresses if any(ipaddress.IPv4Address(a) in block for block in blocks)]
        return next((a for a in inside if a not in uplinks), inside[0] if inside else None)

    def inner(self) -> int | None:
        """The tunnel that every route to the VPC leads to; None when one is missing or they differ."""
        return next((tunnel.number for tunnel in self.site.tunnels if self._leads_to(tunnel)), None)

    def _leads_to(self, tunnel: Tunnel) -> bool:
        link = self.network.links.get(tunnel.interface)
        if link is None:
            return False
        return all(
            self.network.has(wanted.inner_route(self.site, block, link.ifindex)) for block in self.site.vpc_cidrs
        )

    def set_inner(self, number: int) -> str:
        """Routes the VPC by a tunnel, each block in one step; what failed, in words."""
        tunnel = self.tunnel(number)
        link = self.network.links.get(tunnel.interface)
        if link is None:
            return f"there is no interface {tunnel.interface}"
        for block in self.site.vpc_cidrs:
            failed = self._put(wanted.inner_route(self.site, block, link.ifindex))
            if failed:
                return failed
        return ""

    def outer(self, number: int) -> int | None:
        """The uplink that a tunnel's IPsec address is routed by; None when by none of ours."""
        address = self.tunnel(number).ipsec_address
        route = self._netlink.route_to(address)
        if route is None or route.destination != f"{address}/32":
            return None
        device = self.network.name(route.oif)
        ways = ((u.number, self.devices.get(u.number), u.gateway) for u in self.site.uplinks)
        return next((n for n, name, gateway in ways if name == device and gateway == route.gateway), None)

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
        """Makes XFRM interfaces that were deleted or switched off anew; which, or what failed, in words."""
        told = []
        for tunnel in self.site.tunnels:
            link = self.network.links.get(tunnel.interface)
            if link is not None and link.up:
                continue
            try:
                self._netlink.put_xfrm_link(*wanted.xfrm_link(tunnel))
                told.append(f"the interface {tunnel.interface} had vanished: it is back")
            except NetlinkError as error:
                told.append(str(error))
        if told:
            self.refresh()
        return told

    def amiss(self) -> list[str]:
        """What is not any more as the links unit made it, in words."""
        gone = []
        rules = {(rule.mark, rule.table) for rule in self.network.rules}
        tables = {route.table for route in self.network.routes}
        for uplink in self.site.uplinks:
            if (uplink.mark, uplink.table) not in rules:
                gone.append(f"the rule of uplink {uplink.number}")
            if not self.uplink_trouble(uplink) and uplink.table not in tables:
                gone.append(f"the table of uplink {uplink.number}")
        if not self._nftables.has_table(NFT_INET, paths.nft_table(self.site.name)):
            gone.append("the packet filter's table")
        told = [f"{', '.join(gone)} had vanished"] if gone else []
        told += sysctl.amiss(self.site, self._present())
        shared = self._nftables.has_table(NFT_IPV4, paths.SHARED_TABLE)
        if sysctl.forwarded_by_others() and shared:
            told.append("somebody else has switched forwarding on: what goes beside the tunnels is theirs")
        elif not sysctl.forwarded_by_others() and not shared:
            told.append("nobody else wants forwarding: what goes beside the tunnels has to be dropped")
        return told

    def _present(self) -> list[str]:
        return [name for name in self.devices.values() if name in self.network.links]

    def bridges(self) -> set[str]:
        """The box's bridges: what they carry themselves is no forwarding of ours, as the packet filter has to know."""
        return {link.name for link in self.network.links.values() if link.kind == "bridge"}

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

    def leave(self, moved: bool) -> None:
        """Takes back what only a running agent needs; the VPC's guards always stay.

        moved: some tunnel lives by the other uplink. What keeps an address that the box has lost then stays too.
        """
        there = {address.address for address in self.network.addresses}
        for route in wanted.ends(self.site, self.network):
            if moved and route.destination.split("/")[0] not in there:
                continue
            try:
                self._netlink.delete_route(route)
            except NetlinkError:
                continue

    def tunnel(self, number: int) -> Tunnel:
        """The tunnel of that number."""
        return next(tunnel for tunnel in self.site.tunnels if tunnel.number == number)

    def close(self) -> None:
        """Ends the socket."""
        self._netlink.close()
