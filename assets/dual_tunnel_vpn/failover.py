"""How a failover stands, for an apply that is about to change a tunnel or has to say why one is down.

Ways are asked of the kernel; whether an uplink reaches the other end only the agent knows, who probes it.
"""

from __future__ import annotations

import json
import time
from typing import Any

from . import files, paths
from .net import wanted
from .net.network import Network
from .site import Site, Tunnel, Uplink

FRESH_SECONDS = 30
"""The agent writes its state every 15 s at least."""

AHEAD_SECONDS = 1
"""The time in it is rounded, and the clock may be set back a little."""


def moved_to(site: Site, tunnel: Tunnel, network: Network) -> Uplink | None:
    """The other uplink, where the agent leads the tunnel's outer packets by it."""
    for uplink in site.uplinks:
        device = wanted.device_of(uplink, network)
        if uplink.number == tunnel.uplink or device is None:
            continue
        if network.has(wanted.outer_route(tunnel, uplink, network.links[device].ifindex)):
            return uplink
    return None


def carrying(site: Site, network: Network) -> int | None:
    """The number of the tunnel that the VPC's traffic is led into."""
    for tunnel in site.tunnels:
        link = network.links.get(tunnel.interface)
        if link is not None and network.has(wanted.inner_route(site, site.vpc_cidrs[0], link.ifindex)):
            return tunnel.number
    return None


def unreached(site: Site, tunnel: Tunnel) -> str:
    """What the agent sees amiss on the tunnel's own uplink, in words; empty when it sees nothing, or is not there."""
    state = agent_state(site.name)
    try:
        if not is_fresh(state):
            return ""
        if {"number": tunnel.uplink, "well": False} in state["uplinks"]:
            return f"uplink {tunnel.uplink} is down"
        places = [(path["uplink"], path["tunnel"]) for path in state["paths"] if path["health"] == "down"]
    except (LookupError, TypeError):
        return ""
    if (tunnel.uplink, tunnel.number) in places:
        return f"uplink {tunnel.uplink} does not reach {tunnel.ipsec_address}"
    return ""


def is_fresh(state: Any) -> bool:
    """Whether the agent has said that lately; LookupError or TypeError for what is no state."""
    return bool(-AHEAD_SECONDS <= time.time() - state["time"] < FRESH_SECONDS)


def agent_state(name: str) -> Any:
    """What the agent of a connection last said, None where it said nothing that can be read."""
    try:
        return json.loads(files.content(paths.agent_state(name)) or b"null")
    except ValueError:
        return None
