"""Links: the plan makes the network as wanted from any state, changes nothing when it is, and can be undone."""

from __future__ import annotations

import itertools
import random
import tempfile
import unittest
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from dual_tunnel_vpn import links, paths
from dual_tunnel_vpn.commands import Refusal
from dual_tunnel_vpn.net import firewall, sysctl, wanted
from dual_tunnel_vpn.net.netlink import LOCAL, LOCAL_TABLE, UNICAST, UNREACHABLE, Address, Route, Rule
from dual_tunnel_vpn.net.network import Change, Network, Put, Remove, XfrmLink

from . import samples

GUARD_METRIC = 4294967295
LOCAL_RULE, MAIN_RULE = Rule(0, 255, 0, protocol=2), Rule(0, 254, 32766, protocol=2)
PRIORITY = 5157
PROTOCOL = 157


def guard(block: str) -> Route:
    """The guard of a VPC's block."""
    return Route(block, 0, metric=GUARD_METRIC, protocol=PROTOCOL, kind=UNREACHABLE)


def way(destination: str, uplink: int, table: int = 254) -> Route:
    """A route by an uplink of the sample."""
    gateway, source = (("172.16.1.253", "172.16.1.93"), ("172.16.2.253", "172.16.2.57"))[uplink - 1]
    return Route(destination, 1 + uplink, gateway, source, table=table, protocol=PROTOCOL, onlink=True)


def rules(priority: int = PRIORITY) -> list[Rule]:
    """Those of the sample, the probes' at this priority."""
    marked = [Rule(number, number, priority, protocol=PROTOCOL) for number in (20481, 20482)]
    outer = [f"192.0.2.{last}/32" for last in (152, 10)]
    return marked + [Rule(0, 254, priority + 1, destination=to, iif="lo", protocol=PROTOCOL) for to in outer]


def execute(changes: Iterable[Change], network: Network) -> None:
    """What the kernel makes of the changes."""
    for change in changes:
        thing = change.thing
        if isinstance(thing, XfrmLink):
            there = network.links.pop(thing.name, None)
            if isinstance(change, Put):
                assert there is None or (there.kind, there.if_id) == ("xfrm", thing.if_id), change
                ifindex = max(each.ifindex for each in network.links.values()) + 1 if there is None else there.ifindex
                network.links[thing.name] = samples.link(ifindex, thing.name, "xfrm", thing.if_id, thing.mtu)
            else:
                assert there is not None, change
                network.routes = [route for route in network.routes if route.oif != there.ifindex]
        elif isinstance(thing, Rule):
            if isinstance(change, Put):
                assert thing not in network.rules, change
                network.rules.append(thing)
            else:
                network.rules.remove(thing)
        elif isinstance(thing, Address):
            (network.addresses.append if isinstance(change, Put) else network.addresses.remove)(thing)
        elif isinstance(change, Put):
            same = (thing.destination, thing.table, thing.metric)
            network.routes = [r for r in network.routes if (r.destination, r.table, r.metric) != same]
            network.routes.append(thing)
        else:
            network.routes.remove(thing)


def installed(site: Any = None) -> Network:
    """The sample box with all of a connection."""
    network = samples.network()
    execute(links.plan(site or samples.site(), network), network)
    return network


@contextmanager
def alone() -> Iterator[None]:
    """The lock in a directory of its own."""
    with tempfile.TemporaryDirectory() as directory:
        private = Path(directory) / "private"
        with mock.patch.multiple(paths, PRIVATE=private, NETWORK_LOCK=private / "lock"):
            yield


def inner(network: Network, block: str = "192.168.0.0/16") -> Route:
    """The agent's route to a block of the VPC by the active tunnel."""
    return Route(block, network.links["singapore-1"].ifindex, metric=100, protocol=PROTOCOL)


def notes() -> tuple[list[str], Any]:
    """What was called, in order, and what makes functions that note their name there."""
    done: list[str] = []

    def note(name: str, value: Any = None) -> Any:
        def noted(*_: Any, **__: Any) -> Any:
            done.append(name)
            return value

        return mock.Mock(side_effect=noted)

    return done, note


class PlansLinks(unittest.TestCase):
    def test_makes_everything_on_a_fresh_box(self) -> None:
        network = installed()
        self.assertEqual(network.links["singapore-1"][4:], ("xfrm", 20481, 1400, 0))
        self.assertEqual(network.links["singapore-2"][4:], ("xfrm", 20482, 1400, 0))
        self.assertCountEqual(network.rules, rules())
        self.assertCountEqual(
            network.routes,
            [
                way("0.0.0.0/0", 1, table=20481),
                way("0.0.0.0/0", 2, table=20482),
                way("192.0.2.152/32", 1),
                way("192.0.2.10/32", 2),
                guard("192.168.0.0/16"),
            ],
        )

    def test_reaches_a_gateway_outside_the_uplinks_network(self) -> None:
        document = samples.document()
        document["uplinks"][0].update(address="198.51.100.198", prefixLength=32, gateway="203.0.113.1")
        site = samples.site(uplinks=document["uplinks"])
        network = samples.network()
        network.addresses.append(Address(7, "198.51.100.198", 32))
        network.links["ppp0"] = samples.link(7, "ppp0", "ppp", mtu=1492)
        plan = links.plan(site, network)
        to_cloud = Route("192.0.2.152/32", 7, "203.0.113.1", "198.51.100.198", protocol=PROTOCOL, onlink=True)
        self.assertIn(Put(to_cloud), plan)
        self.assertIn(Put(to_cloud._replace(destination="0.0.0.0/0", table=20481)), plan)
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
        done, note = notes()
        network = samples.network()
        with (
            alone(),
            mock.patch.multiple(links, observe=lambda: network, apply=note("routes", [])),
            mock.patch.object(firewall.own, "guard", note("filter", [])),
            mock.patch.object(firewall, "open_all", note("openings", [])),
            mock.patch.multiple(sysctl, amiss=note("look", []), write=note("sysctl"), forward=note("forward")),
        ):
            self.assertEqual(links.bring(samples.site()), ([], []))
        self.assertEqual(done[:2], ["filter", "routes"])
        self.assertEqual((done[-1], done.count("forward")), ("forward", 1))

    def test_does_not_forward_where_the_guards_were_refused(self) -> None:
        network = samples.network()
        with (
            alone(),
            mock.patch.multiple(links, observe=lambda: network, apply=lambda _: ["it was refused"]),
            mock.patch.object(firewall.own, "guard"),
            mock.patch.object(firewall, "open_all", return_value=[]) as opened,
            mock.patch.multiple(sysctl, amiss=lambda *_: [], write=mock.DEFAULT, forward=mock.DEFAULT) as kernel,
            self.assertRaisesRegex(Refusal, "the guard of the VPC's blocks"),
        ):
            links.bring(samples.site())
        kernel["forward"].assert_not_called()
        # What a failure does not concern is done all the same.
        opened.assert_called_once()

    def test_opens_the_filter_before_it_waits_for_an_uplink_and_waits_only_where_it_is_told_to(self) -> None:
        network = installed()
        network.addresses = [found for found in network.addresses if found.address != "172.16.2.57"]
        done, note = notes()
        with (
            alone(),
            mock.patch.multiple(links, observe=lambda: network, apply=lambda _: []),
            mock.patch.object(firewall.own, "guard", return_value=[]),
            mock.patch.object(firewall, "open_all", note("openings", [])),
            mock.patch.multiple(sysctl, amiss=lambda *_: [], write=mock.DEFAULT, forward=mock.DEFAULT),
            mock.patch("time.monotonic", side_effect=itertools.count()),
            mock.patch("time.sleep", note("waited")),
        ):
            missing = "uplink 2 is not there yet: no interface has the address 172.16.2.57"
            self.assertEqual(links.bring(samples.site(), wait=2).amiss, [missing])
            self.assertEqual(done, ["openings", "waited"])
            links.bring(samples.site())
        self.assertEqual(done, ["openings", "waited", "openings"])

    def test_plans_nothing_when_all_is_as_wanted(self) -> None:
        self.assertEqual(links.plan(samples.site(), installed()), [])

    def test_takes_what_a_former_version_left_for_its_own(self) -> None:
        # By `ip rule add`, `ip route replace ... onlink` and `ip link add`, as the kernel lists them.
        site, network = samples.site(), samples.network()
        network.rules = [Rule(20481, 20481, PRIORITY), Rule(20482, 20482, PRIORITY)]
        network.routes = [
            way("0.0.0.0/0", 1, table=20481),
            way("0.0.0.0/0", 2, table=20482),
            way("192.0.2.152/32", 1)._replace(onlink=False),
            way("192.0.2.10/32", 2),
            guard("192.168.0.0/16"),
        ]
        for number in (1, 2):
            name = f"singapore-{number}"
            network.links[name] = samples.link(9 + number, name, "xfrm", 20480 + number, 1400)
        self.assertEqual(links.plan(site, network), list(map(Put, rules()[2:])))
        execute(links.plan(site, network), network)
        execute(links.take_down(site, network), network)
        self.assertEqual((network.routes, network.rules, sorted(network.links)), ([], [], ["eth0", "eth1", "lo"]))

    def test_puts_its_rules_before_those_of_others_wherever_they_are(self) -> None:
        source = Rule(0, 101, 0, source="172.16.1.93/32")
        for priority, wanted_at in ((32765, 5157), (5156, 5154), (5157, 5155), (100, 98), (3, 1), (1, 1)):
            network = installed()
            network.rules += [LOCAL_RULE, source._replace(priority=priority), MAIN_RULE]
            theirs = network.rules[-3:]
            execute(links.plan(samples.site(), network), network)
            self.assertCountEqual(network.rules, [*theirs, *rules(wanted_at)])
            self.assertEqual(links.plan(samples.site(), network), [])

    def test_moves_a_rule_by_putting_the_new_one_before_the_old_one_goes(self) -> None:
        network = installed()
        network.rules.append(Rule(0, 101, 5156, source="172.16.1.93/32"))
        plan = links.plan(samples.site(), network)
        self.assertEqual(plan, [*map(Put, rules(5154)), *map(Remove, rules())])

    def test_stays_behind_the_rule_for_what_is_for_the_box_itself(self) -> None:
        # As Cilium has it: rules of its own come before table local. And as VRFs have it, which is no other's.
        network = installed()
        network.rules += [Rule(0x200, 2004, 9, mask=0xF00), Rule(0, 255, 100), Rule(0, 0, 1000, vrf=True), MAIN_RULE]
        self.assertEqual(links.plan(samples.site(), network), [])

    def test_its_marks_stay_behind_it_where_it_was_moved_behind_rules_by_source(self) -> None:
        # As the kernel's guide to VRFs has it: what is for the box itself comes late.
        network = installed()
        network.rules += [Rule(0, 101, 100, source="172.16.1.93/32"), Rule(0, 0, 1000, vrf=True)]
        network.rules += [Rule(0, 255, 32765), MAIN_RULE]
        theirs = network.rules[-4:]
        execute(links.plan(samples.site(), network), network)
        marked, outer = rules(32765)[:2], rules(98)[2:]
        self.assertCountEqual(network.rules, [*theirs, *marked, *outer])
        self.assertEqual(links.plan(samples.site(), network), [])

    def test_takes_no_rule_of_others_for_its_own(self) -> None:
        network = installed()
        theirs = [
            Rule(0, 254, 400, destination="192.0.2.152/32", protocol=3),
            # By UDP's port alone, for example.
            Rule(0, 254, 401, destination="192.0.2.152/32", iif="lo", protocol=3, narrow=True),
        ]
        network.rules += theirs
        execute(links.plan(samples.site(), network), network)
        execute(links.take_down(samples.site(), network), network)
        self.assertEqual(network.rules, theirs)

    def test_repairs_any_loss_and_nothing_else(self) -> None:
        site = samples.site()
        for seed in range(200):
            rng = random.Random(seed)
            network = installed()
            whole = (set(network.links), set(network.rules), set(network.routes))
            lost = 0
            for name in ("singapore-1", "singapore-2"):
                if rng.random() < 0.3:
                    del network.links[name]
                    lost += 1
            for collection in (network.rules, network.routes):
                for item in list(collection):
                    if rng.random() < 0.3:
                        collection.remove(item)  # type: ignore[arg-type]
                        lost += 1
            plan = links.plan(site, network)
            self.assertEqual(len(plan), lost)
            execute(plan, network)
            self.assertEqual((set(network.links), set(network.rules), set(network.routes)), whole)

    def test_leaves_an_outer_path_alone_that_the_agent_has_moved(self) -> None:
        network = installed()
        network.routes.remove(way("192.0.2.152/32", 1))
        network.routes.append(way("192.0.2.152/32", 2))
        self.assertEqual(links.plan(samples.site(), network), [])

    def test_corrects_mtu_a_foreign_if_id_and_an_interface_that_is_down(self) -> None:
        for fields in ({"mtu": 1500}, {"if_id": 7}, {"up": False}):
            network = installed()
            network.links["singapore-1"] = network.links["singapore-1"]._replace(**fields)
            execute(links.plan(samples.site(), network), network)
            corrected = network.links["singapore-1"]
            self.assertEqual((corrected.if_id, corrected.mtu, corrected.up), (20481, 1400, True))

    def test_gives_each_tunnel_its_own_mtu(self) -> None:
        first, second = samples.document()["tunnels"]
        network = installed(samples.site(tunnels=[first, {**second, "mtu": 1300}]))
        self.assertEqual([network.links[f"singapore-{number}"].mtu for number in (1, 2)], [1400, 1300])

    def test_never_touches_an_interface_of_another_kind(self) -> None:
        network = samples.network()
        network.links["singapore-1"] = samples.link(9, "singapore-1", "bridge")
        with self.assertRaisesRegex(Refusal, "singapore-1 that is not ours"):
            links.plan(samples.site(), network)
        self.assertEqual(links.take_down(samples.site(), network), [])

    def test_does_what_it_can_while_an_uplink_is_away(self) -> None:
        network = samples.network()
        away = network.addresses.pop(1)
        execute(links.plan(samples.site(), network), network)
        self.assertEqual([u.number for u in links.missing_uplinks(samples.site(), network)], [1])
        self.assertIn("singapore-1", network.links)
        self.assertIn(way("192.0.2.10/32", 2), network.routes)
        network.addresses.append(away)
        execute(links.plan(samples.site(), network), network)
        self.assertIn(way("192.0.2.152/32", 1), network.routes)

    def test_takes_down_all_that_is_there_and_only_that(self) -> None:
        site = samples.site()
        foreign = Route("10.9.0.0/16", 2, "10.0.0.1", protocol=PROTOCOL)
        for seed in range(200):
            rng = random.Random(seed)
            network = installed()
            network.routes.append(inner(network))
            network.routes = [route for route in network.routes if rng.random() < 0.7] + [foreign]
            network.rules = [rule for rule in network.rules if rng.random() < 0.7] + [Rule(5, 5, PRIORITY)]
            execute(links.take_down(site, network), network)
            self.assertEqual((network.rules, network.routes), ([Rule(5, 5, PRIORITY)], [foreign]))
            self.assertEqual(sorted(network.links), ["eth0", "eth1", "lo"])

    def test_takes_down_guards_and_no_other_route_of_their_kind(self) -> None:
        network = installed()
        end = Route("172.16.1.93/32", 1, metric=GUARD_METRIC, table=LOCAL_TABLE, protocol=PROTOCOL, kind=LOCAL)
        self.assertIn(end, wanted.ends(samples.site(), network))
        network.routes += [end, guard("10.9.0.0/16")]
        execute(links.take_down(samples.site(), network), network)
        self.assertEqual(network.routes, [guard("10.9.0.0/16")])

    def test_removes_what_only_the_former_configuration_wanted(self) -> None:
        old = samples.site(vpcCidrs=["192.168.0.0/16", "10.0.0.0/8"])
        document = samples.document()
        del document["uplinks"][1]
        document["tunnels"][1].update(uplink=1, ipsecAddress="192.0.2.11")
        new = samples.site(uplinks=document["uplinks"], tunnels=document["tunnels"])
        network = installed(old)
        network.routes += [inner(network), inner(network, "10.0.0.0/8")]
        execute(links.stale(old, new, network), network)
        self.assertEqual(network.rules, [rules()[0], rules()[2]])
        self.assertCountEqual(
            network.routes,
            [
                way("0.0.0.0/0", 1, table=20481),
                way("192.0.2.152/32", 1),
                inner(network),
                guard("192.168.0.0/16"),
            ],
        )
        self.assertIn("singapore-1", network.links)
        self.assertEqual(links.stale(new, new, network), [])

    def test_finds_stale_what_any_change_leaves_over_and_never_what_is_still_wanted(self) -> None:
        for seed in range(100):
            rng = random.Random(seed)
            blocks = ["192.168.0.0/16", "10.0.0.0/8", "100.64.0.0/10"]
            old, new = (samples.site(vpcCidrs=rng.sample(blocks, rng.randint(1, 3))) for _ in range(2))
            network = installed(old)
            network.routes += [inner(network, block) for block in old.vpc_cidrs]
            execute(links.stale(old, new, network), network)
            left = {route.destination for route in network.routes if route.kind == UNICAST and route.metric == 100}
            self.assertEqual(left, set(old.vpc_cidrs) & set(new.vpc_cidrs), seed)
            execute(links.plan(new, network), network)
            self.assertEqual(wanted.removals(wanted.claims(old) - wanted.claims(new), network), [], seed)
