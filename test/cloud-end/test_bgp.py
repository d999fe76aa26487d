"""What the cloud end tells bgpd, what it takes of what it hears, and which tunnel it sends by."""

from __future__ import annotations

import unittest
from typing import Any

from cloud_end import bgp, plan
from cloud_end.bgp import Heard, Path, Session
from cloud_end.desired import NOTHING, Desired, Refused, parse
from states import bgp as ends
from states import connection, speaking, state, tunnel

BLOCK, LOWER, UPPER = "172.16.0.0/16", "172.16.0.0/17", "172.16.128.0/17"
BELL = 5

SESSION = Session(45104, 65010, "169.254.11.1", "169.254.11.2")
TABLE = {
    "routes": {
        BLOCK: [{"peerId": "169.254.11.2", "path": "65010 65010", "metric": 7}],
        LOWER: [{"peerId": "169.254.11.2", "path": "65010"}],
        "192.168.10.0/24": [{"peerId": "(unspec)", "path": "", "metric": 0}],
    }
}


def desired(*connections: dict[str, Any], auto_propagate: bool = True) -> Desired:
    return parse(state(*(connections or (speaking(),)), auto_propagate=auto_propagate))


def hearing(*tunnels: dict[str, Path]) -> dict[str, Heard]:
    return {f"tun-{number}": Heard(True, paths) for number, paths in enumerate(tunnels, 1)}


def sessions(made: Desired, **options: Any) -> dict[str, Session]:
    return bgp.sessions(made, **{"timers": bgp.Timers(), "graceful_restart": False, **options})


class Parsing(unittest.TestCase):
    def test_takes_a_tunnel_without_bgp(self) -> None:
        self.assertEqual({t.bgp for t in parse(state()).tunnels.values()}, {None})

    def test_refuses_addresses_that_are_not_two_of_one_block(self) -> None:
        for peer in ("169.254.11.1", "169.254.11.5"):
            with self.assertRaisesRegex(Refused, "they must be two of 169.254.11.0/30"):
                desired(connection(tunnels=[tunnel(1, bgp=ends(1, peerAddress=peer)), tunnel(2)]))

    def test_refuses_a_block_that_two_tunnels_have(self) -> None:
        with self.assertRaisesRegex(Refused, "Tunnels tun-1 and tun-3 both have the block 169.254.11.0/30"):
            desired(speaking(1), connection(2, tunnels=[tunnel(3, bgp=ends(1)), tunnel(4)]))

    def test_refuses_a_tunnel_whose_gateway_is_not_there(self) -> None:
        with self.assertRaisesRegex(Refused, "its gateway vpn-9 does not exist"):
            parse({**state(speaking(gatewayId="vpn-9")), "gateways": state()["gateways"]})


class Sessions(unittest.TestCase):
    def test_are_one_for_each_tunnel_with_bgp_and_offer_sixty_and_a_hundred_and_eighty(self) -> None:
        found = sessions(desired(speaking(1), connection(2)))
        self.assertEqual(found["tun-1"], Session(45104, 65010, "169.254.11.1", "169.254.11.2", ("192.168.10.0/24",)))
        self.assertEqual((list(found), found["tun-1"].timers), (["tun-1", "tun-2"], bgp.Timers(60, 180)))

    def test_announce_nothing_where_nothing_is_propagated(self) -> None:
        self.assertEqual(sessions(desired(auto_propagate=False))["tun-1"].announced, ())

    def test_are_closed_but_for_one_where_only_one_is_to_be(self) -> None:
        for carrying, expected in (("tun-1", [True, False]), ("tun-2", [False, True]), (None, [False, False])):
            found = sessions(desired(), only={"vco-1": carrying})
            self.assertEqual([session.open for session in found.values()], expected)

    def test_are_no_reason_to_negotiate_a_tunnel_anew(self) -> None:
        self.assertEqual(
            plan.changes(desired(connection()), desired(), "both"), plan.Changes((), (), (), ("tun-1", "tun-2"))
        )


class Commands(unittest.TestCase):
    def changed(self, before: Desired, after: Desired, **options: Any) -> list[str]:
        return bgp.commands(sessions(before), sessions(after, **options), BELL)

    def test_are_none_where_nothing_differs(self) -> None:
        self.assertEqual(self.changed(desired(), desired()), [])

    def test_make_a_view_for_each_tunnel_open_at_last(self) -> None:
        found = self.changed(NOTHING, desired())
        self.assertEqual([line for line in found if line.startswith("router")], [
            "router bgp 45104 view tun-1", "router bgp 45104 view tun-2",
        ])  # fmt: skip
        self.assertLess(found.index("neighbor 169.254.11.2 shutdown"), found.index("network 192.168.10.0/24"))
        self.assertEqual(found[found.index("network 192.168.10.0/24") + 1], "no neighbor 169.254.11.2 shutdown")
        self.assertIn("neighbor 169.254.12.2 timers 60 180", found)
        self.assertIn("bgp graceful-restart-disable", found)

    def test_announce_and_withdraw_without_touching_a_session(self) -> None:
        self.assertEqual(
            self.changed(desired(), desired(auto_propagate=False))[:3],
            ["router bgp 45104 view tun-1", "no network 192.168.10.0/24", "exit"],
        )

    def test_announce_more_than_the_vpcs_where_asked_to(self) -> None:
        found = self.changed(desired(), desired(), more=("10.99.0.0/16",))
        self.assertEqual([line for line in found if line.startswith("network")], ["network 10.99.0.0/16"] * 2)

    def test_begin_a_session_anew_when_what_its_opening_says_differs(self) -> None:
        for change in ({"timers": bgp.Timers(1, 3)}, {"graceful_restart": True}):
            with self.subTest(change):
                found = self.changed(desired(), desired(), **change)
                self.assertEqual(found[:2], ["no router bgp 45104 view tun-1", "no router bgp 45104 view tun-2"])
        self.assertIn("bgp graceful-restart", found)

    def test_leave_the_other_tunnels_session_alone(self) -> None:
        other = desired(connection(tunnels=[tunnel(1, bgp=ends(1, peerAsn=65011)), tunnel(2, bgp=ends(2))]))
        found = self.changed(desired(), other)
        self.assertIn("neighbor 169.254.11.2 remote-as 65011", found)
        self.assertEqual([line for line in found if "tun-2" in line or "169.254.12" in line], [])

    def test_end_what_is_gone(self) -> None:
        self.assertEqual(self.changed(desired(speaking(1), speaking(2)), desired()), [
            "no router bgp 45104 view tun-3", "no router bgp 45104 view tun-4",
        ])  # fmt: skip


class Hearing(unittest.TestCase):
    def summary(self, state: str) -> dict[str, Any]:
        return {"ipv4Unicast": {"peers": {"169.254.11.2": {"state": state}}}}

    def test_reads_the_other_ends_paths_and_not_the_gateways_own(self) -> None:
        self.assertEqual(
            bgp.heard(SESSION, TABLE, self.summary("Established")),
            Heard(True, {BLOCK: Path("65010 65010", 7), LOWER: Path("65010", 0)}),
        )

    def test_forgets_with_the_session_unless_restarts_are_graceful(self) -> None:
        self.assertEqual(bgp.heard(SESSION, TABLE, self.summary("Active")), Heard())
        kept = Session(45104, 65010, "169.254.11.1", "169.254.11.2", graceful_restart=True)
        found = bgp.heard(kept, TABLE, self.summary("Active"))
        self.assertEqual((found.established, set(found.paths)), (False, {BLOCK, LOWER}))

    def test_hears_nothing_of_a_view_without_a_peer(self) -> None:
        self.assertEqual(bgp.heard(SESSION, {}, {}), Heard())


class Taking(unittest.TestCase):
    def taken(self, *blocks: str) -> list[str]:
        return list(bgp.taken(desired(), hearing({b: Path("65010") for b in blocks}))["tun-1"])

    def test_refuses_a_default_route_and_whatever_touches_alibabas_own_block(self) -> None:
        self.assertEqual(
            self.taken("0.0.0.0/0", "100.64.0.0/10", "100.100.0.0/16", "100.0.0.0/8", "100.128.0.0/16", BLOCK),
            ["100.128.0.0/16", BLOCK],
        )

    def test_takes_fifty_blocks_of_all_of_a_gateways_tunnels(self) -> None:
        made = desired(speaking(1), speaking(2))
        many = [f"10.{n}.0.0/16" for n in range(60)]
        heard = hearing(
            {b: Path("65010") for b in many[:40]},
            {b: Path("65010") for b in many[20:]},
            {b: Path("65010") for b in many[:10]},
        )
        found = bgp.taken(made, heard)
        self.assertEqual([list(found[f"tun-{n}"]) for n in (1, 2, 3)], [many[:40], many[20:50], many[:10]])


class Choosing(unittest.TestCase):
    def chosen(self, one: Path, two: Path, ignore_med: bool = False, **change: Any) -> str:
        made = desired(speaking(**change))
        return bgp.choice(made, hearing({BLOCK: one}, {BLOCK: two}), ignore_med)[BLOCK]

    def test_looks_at_the_as_path_first_then_at_the_med_then_takes_the_active_tunnel(self) -> None:
        long, short = "65010 65010", "65010"
        for one, two, expected in (
            (Path(long, 0), Path(short, 9), "tun-2"),
            (Path(short, 9), Path(long, 0), "tun-1"),
            (Path(short, 9), Path(short, 8), "tun-2"),
            (Path(short, 8), Path(short, 9), "tun-1"),
            (Path(short, 9), Path(short, 9), "tun-1"),
        ):
            with self.subTest(one=one, two=two):
                self.assertEqual(self.chosen(one, two), expected)

    def test_goes_by_the_role_and_not_by_the_name(self) -> None:
        turned = [tunnel(1, role="slave", bgp=ends(1)), tunnel(2, role="master", bgp=ends(2))]
        self.assertEqual(self.chosen(Path("65010"), Path("65010"), tunnels=turned), "tun-2")

    def test_takes_the_active_tunnel_for_any_med_that_it_ignores(self) -> None:
        self.assertEqual(self.chosen(Path("65010", 9), Path("65010", 1), ignore_med=True), "tun-1")

    def test_sends_instances_nowhere_where_nothing_is_propagated(self) -> None:
        made = desired(auto_propagate=False)
        heard = hearing({BLOCK: Path("65010")})
        self.assertEqual((bgp.choice(made, heard, False), list(bgp.taken(made, heard)["tun-1"])), ({}, [BLOCK]))

    def test_says_which_tunnel_carries_all(self) -> None:
        made = desired()
        for chosen, expected in (
            ({}, None),
            ({BLOCK: "tun-1"}, "tun-1"),
            ({BLOCK: "tun-1", LOWER: "tun-2"}, None),
            ({BLOCK: "tun-1", LOWER: "tun-2", UPPER: "tun-2"}, "tun-2"),
            ({BLOCK: "tun-1", "10.0.0.0/8": "tun-2"}, None),
        ):
            with self.subTest(chosen):
                self.assertEqual(bgp.carrying(made, chosen), {"vco-1": expected})

    def test_says_nothing_of_connections_without_bgp(self) -> None:
        self.assertEqual(bgp.carrying(desired(connection()), {}), {})


class Rules(unittest.TestCase):
    def test_look_up_what_was_learnt_behind_the_gateways_own_routes(self) -> None:
        for made, expected in ((desired(), [29000]), (desired(connection()), [])):
            found = [rule.pref for rule in plan.rules(made, {"vco-1": 3000}, "vpc")]
            self.assertEqual([pref for pref in found if pref in range(2000, 30000)], expected)
            self.assertEqual(found, sorted(found))
