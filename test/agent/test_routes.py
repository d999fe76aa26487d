"""What the agent does to the box: rewriting that keeps no state, deeds without a process, remains that it removes."""

from __future__ import annotations

import re
import unittest
from typing import Any
from unittest import mock

from dual_tunnel_vpn.agent import routes
from dual_tunnel_vpn.agent.loop import Agent
from dual_tunnel_vpn.net.netlink import MAIN_TABLE, UNREACHABLE, Address, IpsecState, Link, Route, Rule

from .test_channel import example

DEVICES = {1: "eth0", 2: "eth1"}


class FakeNetlink:
    """A box of two uplinks and both XFRM interfaces; keeps the routes that it is given."""

    def __init__(self, *_: Any) -> None:
        self.routes_set: list[Route] = []

    def links(self) -> list[Link]:
        """Every interface, up."""
        names = ("lo", "eth0", "eth1", "lab-1", "lab-2")
        return [Link(index, name, up=True, carrier=True) for index, name in enumerate(names, 1)]

    def addresses(self) -> list[Address]:
        """The uplinks'."""
        return [Address(2, "172.16.1.9", 24), Address(3, "172.16.2.9", 24)]

    def replace_route(self, route: Route) -> None:
        """Takes it."""
        self.routes_set.append(route)

    def delete_route(self, route: Route) -> None:
        """Removes it."""
        self.routes_set.remove(route)

    def routes(self, table: int = MAIN_TABLE, protocol: int = 0) -> list[Route]:
        """Those of a table."""
        return [route for route in self.routes_set if route.table == table and route.protocol == protocol]

    def rules(self) -> list[Rule]:
        """The uplinks'."""
        return [Rule(uplink.mark, uplink.table, 5157) for uplink in example().uplinks]


def box(nftables: Any = None) -> tuple[routes.Box, FakeNetlink]:
    """The agent's box on a kernel of ours, with these nftables."""
    netlink = FakeNetlink()
    with mock.patch.multiple(
        routes, Netlink=lambda: netlink, IpsecStates=mock.MagicMock(), Nftables=mock.MagicMock(return_value=nftables)
    ):
        made = routes.Box(example())
    made.refresh()
    return made, netlink


class Rewriting(unittest.TestCase):
    def test_keeps_no_state_and_comes_before_and_after_everything_of_others(self) -> None:
        script = routes.rewriting(example(), DEVICES)
        for stateful in ("snat", "dnat", "masquerade", "redirect", "type nat", "ct "):
            self.assertNotIn(stateful, script)
        # Before conntrack (-200) sees what comes, after it has seen what goes.
        self.assertIn("hook prerouting priority -350", script)
        self.assertIn("hook postrouting priority 300", script)

    def test_touches_the_tunnels_own_packets_only(self) -> None:
        script = routes.rewriting(example(), DEVICES)
        rules = [line.strip() for line in script.splitlines() if re.search("addr set ", line)]
        self.assertEqual(len(rules), 8, script)
        for rule in rules:
            self.assertRegex(rule, r"udp sport \{ 500, 4500 \} udp dport \{ 500, 4500 \}|ip protocol esp")
        # Only what leaves or comes by the other uplink gets there.
        for jump in (
            'iifname "eth1" ip saddr 192.0.2.1 ip daddr 172.16.2.9 jump inward_1_by_2',
            'oifname "eth1" ip saddr 172.16.1.9 ip daddr 192.0.2.1 jump outward_1_by_2',
            'iifname "eth0" ip saddr 192.0.2.2 ip daddr 172.16.1.9 jump inward_2_by_1',
            'oifname "eth0" ip saddr 172.16.2.9 ip daddr 192.0.2.2 jump outward_2_by_1',
        ):
            self.assertEqual(script.count(jump), 1, script)
        self.assertEqual(script.count("jump"), 4, script)

    def test_counts_what_was_decrypted_and_nothing_that_merely_arrives(self) -> None:
        script = routes.rewriting(example(), DEVICES)
        counting = [line.strip() for line in script.splitlines() if "counter name" in line]
        marks = {uplink.number: uplink.mark for uplink in example().uplinks}
        self.assertEqual(
            counting,
            [
                f'iifname "lab-1" meta mark {marks[2]} counter name moved_1 meta mark set 0',
                f'iifname "lab-2" meta mark {marks[1]} counter name moved_2 meta mark set 0',
            ],
        )
        # ESP alone is marked: charon's own packets are answered by no route of the mark's.
        marking = [line.strip() for line in script.splitlines() if re.search(r"mark set [1-9]", line)]
        self.assertEqual(len(marking), 4, script)
        for rule in marking:
            self.assertRegex(rule, r"^(ip protocol esp|udp sport 4500 udp length > 12 @th,64,32 != 0) meta mark set")

    def test_is_put_back_when_somebody_flushed_it(self) -> None:
        tables: set[str] = set()
        made, _ = box(mock.MagicMock(has_table=lambda _, name: name in tables))

        def load(_: str) -> str:
            tables.add("dual_tunnel_vpn_lab_outer")
            return ""

        with mock.patch.object(routes, "_nft", side_effect=load) as nft:
            made.prepare_rewriting()
            made.prepare_rewriting()
            self.assertEqual(nft.call_count, 1)
            tables.clear()
            made.prepare_rewriting()
            self.assertEqual(nft.call_count, 2)

    def test_waits_for_an_uplink_that_was_never_there(self) -> None:
        self.assertNotIn("addr set ", routes.rewriting(example(), {}))


class Deeds(unittest.TestCase):
    def test_a_failover_starts_no_process(self) -> None:
        made, netlink = box()
        with mock.patch("subprocess.Popen", side_effect=AssertionError("a process costs 50 ms")):
            self.assertEqual(made.set_inner(2), "")
            self.assertEqual(made.set_outer(1, 2), "")
        inner, outer = netlink.routes_set
        self.assertEqual((inner.destination, inner.oif, inner.metric), ("192.168.0.0/16", 5, 100))
        self.assertEqual((outer.destination, outer.oif, outer.gateway), ("192.0.2.1/32", 3, "172.16.2.1"))


class Guards(unittest.TestCase):
    def test_are_put_back_when_they_are_gone_and_told_about_once(self) -> None:
        made, netlink = box()
        told = ["the guard for 192.168.0.0/16 was not there: it is now"]
        self.assertEqual(made.guard(), told)
        self.assertEqual(len(netlink.routes_set), 3)
        self.assertEqual(made.guard(), [])
        del netlink.routes_set[0]
        self.assertEqual(made.guard(), told)

    def test_of_the_vpc_stay_when_the_agent_stops(self) -> None:
        made, netlink = box()
        made.guard()
        made.leave(moved=False)
        self.assertEqual([(r.destination, r.kind) for r in netlink.routes_set], [("192.168.0.0/16", UNREACHABLE)])


class Forwarding(unittest.TestCase):
    def test_is_amiss_when_it_was_switched_off_or_the_filter_does_not_know_who_wants_it(self) -> None:
        theirs = "somebody else has switched forwarding on: what goes beside the tunnels is theirs"
        ours = "nobody else wants forwarding: what goes beside the tunnels has to be dropped"
        for right, others, shared, wanted in (
            (True, False, True, []),
            (True, True, False, []),
            (False, False, True, ["forwarding was switched off"]),
            (True, True, True, [theirs]),
            (False, False, False, ["forwarding was switched off", ours]),
        ):
            made, _ = box(mock.MagicMock(has_table=lambda _, name, shared=shared: shared or name != "dual_tunnel_vpn"))
            kernel = mock.patch.multiple(
                routes.sysctl, forwarding_is_right=lambda _, right=right: right, forwarded_by_others=lambda o=others: o
            )
            with kernel, mock.patch.object(made, "uplink_trouble", return_value="away"):
                self.assertEqual(made.amiss(), wanted)


class Orphans(unittest.TestCase):
    STATES = (
        IpsecState("172.16.1.9", 1, 20481, 100, 0, 32),
        IpsecState("172.16.1.9", 2, 20481, 100, 0, 32),
        IpsecState("172.16.1.9", 3, 20481, 990, 0, 32),
        IpsecState("172.16.1.9", 4, 7, 100, 0, 32),
    )

    def test_are_old_states_of_our_tunnels_that_charon_does_not_own(self) -> None:
        made, _ = box()
        with mock.patch.object(made, "_states", mock.Mock(list=lambda: list(self.STATES))):
            self.assertEqual([state.spi for state in made.orphans({1}, 985)], [2])

    def test_are_removed_when_two_lists_agree(self) -> None:
        agent = Agent.__new__(Agent)
        agent.box = mock.Mock(orphans=mock.Mock(return_value=[self.STATES[1]]))
        agent._suspects = set()
        agent._say = mock.Mock()  # type: ignore[method-assign]
        agent._remove_orphans(set())
        agent.box.remove_state.assert_not_called()
        agent._remove_orphans(set())
        agent.box.remove_state.assert_called_once_with(self.STATES[1])
