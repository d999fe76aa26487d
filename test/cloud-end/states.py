"""CloudStates as the emulated API sends them, for the tests."""

from __future__ import annotations

import copy
from typing import Any


def tunnel(number: int, **change: Any) -> dict[str, Any]:
    """A tunnel's JSON; number 1 is the active one."""
    address, peer = f"192.0.2.{number}", f"198.51.100.{number}"
    return {
        "tunnelId": f"tun-{number}",
        "role": "master" if number % 2 else "slave",
        "ipsecAddress": address,
        "peerAddress": peer,
        "localId": address,
        "remoteId": peer,
        "psk": f"secret {number}",
        "ike": {
            "version": "ikev2",
            "mode": "main",
            "enc": "aes256",
            "auth": "sha256",
            "dhGroup": "group14",
            "lifetime": 86400,
        },
        "esp": {"enc": "aes192", "auth": "sha1", "pfs": "group2", "lifetime": 3600},
        "dpd": True,
        "natTraversal": True,
        **change,
    }


def connection(number: int = 1, **change: Any) -> dict[str, Any]:
    """A connection's JSON with tunnels 2n-1 and 2n."""
    return {
        "id": f"vco-{number}",
        "name": "site",
        "gatewayId": f"vpn-{number}",
        "localSubnets": ["0.0.0.0/0"],
        "remoteSubnets": ["0.0.0.0/0"],
        "effectImmediately": True,
        "tunnels": [tunnel(2 * number - 1), tunnel(2 * number)],
        **change,
    }


def route(destination: str = "172.16.0.0/16", connection: int = 1, **change: Any) -> dict[str, Any]:
    """A published route's JSON."""
    return {
        "gatewayId": f"vpn-{connection}",
        "connectionId": f"vco-{connection}",
        "destination": destination,
        "weight": 100,
        "published": True,
        **change,
    }


def bgp(number: int, **change: Any) -> dict[str, Any]:
    """The BGP session of tunnel number, 1 to 6."""
    return {
        "cloudAsn": 45104,
        "peerAsn": 65010,
        "cloudAddress": f"169.254.1{number}.1",
        "peerAddress": f"169.254.1{number}.2",
        "prefixLength": 30,
        **change,
    }


def speaking(number: int = 1, **change: Any) -> dict[str, Any]:
    """A connection's JSON whose tunnels have BGP."""
    first, second = 2 * number - 1, 2 * number
    return connection(number, **{"tunnels": [tunnel(first, bgp=bgp(first)), tunnel(second, bgp=bgp(second))], **change})


def state(
    *connections: dict[str, Any], routes: list[dict[str, Any]] | None = None, auto_propagate: bool = True
) -> dict[str, Any]:
    """A whole CloudState; one connection and one route unless told otherwise."""
    made = [copy.deepcopy(c) for c in connections or (connection(),)]
    return {
        "gateways": [
            {
                "id": c["gatewayId"],
                "vpcCidrBlock": "192.168.0.0/16",
                "ipsecAddresses": [t["ipsecAddress"] for t in c["tunnels"]],
                "autoPropagate": auto_propagate,
                "announced": ["192.168.10.0/24"],
            }
            for c in made
        ],
        "connections": made,
        "routes": [route()] if routes is None else routes,
    }
