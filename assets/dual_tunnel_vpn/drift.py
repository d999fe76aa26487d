"""Whether a box is still as the last apply left it: asked by `cdktf diff` over SSH where a stack's owner wants that.

A difference is what the next apply puts right. What only time or others can change, such as an uplink that is down or a
tunnel whose other end is silent, is none: `status` tells it. Nothing is changed here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import files, installed, links, manifest, paths
from .bgp import service as bgp
from .commands import Refusal
from .ipsec import strongswan
from .net.netlink import UNREACHABLE, Address, Route, Rule
from .net.network import Change, Network, Put, observe
from .pair import service as vrrp
from .site import Site, SiteError, load

SETTLE_SECONDS = 3.0
"""How long a running agent is given to put the kernel's state right, which it does in less."""

_PLACES = (
    paths.UNITS,
    Path("/run/systemd/system"),
    Path("/etc/systemd/system.control"),
    Path("/run/systemd/system.control"),
)
"""Where systemd reads what others than packages say of units."""


_AT_BOOT = (paths.rollback_timer, paths.guard_unit, paths.links_unit, paths.agent_unit)


def units_at_boot(name: str) -> list[str]:
    """The units that have to start at boot."""
    return [strongswan.UNIT, *(unit(name) for unit in _AT_BOOT), *_helpers(name)]


def units_at_work(name: str) -> list[str]:
    """Those of them that have to be active."""
    return [strongswan.UNIT, paths.links_unit(name), paths.agent_unit(name), *_helpers(name)]


def _helpers(name: str) -> list[str]:
    """The BGP speaker's unit, where the connection has BGP, and VRRP's, where it has two boxes."""
    theirs = (
        (paths.bird_conf(name), bgp.UNIT_FILE, paths.bgp_unit(name)),
        (paths.keepalived_conf(name), vrrp.UNIT_FILE, paths.vrrp_unit(name)),
    )
    return [unit for conf, file, unit in theirs if conf.exists() and (paths.UNITS / file).exists()]


def _instances(name: str) -> list[str]:
    return [*(unit(name) for unit in (*_AT_BOOT, paths.repair_unit, paths.rollback_unit)), *_helpers(name)]


def replaced(name: str) -> list[Path]:
    """Unit files and masks (links to /dev/null) that somebody put in the place of ours for this connection."""
    found = (place / unit for place in _PLACES for unit in _instances(name))
    return [path for path in found if os.path.lexists(path)]


def added(name: str) -> list[str]:
    """Drop-ins of others for the connection's units, in words: their owner's wish, which an apply leaves."""
    units = [each for unit in _instances(name) for each in (unit, unit.replace(f"@{name}.", "@."))]
    found = {path for place in _PLACES for unit in units for path in (place / f"{unit}.d").glob("*.conf")}
    return [f"{path} changes a unit of ours and is not ours" for path in sorted(found)]


def of_units(name: str) -> list[str]:
    """What somebody changed in which units there are and start at boot, in words."""
    taken = replaced(name)
    told = [f"{path} was put in the place of our unit" for path in taken]
    told += [
        f"{unit} does not start at boot: somebody disabled it"
        for unit in strongswan.disabled(*units_at_boot(name))
        if unit not in {path.name for path in taken}
    ]
    return told


def _of_others(name: str) -> list[Path]:
    """Files of the box's other connections, whose own stacks look after them, and directories of such."""
    layout = strongswan.layout()
    found = []
    for other in manifest.names():
        if other != name:
            found += [paths.connection(other), paths.sysctl_file(other), paths.network_manager_file(other)]
            if layout is not None:
                found += [path for number in (1, 2) for path in layout.tunnel_files(other, number)]
    return found


def _words(change: Change, network: Network) -> Iterator[str]:
    """What is told of a change that the kernel's network needs; nothing where it has to wait for an uplink."""
    thing = change.thing
    if isinstance(thing, Route):
        link = next((link for link in network.links.values() if link.ifindex == thing.oif), None)
        if link is None or link.up:
            what = "the guard" if thing.kind == UNREACHABLE else "the route"
            yield f"{what} for {thing.destination} in table {thing.table} is missing"
    elif isinstance(thing, Rule):
        yield f"a routing rule of ours at priority {thing.priority} " + (
            "is missing" if isinstance(change, Put) else "is not where it was"
        )
    elif isinstance(thing, Address):
        yield f"the address {thing.address} of a BGP session is missing"
    elif isinstance(change, Put):
        yield f"the interface {thing.name} is missing, down or another"


def _of_kernel(site: Site) -> list[str]:
    network = observe()
    try:
        told = [words for change in links.plan(site, network) for words in _words(change, network)]
    except Refusal as refusal:
        told = [str(refusal)]
    return told + links.amiss(site, network)


def _settled(site: Site, agent: bool) -> list[str]:
    """What the kernel has not as wanted, in words, once a running agent has had its time."""
    deadline = time.monotonic() + (SETTLE_SECONDS if agent else 0)
    while (told := _of_kernel(site)) and time.monotonic() < deadline:
        time.sleep(0.25)
    return told


def look(name: str) -> dict[str, Any]:
    """What `drift` prints.

    `installed`: whether the connection is on the box. `mark`: what the last apply was given to note. `differences`:
    what the next apply puts right, in words. `added`: what it leaves.
    """
    if files.content(paths.site(name)) is None:
        return {"installed": False, "mark": "", "differences": [], "added": []}
    differences = installed.amiss(_of_others(name))
    differences += of_units(name)
    states = strongswan.units(*units_at_work(name))
    differences += [f"{unit} {state.trouble or 'is not active'}" for unit, state in states.items() if not state.active]
    try:
        site = load(paths.site(name))
    except SiteError as error:
        differences.append(str(error))
    else:
        differences += _settled(site, states[paths.agent_unit(name)].active)
    return {
        "installed": True,
        "mark": manifest.load_connection(name).mark,
        "differences": differences,
        "added": added(name),
    }
