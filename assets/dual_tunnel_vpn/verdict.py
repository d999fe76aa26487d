"""The answer to what a user asks first: can traffic flow now, by what, and what if that fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .net import ways
from .net.ways import Way
from .site import Site, Tunnel


def traffic(site: Site, up: Mapping[int, bool], found: Sequence[Way], agent: Any) -> dict[str, Any]:
    """`flows`, the `tunnel` it flows by, the one that is `next` and all of it in `words`.

    up: by the tunnel's number. found: the kernel's answers. agent: what the failover agent says, None when it is dead.
    """
    carrying = [tunnel for tunnel in site.tunnels if any(way.interface == tunnel.interface for way in found)]
    tunnel = next((tunnel for tunnel in carrying if up[tunnel.number]), None)
    if tunnel is None and site.pair is not None and any(ways.by_other_box(site, way) for way in found):
        return _by_other_box(site, up, agent)
    if tunnel is None:
        wrong = [f"{_name(each)} is down" for each in carrying] or ways.elsewhere(site, found) or ["it has no way"]
        return {"flows": False, "tunnel": None, "next": None, "words": f"traffic to the VPC does not flow: {wrong[0]}"}
    if deaf := _deaf(site, agent):
        return {"flows": False, "tunnel": None, "next": None, "words": f"no answer from the VPC comes back: {deaf}"}
    why = _lame(site, tunnel, up, agent)
    other = site.other(tunnel)
    part = " in part" if ways.elsewhere(site, found) else ""
    shared = f", which leaves by uplink {tunnel.uplink} too" if other and tunnel.uplink == other.uplink else ""
    then = why or (f"by {_name(other)}{shared}" if other else "by the other box")
    return {
        "flows": True,
        "tunnel": tunnel.number,
        "next": None if why else 3 - tunnel.number,
        "words": f"traffic to the VPC flows{part} by {_name(tunnel)}; if that fails, {then}",
    }


def _by_other_box(site: Site, up: Mapping[int, bool], agent: Any) -> dict[str, Any]:
    """The same where this box of two routes the VPC by the other."""
    own = site.tunnels[0]
    if unable := _other_unable(agent):
        words = f"traffic to the VPC does not flow: it goes to the other box, and {unable}"
        return {"flows": False, "tunnel": None, "next": None, "words": words}
    then = f"by {_name(own)}" if up[own.number] else f"nothing is left: {_name(own)} is down"
    words = f"traffic to the VPC flows by the other box; if that fails, {then}"
    return {"flows": True, "tunnel": 3 - own.number, "next": own.number if up[own.number] else None, "words": words}


def pair(site: Site, agent: Any) -> list[str]:
    """What speaks against the two boxes as such, in words; nothing where the connection has one, or nobody can tell."""
    said = _pair(agent)
    if site.pair is None or said is None:
        return []
    told = [f"the LAN {said['lan']}"] if said["lan"] else []
    if said.get("talk"):
        told.append(said["talk"])
    if unable := _other_unable(agent):
        told.append(unable)
    if said["aside"]:
        told.append("this box stands aside: it does not take the virtual gateway until its tunnel and LAN work")
    if said["heard"] and said["master"] and said["other"]["master"]:
        told.append(
            f"both boxes have the virtual gateway's address {site.pair.virtual_gateway}: something between them drops "
            "VRRP (IP protocol 112)"
        )
    return told


def _pair(agent: Any) -> Any:
    """What the agent says of the two boxes, as in its state file; None when it says nothing."""
    return agent.get("pair") if isinstance(agent, dict) else None


def _other_unable(agent: Any) -> str:
    """Why the other box would carry nothing, in words; empty when it would."""
    said = _pair(agent)
    if said is None or not said["heard"]:
        return "the other box is not heard"
    return "" if said["other"]["able"] else "the other box's tunnel does not work, or is about to be changed"


def unanswered(site: Site, agent: Any) -> list[str]:
    """What the agent's probes say against the paths, in words."""
    paths = list(_paths(agent).values())
    if paths and "up" not in paths:
        return ["no path answers probes: a failure will be noticed late, and by the tunnels alone"]
    dead = [tunnel for tunnel in site.tunnels if _dead(tunnel, agent)]
    return [f"uplink {tunnel.uplink} does not reach {tunnel.ipsec_address}" for tunnel in dead]


def sessions(site: Site, agent: Any) -> list[str]:
    """What speaks against the BGP sessions, in words; nothing where there is no BGP, or nobody who can tell."""
    told = []
    for tunnel in site.tunnels:
        found = session(tunnel, agent)
        if found is None:
            continue
        if not found["established"]:
            told.append(f"tunnel {tunnel.number}'s BGP session is not established ({found['state']})")
        elif not found["heard"]:
            told.append(
                f"tunnel {tunnel.number}'s BGP session announces no block of the VPC: see to it that the VPN gateway "
                "propagates routes (autoPropagate)"
            )
    return told


def session(tunnel: Tunnel, agent: Any) -> Any:
    """What the agent says of a tunnel's BGP session, as in its state file; None when it says nothing."""
    if not isinstance(agent, dict):
        return None
    return next((said.get("bgp") for said in agent.get("tunnels", []) if said.get("number") == tunnel.number), None)


def _deaf(site: Site, agent: Any) -> str:
    """Why the cloud has no way to the data center; empty when it has one, or nobody can tell."""
    found = [session(tunnel, agent) for tunnel in site.tunnels]
    known = [each for each in found if each is not None and each["known"]]
    if len(known) < len(found) or any(each["established"] for each in known):
        return ""
    return f"the cloud hears of the data center by no BGP session ({known[0]['state']})"


def _lame(site: Site, tunnel: Tunnel, up: Mapping[int, bool], agent: Any) -> str:
    """Why no tunnel would take over from this one; empty when the other would."""
    other = site.other(tunnel)
    if other is None:
        if agent is None:
            return "nothing takes over: the failover agent does not run"
        return f"nothing is left: {_other_unable(agent)}" if _other_unable(agent) else ""
    if not up[other.number]:
        return f"nothing is left: {_name(other)} is down"
    if agent is None:
        return "nothing takes over: the failover agent does not run"
    if _dead(other, agent):
        return f"nothing is left: uplink {other.uplink} does not reach {other.ipsec_address}"
    return ""


def _dead(tunnel: Tunnel, agent: Any) -> bool:
    return _paths(agent).get((tunnel.uplink, tunnel.number)) == "down"


def _paths(agent: Any) -> dict[tuple[int, int], str]:
    """The health of each path, by uplink and tunnel."""
    if not isinstance(agent, dict):
        return {}
    return {(path["uplink"], path["tunnel"]): path["health"] for path in agent.get("paths", [])}


def _name(tunnel: Tunnel) -> str:
    return f"tunnel {tunnel.number} ({tunnel.role})"
