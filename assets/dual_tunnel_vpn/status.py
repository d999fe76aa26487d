"""What the connections of this box are doing, for people and as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from . import drift, failover, installed, links, manifest, paths, planned, verdict
from .commands import Refusal
from .ipsec import strongswan, vici
from .net import wanted, ways
from .net.firewall import own
from .net.netlink import MAIN_TABLE, UNICAST, Netlink
from .net.network import Network, observe
from .site import Site, SiteError, load

HEALTHY, DEGRADED, DOWN = 0, 1, 2

SILENT = 60
"""Seconds after which what the agent last said tells nothing any more; it says something every 15."""

_DROPPED = {
    own.FROM_CLOUD: "from the cloud, not from its blocks or not to the data center's",
    own.TO_CLOUD: "to the cloud, not from the data center's blocks, not to its own, or forged",
    own.BESIDE: "beside the tunnels, which this box did not forward before",
}


def _routes(site: Site, network: Network) -> list[dict[str, Any]]:
    # The guard against leaks (unreachable) is no way to the VPC.
    return [
        {"destination": route.destination, "interface": network.name(route.oif), "metric": route.metric}
        for route in network.routes
        if route.destination in site.vpc_cidrs and (route.table, route.kind) == (MAIN_TABLE, UNICAST)
    ]


def _misled(site: Site, network: Network, agent: Any) -> list[str]:
    moved = {tunnel["number"]: tunnel["uplink"] for tunnel in (agent or {}).get("tunnels", [])}
    told = []
    numbers = {uplink.number for uplink in site.uplinks}
    with closing(Netlink()) as netlink:
        for tunnel in site.tunnels:
            number = moved.get(tunnel.number, tunnel.uplink)
            # An agent that was not told of this site yet may speak of an uplink that the former one had.
            by = site.uplink(number if number in numbers else tunnel.uplink)
            device = wanted.device_of(by, network)
            if device is not None:
                told.append(ways.misled(tunnel, site.uplink_of(tunnel), by, device, netlink))
    return list(filter(None, told))


def _health(site: Site, amiss: Sequence[str], traffic: dict[str, Any], found: Sequence[ways.Way], any_up: bool) -> int:
    if traffic["flows"]:
        return DEGRADED if amiss else HEALTHY
    # What somebody else's way takes may arrive, and the tunnels are there.
    diverted = any(way.interface not in ("", *site.interfaces) and not ways.by_other_box(site, way) for way in found)
    return DEGRADED if diverted and any_up else DOWN


def describe(site: Site) -> dict[str, Any]:
    """Everything known about a connection; `health` is 0 healthy, 1 degraded, 2 down."""
    network = observe()
    try:
        states = strongswan.tunnel_sas(site)
        charon = "answers"
    except vici.ViciError as error:
        states, charon = {}, str(error)
    units = strongswan.units(*drift.units_at_work(site.name))
    tunnels = []
    for tunnel in site.tunnels:
        state = states.get(tunnel.number)
        link = network.links.get(tunnel.interface)
        tunnels.append(
            {
                "number": tunnel.number,
                "role": tunnel.role,
                "up": state is not None and state.installed,
                "ike": state and {"id": state.ike_id, "state": state.ike_state},
                "child": state and {"id": state.child_id, "state": state.child_state},
                "bytesIn": state.bytes_in if state else 0,
                "bytesOut": state.bytes_out if state else 0,
                "ipsecAddress": tunnel.ipsec_address,
                "uplink": tunnel.uplink,
                "interface": {"name": tunnel.interface, "up": link is not None and link.up, "mtu": link and link.mtu},
            }
        )
    uplinks = [
        {"number": u.number, "address": u.address, "gateway": u.gateway, "device": wanted.device_of(u, network)}
        for u in site.uplinks
    ]
    routes = _routes(site, network)
    amiss = [f"{name} {unit.trouble}" for name, unit in units.items() if unit.trouble]
    lacking = {uplink.number: links.lacking(site, uplink, network) for uplink in site.uplinks}
    amiss += [f"uplink {number} is not there: {what}" for number, what in lacking.items() if what]
    amiss += links.amiss(site, network) + installed.amiss() + drift.of_units(site.name)
    amiss += [f"tunnel {tunnel['number']} is down" for tunnel in tunnels if not tunnel["up"]]
    prepared = sorted(planned.prepared(site.name))
    amiss += [f"a change of tunnel {number} was prepared and not completed: deploy again" for number in prepared]
    amiss += [f"no route to {cidr}" for cidr in site.vpc_cidrs if cidr not in {r["destination"] for r in routes}]
    if charon != "answers":
        amiss.append(charon)
    agent = failover.agent_state(site.name)
    running = units[paths.agent_unit(site.name)].active
    if running and agent is not None and time.time() - agent["time"] > SILENT:
        amiss.append(f"the agent has said nothing for {time.time() - agent['time']:.0f} s")
        running = False
    heard = agent if running else None
    amiss += verdict.sessions(site, heard) + verdict.pair(site, heard)
    found = ways.look(site, network)
    amiss += ways.elsewhere(site, found) + _misled(site, network, heard) + verdict.unanswered(site, heard)
    up = {tunnel.number: tunnel.number in states and states[tunnel.number].installed for tunnel in site.tunnels}
    traffic = verdict.traffic(site, up, found, heard)
    return {
        "name": site.name,
        "health": _health(site, amiss, traffic, found, any(up.values())),
        "traffic": traffic,
        "amiss": amiss,
        "added": drift.added(site.name),
        "tunnels": tunnels,
        "uplinks": uplinks,
        "routes": routes,
        "ways": [{"destination": w.destination, "source": w.source, "interface": w.interface} for w in found],
        "dropped": own.dropped(site.name),
        "held": (heard or {}).get("held", planned.held(site.name)),
        "pair": _pair(site, network),
        "agent": agent,
    }


def _pair(site: Site, network: Network) -> dict[str, Any] | None:
    """Where the virtual gateway is, as this box of two knows."""
    if site.pair is None:
        return None
    return {
        "number": site.pair.number,
        "virtualGateway": site.pair.virtual_gateway,
        "here": any(found.address == site.pair.virtual_gateway for found in network.addresses),
        "lan": {"address": site.pair.lan.address, "device": wanted.lan_device(site, network)},
        "otherLanAddress": site.pair.other_lan_address,
    }


def _gateway(pair: dict[str, Any], agent: Any) -> str:
    """What people are told of it."""
    said = agent.get("pair") if isinstance(agent, dict) else None
    there = said is not None and said["heard"] and said["other"]["master"]
    if pair["here"]:
        where = "this box and the other one" if there else "this box"
    else:
        where = "the other box" if there else "neither box, as far as this one knows"
    other = f"the other one is {pair['otherLanAddress']}"
    return f"  box {pair['number']} of two, {other}; the virtual gateway {pair['virtualGateway']} is at {where}"


def _session(said: dict[str, Any]) -> str:
    session = said["bgp"]
    state = "established" if session["established"] else session["state"]
    blocks = f", hears {', '.join(session['heard'])}" if session["heard"] else ""
    told = "; the cloud is told to send everything by it" if session["takesOver"] else ""
    return f"  BGP of tunnel {said['number']}: {state}{blocks}{told}"


def text(description: dict[str, Any]) -> str:
    """A description as people read it."""
    health = ("healthy", "degraded", "down")[description["health"]]
    lines = [f"{description['name']}: {health}"]
    if description["traffic"]:
        lines.append(f"  {description['traffic']['words']}")
    if description.get("pair"):
        lines.append(_gateway(description["pair"], description["agent"]))
    for tunnel in description["tunnels"]:
        ike, child = tunnel["ike"] or {}, tunnel["child"] or {}
        lines.append(
            f"  tunnel {tunnel['number']} ({tunnel['role']}) to {tunnel['ipsecAddress']} by uplink {tunnel['uplink']}: "
            f"IKE {ike.get('state', '?')} #{ike.get('id') or '-'}, CHILD {child.get('state', '?')} "
            f"#{child.get('id') or '-'}, {tunnel['bytesIn']} bytes in, {tunnel['bytesOut']} out"
        )
    for uplink in description["uplinks"]:
        device = uplink["device"] or "not there"
        lines.append(f"  uplink {uplink['number']} {uplink['address']} via {uplink['gateway']}: {device}")
    for route in description["routes"]:
        lines.append(f"  route {route['destination']} by {route['interface']} metric {route['metric']}")
    for counter, words in _DROPPED.items():
        if packets := description["dropped"].get(counter):
            lines.append(f"  dropped: {packets} packets {words}")
    if description["held"]:
        lines.append(f"  traffic leaves tunnel {description['held']} alone, which is about to be changed")
    agent = description["agent"]
    if isinstance(agent, dict) and agent.get("summary"):
        lines.append(f"  agent: {agent['summary']}")
    if isinstance(agent, dict):
        lines += [_session(said) for said in agent.get("tunnels", []) if said.get("bgp")]
    lines += [f"  ! {problem}" for problem in description["amiss"]]
    lines += [f"  {note}" for note in description["added"]]
    return "\n".join(lines)


def show(name: str | None, as_json: bool) -> int:
    """Prints one connection or all; the worst health as exit status."""
    names = manifest.names() if name is None else [name]
    descriptions = []
    for each in names:
        try:
            descriptions.append(describe(load(paths.site(each))))
        except SiteError:
            if name is not None:
                raise Refusal(f"there is no connection {name} on this box") from None
            descriptions.append(
                {
                    "name": each,
                    "health": DOWN,
                    "traffic": None,
                    "amiss": ["its installation was not completed"],
                    "added": [],
                    "tunnels": [],
                    "uplinks": [],
                    "routes": [],
                    "ways": [],
                    "dropped": {},
                    "held": None,
                    "pair": None,
                    "agent": None,
                }
            )
    if as_json:
        print(json.dumps(descriptions if name is None else descriptions[0], indent=2))
    else:
        print("\n".join(map(text, descriptions)) or "no connection is installed on this box")
    return max((description["health"] for description in descriptions), default=HEALTHY)
