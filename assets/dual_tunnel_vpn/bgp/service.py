"""The BGP speaker on the box: whether it can be had, its configuration and its unit, where a connection has BGP.

The package's own unit, bird.service, is none of ours: one that comes with the package that we add is kept from starting
and left disabled, and one that was there before is not touched.
"""

from __future__ import annotations

import ipaddress
from contextlib import suppress

from .. import installed, library, manifest, paths
from ..commands import Refusal, find, must, run
from ..net import wanted
from ..net.network import Network, observe
from ..site import Site, SiteError, load
from .speaker import MOST_PREFIXES, render, told

UNIT_FILE = "dual-tunnel-vpn-bgp@.service"

PACKAGES = frozenset({"bird2", "bird"})
"""BIRD's, as Debian and EL call it."""

PACKAGED_UNIT = "bird.service"

_SEARCHABLE, _CLOSED = 0o711, 0o700
"""Modes of a connection's directory: the speaker is not root, and reads one file of it."""


def check(site: Site, network: Network) -> None:
    """Refusal with what keeps this box from BGP."""
    if site.bgp is None:
        return
    if wanted.source(site, network) is None:
        blocks = ", ".join(site.data_center_cidrs)
        raise Refusal(
            f"BGP needs an address of this box in the data center's blocks ({blocks}), as its router id and as the "
            "source of its own packets to the VPC: give the box one, or add the block of one that it has"
        )
    count = sum(map(len, told(site.data_center_cidrs)))
    if count > MOST_PREFIXES:
        raise Refusal(
            f"the data center's blocks and their halves are {count} prefixes, and the VPN gateway takes "
            f"{MOST_PREFIXES}: give fewer, larger blocks"
        )
    for tunnel in site.tunnels:
        assert tunnel.bgp is not None
        block = ipaddress.IPv4Network(tunnel.bgp.block)
        for found in network.addresses:
            name = network.name(found.ifindex) or ""
            if ipaddress.IPv4Address(found.address) in block and name != tunnel.interface:
                raise Refusal(
                    f"interface {name} of this box has the address {found.address}, which lies in the block {block} of "
                    f"tunnel {tunnel.number}'s BGP session: give the tunnel another block"
                )


def hold(box: manifest.Box, packages: list[str]) -> None:
    """Keeps the unit of a package that is about to be added from starting, across a reboot too."""
    if PACKAGES & set(packages) and not box.speaker_held:
        box.speaker_held = True
        box.save()
        run("systemctl", "mask", "--quiet", PACKAGED_UNIT)


def let_go(box: manifest.Box) -> None:
    """Leaves that unit to the box's owner, who may enable it."""
    if box.speaker_held:
        run("systemctl", "unmask", "--quiet", "--no-reload", PACKAGED_UNIT)
        # As the package is installed by now, nothing enables it again.
        run("systemctl", "disable", "--quiet", PACKAGED_UNIT)
        box.speaker_held = False
        box.save()


def _needed(beside: str = "") -> bool:
    """Whether another connection of this box has BGP."""
    for name in manifest.names():
        with suppress(SiteError):
            if name != beside and load(paths.site(name)).bgp is not None:
                return True
    return False


def put_unit(site: Site) -> bool:
    """Puts the unit's file in place where a connection has BGP; whether anything changed. `remove` takes it away."""
    if site.bgp is not None or _needed(site.name):
        return installed.put(paths.UNITS / UNIT_FILE, library.asset(f"systemd/{UNIT_FILE}"))
    return False


def follow(site: Site, new_unit: bool = False, anew: bool = False) -> None:
    """Has the speaker do as the site says. anew: what it does may not be what its file says."""
    unit = paths.bgp_unit(site.name)
    if site.bgp is None:
        remove(site.name)
        return
    router_id = wanted.source(site, observe())
    if router_id is None:
        raise Refusal("this box has no address in the data center's blocks any more, which BGP needs: give it one")
    text = render(site, router_id)
    if find("bird") is None:
        raise Refusal("BIRD is not installed on this box: run install.sh apply")
    # A speaker that is told nonsense would go on as before, or not start.
    must("bird", "-p", "-c", "/dev/stdin", stdin=text)
    changed = installed.put(paths.bird_conf(site.name), text.encode())
    paths.connection(site.name).chmod(_SEARCHABLE)
    if new_unit:
        must("systemctl", "restart", unit)
    elif not run("systemctl", "is-active", "--quiet", unit).ok:
        must("systemctl", "start", unit)
    elif changed or anew:
        # No session that stays the same is ended by it.
        must("systemctl", "reload", unit)


def remove(name: str) -> None:
    """Ends the speaker of a connection; nothing to do is a success."""
    if (paths.UNITS / UNIT_FILE).exists():
        run("systemctl", "stop", paths.bgp_unit(name))
        run("systemctl", "disable", "--quiet", "--no-reload", paths.bgp_unit(name))
    if installed.remove(paths.bird_conf(name)):
        paths.connection(name).chmod(_CLOSED)
    if not _needed(name):
        installed.remove(paths.UNITS / UNIT_FILE)
