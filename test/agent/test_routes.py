"""What the agent does to the box's network: deeds without a process, guards, and what it finds amiss."""

from __future__ import annotations

import unittest
from typing import Any
from unittest import mock

from dual_tunnel_vpn.agent import routes
from dual_tunnel_vpn.net import sysctl
from dual_tunnel_vpn.net.netlink import UNREACHABLE, Address, Link, Route, Rule

from .test_channel import example


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

    def routes(self, protocol: int) -> list[Route]:
        """Those of all tables."""
        return [route for route in self.routes_set if route.protocol == protocol]

    def rules(self) -> list[Rule]:
        """The uplinks'."""
        return [Rule(uplink.mark, uplink.table, 5157) for uplink in example().uplinks]


def box(nftables: Any = None) -> tuple[routes.Routes, FakeNetlink]:
    """The agent's box on a kernel of ours, with these nftables."""
    netlink = FakeNetlink()
    with mock.patch.object(routes, "Netlink", lambda: netlink):
        made = routes.Routes(example(), nftables)
    made.refresh()
    return made, netlink


class Deeds(unittest.TestCase):
    def test_a_failover_starts_no_process(self) -> None:
        made, netlink = box()
        with mock.patch("subprocess.Popen", side_effect=AssertionError("a process costs 50 ms")):
            self.assertEqual(made.set_inner(2), "")
            self.assertEqual(made.set_outer(1, 2), "")
        inner, outer = netlink.routes_set
        self.assertIsNone(made.inner())
        made.refresh()
        self.assertEqual(made.inner(), 2)
        self.assertEqual((inner.destination, inner.oif, inner.metric), ("192.168.0.0/16", 5, 100))
        self.assertEqual((outer.destination, outer.oif, outer.gateway), ("192.0.2.1/32", 3, "172.16.2.1"))


class Guards(unittest.TestCase):
    def test_are_put_back_when_they_are_gone_and_told_about_once(self) -> None:
        made, netlink = box()
        told = ["the guard for 192.168.0.0/16 was not there: it is now"]
        self.assertEqual(made.guard(), told)
        self.assertEqual(len(netlink.routes_set), 3)
        made.refresh()
        self.assertEqual(made.guard(), [])
        del netlink.routes_set[0]
        made.refresh()
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
        off = "forwarding was switched off (eth0)"
        for told, others, shared, wanted in (
            ([], False, True, []),
            ([], True, False, []),
            ([off], False, True, [off]),
            ([], True, True, [theirs]),
            ([off], False, False, [off, ours]),
        ):
            made, _ = box(mock.MagicMock(has_table=lambda _, name, shared=shared: shared or name != "dual_tunnel_vpn"))
            kernel = mock.patch.multiple(sysctl, amiss=mock.DEFAULT, forwarded_by_others=lambda o=others: o)
            with kernel as patched, mock.patch.object(made, "uplink_trouble", return_value="away"):
                patched["amiss"].return_value = told
                self.assertEqual(made.amiss(), wanted)
                # Of an uplink that is not there nothing is known.
                self.assertEqual(patched["amiss"].call_args.args[1], ["eth0", "eth1"])
