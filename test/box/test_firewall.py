"""The packet filter: our table, and openings exactly where something could stop or translate the tunnels."""

from __future__ import annotations

import re
import unittest
import xml.etree.ElementTree as ElementTree
from typing import Any
from unittest import mock

from dual_tunnel_vpn import manifest
from dual_tunnel_vpn.net import firewall, sysctl
from dual_tunnel_vpn.net.firewall import firewalld, iptables, nftables, openings, own
from dual_tunnel_vpn.net.firewall.ruleset import Ruleset

from . import samples


def chain(family: str, table: str, name: str, kind: str = "", hook: str = "", policy: str = "accept") -> dict[str, Any]:
    base = {"type": kind, "hook": hook, "prio": 0, "policy": policy} if hook else {}
    return {"chain": {"family": family, "table": table, "name": name, "handle": 1, **base}}


def rule(family: str, table: str, name: str, *expressions: dict[str, Any], **fields: Any) -> dict[str, Any]:
    content = {"family": family, "table": table, "chain": name, "handle": 9, "expr": list(expressions), **fields}
    return {"rule": content}


def ruleset(*entries: dict[str, Any]) -> Ruleset:
    return Ruleset.of({"nftables": [{"metainfo": {"version": "1.0.6"}}, *entries]})


def hooks(*entries: dict[str, Any]) -> list[str]:
    return [found.hook for found in nftables.in_the_way(ruleset(*entries), set())]


class FindsWhatIsInTheWay(unittest.TestCase):
    def test_a_chain_that_drops_by_policy(self) -> None:
        self.assertEqual(hooks(chain("inet", "filter", "input", "filter", "input", "drop")), ["input"])

    def test_a_chain_that_rejects_at_its_end_or_in_a_chain_it_calls(self) -> None:
        entries = [
            chain("inet", "filter", "forward", "filter", "forward"),
            chain("inet", "filter", "last"),
            rule("inet", "filter", "last", {"reject": None}),
        ]
        self.assertEqual(hooks(*entries), ["forward"])

    def test_a_translation_that_is_not_bound_to_an_interface(self) -> None:
        base = chain("ip", "nat", "postrouting", "nat", "postrouting")
        away = {"match": {"op": "==", "left": {"meta": {"key": "oifname"}}, "right": "eth0"}}
        not_there = {"match": {"op": "!=", "left": {"meta": {"key": "oifname"}}, "right": "docker0"}}
        masquerade: dict[str, Any] = {"masquerade": None}
        self.assertEqual(hooks(base, rule("ip", "nat", "postrouting", masquerade)), ["postrouting"])
        self.assertEqual(hooks(base, rule("ip", "nat", "postrouting", not_there, masquerade)), ["postrouting"])
        self.assertEqual(hooks(base, rule("ip", "nat", "postrouting", away, masquerade)), [])

    def test_nothing_where_all_is_accepted(self) -> None:
        self.assertEqual(hooks(chain("inet", "filter", "input", "filter", "input")), [])
        self.assertEqual(hooks(chain("inet", "filter", "prerouting", "filter", "prerouting", "drop")), [])
        self.assertEqual(hooks(chain("ip6", "filter", "input", "filter", "input", "drop")), [])

    def test_never_our_own_tables_or_those_left_to_iptables(self) -> None:
        self.assertEqual(hooks(chain("inet", "dual_tunnel_vpn_x", "input", "filter", "input", "drop")), [])
        entries = ruleset(chain("ip", "filter", "INPUT", "filter", "input", "drop"))
        self.assertEqual(nftables.in_the_way(entries, {("ip", "filter")}), [])


class ChangesNftables(unittest.TestCase):
    def test_opens_a_chain_once(self) -> None:
        site = samples.site()
        base = chain("inet", "filter", "input", "filter", "input", "drop")
        changes = nftables.changes(ruleset(base), site, set())
        lines = changes.splitlines()
        self.assertEqual(len(lines), 3)
        self.assertEqual(
            lines[0],
            "insert rule inet filter input ip saddr { 192.0.2.152, 192.0.2.10 } udp dport { 500, 4500 } accept "
            'comment "dual-tunnel-vpn singapore"',
        )
        ours = [rule("inet", "filter", "input", comment="dual-tunnel-vpn singapore") for _ in lines]
        self.assertEqual(nftables.changes(ruleset(base, *ours), site, set()), "")

    def test_completes_what_is_half_there_and_drops_what_is_not_needed_any_more(self) -> None:
        site = samples.site()
        base = chain("inet", "filter", "input", "filter", "input", "drop")
        half = rule("inet", "filter", "input", comment="dual-tunnel-vpn singapore", handle=4)
        lines = nftables.changes(ruleset(base, half), site, set()).splitlines()
        self.assertEqual(lines[0], "delete rule inet filter input handle 4")
        self.assertEqual(len(lines), 4)
        opened = chain("inet", "filter", "input", "filter", "input", "accept")
        lines = nftables.changes(ruleset(opened, half), site, set()).splitlines()
        self.assertEqual(lines, ["delete rule inet filter input handle 4"])

    def test_leaves_the_rules_of_other_connections_and_people_alone(self) -> None:
        base = chain("inet", "filter", "input", "filter", "input", "drop")
        others = [
            rule("inet", "filter", "input", comment="dual-tunnel-vpn sing", handle=4),
            rule("inet", "filter", "input", comment="ssh", handle=5),
        ]
        self.assertNotIn("delete", nftables.changes(ruleset(base, *others), samples.site(), set()))

    def test_forwards_only_between_the_tunnels_and_the_data_center(self) -> None:
        base = chain("ip", "filter", "forward", "filter", "forward", "drop")
        for line in nftables.changes(ruleset(base), samples.site(), set()).splitlines():
            self.assertRegex(line, r'(iifname "singapore-[12]" ip daddr|oifname "singapore-[12]" ip saddr) \{ 172\.16')


    def test_leaves_openings_alone_in_tables_that_another_filter_looks_after(self) -> None:
        base = chain("ip", "filter", "INPUT", "filter", "input", "drop")
        ours = rule("ip", "filter", "INPUT", comment="dual-tunnel-vpn singapore", handle=4)
        self.assertEqual(nftables.changes(ruleset(base, ours), samples.site(), {("ip", "filter")}), "")


class FakeFilter:
    """A filter that looks after one table; records what was asked of it."""

    def __init__(self, table: tuple[str, str], available: bool = True) -> None:
        self.table, self.there = table, available
        self.asked: list[Any] = []

    def available(self) -> bool:
        """As it was made."""
        return self.there

    def open(self, site: Any, leave_out: set[tuple[str, str]]) -> set[tuple[str, str]]:
        """Opens."""
        self.asked.append(set(leave_out))
        return {self.table}

    def close(self, name: str) -> None:
        """Closes."""
        self.asked.append(name)


class AsksEveryFilter(unittest.TestCase):
    def test_each_is_told_which_tables_others_look_after_and_those_that_are_not_there_are_not_asked(self) -> None:
        first, absent, last = FakeFilter(("ip", "filter")), FakeFilter(("ip", "x"), False), FakeFilter(("ip", "nat"))
        with mock.patch.object(firewall, "FILTERS", (first, absent, last)):
            firewall.open_all(samples.site())
        self.assertEqual((first.asked, absent.asked), ([set(firewalld.TABLES)], []))
        self.assertEqual(last.asked, [{*firewalld.TABLES, ("ip", "filter")}])

    def test_all_take_their_openings_back_also_where_the_filter_was_removed_since(self) -> None:
        filters = FakeFilter(("ip", "filter")), FakeFilter(("ip", "nat"), False)
        with mock.patch.object(firewall, "FILTERS", filters), mock.patch.object(own, "take_down") as tables:
            firewall.take_down("singapore")
        self.assertEqual([each.asked for each in filters], [["singapore"]] * 2)
        tables.assert_called_once_with("singapore")

    def test_our_tables_go_and_the_shared_one_stays_for_another_connection(self) -> None:
        tables = [("inet", "dual_tunnel_vpn_singapore"), ("ip", "dual_tunnel_vpn_singapore_outer")]
        tables += [("ip", "dual_tunnel_vpn"), ("ip", "theirs")]
        found = Ruleset(frozenset(tables), (), ())
        with (
            mock.patch.object(Ruleset, "read", lambda: found),
            mock.patch.object(own, "_shared", lambda without: f"shared without {without}"),
            mock.patch.object(own, "load_script") as loaded,
        ):
            own.take_down("singapore")
        self.assertEqual(
            loaded.call_args.args[0],
            "delete table inet dual_tunnel_vpn_singapore\ndelete table ip dual_tunnel_vpn_singapore_outer\n"
            "shared without singapore",
        )


class ChangesIptables(unittest.TestCase):
    def test_finds_chains_that_drop(self) -> None:
        found = iptables.in_the_way
        self.assertEqual(found("filter", "-P INPUT DROP\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n"), [("INPUT", "input")])
        rejecting = "-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n-A INPUT -i lo -j ACCEPT\n"
        self.assertEqual(found("filter", rejecting), [])
        rejecting += "-A INPUT -j REJECT --reject-with icmp-host-prohibited\n"
        self.assertEqual(found("filter", rejecting), [("INPUT", "input")])

    def test_finds_translations_of_everything(self) -> None:
        found = iptables.in_the_way
        self.assertEqual(found("nat", "-P POSTROUTING ACCEPT\n-A POSTROUTING -o eth0 -j MASQUERADE\n"), [])
        everything = "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE\n"
        self.assertEqual(found("nat", everything), [("POSTROUTING", "postrouting")])

    def test_writes_one_rule_for_each_address(self) -> None:
        first, second = openings.openings(samples.site())["input"][0].iptables()
        self.assertEqual(first, ["-s", "192.0.2.152", "-p", "udp", "-m", "multiport", "--dports", "500,4500"])
        self.assertEqual(second[1], "192.0.2.10")


class WritesFiles(unittest.TestCase):
    def test_our_table_clamps_both_ways_and_accepts(self) -> None:
        first, second = samples.document()["tunnels"]
        text = own.render(samples.site(tunnels=[first, {**second, "mss": 1300}]))
        self.assertIn("table inet dual_tunnel_vpn_singapore", text)
        for name, mss in (("singapore-1", 1360), ("singapore-2", 1300)):
            clamp = f"tcp option maxseg size > {mss} tcp option maxseg size set {mss}"
            for way in ("iifname", "oifname"):
                self.assertRegex(text, f'{way} "{name}" .*{re.escape(clamp)}')

    def test_by_a_tunnel_passes_only_what_is_between_the_blocks_and_what_is_the_boxs_own(self) -> None:
        site = samples.site(vpcCidrs=["10.1.0.0/16", "10.0.0.0/15"], dataCenterCidrs=["172.16.0.0/16", "172.30.0.0/24"])
        text = own.render(site)
        self.assertIn("set vpc { type ipv4_addr; flags interval; elements = { 10.0.0.0/15 }; }", text)
        self.assertIn("elements = { 172.16.0.0/16, 172.30.0.0/24 }; }", text)
        chains = re.findall(r"chain (\w+) \{\n(.*?)\n    \}", text, re.DOTALL)
        rules = {name: [line.strip() for line in body.split("\n")] for name, body in chains}
        # On the wire: before any translation of the box's own, and after it.
        self.assertRegex(rules["inward"][0], "hook prerouting priority raw")
        self.assertEqual(rules["inward"][1], 'iifname { "singapore-1", "singapore-2" } jump of_the_vpc')
        self.assertRegex(rules["outward"][0], "hook postrouting priority 300")
        self.assertEqual(rules["outward"][1], 'oifname { "singapore-1", "singapore-2" } jump of_the_data_center')
        self.assertIn("ip saddr @vpc ip daddr @data_center accept", rules["of_the_vpc"])
        self.assertIn("ip saddr @data_center ip daddr @vpc accept", rules["of_the_data_center"])
        for name, counter in (("of_the_vpc", "from_cloud"), ("of_the_data_center", "to_cloud")):
            self.assertEqual(rules[name][-1], f"counter name {counter} drop")
            for rule in rules[name][1:-1]:
                self.assertRegex(rule, r"@vpc|@data_center|fib saddr type local")

    def test_beside_the_tunnels_of_all_connections_nothing_passes_that_did_not_before(self) -> None:
        text = own.render_shared(["singapore-1", "singapore-2", "tokyo-1", "tokyo-2"], ["wg0"], ["br0", "br1"])
        tunnels = '{ "singapore-1", "singapore-2", "tokyo-1", "tokyo-2" }'
        self.assertEqual(
            [line.strip() for line in text.splitlines() if "accept" in line or "drop" in line],
            [
                "type filter hook forward priority mangle; policy accept;",
                f"iifname {tunnels} accept",
                f"oifname {tunnels} accept",
                'iifname { "wg0" } accept',
                'iifname . oifname { "br0" . "br0", "br1" . "br1" } accept',
                "counter name beside_the_tunnels drop",
            ],
        )

    def test_no_shared_table_where_others_want_the_box_to_forward(self) -> None:
        site = samples.site()
        for others in (True, False):
            with (
                mock.patch.object(sysctl, "forwarded_by_others", return_value=others),
                mock.patch.multiple(manifest, names=lambda: ["singapore"], load_box=lambda: None),
                mock.patch.multiple(own, load=lambda _: site, must=mock.DEFAULT) as patched,
            ):
                own.guard(site)
            text = patched["must"].call_args.kwargs["stdin"]
            # One transaction: there is no moment without the one or the other.
            self.assertIn("table inet dual_tunnel_vpn_singapore {\n    set vpc", text)
            self.assertEqual("counter name beside_the_tunnels drop" in text, not others)
            self.assertIn("delete table ip dual_tunnel_vpn\n", text)

    def test_firewalld_gets_well_formed_files_with_short_names(self) -> None:
        site = samples.site()
        texts = firewalld.render(site)
        for path, text in texts.items():
            ElementTree.fromstring(text.encode())
            self.assertLessEqual(len(path.stem) - len(site.name) + 11, 17)
            self.assertIn("<!-- dual-tunnel-vpn singapore -->", text)
        self.assertEqual(sorted(path.parent.name for path in texts), ["policies"] * 3 + ["zones"])
