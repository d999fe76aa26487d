"""A connection as lib/host renders it, and a box that suits it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

from dual_tunnel_vpn.net.netlink import Address, Link
from dual_tunnel_vpn.net.network import Network
from dual_tunnel_vpn.site import Site, parse

DOCUMENT: dict[str, Any] = {
    "version": 1,
    "name": "singapore",
    "vpcCidrs": ["192.168.0.0/16"],
    "dataCenterCidrs": ["172.16.0.0/16"],
    "routeMetric": 100,
    "uplinks": [
        {
            "number": 1,
            "address": "172.16.1.93",
            "prefixLength": 24,
            "gateway": "172.16.1.253",
            "device": None,
            "table": 20481,
            "mark": 20481,
        },
        {
            "number": 2,
            "address": "172.16.2.57",
            "prefixLength": 24,
            "gateway": "172.16.2.253",
            "device": None,
            "table": 20482,
            "mark": 20482,
        },
    ],
    "tunnels": [
        {
            "number": 1,
            "role": "active",
            "uplink": 1,
            "connection": "singapore-1",
            "child": "singapore-1",
            "interface": "singapore-1",
            "ifId": 20481,
            "mtu": 1400,
            "mss": 1360,
            "ipsecAddress": "192.0.2.152",
            "localId": "198.51.100.198",
            "remoteId": "192.0.2.152",
        },
        {
            "number": 2,
            "role": "standby",
            "uplink": 2,
            "connection": "singapore-2",
            "child": "singapore-2",
            "interface": "singapore-2",
            "ifId": 20482,
            "mtu": 1400,
            "mss": 1360,
            "ipsecAddress": "192.0.2.10",
            "localId": "203.0.113.181",
            "remoteId": "192.0.2.10",
        },
    ],
    "agent": {
        "probeIntervalMs": 100,
        "probeMisses": 6,
        "holdSeconds": 5,
        "vpcProbeAddresses": [],
        "mechanisms": {"outerMove": True, "deleteByOtherUplink": True},
    },
}


def document() -> dict[str, Any]:
    """A copy to change."""
    return copy.deepcopy(DOCUMENT)


def site(**fields: Any) -> Site:
    """The sample site with some top-level fields replaced."""
    return parse(json.dumps({**document(), **fields}))


def bgp_document() -> dict[str, Any]:
    """The sample with BGP."""
    found = document()
    found["bgp"] = {"cloudAsn": 45104, "asn": 65010, "holdSeconds": 3}
    for number, tunnel in enumerate(found["tunnels"], 1):
        ends = {"cloudAddress": f"169.254.1{number}.1", "boxAddress": f"169.254.1{number}.2", "prefixLength": 30}
        tunnel["bgp"] = ends
    return found


def bgp_site(**fields: Any) -> Site:
    """The sample site with BGP, some top-level fields replaced."""
    return parse(json.dumps({**bgp_document(), **fields}))


def pair_document(number: int = 1, bgp: bool = False) -> dict[str, Any]:
    """The sample on two boxes, as the box of that number has it."""
    found = bgp_document() if bgp else document()
    for key in ("uplinks", "tunnels"):
        found[key] = [found[key][number - 1]]
    found["pair"] = {
        "number": number,
        "lan": {"address": f"172.16.3.{1 + number}", "prefixLength": 24, "device": None},
        "otherLanAddress": f"172.16.3.{4 - number}",
        "virtualGateway": "172.16.3.1",
        "virtualRouterId": 37,
        "port": 4893,
    }
    return found


def pair_site(number: int = 1, bgp: bool = False, **fields: Any) -> Site:
    """The same, parsed, some top-level fields replaced."""
    return parse(json.dumps({**pair_document(number, bgp), **fields}))


def link(
    ifindex: int, name: str, kind: str = "", if_id: int = 0, mtu: int = 1500, up: bool = True, master: int = 0
) -> Link:
    """An interface."""
    return Link(ifindex, name, up, up, kind, if_id, mtu, master)


def network() -> Network:
    """A box with both uplinks and nothing of ours."""
    links = [link(1, "lo"), link(2, "eth0"), link(3, "eth1")]
    return Network(
        links={each.name: each for each in links},
        addresses=[Address(1, "127.0.0.1", 8), Address(2, "172.16.1.93", 24), Address(3, "172.16.2.57", 24)],
    )


def ike_sa(state: str, unique: str = "5", *children: tuple[str, str], name: str = "singapore-1") -> dict[str, Any]:
    """An entry of list-sas."""
    listed = {
        f"{name}-{number}": {"name": name, "uniqueid": number, "state": state, "spi-in": "c0ffee01", "spi-out": "1"}
        for number, state in children
    }
    return {name: {"uniqueid": unique, "state": state, "child-sas": listed}}


def pair_network(number: int = 1) -> Network:
    """One of two boxes: its uplink, its LAN, and nothing of ours."""
    found = network()
    found.links["lan"] = link(4, "lan")
    away = "172.16.2.57" if number == 1 else "172.16.1.93"
    found.addresses = [address for address in found.addresses if address.address != away]
    found.addresses.append(Address(4, f"172.16.3.{1 + number}", 24))
    return found


def starter(run: Callable[..., object]) -> Callable[..., None]:
    """In the place of commands.start: runs what that runs."""

    def start(unit: str, verb: str = "restart", **_: object) -> None:
        run("systemctl", verb, unit)

    return start
