"""Status: what is amiss is named, and the exit status lets a monitor tell one tunnel from both."""

from __future__ import annotations

import unittest
from typing import Any
from unittest import mock

from dual_tunnel_vpn import links, status
from dual_tunnel_vpn.ipsec import strongswan
from dual_tunnel_vpn.ipsec.sas import Sa
from dual_tunnel_vpn.ipsec.strongswan import Unit
from dual_tunnel_vpn.net.netlink import UNREACHABLE, Route

from . import samples

UP = Sa("1", "ESTABLISHED", "2", "INSTALLED")
GONE = Sa(ike_state="CONNECTING", connecting=True)
ROUTE = Route("192.168.0.0/16", 9, metric=100, protocol=157)
GUARD = Route("192.168.0.0/16", 0, metric=4294967295, protocol=157, kind=UNREACHABLE)


def described(
    tunnels: dict[int, Sa], routes: list[Route], active: bool = True, amiss: tuple[str, ...] = ()
) -> dict[str, Any]:
    """What status finds on a box whose tunnels, routes and units are these, and what is amiss with its kernel."""
    network = samples.network()
    network.links["singapore-1"] = samples.link(9, "singapore-1", "xfrm", 20481, 1400)
    network.routes = [GUARD, *routes]
    with (
        mock.patch.object(status, "observe", lambda: network),
        mock.patch.object(strongswan, "tunnel_sas", lambda site: tunnels),
        mock.patch.object(strongswan, "units", lambda *names: {name: Unit(True, True, active) for name in names}),
        mock.patch.object(status, "_agent", lambda name: None),
        mock.patch.object(links, "amiss", lambda site, network: list(amiss)),
    ):
        return status.describe(samples.site())


class Health(unittest.TestCase):
    def test_all_well_is_healthy(self) -> None:
        found = described({1: UP, 2: UP}, [ROUTE])
        self.assertEqual((found["health"], found["amiss"]), (status.HEALTHY, []))
        shown = {"destination": "192.168.0.0/16", "interface": "singapore-1", "metric": 100}
        self.assertEqual(found["routes"], [shown])

    def test_one_tunnel_down_is_degraded_and_named(self) -> None:
        for number in (1, 2):
            found = described({1: UP, 2: UP, number: GONE}, [ROUTE])
            self.assertEqual((found["health"], found["amiss"]), (status.DEGRADED, [f"tunnel {number} is down"]))
            self.assertIn(f"  ! tunnel {number} is down", status.text(found))

    def test_both_tunnels_or_the_routes_gone_is_down(self) -> None:
        self.assertEqual(described({1: GONE, 2: GONE}, [ROUTE])["health"], status.DOWN)
        self.assertEqual(described({1: UP, 2: UP}, [])["health"], status.DOWN)

    def test_what_others_changed_in_filter_or_kernel_is_degraded_and_named(self) -> None:
        found = described({1: UP, 2: UP}, [ROUTE], amiss=("forwarding was switched off (eth0)",))
        self.assertEqual((found["health"], found["amiss"]), (status.DEGRADED, ["forwarding was switched off (eth0)"]))

    def test_a_unit_that_stopped_is_named(self) -> None:
        found = described({1: UP, 2: UP}, [ROUTE], active=False)
        self.assertEqual(found["health"], status.DEGRADED)
        self.assertIn("dual-tunnel-vpn-agent@singapore.service is not active", found["amiss"])
