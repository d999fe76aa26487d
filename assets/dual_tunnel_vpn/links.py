"""Interfaces, routes, rules and kernel parameters of a connection: what is wanted against what is there.

Run by dual-tunnel-vpn-links@NAME.service before strongSwan starts, and by dual-tunnel-vpn-repair@NAME.service when
something has drifted or somebody else has changed the packet filter: that waits for nothing. The routes to the VPC are
the failover agent's and are never touched here. Under them lie guards, which refuse what is for the VPC while there is
no such route; they and the packet filter come before forwarding (at boot by dual-tunnel-vpn-guard@NAME.service, before
there is a network) and stay for the life of the installation.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from . import paths
from .commands import Refusal
from .net import firewall, sysctl, wanted
from .net.netlink import Route
from .net.network import Change, Network, Put, Remove, XfrmLink, apply, observe
from .site import Site, Tunnel, Uplink


def _interface(tunnel: Tunnel, network: Network) -> list[Change]:
    link, there = wanted.xfrm_link(tunnel), network.links.get(tunnel.interface)
    if there is None:
        return [Put(link)]
    if there.kind != "xfrm":
        raise Refusal(f"the box has an interface {link.name} that is not ours: give the connection another name")
    if there.if_id != link.if_id:
        return [Remove(XfrmLink(there.name, there.if_id, there.mtu)), Put(link)]
    if there.mtu != link.mtu or not there.up:
        return [Put(link)]
    # Alone: made anew, an interface is down for a moment, and the kernel drops all routes that lead into it.
    end = wanted.end(tunnel, network)
    return [] if end is None or end in network.addresses else [Put(end)]


def _uplink(site: Site, uplink: Uplink, network: Network) -> list[Change]:
    changes: list[Change] = []
    device = wanted.device_of(uplink, network)
    if device is None:
        return changes
    ifindex = network.links[device].ifindex
    default = wanted.default_route(uplink, ifindex)
    if not network.has(default):
        changes.append(Put(default))
    for tunnel in site.tunnels:
        if tunnel.uplink == uplink.number and not any(network.has(way) for way in _ways(site, tunnel, network)):
            changes.append(Put(wanted.outer_route(tunnel, uplink, ifindex)))
    return changes


def _ways(site: Site, tunnel: Tunnel, network: Network) -> list[Route]:
    # The agent may have moved a tunnel's outer path to the other uplink: any of our ways will do.
    return [
        wanted.outer_route(tunnel, uplink, network.links[device].ifindex)
        for uplink in site.uplinks
        if (device := wanted.device_of(uplink, network)) is not None
    ]


def guards(site: Site, network: Network) -> list[Change]:
    """What puts the missing guards in place; they need no interface."""
    return [Put(route) for route in wanted.guards(site) if not network.has(route)]


def plan(site: Site, network: Network) -> list[Change]:
    """What makes the network as the connection wants it; empty when it is."""
    changes = guards(site, network)
    for tunnel in site.tunnels:
        changes += _interface(tunnel, network)
    for uplink in site.uplinks:
        changes += _uplink(site, uplink, network)
    return changes + wanted.rule_changes(site, network)


def missing_uplinks(site: Site, network: Network) -> list[Uplink]:
    """Uplinks whose interface or address the box does not have now."""
    return [uplink for uplink in site.uplinks if wanted.device_of(uplink, network) is None]


def lacking(site: Site, uplink: Uplink, network: Network) -> str:
    """What the box lacks of the uplink now, in words; empty when interface and address are there."""
    device = wanted.device_of(uplink, network)
    if device is None and uplink.device:
        return f"no interface named {uplink.device}"
    if device is not None and device in network.devices_with(uplink.address):
        return ""
    other = wanted.in_place_of(site, uplink, network)
    remedy = f" ({other}: if that is its address now, change the uplink in the stack and deploy)" if other else ""
    return f"{'no interface' if device is None else f'{device} no longer'} has the address {uplink.address}{remedy}"


def amiss(site: Site, network: Network) -> list[str]:
    """What is not as wanted of kernel parameters and packet filter, in words."""
    devices = _devices(site, network)
    told = sysctl.amiss(site, devices) + firewall.own.amiss(site, devices)
    told += sysctl.redirects_amiss(wanted.lan_device(site, network))
    try:
        return told + [step.what for step in firewall.plan(site)]
    except Refusal as refusal:
        return [*told, str(refusal)]


def kernel_values(site: Site, network: Network) -> dict[str, str]:
    """The kernel parameters that the connection needs on the box's interfaces as they are now."""
    return {**sysctl.wanted(site, _devices(site, network)), **sysctl.no_redirects(wanted.lan_device(site, network))}


def _devices(site: Site, network: Network) -> list[str]:
    return [device for uplink in site.uplinks if (device := wanted.device_of(uplink, network)) is not None]


@contextmanager
def _alone() -> Iterator[None]:
    """Keeps two of us from changing what the other has just looked at."""
    paths.PRIVATE.mkdir(mode=0o700, exist_ok=True)
    with open(paths.NETWORK_LOCK, "w", encoding="ascii") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def guard(site: Site) -> list[str]:
    """Puts the packet filter and the guards in place, which need neither uplink nor tunnel. What was done, in words."""
    with _alone():
        network = observe()
        done = firewall.own.guard(site, _devices(site, network))
        failed = apply(guards(site, network))
    if failed:
        raise Refusal(f"the guard of the VPC's blocks could not be put in place: {failed[0]}")
    return done


def share() -> None:
    """Makes the packet filter's shared table as the connections that are there now want it."""
    with _alone():
        firewall.own.share()


class Brought(NamedTuple):
    """What came of it, in words."""

    done: list[str]
    amiss: list[str]
    """What no attempt can change, such as an uplink that is not there yet."""


def bring(site: Site, wait: float = 0) -> Brought:
    """Makes everything as wanted, waiting up to `wait` seconds for uplinks.

    An uplink that is not there yet does not stop the rest: the agent completes it when it comes. Nor does anything else
    that fails, except that nothing is forwarded without packet filter and guards; Refusal says what failed.
    """
    done: list[str] = []
    failed: list[str] = []
    with _noted(failed):
        done += guard(site)
    guarded = not failed
    with _alone(), _noted(failed):
        done += firewall.open_all(site)
    network = _with_uplinks(site, wait)
    told = [
        f"uplink {uplink.number} is not there yet: {lacking(site, uplink, network)}"
        for uplink in missing_uplinks(site, network)
    ]
    with _alone():
        with _noted(failed):
            told += apply(plan(site, network))
        done += sysctl.amiss(site, _devices(site, network))
        done += sysctl.redirects_amiss(wanted.lan_device(site, network))
        for key, value in kernel_values(site, network).items():
            sysctl.write(key, value)
        if guarded:
            devices = _devices(site, network)
            if not firewall.own.knows(site, devices):
                firewall.own.guard(site, devices)
            sysctl.forward(site)
    if failed:
        raise Refusal("; ".join(failed))
    return Brought(done, told)


@contextmanager
def _noted(failed: list[str]) -> Iterator[None]:
    try:
        yield
    except Refusal as refusal:
        failed.append(str(refusal))


def _with_uplinks(site: Site, wait: float) -> Network:
    deadline = time.monotonic() + wait
    network = observe()
    while missing_uplinks(site, network) and time.monotonic() < deadline:
        time.sleep(0.5)
        network = observe()
    return network


def stale(old: Site, new: Site, network: Network) -> list[Remove]:
    """What removes that which only the former site.json of the connection wanted."""
    removals = wanted.removals(wanted.claims(old) - wanted.claims(new), network)
    addresses = set(wanted.virtual_addresses(old, network)) - set(wanted.virtual_addresses(new, network))
    return [*removals, *wanted.former_ends(old, new, network), *map(Remove, addresses)]


def take_down(site: Site, network: Network) -> list[Remove]:
    """What removes all routes, rules and interfaces of the connection that are there."""
    return [*wanted.removals(wanted.claims(site), network), *map(Remove, wanted.virtual_addresses(site, network))]
