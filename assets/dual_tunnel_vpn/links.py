"""Interfaces, routes, rules and kernel parameters of a connection: what is wanted against what is there.

Run by dual-tunnel-vpn-links@NAME.service before strongSwan starts, and whenever something may have
drifted. The routes to the VPC are the failover agent's and are never touched here. Under them lie guards, which
refuse what is for the VPC while there is no such route; they and the packet filter come before forwarding (at boot
by dual-tunnel-vpn-guard@NAME.service, before there is a network) and stay for the life of the installation.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

from . import firewall, paths
from .commands import Refusal, must, run
from .net import sysctl
from .site import Site, Tunnel, Uplink

RULE_PRIORITY = 5157
"""Of the rules that send marked packets (probes) to an uplink's own table: before main's 32766."""


@dataclass(frozen=True)
class Link:
    """A network interface as the kernel has it."""

    kind: str
    if_id: int
    mtu: int
    up: bool


@dataclass(frozen=True)
class Route:
    """A route of ours as the kernel has it."""

    destination: str
    table: str
    device: str
    gateway: str
    kind: str = "unicast"


@dataclass
class Network:
    """What `ip` tells about the box."""

    links: dict[str, Link] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    """Device by IPv4 address."""
    routes: list[Route] = field(default_factory=list)
    """Only those with our route protocol."""
    rules: list[tuple[int, str]] = field(default_factory=list)
    """(mark, table) of every rule that selects by mark."""


def _number(value: Any) -> int:
    return int(value, 0) if isinstance(value, str) else int(value or 0)


def observe() -> Network:
    """The box's network now."""
    network = Network()
    for entry in json.loads(must("ip", "-j", "-d", "addr", "show") or "[]"):
        name = entry.get("ifname")
        if not name:
            continue
        info = entry.get("linkinfo", {})
        network.links[name] = Link(
            kind=info.get("info_kind", ""),
            if_id=_number(info.get("info_data", {}).get("if_id")),
            mtu=int(entry.get("mtu", 0)),
            up="UP" in entry.get("flags", []),
        )
        for address in entry.get("addr_info", []):
            if address.get("family") == "inet":
                network.addresses[address["local"]] = name
    shown = must("ip", "-j", "-4", "route", "show", "table", "all", "proto", str(paths.ROUTE_PROTOCOL))
    for route in json.loads(shown.strip() or "[]"):
        destination = route.get("dst", "")
        network.routes.append(
            Route(
                destination=destination if destination == "default" or "/" in destination else f"{destination}/32",
                table=str(route.get("table", "main")),
                device=route.get("dev", ""),
                gateway=route.get("gateway", ""),
                kind=route.get("type", "unicast"),
            )
        )
    for rule in json.loads(must("ip", "-j", "-4", "rule", "show").strip() or "[]"):
        if "fwmark" in rule:
            network.rules.append((_number(rule["fwmark"]), str(rule.get("table", ""))))
    return network


def device_of(uplink: Uplink, network: Network) -> str | None:
    """The interface that the uplink leaves by, or None when it is not there now."""
    if uplink.device is not None:
        return uplink.device if uplink.device in network.links else None
    return network.addresses.get(uplink.address)


def _interface(tunnel: Tunnel, network: Network) -> list[str]:
    name, there = tunnel.interface, network.links.get(tunnel.interface)
    plan = []
    if there is not None and (there.kind, there.if_id) != ("xfrm", tunnel.if_id):
        if there.kind != "xfrm":
            raise Refusal(f"the box has an interface {name} that is not ours: give the connection another name")
        plan.append(f"link del dev {name}")
        there = None
    if there is None:
        plan.append(f"link add dev {name} type xfrm if_id {tunnel.if_id}")
        plan.append(f"link set dev {name} addrgenmode none")
    if there is None or there.mtu != tunnel.mtu or not there.up:
        plan.append(f"link set dev {name} mtu {tunnel.mtu} up")
    return plan


def _uplink(site: Site, uplink: Uplink, network: Network) -> list[str]:
    plan = []
    table = str(uplink.table)
    if (uplink.mark, table) not in network.rules:
        plan.append(f"rule add fwmark {uplink.mark} lookup {table} priority {RULE_PRIORITY}")
    device = device_of(uplink, network)
    if device is None:
        return plan
    way = f"via {uplink.gateway} dev {device} src {uplink.address} onlink proto {paths.ROUTE_PROTOCOL}"
    if Route("default", table, device, uplink.gateway) not in network.routes:
        plan.append(f"route replace default {way} table {table}")
    # The agent may have moved a tunnel's outer path to the other uplink: any of our ways will do.
    ways = [(device_of(other, network), other.gateway) for other in site.uplinks]
    for tunnel in site.tunnels:
        destination = f"{tunnel.ipsec_address}/32"
        if tunnel.uplink == uplink.number and not any(
            route.destination == destination and route.table == "main" and (route.device, route.gateway) in ways
            for route in network.routes
        ):
            plan.append(f"route replace {destination} {way}")
    return plan


def guards(site: Site, network: Network) -> list[str]:
    """The `ip` commands that put the missing guards in place; they need no interface."""
    there = {route.destination for route in network.routes if (route.kind, route.table) == ("unreachable", "main")}
    return [
        f"route replace unreachable {block} metric {paths.GUARD_METRIC} proto {paths.ROUTE_PROTOCOL}"
        for block in site.vpc_cidrs
        if block not in there
    ]


def plan(site: Site, network: Network) -> list[str]:
    """The `ip` commands that make the network as the connection wants it; empty when it is."""
    commands = guards(site, network)
    for tunnel in site.tunnels:
        commands += _interface(tunnel, network)
    for uplink in site.uplinks:
        commands += _uplink(site, uplink, network)
    return commands


def batch(commands: list[str]) -> list[str]:
    """Runs `ip` commands in one process, each whatever becomes of the others; what failed, in words."""
    if not commands:
        return []
    result = run("ip", "-force", "-batch", "-", stdin="\n".join(commands) + "\n")
    failed, words = [], ""
    for line in result.errors.splitlines():
        if line.startswith("Command failed -:"):
            number = int(line.rsplit(":", 1)[1])
            failed.append(f"`ip {commands[number - 1]}`: {words or 'failed'}")
            words = ""
        else:
            words = line.strip() or words
    return failed


def missing_uplinks(site: Site, network: Network) -> list[Uplink]:
    """Uplinks whose interface or address the box does not have now."""
    return [uplink for uplink in site.uplinks if device_of(uplink, network) is None]


def kernel_is_right(site: Site) -> bool:
    """Whether the kernel parameters and our nftables tables are as wanted."""
    values = kernel_values(site, observe())
    right = all(sysctl.read(key) == value for key, value in values.items()) and sysctl.forwarding_is_right(site)
    return right and firewall.there(site.name)


def kernel_values(site: Site, network: Network) -> dict[str, str]:
    """The kernel parameters that the connection needs on the box's interfaces as they are now."""
    devices = [device for uplink in site.uplinks if (device := device_of(uplink, network)) is not None]
    return sysctl.wanted(site, devices)


def guard(site: Site) -> None:
    """Puts the packet filter and the guards in place, which need neither uplink nor tunnel."""
    firewall.guard(site)
    failed = batch(guards(site, observe()))
    if failed:
        raise Refusal(f"the guard of the VPC's blocks could not be put in place: {failed[0]}")


def bring(site: Site, wait: float = 0) -> list[str]:
    """Makes everything as wanted, waiting up to `wait` seconds for uplinks; what is still amiss, in words.

    An uplink that is not there yet does not stop the rest: the agent completes it when it comes.
    """
    guard(site)
    must("modprobe", "xfrm_interface")
    deadline = time.monotonic() + wait
    network = observe()
    while missing_uplinks(site, network) and time.monotonic() < deadline:
        time.sleep(0.5)
        network = observe()
    amiss = [
        f"uplink {uplink.number} is not there yet: no interface "
        + (f"named {uplink.device}" if uplink.device else f"has the address {uplink.address}")
        for uplink in missing_uplinks(site, network)
    ]
    amiss += batch(plan(site, network))
    for key, value in kernel_values(site, network).items():
        sysctl.write(key, value)
    firewall.bring(site)
    sysctl.forward()
    return amiss


def stale(old: Site, new: Site, network: Network) -> list[str]:
    """The `ip` commands that remove what only the former site.json of the connection wanted."""
    tables = {str(uplink.table) for uplink in new.uplinks}
    wanted = {
        *(f"{tunnel.ipsec_address}/32" for tunnel in new.tunnels),
        *new.vpc_cidrs,
        *(f"{uplink.address}/32" for uplink in new.uplinks),
    }
    return [
        command
        for command in take_down(old, network)
        if not command.startswith("link ")
        and not any(f"lookup {table} " in command for table in tables)
        and not (command.startswith("route ") and (wanted | tables) & set(command.split()))
    ]


def take_down(site: Site, network: Network) -> list[str]:
    """The `ip` commands that remove all routes, rules and interfaces of the connection that are there."""
    commands = []
    for uplink in site.uplinks:
        commands += [
            f"rule del fwmark {uplink.mark} lookup {uplink.table} priority {RULE_PRIORITY}"
            for rule in network.rules
            if rule == (uplink.mark, str(uplink.table))
        ]
    tables = {str(uplink.table) for uplink in site.uplinks}
    outer = {f"{tunnel.ipsec_address}/32" for tunnel in site.tunnels}
    guarded = {*site.vpc_cidrs, *(f"{uplink.address}/32" for uplink in site.uplinks)}
    for route in network.routes:
        if route.kind != "unicast":
            # Guards: ours for the VPC's blocks, the agent's for the uplinks' addresses.
            if route.destination in guarded:
                commands.append(
                    f"route del {route.kind} {route.destination} table {route.table} proto {paths.ROUTE_PROTOCOL}"
                )
            continue
        if route.table in tables or route.destination in outer or route.device in site.interfaces:
            via = f" via {route.gateway}" if route.gateway else ""
            commands.append(f"route del {route.destination}{via} dev {route.device} table {route.table}")
    commands += [f"link del dev {name}" for name in site.interfaces if name in network.links]
    return commands
