"""What the agent does to the box's network: deeds without a process, guards, and what it finds amiss."""

from __future__ import annotations

import dataclasses
import errno
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from dual_tunnel_vpn import paths
from dual_tunnel_vpn.agent import routes
from dual_tunnel_vpn.net import netlink as codec
from dual_tunnel_vpn.net import sysctl
from dual_tunnel_vpn.net.netlink import UNREACHABLE, Address, Link, Note, Place, Route, Rule
from dual_tunnel_vpn.site import TunnelBgp

from .test_channel import example


class FakeNetlink:
    """A box of two uplinks and both XFRM interfaces; keeps the routes that it is given."""

    def __init__(self, *_: Any) -> None:
        self.routes_set: list[Route] = []
        self.theirs: list[Place] = []
        self.there: list[Address] = [Address(2, "172.16.1.9", 24), Address(3, "172.16.2.9", 24)]

    def links(self) -> list[Link]:
        """Every interface, up."""
        names = ("lo", "eth0", "eth1", "lab-1", "lab-2")
        return [Link(index, name, up=True, carrier=True) for index, name in enumerate(names, 1)]

    def addresses(self) -> list[Address]:
        """The uplinks', and what was added."""
        return list(self.there)

    def places(self) -> list[Place]:
        """The routes of others."""
        return list(self.theirs)

    def replace_route(self, route: Route) -> None:
        """Puts it in the place of the one that has its destination, table and metric."""
        if route.source is not None and route.source not in {found.address for found in self.there}:
            raise codec.NetlinkError(errno.EINVAL, "the route could not be set")
        place = (route.destination, route.table, route.metric)
        self.routes_set = [r for r in self.routes_set if (r.destination, r.table, r.metric) != place]
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


class Inner(unittest.TestCase):
    def test_leaves_by_the_address_on_the_lan_and_follows_it(self) -> None:
        made, netlink = box()
        netlink.there.append(Address(4, "172.16.3.1", 24))
        made.refresh()
        made.set_inner(1)
        made.refresh()
        self.assertEqual([route.source for route in netlink.routes_set], ["172.16.3.1"])
        self.assertTrue(made.settled(1))
        netlink.there[-1] = Address(4, "172.16.3.77", 24)
        made.refresh()
        # The way is right, and stays; only the address is another one.
        self.assertEqual((made.inner(), made.settled(1)), (1, False))
        made.set_inner(1)
        made.refresh()
        self.assertEqual([route.source for route in netlink.routes_set], ["172.16.3.77"])

    def test_has_an_uplinks_address_only_if_need_be_and_none_where_none_is_the_data_centers(self) -> None:
        made, netlink = box()
        self.assertEqual(made.source(), "172.16.1.9")
        netlink.there[:] = [Address(2, "203.0.113.9", 24)]
        made.refresh()
        self.assertIsNone(made.source())

    def test_is_there_without_an_address_that_has_just_gone(self) -> None:
        made, netlink = box()
        netlink.there.clear()
        self.assertEqual(made.set_inner(1), "")
        self.assertEqual([route.source for route in netlink.routes_set], [None])

    def test_of_a_former_metric_is_followed_and_goes_once_the_new_one_is_there(self) -> None:
        made, netlink = box()
        netlink.routes_set.append(Route("192.168.0.0/16", 5, metric=900, protocol=157))
        made.refresh()
        self.assertEqual((made.inner(), made.settled(2)), (2, False))
        made.set_inner(2)
        self.assertEqual([(route.metric, route.oif) for route in netlink.routes_set], [(100, 5)])
        made.refresh()
        self.assertTrue(made.settled(2))

    def test_never_takes_the_place_of_somebody_elses_route(self) -> None:
        made, netlink = box()
        netlink.theirs.append(Place(254, "192.168.0.0/16", 4, metric=100, oif=2, gateway="172.16.1.7"))
        made.note([Note(codec.RTM_NEWROUTE, codec.encode_route(Route("192.168.0.0/16", 2, "172.16.1.7", metric=100)))])
        made.refresh()
        with mock.patch("socket.if_indextoname", return_value="eth0"):
            failed = made.set_inner(1)
        words = "somebody else's route to 192.168.0.0/16 via 172.16.1.7 by eth0 has the metric of ours: it stays"
        self.assertEqual((failed, netlink.routes_set), (words, []))

    def test_routes_of_others_are_read_again_only_when_one_for_the_vpc_changed_or_notes_were_lost(self) -> None:
        made, netlink = box()
        with mock.patch.object(netlink, "places", wraps=netlink.places) as read:
            for route in (Route("10.0.0.0/8", 2, protocol=4), Route("192.168.0.0/16", 4, protocol=157)):
                made.note([Note(codec.RTM_NEWROUTE, codec.encode_route(route))])
                made.refresh()
            read.assert_not_called()
            made.note([Note(codec.RTM_DELROUTE, codec.encode_route(Route("192.168.5.0/24", 2, protocol=4)))])
            made.refresh()
            made.note(None)
            made.refresh()
            self.assertEqual(read.call_count, 2)


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


class Interfaces(unittest.TestCase):
    def test_that_lack_the_end_of_their_bgp_session_are_given_it(self) -> None:
        site = example()
        first, second = (
            dataclasses.replace(each, bgp=TunnelBgp(f"169.254.1{each.number}.1", f"169.254.1{each.number}.2", 30))
            for each in site.tunnels
        )
        fake = FakeNetlink()
        fake.there.append(Address(5, "169.254.12.2", 30))
        fake.put_address = mock.Mock()  # type: ignore[attr-defined]
        with mock.patch.object(routes, "Netlink", lambda: fake):
            found = routes.Routes(dataclasses.replace(site, tunnels=(first, second)), mock.Mock())
            found.refresh()
            self.assertEqual(found.restore_interfaces(), ["the interface lab-1 had lost its address: it is back"])
        # Nothing else: an interface that is made anew is down for a moment, and every route into it gone.
        fake.put_address.assert_called_once_with(Address(4, "169.254.11.2", 30))  # type: ignore[attr-defined]


class Surroundings(unittest.TestCase):
    def test_differ_once_there_is_another_bridge_or_a_table_of_the_older_iptables(self) -> None:
        made, _ = box()
        with tempfile.TemporaryDirectory() as directory:
            tables = Path(directory) / "ip_tables_names"
            with mock.patch.object(paths, "LEGACY_TABLES", tables):
                first = made.surroundings()
                self.assertEqual(made.surroundings(), first)
                made.network.links["docker0"] = Link(9, "docker0", up=True, carrier=False, kind="bridge")
                second = made.surroundings()
                tables.write_text("filter\n")
                third = made.surroundings()
        self.assertEqual(len({repr(each) for each in (first, second, third)}), 3)

    def test_differ_once_an_uplink_s_address_is_on_another_interface(self) -> None:
        made, netlink = box()
        first = made.surroundings()
        netlink.there = [Address(2, "172.16.1.9", 24), Address(1, "172.16.2.9", 24)]
        made.refresh()
        self.assertNotEqual(made.surroundings(), first)


class Uplinks(unittest.TestCase):
    def test_whose_address_was_exchanged_are_in_trouble_which_names_the_other(self) -> None:
        made, netlink = box()
        netlink.there = [Address(2, "172.16.1.77", 24), Address(3, "172.16.2.9", 24)]
        made.refresh()
        first, second = made.site.uplinks
        told = "(eth0) has lost its address 172.16.1.9: eth0 has 172.16.1.77/24"
        self.assertEqual([made.uplink_trouble(uplink) for uplink in (first, second)], [told, ""])
        netlink.there = [Address(3, "172.16.2.9", 24)]
        made.refresh()
        self.assertEqual(made.uplink_trouble(first), "(eth0) has lost its address 172.16.1.9")

    def test_are_well_while_the_loopback_interface_has_their_address_too(self) -> None:
        made, netlink = box()
        netlink.there = [Address(1, "172.16.1.9", 32), Address(2, "172.16.1.9", 24), Address(3, "172.16.2.9", 24)]
        made.refresh()
        self.assertEqual(made.devices, {1: "eth0", 2: "eth1"})
        self.assertEqual([made.uplink_trouble(uplink) for uplink in made.site.uplinks], ["", ""])


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
