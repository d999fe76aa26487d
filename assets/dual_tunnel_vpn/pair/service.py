"""keepalived on the box: whether it can be had, its configuration and its unit, where a connection has two boxes.

The package's own unit, keepalived.service, is none of ours: one that comes with the package that we add is masked while
a connection has two boxes, and one that was there before is not touched.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from .. import failover, files, installed, library, paths
from ..commands import Refusal, find, must, run, start
from ..ipsec import strongswan
from ..net import wanted
from ..net.firewall import stateful
from ..net.network import Network, observe
from ..packaged import PackagedUnit
from ..site import Site
from .keepalived import render

UNIT_FILE = "dual-tunnel-vpn-vrrp@.service"

PACKAGED = PackagedUnit(
    unit="keepalived.service",
    packages=frozenset({"keepalived"}),
    mark="vrrp_held",
    needs=lambda site: site.pair is not None,
)


def problems(site: Site, network: Network) -> Iterator[str]:
    """What keeps this box from being one of two, each in one sentence; nothing where the connection has one box."""
    if site.pair is None:
        return
    pair, device = site.pair, wanted.lan_device(site, network)
    where = f"interface {pair.lan.device}" if pair.lan.device else f"address {pair.lan.address}"
    if device is None:
        addresses = ", ".join(sorted({found.address for found in network.addresses} - {"127.0.0.1"})) or "none"
        yield f"the LAN wants the {where}, which this box does not have (addresses: {addresses})"
    elif device not in network.devices_with(pair.lan.address):
        yield f"the LAN wants the address {pair.lan.address} on {device}, which lacks it"
    elif device in {wanted.device_of(uplink, network) for uplink in site.uplinks}:
        yield f"the LAN and the uplink are on one interface of this box, {device}: give each its own"
    if wanted.source(site, network) is None and device is not None:
        blocks = ", ".join(site.data_center_cidrs)
        yield (
            f"the LAN's address {pair.lan.address} is in none of the data center's blocks ({blocks}): add the block of "
            "the LAN, whose hosts the VPC is to reach"
        )
    if port_is_taken(site.name, pair.lan.address, pair.port):
        yield (
            f"another program has UDP port {pair.port} on this box, by which the two boxes' agents would talk at "
            f"{pair.lan.address} (`ss -lunp` says which): have it leave that port, or give the connection another name"
        )
    by_vrrp = wanted.virtual_addresses(site, network) if paths.keepalived_conf(site.name).exists() else []
    for found in network.addresses:
        if found.address == pair.virtual_gateway and found not in by_vrrp:
            yield (
                f"interface {network.name(found.ifindex)} of this box has the address {found.address} of the virtual "
                "gateway for good, which VRRP gives to one of the two boxes: take it away from the box"
            )
    for chain in stateful.invalid_dropped_by():
        yield (
            f"{chain} of this box drops what conntrack takes for invalid, as is what comes by another box than its "
            "answers: accept what goes between the VPC and the data center before that rule, or take it away"
        )


def port_is_taken(name: str, address: str, port: int) -> bool:
    """Whether another program than the connection's agent keeps that from talking to the other box's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        try:
            trial.bind((address, port))
        except OSError as error:
            # An address that is not there is told as such.
            return error.errno == errno.EADDRINUSE and not _agent_has(name, port)
    return False


def _agent_has(name: str, port: int) -> bool:
    """Whether the connection's agent is among those who have the UDP port."""
    try:
        rows = [row.split() for row in Path("/proc/net/udp").read_text(encoding="ascii").splitlines()[1:]]
        sockets = {f"socket:[{row[9]}]" for row in rows if int(row[1].partition(":")[2], 16) == port}
        opened = list(Path(f"/proc/{int(failover.agent_state(name)['pid'])}/fd").iterdir())
    except (OSError, LookupError, TypeError, ValueError):
        # It says nothing, or is gone.
        return False
    return any(_leads_to(each) in sockets for each in opened)


def _leads_to(descriptor: Path) -> str:
    try:
        return os.readlink(descriptor)
    except OSError:
        # Closed since.
        return ""


def follow(site: Site, anew: bool = False) -> None:
    """Has VRRP do as the site says. anew: what it does may not be what its file says."""
    if site.pair is None:
        remove(site.name)
        return
    device = wanted.lan_device(site, observe())
    if device is None:
        raise Refusal(f"this box has no interface with the LAN's address {site.pair.lan.address} any more: give it one")
    if find("keepalived") is None:
        raise Refusal("keepalived is not installed on this box: run install.sh apply")
    target, unit = paths.keepalived_conf(site.name), paths.vrrp_unit(site.name)
    text, there = render(site, device).encode(), files.content(target)
    if there != text:
        _test(text, target)
    if there is None:
        # What there may be is from an earlier pair: this box begins standing aside, and nobody vouches for its agent.
        for former in (paths.vrrp_aside(site.name), paths.agent_alive(site.name)):
            files.remove(former)
    changed = installed.put(target, text, 0o600)
    new_unit = installed.put(paths.UNITS / UNIT_FILE, library.asset(f"systemd/{UNIT_FILE}"))
    if new_unit:
        must("systemctl", "daemon-reload")
    state = strongswan.units(unit)[unit]
    if not state.enabled:
        must("systemctl", "enable", "--quiet", "--no-reload", unit)
    if new_unit or not state.active:
        start(unit)
    elif changed or anew:
        # Whoever has the address keeps it.
        start(unit, "reload-or-restart")


def _test(text: bytes, target: Path) -> None:
    """Refusal where keepalived does not understand the text: it would end, and be started anew for ever."""
    trial = target.with_suffix(".trial")
    try:
        files.put(trial, text, 0o600)
        must("keepalived", "--config-test", f"--use-file={trial}")
    finally:
        files.remove(trial)


def remove(name: str) -> None:
    """Ends VRRP of a connection, and with it this box's claim to the address; nothing to do is a success."""
    if (paths.UNITS / UNIT_FILE).exists():
        run("systemctl", "stop", paths.vrrp_unit(name))
        run("systemctl", "disable", "--quiet", "--no-reload", paths.vrrp_unit(name))
    installed.remove(paths.keepalived_conf(name))
    if not PACKAGED.needed(name) and installed.remove(paths.UNITS / UNIT_FILE):
        run("systemctl", "daemon-reload")
