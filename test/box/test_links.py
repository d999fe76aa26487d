"""Links: the plan makes the network as wanted from any state, changes nothing when it is, and can be undone."""

from __future__ import annotations

import random
import re
import unittest
from dataclasses import replace
from typing import Any
from unittest import mock

from dual_tunnel_vpn import links
from dual_tunnel_vpn.commands import Refusal
from dual_tunnel_vpn.links import Link, Network, Route

from . import samples


def guard(block: str) -> Route:
    """The guard of a VPC's block as the kernel lists it."""
    return Route(block, "main", "", "", "unreachable")


def execute(commands: list[str], network: Network) -> None:
    """What the kernel makes of `ip` commands of the forms that links.py writes; an unknown form is an error."""
    for command in commands:
        if match := re.fullmatch(r"link add dev (\S+) type xfrm if_id (\d+)", command):
            assert match[1] not in network.links, command
            network.links[match[1]] = Link("xfrm", int(match[2]), 1500, False)
        elif match := re.fullmatch(r"link set dev (\S+) addrgenmode none", command):
            assert match[1] in network.links, command
        elif match := re.fullmatch(r"link set dev (\S+) mtu (\d+) up", command):
            network.links[match[1]] = replace(network.links[match[1]], mtu=int(match[2]), up=True)
        elif match := re.fullmatch(r"link del dev (\S+)", command):
            del network.links[match[1]]
            network.routes = [route for route in network.routes if route.device != match[1]]
        elif match := re.fullmatch(r"rule add fwmark (\d+) lookup (\d+) priority 5157", command):
            assert (int(match[1]), match[2]) not in network.rules, command
            network.rules.append((int(match[1]), match[2]))
        elif match := re.fullmatch(r"rule del fwmark (\d+) lookup (\d+) priority 5157", command):
            network.rules.remove((int(match[1]), match[2]))
        elif match := re.fullmatch(
            r"route replace (\S+) via (\S+) dev (\S+) src \S+ onlink proto 157(?: table (\d+))?", command
        ):
            table = match[4] or "main"
            network.routes = [r for r in network.routes if (r.destination, r.table) != (match[1], table)]
            network.routes.append(Route(match[1], table, match[3], match[2]))
        elif match := re.fullmatch(r"route replace unreachable (\S+) metric 4294967295 proto 157", command):
            network.routes = [r for r in network.routes if (r.kind, r.destination) != ("unreachable", match[1])]
            network.routes.append(guard(match[1]))
        elif match := re.fullmatch(r"route del (unreachable|local) (\S+) table (\S+) proto 157", command):
            network.routes = [r for r in network.routes if (r.kind, r.destination, r.table) != match.groups()]
        elif match := re.fullmatch(r"route del (\S+)(?: via (\S+))? dev (\S+) table (\S+)", command):
            network.routes.remove(Route(match[1], match[4], match[3], match[2] or ""))
        else:
            raise AssertionError(f"unknown command: {command}")


class PlansLinks(unittest.TestCase):
    def test_makes_everything_on_a_fresh_box(self) -> None:
        network = samples.network()
        execute(links.plan(samples.site(), network), network)
        self.assertEqual(network.links["singapore-1"], Link("xfrm", 20481, 1400, True))
        self.assertEqual(network.links["singapore-2"], Link("xfrm", 20482, 1400, True))
        self.assertEqual(sorted(network.rules), [(20481, "20481"), (20482, "20482")])
        self.assertCountEqual(
            network.routes,
            [
                Route("default", "20481", "eth0", "172.16.1.253"),
                Route("default", "20482", "eth1", "172.16.2.253"),
                Route("192.0.2.152/32", "main", "eth0", "172.16.1.253"),
                Route("192.0.2.10/32", "main", "eth1", "172.16.2.253"),
                guard("192.168.0.0/16"),
            ],
        )

    def test_reaches_a_gateway_outside_the_uplinks_network(self) -> None:
        document = samples.document()
        document["uplinks"][0].update(address="198.51.100.198", prefixLength=32, gateway="203.0.113.1")
        site = samples.site(uplinks=document["uplinks"])
        network = samples.network()
        network.addresses["198.51.100.198"] = "ppp0"
        network.links["ppp0"] = Link("ppp", 0, 1492, True)
        plan = links.plan(site, network)
        way = "via 203.0.113.1 dev ppp0 src 198.51.100.198 onlink proto 157"
        self.assertIn(f"route replace default {way} table 20481", plan)
        self.assertIn(f"route replace 192.0.2.152/32 {way}", plan)
        execute(plan, network)
        self.assertEqual(links.plan(site, network), [])

    def test_puts_a_guard_under_each_block_of_the_vpc_before_all_else(self) -> None:
        site = samples.site(vpcCidrs=["192.168.0.0/16", "100.64.0.0/10"])
        network = Network()
        plan = links.plan(site, network)
        self.assertEqual(plan[:2], links.guards(site, network))
        execute(plan[:2], network)
        self.assertEqual(network.routes, [guard("192.168.0.0/16"), guard("100.64.0.0/10")])
        self.assertEqual(links.guards(site, network), [])

    def test_forwards_only_once_filter_and_guards_are_there(self) -> None:
        done: list[str] = []

        def note(name: str, value: Any = None) -> Any:
            return mock.Mock(side_effect=lambda *_, **__: (done.append(name), value)[1])

        network = samples.network()
        with (
            mock.patch.multiple(links, observe=lambda: network, must=note("modprobe"), batch=note("routes", [])),
            mock.patch.multiple(links.firewall, guard=note("filter"), bring=note("openings")),
            mock.patch.multiple(links.sysctl, write=note("sysctl"), forward=note("forward")),
        ):
            self.assertEqual(links.bring(samples.site()), [])
        self.assertEqual(done[:2], ["filter", "routes"])
        self.assertEqual((done[-1], done.count("forward")), ("forward", 1))

    def test_does_not_forward_where_the_guards_were_refused(self) -> None:
        network = samples.network()
        with (
            mock.patch.multiple(links, observe=lambda: network, batch=lambda _: ["`ip route`: refused"]),
            mock.patch.object(links.firewall, "guard"),
            mock.patch.object(links.sysctl, "forward") as forward,
            self.assertRaisesRegex(Refusal, "the guard of the VPC's blocks"),
        ):
            links.bring(samples.site())
        forward.assert_not_called()

    def test_plans_nothing_when_all_is_as_wanted(self) -> None:
        network = samples.network()
        execute(links.plan(samples.site(), network), network)
        self.assertEqual(links.plan(samples.site(), network), [])

    def test_repairs_any_loss_and_nothing_else(self) -> None:
        site = samples.site()
        for seed in range(200):
            rng = random.Random(seed)
            network = samples.network()
            execute(links.plan(site, network), network)
            whole = (dict(network.links), set(network.rules), set(network.routes))
            lost = 0
            for name in list(network.links):
                if rng.random() < 0.3:
                    del network.links[name]
                    lost += 1
            for collection in (network.rules, network.routes):
                for item in list(collection):
                    if rng.random() < 0.3:
                        collection.remove(item)  # type: ignore[arg-type]
                        lost += 1
            plan = links.plan(site, network)
            self.assertEqual(bool(plan), bool(lost))
            execute(plan, network)
            self.assertEqual((network.links, set(network.rules), set(network.routes)), whole)

    def test_leaves_an_outer_path_alone_that_the_agent_has_moved(self) -> None:
        network = samples.network()
        execute(links.plan(samples.site(), network), network)
        network.routes.remove(Route("192.0.2.152/32", "main", "eth0", "172.16.1.253"))
        network.routes.append(Route("192.0.2.152/32", "main", "eth1", "172.16.2.253"))
        self.assertEqual(links.plan(samples.site(), network), [])

    def test_corrects_mtu_a_foreign_if_id_and_an_interface_that_is_down(self) -> None:
        for broken in (Link("xfrm", 20481, 1500, True), Link("xfrm", 7, 1400, True), Link("xfrm", 20481, 1400, False)):
            network = samples.network()
            execute(links.plan(samples.site(), network), network)
            network.links["singapore-1"] = broken
            execute(links.plan(samples.site(), network), network)
            self.assertEqual(network.links["singapore-1"], Link("xfrm", 20481, 1400, True))

    def test_gives_each_tunnel_its_own_mtu(self) -> None:
        first, second = samples.document()["tunnels"]
        network = samples.network()
        execute(links.plan(samples.site(tunnels=[first, {**second, "mtu": 1300}]), network), network)
        self.assertEqual([network.links[f"singapore-{number}"].mtu for number in (1, 2)], [1400, 1300])

    def test_never_touches_an_interface_of_another_kind(self) -> None:
        network = samples.network()
        network.links["singapore-1"] = Link("bridge", 0, 1500, True)
        with self.assertRaisesRegex(Refusal, "singapore-1 that is not ours"):
            links.plan(samples.site(), network)

    def test_does_what_it_can_while_an_uplink_is_away(self) -> None:
        network = samples.network()
        del network.addresses["172.16.1.93"]
        execute(links.plan(samples.site(), network), network)
        self.assertEqual([u.number for u in links.missing_uplinks(samples.site(), network)], [1])
        self.assertIn("singapore-1", network.links)
        self.assertIn(Route("192.0.2.10/32", "main", "eth1", "172.16.2.253"), network.routes)
        network.addresses["172.16.1.93"] = "eth0"
        execute(links.plan(samples.site(), network), network)
        self.assertIn(Route("192.0.2.152/32", "main", "eth0", "172.16.1.253"), network.routes)

    def test_takes_down_all_that_is_there_and_only_that(self) -> None:
        site = samples.site()
        foreign = Route("10.9.0.0/16", "main", "wan9", "10.0.0.1")
        for seed in range(200):
            rng = random.Random(seed)
            network = samples.network()
            execute(links.plan(site, network), network)
            network.routes.append(Route("192.168.0.0/16", "main", "singapore-1", ""))
            network.routes = [route for route in network.routes if rng.random() < 0.7] + [foreign]
            network.rules = [rule for rule in network.rules if rng.random() < 0.7] + [(5, "5")]
            execute(links.take_down(site, network), network)
            self.assertEqual((network.links, network.rules, network.routes), ({}, [(5, "5")], [foreign]))

    def test_takes_down_guards_and_no_other_route_of_their_kind(self) -> None:
        network = samples.network()
        before = list(network.routes)
        execute(links.plan(samples.site(), network), network)
        network.routes += [
            Route("172.16.1.93/32", "local", "lo", "", "local"),
            Route("10.9.0.0/16", "main", "", "", "unreachable"),
        ]
        execute(links.take_down(samples.site(), network), network)
        self.assertEqual(network.routes, [*before, Route("10.9.0.0/16", "main", "", "", "unreachable")])

    def test_removes_what_only_the_former_configuration_wanted(self) -> None:
        old = samples.site(vpcCidrs=["192.168.0.0/16", "10.0.0.0/8"])
        document = samples.document()
        del document["uplinks"][1]
        document["tunnels"][1].update(uplink=1, ipsecAddress="192.0.2.11")
        new = samples.site(uplinks=document["uplinks"], tunnels=document["tunnels"])
        network = samples.network()
        execute(links.plan(old, network), network)
        network.routes += [
            Route("192.168.0.0/16", "main", "singapore-1", ""),
            Route("10.0.0.0/8", "main", "singapore-1", ""),
        ]
        execute(links.stale(old, new, network), network)
        self.assertEqual(network.rules, [(20481, "20481")])
        self.assertCountEqual(
            network.routes,
            [
                Route("default", "20481", "eth0", "172.16.1.253"),
                Route("192.0.2.152/32", "main", "eth0", "172.16.1.253"),
                Route("192.168.0.0/16", "main", "singapore-1", ""),
                guard("192.168.0.0/16"),
            ],
        )
        self.assertIn("singapore-1", network.links)
        self.assertEqual(links.stale(new, new, network), [])
