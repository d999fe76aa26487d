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
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
"""Refusal with what keeps this box from BGP."""
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
if site.bgp is None:
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
    return
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
if wanted.source(site, network) is None:
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
    blocks = ", ".join(site.data_center_cidrs)
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
    raise Refusal(
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
        f"BGP needs an address of this box in the data center's blocks ({blocks}), as its router id and as the "
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
        "source of its own packets to the VPC: give the box one, or add the block of one that it has"
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
    )
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
count = sum(map(len, told(site.data_center_cidrs)))
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
if count > MOST_PREFIXES:
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
    raise Refusal(
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
        f"the data center's blocks and their halves are {count} prefixes, and the VPN gateway takes "
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
        f"{MOST_PREFIXES}: give fewer, larger blocks"
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
    )
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
for tunnel in site.tunnels:
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
    assert tunnel.bgp is not None
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
    block = ipaddress.IPv4Network(tunnel.bgp.block)
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
    for found in network.addresses:
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
        name = network.name(found.ifindex) or ""
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
        if ipaddress.IPv4Address(found.address) in block and name != tunnel.interface:
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
            raise Refusal(
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
                f"interface {name} of this box has the address {found.address}, which lies in the block {block} of "
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
                f"tunnel {tunnel.number}'s BGP session: give the tunnel another block"
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
            )


def hold(box: manifest.Box, packages: list[str]) -> None:
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
"""Keeps the unit of a package that is about to be added from starting, across a reboot too."""
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
if PACKAGES & set(packages) and not box.speaker_held:
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
    box.speaker_held = True
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
    box.save()
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
    run("systemctl", "mask", "--quiet", PACKAGED_UNIT)


def let_go(box: manifest.Box) -> None:
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
"""Leaves that unit to the box's owner, who may enable it."""
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
if box.speaker_held:
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
    run("systemctl", "unmask", "--quiet", "--no-reload", PACKAGED_UNIT)
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
    # As the package is installed by now, nothing enables it again.
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
    run("systemctl", "disable", "--quiet", PACKAGED_UNIT)
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
    box.speaker_held = False
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
    box.save()


def _needed(beside: str = "") -> bool:
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
"""Whether another connection of this box has BGP."""
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
for name in manifest.names():
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
    with suppress(SiteError):
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
        if name != beside and load(paths.site(name)).bgp is not None:
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
            return True
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
return False


def put_unit(site: Site) -> bool:
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
"""Has the unit's file where a connection has BGP, and nowhere else; whether anything changed."""
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
if site.bgp is not None or _needed(site.name):
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
    return installed.put(paths.UNITS / UNIT_FILE, library.asset(f"systemd/{UNIT_FILE}"))
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
# The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
return False


def follow(site: Site, anew: bool = False) -> None:
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
"""Has the speaker do as the site says. anew: its unit may have changed."""
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
unit = paths.bgp_unit(site.name)
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
if site.bgp is None:
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
    remove(site.name)
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
    return
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
router_id = wanted.source(site, observe())
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
if router_id is None:
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
    raise Refusal("this box has no address in the data center's blocks any more, which BGP needs: give it one")
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
text = render(site, router_id)
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
if find("bird") is None:
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
    raise Refusal("BIRD is not installed on this box: run install.sh apply")
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
# A speaker that is told nonsense would go on as before, or not start.
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
must("bird", "-p", "-c", "/dev/stdin", stdin=text)
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
changed = installed.put(paths.bird_conf(site.name), text.encode())
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
paths.connection(site.name).chmod(_SEARCHABLE)
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
if anew:
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
    must("systemctl", "restart", unit)
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
elif not run("systemctl", "is-active", "--quiet", unit).ok:
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
    must("systemctl", "start", unit)
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
elif changed:
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
    # No session that stays the same is ended by it.
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
    must("systemctl", "reload", unit)


def remove(name: str) -> None:
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
"""Ends the speaker of a connection; nothing to do is a success."""
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
if (paths.UNITS / UNIT_FILE).exists():
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
    run("systemctl", "stop", paths.bgp_unit(name))
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
    run("systemctl", "disable", "--quiet", "--no-reload", paths.bgp_unit(name))
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
if installed.remove(paths.bird_conf(name)):
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
    paths.connection(name).chmod(_CLOSED)
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
if not _needed(name):
 The unit of the connection itself may have to be stopped first: it goes with the next apply, or the last uninstall.
    installed.remove(paths.UNITS / UNIT_FILE)
