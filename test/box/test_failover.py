"""How a failover stands: the kernel's routes and the agent's own word, and nothing from a state file that is old."""

from __future__ import annotations

import unittest
from typing import Any
from unittest import mock

from dual_tunnel_vpn import failover, files
from dual_tunnel_vpn.net import wanted
from dual_tunnel_vpn.net.network import Network

from . import samples

SITE = samples.site()
FIRST, SECOND = SITE.tunnels


def network(*routes: Any) -> Network:
    found = samples.network()
    for number, tunnel in enumerate(SITE.tunnels):
        found.links[tunnel.interface] = samples.link(20 + number, tunnel.interface, "xfrm", tunnel.if_id, 1400)
    found.routes = list(routes)
    return found


def outer(uplink: int) -> Any:
    """The first tunnel's outer route by an uplink."""
    way = SITE.uplink(uplink)
    plain = samples.network()
    device = wanted.device_of(way, plain)
    return wanted.outer_route(FIRST, way, plain.links[str(device)].ifindex)


class Ways(unittest.TestCase):
    def test_a_tunnel_is_moved_when_its_route_leads_by_the_other_uplink(self) -> None:
        self.assertIsNone(failover.moved_to(SITE, FIRST, network(outer(1))))
        self.assertIsNone(failover.moved_to(SITE, FIRST, network()))
        moved = failover.moved_to(SITE, FIRST, network(outer(2)))
        self.assertEqual(moved and moved.number, 2)

    def test_an_uplink_that_is_not_there_carries_nothing(self) -> None:
        seen = network(outer(2))
        seen.addresses = [address for address in seen.addresses if address.address != SITE.uplink(2).address]
        self.assertIsNone(failover.moved_to(SITE, FIRST, seen))

    def test_traffic_is_where_the_vpcs_route_leads(self) -> None:
        self.assertIsNone(failover.carrying(SITE, network()))
        for number in (1, 2):
            route = wanted.inner_route(SITE, SITE.vpc_cidrs[0], 19 + number)
            self.assertEqual(failover.carrying(SITE, network(route)), number)


class TheAgentsWord(unittest.TestCase):
    def unreached(self, state: bytes | None) -> str:
        with (
            mock.patch.object(files, "content", return_value=state),
            mock.patch("time.time", lambda: 1000.0),
        ):
            return failover.unreached(SITE, FIRST)

    def state(self, health: str, well: bool = True, time: float = 990) -> bytes:
        return (
            f'{{"time": {time}, "uplinks": [{{"number": 1, "well": {str(well).lower()}}}], "paths": '
            f'[{{"uplink": 1, "tunnel": 1, "health": "{health}"}}, {{"uplink": 2, "tunnel": 1, "health": "down"}}]}}'
        ).encode()

    def test_a_dead_path_of_its_own_uplink_is_told(self) -> None:
        self.assertEqual(self.unreached(self.state("down")), f"uplink 1 does not reach {FIRST.ipsec_address}")
        self.assertEqual(self.unreached(self.state("unproven", well=False)), "uplink 1 is down")

    def test_what_was_said_a_moment_ago_counts_though_its_time_was_rounded_up(self) -> None:
        self.assertEqual(self.unreached(self.state("unproven", well=False, time=1000.1)), "uplink 1 is down")

    def test_nothing_is_told_that_was_not_seen_just_now(self) -> None:
        for state in (None, b"", b"{", b"[]", b"{}", b'{"time": "x"}', b'{"time": 990}', self.state("up")):
            with self.subTest(state):
                self.assertEqual(self.unreached(state), "")
        for time in (900, 1100):
            self.assertEqual(self.unreached(self.state("down", time=time)), "")
