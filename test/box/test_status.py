"""Status: what is amiss is named, and the exit status lets a monitor tell one tunnel from both."""

from __future__ import annotations

import dataclasses
import json
import time
import unittest
from typing import Any
from unittest import mock

from dual_tunnel_vpn import failover, installed, links, planned, status
from dual_tunnel_vpn.ipsec import strongswan
from dual_tunnel_vpn.ipsec.sas import Sa
from dual_tunnel_vpn.ipsec.strongswan import Unit
from dual_tunnel_vpn.net import ways
from dual_tunnel_vpn.net.netlink import UNREACHABLE, Address, Route
from dual_tunnel_vpn.net.ways import Way
from dual_tunnel_vpn.site import Site, parse

from . import samples

UP = Sa("1", "ESTABLISHED", "2", "INSTALLED")
GONE = Sa(ike_state="CONNECTING", connecting=True)
ROUTE = Route("192.168.0.0/16", 9, metric=100, protocol=157)
GUARD = Route("192.168.0.0/16", 0, metric=4294967295, protocol=157, kind=UNREACHABLE)
FORWARDED = Way("192.168.0.1", "172.16.3.2", "singapore-1", "the route to 192.168.0.0/16 by singapore-1")
OWN = Way("192.168.0.1", "", "singapore-1", "the route to 192.168.0.0/16 by singapore-1")
BY_TUNNEL_1 = [OWN, FORWARDED]
LEASED_LINE = "the route to 192.168.0.0/16 via 172.16.3.9 by eth2"
BY_LEASED_LINE = [Way("192.168.0.1", source, "eth2", LEASED_LINE) for source in ("", "172.16.3.2")]
NOWHERE = [Way("192.168.0.1", source, "", "No route to host") for source in ("", "172.16.3.2")]


def agent(**health: str) -> dict[str, Any]:
    """What an agent says whose paths are up, but for the own path of a tunnel that is given as `one` or `two`."""
    paths = [
        {"uplink": 1, "tunnel": 1, "health": health.get("one", "up")},
        {"uplink": 1, "tunnel": 2, "health": health.get("others", "up")},
        {"uplink": 2, "tunnel": 1, "health": health.get("others", "up")},
        {"uplink": 2, "tunnel": 2, "health": health.get("two", "up")},
    ]
    return {"time": time.time(), "paths": paths, "tunnels": []}


def described(
    tunnels: dict[int, Sa],
    routes: list[Route],
    trouble: str = "",
    active: bool = True,
    found: list[Way] | None = None,
    said: dict[str, Any] | None = None,
    kernel: tuple[str, ...] = (),
    files: tuple[str, ...] = (),
    addresses: tuple[Address, ...] | None = None,
    site: Site | None = None,
) -> dict[str, Any]:
    """What status finds on a box whose tunnels, routes, units and files are these, and what kernel and agent say."""
    network = samples.network()
    network.addresses = network.addresses if addresses is None else list(addresses)
    network.links["singapore-1"] = samples.link(9, "singapore-1", "xfrm", 20481, 1400)
    network.routes = [GUARD, *routes]
    with (
        mock.patch.object(status, "observe", lambda: network),
        mock.patch.object(strongswan, "tunnel_sas", lambda site: tunnels),
        mock.patch.object(
            strongswan, "units", lambda *names: {name: Unit(True, True, active, trouble=trouble) for name in names}
        ),
        mock.patch.object(strongswan, "disabled", lambda *_: []),
        mock.patch.object(failover, "agent_state", lambda name: said or agent()),
        mock.patch.object(status, "_misled", lambda *_: []),
        mock.patch.object(links, "amiss", lambda *_: list(kernel)),
        mock.patch.object(installed, "amiss", lambda: list(files)),
        mock.patch.object(ways, "look", lambda *_: BY_TUNNEL_1 if found is None else found),
    ):
        return status.describe(site or samples.site())


class Health(unittest.TestCase):
    def test_a_file_that_somebody_touched_is_named_and_ends_nothing(self) -> None:
        touched = "/etc/a.conf was changed since we installed it"
        found = described({1: UP, 2: UP}, [ROUTE], files=(touched,))
        self.assertEqual((found["health"], found["amiss"]), (status.DEGRADED, [touched]))
        self.assertTrue(found["traffic"]["flows"])

    def test_all_well_is_healthy(self) -> None:
        found = described({1: UP, 2: UP}, [ROUTE])
        self.assertEqual((found["health"], found["amiss"]), (status.HEALTHY, []))
        shown = {"destination": "192.168.0.0/16", "interface": "singapore-1", "metric": 100}
        self.assertEqual(found["routes"], [shown])

    def test_a_change_that_was_prepared_and_not_completed_is_named_and_a_held_tunnel_told(self) -> None:
        with (
            mock.patch.object(planned, "prepared", lambda _: {1}),
            mock.patch.object(planned, "held", lambda _: 1),
        ):
            found = described({1: UP, 2: UP}, [ROUTE])
        told = "a change of tunnel 1 was prepared and not completed: deploy again"
        self.assertEqual((found["health"], found["amiss"]), (status.DEGRADED, [told]))
        self.assertIn("  traffic leaves tunnel 1 alone, which is about to be changed", status.text(found).splitlines())
        self.assertNotIn("leaves tunnel", status.text(described({1: UP, 2: UP}, [ROUTE])))

    def test_one_tunnel_down_is_degraded_and_named(self) -> None:
        by_tunnel_2 = [dataclasses.replace(way, interface="singapore-2") for way in BY_TUNNEL_1]
        for number, found_ways in ((1, by_tunnel_2), (2, BY_TUNNEL_1)):
            found = described({1: UP, 2: UP, number: GONE}, [ROUTE], found=found_ways)
            self.assertEqual((found["health"], found["amiss"]), (status.DEGRADED, [f"tunnel {number} is down"]))
            self.assertIn(f"  ! tunnel {number} is down", status.text(found))

    def test_both_tunnels_or_the_routes_gone_is_down(self) -> None:
        self.assertEqual(described({1: GONE, 2: GONE}, [ROUTE])["health"], status.DOWN)
        self.assertEqual(described({1: UP, 2: UP}, [], found=NOWHERE)["health"], status.DOWN)

    def test_traffic_that_is_led_into_a_tunnel_that_is_down_does_not_flow(self) -> None:
        found = described({1: GONE, 2: UP}, [ROUTE])
        self.assertEqual((found["health"], found["traffic"]["flows"]), (status.DOWN, False))
        self.assertEqual(found["traffic"]["words"], "traffic to the VPC does not flow: tunnel 1 (active) is down")

    def test_what_others_changed_in_filter_or_kernel_is_degraded_and_named(self) -> None:
        found = described({1: UP, 2: UP}, [ROUTE], kernel=("forwarding was switched off (eth0)",))
        self.assertEqual((found["health"], found["amiss"]), (status.DEGRADED, ["forwarding was switched off (eth0)"]))

    def test_an_uplink_without_its_address_is_named_and_what_it_has_instead(self) -> None:
        second = Address(3, "172.16.2.57", 24)
        by_device = samples.document()["uplinks"]
        by_device[0]["device"] = "eth0"
        on_one_network = samples.document()["uplinks"]
        on_one_network[1]["address"] = "172.16.1.57"
        remedy = "if that is its address now, change the uplink in the stack and deploy"
        for site, addresses, wanted in (
            (None, (), "no interface has the address 172.16.1.93"),
            (None, (Address(9, "172.16.9.1", 24),), "no interface has the address 172.16.1.93"),
            (
                None,
                (Address(2, "172.16.1.77", 24),),
                f"no interface has the address 172.16.1.93 (eth0 has 172.16.1.77/24: {remedy})",
            ),
            # As by PPP, where nothing but the interface tells.
            (
                samples.site(uplinks=by_device),
                (Address(2, "10.9.9.9", 32),),
                f"eth0 no longer has the address 172.16.1.93 (eth0 has 10.9.9.9/32: {remedy})",
            ),
            (samples.site(uplinks=by_device), (), "eth0 no longer has the address 172.16.1.93"),
            # The other uplink's address is not taken for this one's.
            (
                samples.site(uplinks=on_one_network),
                (Address(3, "172.16.1.57", 24),),
                "no interface has the address 172.16.1.93",
            ),
        ):
            found = described({1: UP, 2: UP}, [ROUTE], addresses=(*addresses, second), site=site)
            self.assertEqual(found["health"], status.DEGRADED)
            self.assertEqual(found["amiss"], [f"uplink 1 is not there: {wanted}"])

    def test_a_unit_that_is_not_at_work_is_named(self) -> None:
        found = described({1: UP, 2: UP}, [ROUTE], "ends and is started anew (restart 13)")
        self.assertEqual(found["health"], status.DEGRADED)
        told = "dual-tunnel-vpn-agent@singapore.service ends and is started anew (restart 13)"
        self.assertIn(told, found["amiss"])

    def test_what_takes_the_way_of_others_is_named_whatever_units_and_tunnels_say(self) -> None:
        found = described({1: UP, 2: UP}, [ROUTE], found=BY_LEASED_LINE)
        self.assertEqual((found["health"], found["traffic"]["flows"]), (status.DEGRADED, False))
        words = (
            "what is for 192.168.0.1 in the VPC from 172.16.3.2 leaves by eth2 and not by a tunnel "
            "(the route to 192.168.0.0/16 via 172.16.3.9 by eth2)"
        )
        self.assertEqual(found["amiss"], [words])
        self.assertEqual(found["traffic"]["words"], f"traffic to the VPC does not flow: {words}")

    def test_a_part_of_the_vpc_that_goes_elsewhere_is_named(self) -> None:
        part = Way("192.168.64.1", "172.16.3.2", "eth2", "the route to 192.168.64.0/18 by eth2")
        found = described({1: UP, 2: UP}, [ROUTE], found=[*BY_TUNNEL_1, part])
        self.assertEqual(found["health"], status.DEGRADED)
        self.assertRegex(found["traffic"]["words"], r"^traffic to the VPC flows in part by tunnel 1 \(active\); if")

    def test_no_answer_to_any_probe_is_not_healthy(self) -> None:
        for health in ("down", "unproven"):
            said = agent(one=health, two=health, others=health)
            found = described({1: UP, 2: UP}, [ROUTE], said=said)
            self.assertEqual(found["health"], status.DEGRADED)
            self.assertIn("no path answers probes", found["amiss"][0])

    def test_an_agent_that_says_nothing_any_more_is_not_healthy(self) -> None:
        said = {**agent(), "time": time.time() - 100}
        found = described({1: UP, 2: UP}, [ROUTE], said=said)
        self.assertEqual(found["health"], status.DEGRADED)
        self.assertRegex(found["amiss"][0], "the agent has said nothing for 100 s")


class ByOneUplink(unittest.TestCase):
    def test_an_agent_that_still_speaks_of_the_former_second_uplink_ends_nothing(self) -> None:
        document = samples.document()
        del document["uplinks"][1]
        document["tunnels"][1]["uplink"] = 1
        said = {"tunnels": [{"number": 1, "uplink": 1}, {"number": 2, "uplink": 2}]}
        asked = []

        def misled(tunnel: Any, own: Any, by: Any, *_: object) -> str:
            asked.append((tunnel.number, own.number, by.number))
            return ""

        with mock.patch.object(status, "Netlink"), mock.patch.object(ways, "misled", misled):
            found = status._misled(parse(json.dumps(document)), samples.network(), said)
        self.assertEqual((found, asked), ([], [(1, 1, 1), (2, 1, 1)]))


class Answers(unittest.TestCase):
    def next_after(self, tunnels: dict[int, Sa], **fields: Any) -> str:
        """What becomes of traffic should its tunnel fail."""
        words: str = described(tunnels, [ROUTE], **fields)["traffic"]["words"]
        return words.split("; if that fails, ")[1]

    def test_the_other_tunnel_takes_over(self) -> None:
        found = described({1: UP, 2: UP}, [ROUTE])
        self.assertEqual((found["traffic"]["tunnel"], found["traffic"]["next"]), (1, 2))
        wanted = "traffic to the VPC flows by tunnel 1 (active); if that fails, by tunnel 2 (standby)"
        self.assertEqual(status.text(found).splitlines()[1], f"  {wanted}")

    def test_nothing_takes_over_where_the_other_is_down_or_its_path_or_the_agent(self) -> None:
        both = {1: UP, 2: UP}
        self.assertEqual(self.next_after({1: UP, 2: GONE}), "nothing is left: tunnel 2 (standby) is down")
        lame = "nothing is left: uplink 2 does not reach 192.0.2.10"
        self.assertEqual(self.next_after(both, said=agent(two="down")), lame)
        self.assertEqual(self.next_after(both, active=False), "nothing takes over: the failover agent does not run")
