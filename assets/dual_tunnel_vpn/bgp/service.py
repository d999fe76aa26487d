"""The BGP speaker on the box: whether it can be had, its configuration and its unit, where a connection has BGP.

The package's own unit, bird.service, is none of ours: one that comes with the package that we add is masked while a
connection has BGP, and one that was there before is not touched.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterator

from .. import failover, installed, library, paths, verdict
from ..commands import Refusal, find, must, run, start
from ..ipsec import strongswan
from ..net import wanted
from ..net.network import Network, observe
from ..packaged import PackagedUnit
from ..site import Site
from .speaker import MOST_PREFIXES, render, told

UNIT_FILE = "dual-tunnel-vpn-bgp@.service"

PACKAGED = PackagedUnit(
    unit="bird.service",
    packages=frozenset({"bird2", "bird"}),
    mark="speaker_held",
    needs=lambda site: site.bgp is not None,
)

SESSION_SECONDS = 15
"""How long sessions may take to be established after an apply; what is not by then, the apply says."""

_SEARCHABLE, _CLOSED = 0o711, 0o700
"""Modes of a connection's directory: the speaker is not root, and reads one file of it."""


def problems(site: Site, network: Network) -> Iterator[str]:
    """What keeps this box from BGP, each in one sentence; nothing without BGP."""
    if site.bgp is None:
        return
    if wanted.source(site, network) is None:
        blocks = ", ".join(site.data_center_cidrs)
        yield (
            f"BGP needs an address of this box in the data center's blocks ({blocks}), as its router id and as the "
            "source of its own packets to the VPC: give the box one, or add the block of one that it has"
        )
    count = sum(map(len, told(site.data_center_cidrs)))
    if count > MOST_PREFIXES:
        yield (
            f"the data center's blocks and their halves are {count} prefixes, and the VPN gateway takes "
            f"{MOST_PREFIXES}: give fewer, larger blocks"
        )
    for tunnel in site.tunnels:
        assert tunnel.bgp is not None
        block = ipaddress.IPv4Network(tunnel.bgp.block)
        for found in network.addresses:
            name = network.name(found.ifindex) or ""
            if ipaddress.IPv4Address(found.address) in block and name != tunnel.interface:
                yield (
                    f"interface {name} of this box has the address {found.address}, which lies in the block {block} of "
                    f"tunnel {tunnel.number}'s BGP session: give the tunnel another block"
                )


def follow(site: Site, anew: bool = False) -> None:
    """Has the speaker do as the site says. anew: what it does may not be what its file says."""
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
    unit = paths.bgp_unit(site.name)
    new_unit = installed.put(paths.UNITS / UNIT_FILE, library.asset(f"systemd/{UNIT_FILE}"))
    if new_unit:
        must("systemctl", "daemon-reload")
    state = strongswan.units(unit)[unit]
    if not state.enabled:
        must("systemctl", "enable", "--quiet", "--no-reload", unit)
    if new_unit or not state.active:
        start(unit)
    elif changed or anew:
        # No session that stays the same is ended by it.
        start(unit, "reload-or-restart")


def await_sessions(site: Site) -> list[str]:
    """What speaks against the BGP sessions, in words, once they had their time; nothing without BGP."""
    deadline = time.monotonic() + SESSION_SECONDS
    wrong = [] if site.bgp is None else _wrong(site)
    while wrong and time.monotonic() < deadline:
        time.sleep(0.25)
        wrong = _wrong(site)
    return wrong


def _wrong(site: Site) -> list[str]:
    agent = failover.agent_state(site.name)
    # One from before says nothing of BGP.
    unsaid = any(verdict.session(tunnel, agent) is None for tunnel in site.tunnels)
    return ["the failover agent says nothing of BGP"] if unsaid else verdict.sessions(site, agent)


def remove(name: str) -> None:
    """Ends the speaker of a connection; nothing to do is a success."""
    if (paths.UNITS / UNIT_FILE).exists():
        run("systemctl", "stop", paths.bgp_unit(name))
        run("systemctl", "disable", "--quiet", "--no-reload", paths.bgp_unit(name))
    if installed.remove(paths.bird_conf(name)):
        paths.connection(name).chmod(_CLOSED)
    if not PACKAGED.needed(name) and installed.remove(paths.UNITS / UNIT_FILE):
        run("systemctl", "daemon-reload")
