"""What the cloud end decides: which tunnels to touch, which one carries, what it reports, how it routes."""

from __future__ import annotations

import random
import unittest
from typing import Any

from cloud_end import plan
from cloud_end.desired import NOTHING, Desired, parse
from states import connection, route, state, tunnel


def desired(*connections: dict[str, Any], routes: list[dict[str, Any]] | None = None) -> Desired:
    return parse(state(*connections, routes=routes))


def changed(restart: plan.Restart = "changed", **change: Any) -> plan.Changes:
    return plan.changes(desired(), desired(connection(tunnels=[tunnel(1, **change), tunnel(2)])), restart)


class Changes(unittest.TestCase):
    def test_touches_nothing_when_the_state_is_the_same(self) -> None:
        self.assertEqual(plan.changes(desired(), desired(), "both"), plan.Changes((), (), (), ()))

    def test_adds_and_removes_whole_connections(self) -> None:
        self.assertEqual(plan.changes(NOTHING, desired(), "changed").added, ("tun-1", "tun-2"))
        self.assertEqual(plan.changes(desired(), NOTHING, "changed").removed, ("tun-1", "tun-2"))

    def test_restarts_the_tunnel_of_which_any_parameter_differs(self) -> None:
        base = tunnel(1)
        variations: dict[str, Any] = {
            "ipsecAddress": "192.0.2.99",
            "peerAddress": "198.51.100.99",
            "localId": "x",
            "remoteId": "x",
            "psk": "x",
            "dpd": False,
            "natTraversal": False,
            "ike": {**base["ike"], "lifetime": 1000},
            "esp": {**base["esp"], "pfs": "disabled"},
        }
        for name, value in variations.items():
            with self.subTest(name):
                self.assertEqual(changed(**{name: value}), plan.Changes((), (), ("tun-1",), ()))

    def test_restarts_both_when_told_to_but_no_other_connection(self) -> None:
        before = desired(connection(1), connection(2))
        after = desired(connection(1, tunnels=[tunnel(1, psk="x"), tunnel(2)]), connection(2))
        self.assertEqual(plan.changes(before, after, "both").restarted, ("tun-1", "tun-2"))

    def test_restarts_both_when_the_connections_subnets_differ(self) -> None:
        after = desired(connection(remoteSubnets=["172.16.0.0/16"]))
        self.assertEqual(plan.changes(desired(), after, "changed").restarted, ("tun-1", "tun-2"))

    def test_only_loads_again_when_who_initiates_or_which_is_active_changes(self) -> None:
        waiting = desired(connection(effectImmediately=False))
        self.assertEqual(plan.changes(desired(), waiting, "both"), plan.Changes((), (), (), ("tun-1", "tun-2")))
        swapped = desired(connection(tunnels=[tunnel(1, role="slave"), tunnel(2, role="master")]))
        self.assertEqual(plan.changes(desired(), swapped, "both"), plan.Changes((), (), (), ("tun-1", "tun-2")))

    def test_leaves_tunnels_alone_when_their_order_changes(self) -> None:
        turned = desired(connection(tunnels=[tunnel(2), tunnel(1)]))
        self.assertEqual(plan.changes(desired(), turned, "both"), plan.Changes((), (), (), ()))


class Carrying(unittest.TestCase):
    def test_prefers_the_active_tunnel_while_it_lives_else_the_standby_else_none(self) -> None:
        for living, expected in (
            (["tun-1", "tun-2"], "tun-1"),
            (["tun-1"], "tun-1"),
            (["tun-2"], "tun-2"),
            ([], None),
        ):
            self.assertEqual(plan.carrying(desired(), living), {"vco-1": expected})

    def test_goes_by_the_role_and_not_by_the_order(self) -> None:
        turned = desired(connection(tunnels=[tunnel(1, role="slave"), tunnel(2, role="master")]))
        self.assertEqual(plan.carrying(turned, ["tun-1", "tun-2"]), {"vco-1": "tun-2"})

    def test_looks_at_each_connection_by_itself(self) -> None:
        both = desired(connection(1), connection(2))
        self.assertEqual(plan.carrying(both, ["tun-2", "tun-3"]), {"vco-1": "tun-2", "vco-2": "tun-3"})


def sa(ike: str = "ESTABLISHED", *children: str, active: str = "", queued: str = "") -> tuple[str, dict[str, Any]]:
    tasks = {"tasks-active": [active], "tasks-queued": [queued]}
    return "tun-1", {"state": ike, "child-sas": {f"c{n}": {"state": s} for n, s in enumerate(children)}, **tasks}


class Status(unittest.TestCase):
    def test_says_in_alibabas_words_how_far_a_tunnel_has_come(self) -> None:
        cases: list[tuple[str, list[tuple[str, dict[str, Any]]]]] = [
            ("ike_sa_not_established", []),
            ("ike_sa_not_established", [sa("CONNECTING")]),
            ("ike_sa_not_established", [sa("DELETING", "INSTALLED")]),
            ("ipsec_sa_not_established", [sa()]),
            ("ipsec_sa_not_established", [sa("ESTABLISHED", "DELETING")]),
            ("ike_sa_established", [sa(active="QUICK_MODE")]),
            ("ike_sa_established", [sa(queued="CHILD_CREATE")]),
            ("ipsec_sa_established", [sa("ESTABLISHED", "INSTALLED")]),
            ("ipsec_sa_established", [sa("CONNECTING"), sa("REKEYED", "REKEYING")]),
            ("ipsec_sa_established", [sa("ESTABLISHED", "DELETED", "INSTALLED")]),
        ]
        for expected, sas in cases:
            with self.subTest(expected=expected, sas=sas):
                self.assertEqual(plan.status("tun-1", sas), expected)

    def test_counts_only_the_tunnels_own_sas(self) -> None:
        self.assertEqual(plan.status("tun-2", [sa("ESTABLISHED", "INSTALLED")]), "ike_sa_not_established")

    def test_a_tunnel_carries_exactly_when_it_is_reported_established(self) -> None:
        rng = random.Random(0)
        ike = ("CREATED", "CONNECTING", "ESTABLISHED", "REKEYING", "REKEYED", "DELETING", "PASSIVE")
        child = ("CREATED", "INSTALLED", "REKEYING", "REKEYED", "RETRYING", "DELETING", "DELETED")
        for _ in range(500):
            sas = [sa(rng.choice(ike), *rng.choices(child, k=rng.randint(0, 3))) for _ in range(rng.randint(0, 3))]
            self.assertEqual("tun-1" in plan.alive(sas), plan.status("tun-1", sas) == "ipsec_sa_established", sas)


class Rules(unittest.TestCase):
    def order(self, *routes: dict[str, Any], connections: int = 1) -> list[str]:
        made = desired(*(connection(n + 1) for n in range(connections)), routes=list(routes))
        tables = {name: n for n, name in enumerate(made.connections, 3000)}
        return [" ".join(rule.words()) for rule in plan.rules(made, tables, "vpc")]

    def test_sends_published_destinations_into_the_connections_table_and_drops_the_rest(self) -> None:
        self.assertEqual(
            self.order(route()),
            [
                "pref 900 from 192.0.2.1/32 lookup 254",
                "pref 900 from 192.0.2.2/32 lookup 254",
                "pref 1000 to 172.16.0.0/16 lookup 3000",
                "pref 30000 iif vpc blackhole",
            ],
        )

    def test_has_no_rule_for_a_route_that_is_not_published(self) -> None:
        self.assertEqual(len(self.order(route(published=False))), 3)

    def test_looks_at_policies_first_then_at_the_longest_prefix_then_at_the_weight(self) -> None:
        found = self.order(
            route("172.16.0.0/16", connection=1, weight=0),
            route("172.16.0.0/16", connection=2, weight=100),
            route("172.16.5.0/24", connection=1, weight=0),
            route("172.17.0.0/16", source="192.168.1.0/24"),
            connections=2,
        )
        self.assertEqual(
            [line for line in found if line.startswith("pref 10")],
            [
                "pref 1000 from 192.168.1.0/24 to 172.17.0.0/16 lookup 3000",
                "pref 1001 to 172.16.5.0/24 lookup 3000",
                "pref 1002 to 172.16.0.0/16 lookup 3001",
                "pref 1003 to 172.16.0.0/16 lookup 3000",
            ],
        )


class Superfluous(unittest.TestCase):
    def found(self, *sas: tuple[str, str, int]) -> list[int] | None:
        listed = [
            (tunnel, {"uniqueid": str(number), "state": state, "established": str(age)})
            for number, (tunnel, state, age) in enumerate(sas, 1)
        ]
        return plan.superfluous("tun-1", listed)

    def test_is_nothing_where_a_tunnel_has_one_ike_sa(self) -> None:
        self.assertEqual(self.found(("tun-1", "ESTABLISHED", 1), ("tun-2", "CONNECTING", 0)), [])

    def test_is_not_known_while_something_is_negotiated_or_may_end_by_itself(self) -> None:
        self.assertIsNone(self.found(("tun-2", "ESTABLISHED", 60)))
        self.assertIsNone(self.found(("tun-1", "ESTABLISHED", 60), ("tun-1", "CONNECTING", 0)))
        self.assertIsNone(self.found(("tun-1", "ESTABLISHED", 60), ("tun-1", "ESTABLISHED", 9)))

    def test_is_the_older_of_two_that_stay(self) -> None:
        self.assertEqual(self.found(("tun-1", "ESTABLISHED", 17), ("tun-1", "ESTABLISHED", 16)), [1])


class Names(unittest.TestCase):
    def test_keeps_the_number_that_a_name_has_and_reuses_free_ones(self) -> None:
        first = plan.allocate(["a", "b"], {}, 5)
        self.assertEqual(first, {"a": 5, "b": 6})
        self.assertEqual(plan.allocate(["c", "b"], first, 5), {"c": 5, "b": 6})

    def test_gives_every_tunnel_an_interface_of_its_own_with_a_name_that_fits(self) -> None:
        tunnels = [f"tun-{n}" for n in range(1000)]
        self.assertEqual(len({plan.if_id(t) for t in tunnels}), 1000)
        for name in tunnels:
            self.assertLessEqual(len(plan.interface(name)), 15)
            self.assertTrue(0 < plan.if_id(name) < 2**32)
