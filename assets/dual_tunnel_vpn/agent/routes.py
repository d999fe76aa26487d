"""What the agent can do to the box: flip and move routes, and ask charon.

Everything in the hot path is one netlink message; nft runs once, at the start.
"""

from __future__ import annotations

import ipaddress
import subprocess

from .. import paths
from ..net import sysctl
from ..net.netlink import (
    LOCAL,
    LOCAL_TABLE,
    MAIN_TABLE,
    NFT_INET,
    NFT_IPV4,
    UNREACHABLE,
    Address,
    Counters,
    IpsecState,
    IpsecStates,
    Link,
    Netlink,
    NetlinkError,
    Nftables,
    Route,
)
from ..site import Site, Tunnel, Uplink

IKE_PORTS = "udp sport { 500, 4500 } udp dport { 500, 4500 }"
"""What nft matches IKE by, and ESP in UDP."""


def rewriting_table(name: str) -> str:
    """The agent's own nftables table (family ip), beside the links unit's of family inet."""
    return paths.nft_table(name) + "_outer"


def counter(tunnel: int) -> str:
    """The nft counter of what was decrypted of ESP that came by the uplink that is not the tunnel's own."""
    return f"moved_{tunnel}"


def rewriting(site: Site, devices: dict[int, str]) -> str:
    """nft's script: packets of a tunnel that leave or come by the other uplink get that uplink's address.

    Stateless, because conntrack would have to be flushed at each move; and always there, because then a
    move is one route. They match nothing while every tunnel uses its own uplink. The IKE ports only: ESP is
    in UDP 4500 behind a NAT; bare ESP is included for uplinks with public addresses.

    What came by the other uplink carries that uplink's mark through decryption and is counted, and loses the mark,
    where it leaves the XFRM interface: anyone can send what looks like ESP, only the gateway what decrypts.
    """
    table = rewriting_table(site.name)
    decrypted, inward, outward, chains = [], [], [], []
    for tunnel in site.tunnels:
        own, cloud = site.uplink_of(tunnel), tunnel.ipsec_address
        chains += [f"  counter {counter(tunnel.number)} {{", "  }"]
        for other in site.uplinks:
            if other.number == own.number or other.number not in devices:
                continue
            device, moved = devices[other.number], f"{tunnel.number}_by_{other.number}"
            # One comparison, of the device, is all that other packets pay for.
            inward.append(f'    iifname "{device}" ip saddr {cloud} ip daddr {other.address} jump inward_{moved}')
            outward.append(f'    oifname "{device}" ip saddr {own.address} ip daddr {cloud} jump outward_{moved}')
            # The mark is the connection's own; routes by mark are looked up after it is gone.
            count = f"counter name {counter(tunnel.number)} meta mark set 0"
            decrypted.append(f'    iifname "{tunnel.interface}" meta mark {other.mark} {count}')
            chains += [
                f"  chain inward_{moved} {{",
                f"    ip protocol esp meta mark set {other.mark} ip daddr set {own.address}",
                # In UDP 4500 four zero bytes mark IKE; anything else is an ESP SPI (RFC 3948). A keepalive is one byte.
                f"    udp sport 4500 udp length > 12 @th,64,32 != 0 meta mark set {other.mark}",
                f"    {IKE_PORTS} ip daddr set {own.address}",
                "  }",
                f"  chain outward_{moved} {{",
                f"    ip protocol esp ip saddr set {other.address}",
                f"    {IKE_PORTS} ip saddr set {other.address}",
                "  }",
            ]
    lines = [f"table ip {table} {{", "}", f"delete table ip {table}", f"table ip {table} {{", *chains]
    lines += ["  chain inward {", "    type filter hook prerouting priority -350", *decrypted, *inward, "  }"]
    lines += ["  chain outward {", "    type filter hook postrouting priority 300", *outward, "  }", "}"]
    return "\n".join(lines) + "\n"


def _nft(script: str) -> str:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["nft", "-f", "-"], input=script, text=True, capture_output=True, timeout=10, check=False, env=environment
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"nft could not be run: {error}"
    if done.returncode:
        return f"nft refused the rewriting rules: {(done.stderr.splitlines() or ['no reason given'])[0]}"
    return ""


class Box:
    """The box's links and routes, as far as one connection goes."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.links: dict[str, Link] = {}
        self.addresses: list[Address] = []
        self.devices: dict[int, str] = {}
        """Device by uplink number, for uplinks that were ever found."""
        self._names: dict[int, str] = {}
        self._netlink = Netlink()
        self._states = IpsecStates()
        self._nftables = Nftables()
        self._prepared: dict[int, str] = {}

    def refresh(self) -> None:
        """Reads links and addresses again."""
        self.links = {link.name: link for link in self._netlink.links()}
        self._names = {link.ifindex: name for name, link in self.links.items()}
        self.addresses = self._netlink.addresses()
        for uplink in self.site.uplinks:
            device = uplink.device or self._device_with(uplink.address)
            if device is not None:
                self.devices[uplink.number] = device

    def uplink_trouble(self, uplink: Uplink) -> str:
        """Why the uplink cannot carry anything; empty when it can."""
        device = self.devices.get(uplink.number)
        link = self.links.get(device or "")
        if link is None:
            return "has no interface"
        if not link.up:
            return f"({device}) is switched off"
        if not link.carrier:
            return f"({device}) has lost its carrier"
        if self._device_with(uplink.address) != device:
            return f"({device}) has lost its address {uplink.address}"
        return ""

    def source(self) -> str | None:
        """An address of the box that the tunnels carry: in the data center's blocks, an uplink's only if need be."""
        blocks = [ipaddress.IPv4Network(block) for block in self.site.data_center_cidrs]
        uplinks = {uplink.address for uplink in self.site.uplinks}
        inside = [a.address for a in self.addresses if any(ipaddress.IPv4Address(a.address) in b for b in blocks)]
        return next((a for a in inside if a not in uplinks), inside[0] if inside else None)

    def inner(self) -> int | None:
        """The tunnel that every route to the VPC leads to; None when one is missing or they differ."""
        found = self._inner_routes()
        oifs = {found.get(block) for block in self.site.vpc_cidrs}
        if len(oifs) != 1:
            return None
        name = self._names.get(oifs.pop() or 0)
        return next((tunnel.number for tunnel in self.site.tunnels if tunnel.interface == name), None)

    def set_inner(self, number: int) -> str:
        """Routes the VPC by a tunnel, each block in one step; what failed, in words."""
        tunnel = self.tunnel(number)
        link = self.links.get(tunnel.interface)
        if link is None:
            return f"there is no interface {tunnel.interface}"
        for block in self.site.vpc_cidrs:
            route = Route(block, link.ifindex, None, None, self.site.route_metric, protocol=paths.ROUTE_PROTOCOL)
            try:
                self._netlink.replace_route(route)
            except NetlinkError as error:
                return f"the route to {block} by {tunnel.interface} was refused: {error.strerror}"
        return ""

    def outer(self, number: int) -> int | None:
        """The uplink that a tunnel's IPsec address is routed by; None when by none of ours."""
        address = self.tunnel(number).ipsec_address
        route = self._netlink.route_to(address)
        if route is None or route.destination != f"{address}/32":
            return None
        device = self._names.get(route.oif)
        ways = ((u.number, self.devices.get(u.number), u.gateway) for u in self.site.uplinks)
        return next((n for n, name, gateway in ways if name == device and gateway == route.gateway), None)

    def set_outer(self, number: int, uplink_number: int) -> str:
        """Routes a tunnel's IPsec address by an uplink; what failed, in words."""
        tunnel, uplink = self.tunnel(number), self.site.uplink(uplink_number)
        link = self.links.get(self.devices.get(uplink_number, ""))
        if link is None:
            return f"uplink {uplink_number} has no interface"
        route = Route(
            f"{tunnel.ipsec_address}/32",
            link.ifindex,
            uplink.gateway,
            uplink.address,
            protocol=paths.ROUTE_PROTOCOL,
            onlink=True,
        )
        try:
            self._netlink.replace_route(route)
        except NetlinkError as error:
            return f"the route to {tunnel.ipsec_address} by uplink {uplink_number} was refused: {error.strerror}"
        return ""

    def guard(self) -> list[str]:
        """Puts routes in place that matter only when others vanish; which of the VPC's were gone, or what failed."""
        told = []
        there = {
            (route.destination, route.kind)
            for table in (MAIN_TABLE, LOCAL_TABLE)
            for route in self._netlink.routes(table, paths.ROUTE_PROTOCOL)
            if route.metric == paths.GUARD_METRIC
        }
        for route in (*self._guards(), *self._ends()):
            if (route.destination, route.kind) in there:
                continue
            try:
                self._netlink.replace_route(route)
                if route.kind == UNREACHABLE:
                    told.append(f"the guard for {route.destination} was not there: it is now")
            except NetlinkError as error:
                told.append(f"the guard for {route.destination} was refused: {error.strerror}")
        return told

    def _guards(self) -> list[Route]:
        # The links unit's, for as long as the connection is installed: what is for the VPC must not leak should its
        # route ever vanish (an XFRM interface deleted).
        metric, protocol = paths.GUARD_METRIC, paths.ROUTE_PROTOCOL
        return [Route(block, 0, metric=metric, protocol=protocol, kind=UNREACHABLE) for block in self.site.vpc_cidrs]

    def _ends(self) -> list[Route]:
        # systemd-networkd takes an address away with the carrier. A tunnel that lives on by the other uplink
        # still ends at that address.
        loopback = self.links.get("lo")
        if loopback is None or len(self.site.uplinks) < 2:
            return []
        return [
            Route(
                f"{uplink.address}/32",
                loopback.ifindex,
                metric=paths.GUARD_METRIC,
                table=LOCAL_TABLE,
                protocol=paths.ROUTE_PROTOCOL,
                kind=LOCAL,
            )
            for uplink in self.site.uplinks
        ]

    def restore_interfaces(self) -> list[str]:
        """Makes XFRM interfaces that were deleted or switched off anew; which, or what failed, in words."""
        told = []
        for tunnel in self.site.tunnels:
            link = self.links.get(tunnel.interface)
            if link is not None and link.up:
                continue
            try:
                self._netlink.put_xfrm_link(tunnel.interface, tunnel.if_id, tunnel.mtu)
                told.append(f"the interface {tunnel.interface} had vanished: it is back")
            except NetlinkError as error:
                told.append(f"the interface {tunnel.interface} cannot be made: {error.strerror}")
        if told:
            self.refresh()
        return told

    def amiss(self) -> list[str]:
        """What is not any more as the links unit made it, in words."""
        gone = []
        marks = {(rule.mark, rule.table) for rule in self._netlink.rules()}
        for uplink in self.site.uplinks:
            if (uplink.mark, uplink.table) not in marks:
                gone.append(f"the rule of uplink {uplink.number}")
            if not self.uplink_trouble(uplink) and not self._netlink.routes(uplink.table):
                gone.append(f"the table of uplink {uplink.number}")
        if not self._nftables.has_table(NFT_INET, paths.nft_table(self.site.name)):
            gone.append("the packet filter's table")
        told = [f"{', '.join(gone)} had vanished"] if gone else []
        if not sysctl.forwarding_is_right(self.site):
            told.append("forwarding was switched off")
        shared = self._nftables.has_table(NFT_IPV4, paths.SHARED_TABLE)
        if sysctl.forwarded_by_others() and shared:
            told.append("somebody else has switched forwarding on: what goes beside the tunnels is theirs")
        elif not sysctl.forwarded_by_others() and not shared:
            told.append("nobody else wants forwarding: what goes beside the tunnels has to be dropped")
        return told

    def counters(self) -> dict[int, Counters]:
        """What each tunnel's XFRM interface carried."""
        found = {}
        for tunnel in self.site.tunnels:
            link = self.links.get(tunnel.interface)
            if link is not None:
                try:
                    found[tunnel.number] = self._netlink.counters(link.ifindex)
                except NetlinkError:
                    continue
        return found

    def orphans(self, owned: set[int], older_than: float) -> list[IpsecState]:
        """Kernel states of our tunnels that are not among the SPIs that charon owns (a killed charon left them)."""
        numbers = {tunnel.if_id for tunnel in self.site.tunnels}
        return [
            state
            for state in self._states.list()
            if state.if_id in numbers and state.spi not in owned and 0 < state.added < older_than
        ]

    def remove_state(self, state: IpsecState) -> None:
        """Removes a kernel state; one that is gone by itself is as good."""
        try:
            self._states.delete(state)
        except NetlinkError:
            return

    def leave(self, moved: bool) -> None:
        """Takes back what only a running agent needs.

        moved: some tunnel lives by the other uplink. What carries it then stays: the rewriting rules, and the
        guard of an address that the box has lost. The VPC's guards always stay.
        """
        there = {address.address for address in self.addresses}
        for route in self._ends():
            if moved and route.destination.split("/")[0] not in there:
                continue
            try:
                self._netlink.delete_route(route)
            except NetlinkError:
                continue
        if self._prepared and not moved:
            _nft(f"delete table ip {rewriting_table(self.site.name)}\n")

    def tunnel(self, number: int) -> Tunnel:
        """The tunnel of that number."""
        return next(tunnel for tunnel in self.site.tunnels if tunnel.number == number)

    def prepare_rewriting(self) -> str:
        """Puts the rewriting rules in place if they are gone or the uplinks' devices changed; what failed, in words."""
        if len(self.site.uplinks) < 2:
            return ""
        if self._prepared == self.devices and self._nftables.has_table(NFT_IPV4, rewriting_table(self.site.name)):
            return ""
        failed = _nft(rewriting(self.site, self.devices))
        if not failed:
            self._prepared = dict(self.devices)
        return failed

    def moved_packets(self, number: int) -> int | None:
        """Packets that a tunnel brought by the uplink that is not its own, decrypted; None when not counted."""
        return self._nftables.packets(rewriting_table(self.site.name), counter(number))

    def close(self) -> None:
        """Ends the sockets."""
        self._netlink.close()
        self._states.close()
        self._nftables.close()

    def _device_with(self, address: str) -> str | None:
        return next((self._names.get(found.ifindex) for found in self.addresses if found.address == address), None)

    def _inner_routes(self) -> dict[str, int]:
        routes = self._netlink.routes(protocol=paths.ROUTE_PROTOCOL)
        return {r.destination: r.oif for r in routes if r.metric == self.site.route_metric}
