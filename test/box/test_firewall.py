"""The packet filter: our table, and openings exactly where something could stop or translate the tunnels."""

from __future__ import annotations

import json
import re
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any
from unittest import mock

from dual_tunnel_vpn import manifest, paths
from dual_tunnel_vpn.commands import Refusal, Result
from dual_tunnel_vpn.net import firewall, sysctl
from dual_tunnel_vpn.net.firewall import firewalld, iptables, nftables, openings, own
from dual_tunnel_vpn.net.firewall import ruleset as ruleset_module
from dual_tunnel_vpn.net.firewall.openings import Step
from dual_tunnel_vpn.net.firewall.ruleset import Ruleset, table_content

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
    return list(nftables.in_the_way(ruleset(*entries), set()).values())


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
        self.assertEqual(nftables.in_the_way(entries, {("ip", "filter")}), {})


MASQUERADE: dict[str, Any] = {"masquerade": None}
DROP: dict[str, Any] = {"drop": None}
FROM_SOMEBODY = {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "10.0.0.1"}}


def nft(*entries: dict[str, Any], site: Any = None, leave_out: Any = ()) -> list[str]:
    """The lines that nft is given."""
    return "".join(nftables.changes(ruleset(*entries), site or samples.site(), set(leave_out)).values()).splitlines()


def opened(*base: dict[str, Any], site: Any = None) -> list[dict[str, Any]]:
    """The rules that nft lists once it has taken what it is given for these entries, the last at the head."""
    rules = []
    for line in nft(*base, site=site):
        words, comment = re.fullmatch(r'insert rule (.*) accept comment "(.*)"', line).groups()  # type: ignore[union-attr]
        rules.append(rule(*words.split()[:3], {"accept": None}, comment=comment, handle=4))
    return rules[::-1]


class ChangesNftables(unittest.TestCase):
    base = chain("inet", "filter", "input", "filter", "input", "drop")

    def test_opens_a_chain_once(self) -> None:
        lines = nft(self.base)
        self.assertEqual(len(lines), 3)
        self.assertRegex(
            lines[0],
            r"\Ainsert rule inet filter input ip saddr \{ 192.0.2.152, 192.0.2.10 \} udp dport \{ 500, 4500 \} accept "
            r'comment "dual-tunnel-vpn singapore [0-9a-f]{8}"\Z',
        )
        self.assertEqual(nft(self.base, *opened(self.base)), [])

    def test_completes_what_is_half_there_and_drops_what_is_not_needed_any_more(self) -> None:
        half = opened(self.base)[:1]
        lines = nft(self.base, *half)
        self.assertEqual(lines[0], "delete rule inet filter input handle 4")
        self.assertEqual(len(lines), 4)
        accepting = chain("inet", "filter", "input", "filter", "input", "accept")
        self.assertEqual(nft(accepting, *half), ["delete rule inet filter input handle 4"])

    def test_renews_openings_of_other_addresses_or_blocks_and_those_of_a_former_version(self) -> None:
        tunnels = samples.document()["tunnels"]
        tunnels[0].update(ipsecAddress="192.0.2.153")
        forward = chain("inet", "filter", "forward", "filter", "forward", "drop")
        former = [rule("inet", "filter", "input", comment="dual-tunnel-vpn singapore", handle=4) for _ in range(3)]
        for base, there, site in (
            (self.base, opened(self.base), samples.site(tunnels=tunnels)),
            (forward, opened(forward), samples.site(dataCenterCidrs=["172.16.3.0/24"])),
            (self.base, former, samples.site()),
        ):
            lines = nft(base, *there, site=site)
            deleted = [line for line in lines if line.startswith("delete")]
            self.assertEqual((len(deleted), len(lines)), (len(there), 2 * len(there)))
            self.assertEqual(nft(base, *opened(base, site=site), site=site), [])

    def test_goes_before_what_would_drop_or_translate_everything_and_leaves_the_rest_before_it(self) -> None:
        nat = chain("ip", "nat", "post", "nat", "postrouting")
        behind = rule("ip", "nat", "post", MASQUERADE)
        for base, before, moves in (
            ((self.base,), rule("inet", "filter", "input", {"counter": None}, DROP), True),
            ((self.base,), rule("inet", "filter", "input", FROM_SOMEBODY, DROP), False),
            ((self.base,), rule("inet", "filter", "input", {"jump": {"target": "docker"}}), False),
            ((nat, behind), rule("ip", "nat", "post", {"counter": None}, MASQUERADE), True),
            ((nat, behind), rule("ip", "nat", "post", {"jump": {"target": "docker"}}), False),
        ):
            openings_there = opened(*base)
            head, tail = list(base[:1]), list(base[1:])
            self.assertEqual(nft(*head, *openings_there, before, *tail), [])
            self.assertEqual(bool(nft(*head, before, *openings_there, *tail)), moves, before)

    def test_leaves_the_rules_of_other_connections_and_people_alone(self) -> None:
        others = [
            rule("inet", "filter", "input", comment="dual-tunnel-vpn sing", handle=4),
            rule("inet", "filter", "input", comment="dual-tunnel-vpn sing 12345678", handle=5),
            rule("inet", "filter", "input", comment="ssh", handle=6),
        ]
        self.assertNotIn("delete", " ".join(nft(self.base, *others)))

    def test_forwards_only_between_the_tunnels_and_the_data_center(self) -> None:
        base = chain("ip", "filter", "forward", "filter", "forward", "drop")
        for line in nft(base):
            self.assertRegex(line, r'(iifname "singapore-[12]" ip daddr|oifname "singapore-[12]" ip saddr) \{ 172\.16')

    def test_leaves_openings_alone_in_tables_that_another_filter_looks_after(self) -> None:
        base = chain("ip", "filter", "INPUT", "filter", "input", "drop")
        ours = rule("ip", "filter", "INPUT", comment="dual-tunnel-vpn singapore", handle=4)
        self.assertEqual(nft(base, ours, leave_out={("ip", "filter")}), [])

    def test_says_so_where_nft_does_not_tell_the_rules(self) -> None:
        with (
            mock.patch("dual_tunnel_vpn.net.firewall.ruleset.run", return_value=Result(1, "", "netlink: Error")),
            self.assertRaisesRegex(Refusal, "nft could not list the packet filter of this box: netlink: Error"),
        ):
            nftables.Nftables().plan(samples.site(), set())


class FakeFilter:
    """A filter that looks after one table; records what was asked of it."""

    refusing: tuple[tuple[str, str], ...] = ()

    def __init__(self, table: tuple[str, str], available: bool = True) -> None:
        self.table, self.there = table, available
        self.asked: list[Any] = []

    def available(self) -> bool:
        """As it was made."""
        return self.there

    def plan(self, site: Any, leave_out: set[tuple[str, str]]) -> tuple[set[tuple[str, str]], list[Step]]:
        """One step, which notes that it was done."""
        self.asked.append(set(leave_out))
        return {self.table}, [Step(f"{self.table} was shut", self.do)]

    def do(self) -> None:
        """Opens."""
        if self.table in self.refusing:
            raise Refusal(f"{self.table} stays shut")
        self.asked.append("opened")

    def close(self, name: str) -> None:
        """Closes."""
        self.asked.append(name)


class AsksEveryFilter(unittest.TestCase):
    def test_each_is_told_which_tables_others_look_after_and_those_that_are_not_there_are_not_asked(self) -> None:
        first, absent, last = FakeFilter(("ip", "filter")), FakeFilter(("ip", "x"), False), FakeFilter(("ip", "nat"))
        with mock.patch.object(firewall, "FILTERS", (first, absent, last)):
            done = firewall.open_all(samples.site())
        self.assertEqual((first.asked, absent.asked), ([set(firewalld.TABLES), "opened"], []))
        self.assertEqual(last.asked, [{*firewalld.TABLES, ("ip", "filter")}, "opened"])
        self.assertEqual(done, ["('ip', 'filter') was shut", "('ip', 'nat') was shut"])

    def test_one_that_refuses_does_not_keep_the_others_shut(self) -> None:
        first, last = FakeFilter(("ip", "filter")), FakeFilter(("ip", "nat"))
        first.refusing = (first.table,)
        with (
            mock.patch.object(firewall, "FILTERS", (first, last)),
            self.assertRaisesRegex(Refusal, r"\A\('ip', 'filter'\) stays shut\Z"),
        ):
            firewall.open_all(samples.site())
        self.assertEqual(last.asked[-1], "opened")

    def test_all_take_their_openings_back_also_where_the_filter_was_removed_since(self) -> None:
        filters = FakeFilter(("ip", "filter")), FakeFilter(("ip", "nat"), False)
        with mock.patch.object(firewall, "FILTERS", filters), mock.patch.object(own, "take_down") as tables:
            firewall.take_down("singapore")
        self.assertEqual([each.asked for each in filters], [["singapore"]] * 2)
        tables.assert_called_once_with("singapore")

    def test_our_tables_go_and_the_shared_one_stays_for_another_connection(self) -> None:
        tables = {("inet", "dual_tunnel_vpn_singapore"), ("ip", "dual_tunnel_vpn_singapore_outer")}
        tables |= {("ip", "dual_tunnel_vpn"), ("ip", "theirs")}
        with (
            mock.patch.object(own, "tables", lambda: tables),
            mock.patch.object(own, "_shared", lambda without: f"shared without {without}"),
            mock.patch.object(own, "load_script") as loaded,
        ):
            own.take_down("singapore")
        self.assertEqual(
            loaded.call_args.args[0],
            "delete table inet dual_tunnel_vpn_singapore\ndelete table ip dual_tunnel_vpn_singapore_outer\n"
            "shared without singapore",
        )


FORWARD_DROPS = "-P INPUT ACCEPT\n-P FORWARD DROP\n-P OUTPUT ACCEPT\n"
NAT = "-P PREROUTING ACCEPT\n-P INPUT ACCEPT\n-P OUTPUT ACCEPT\n-P POSTROUTING ACCEPT\n"


def restored(table: str, listed: str, site: Any = None) -> list[str]:
    """The lines that iptables-restore is given."""
    found = iptables.changes(table, listed, site or samples.site())
    return [line for lines in found.values() for line in lines]


def listed_with(table: str, listed: str, site: Any = None) -> str:
    """What iptables lists once it has taken them."""
    heads = [re.sub(r"^-I", "-A", line) for line in restored(table, listed, site)][::-1]
    chain_lines = listed.splitlines(keepends=True)
    policies = sum(line.startswith("-P") for line in chain_lines)
    return "".join([*chain_lines[:policies], *(f"{line}\n" for line in heads), *chain_lines[policies:]])


class ChangesIptables(unittest.TestCase):
    def test_finds_chains_that_drop(self) -> None:
        found = iptables.in_the_way
        self.assertEqual(found("filter", "-P INPUT DROP\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n"), ["INPUT"])
        rejecting = "-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n-A INPUT -i lo -j ACCEPT\n"
        self.assertEqual(found("filter", rejecting), [])
        rejecting += "-A INPUT -j REJECT --reject-with icmp-host-prohibited\n"
        self.assertEqual(found("filter", rejecting), ["INPUT"])

    def test_finds_translations_of_everything(self) -> None:
        found = iptables.in_the_way
        self.assertEqual(found("nat", "-P POSTROUTING ACCEPT\n-A POSTROUTING -o eth0 -j MASQUERADE\n"), [])
        everything = "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE\n"
        self.assertEqual(found("nat", everything), ["POSTROUTING"])

    def test_writes_one_rule_for_each_address(self) -> None:
        first, second = openings.openings(samples.site())["input"][0].iptables()
        self.assertEqual(first, "-s 192.0.2.152 -p udp -m multiport --dports 500,4500")
        self.assertTrue(second.startswith("-s 192.0.2.10 "))

    def test_opens_a_chain_once(self) -> None:
        lines = restored("filter", FORWARD_DROPS)
        self.assertEqual(len(lines), 4)
        self.assertRegex(
            lines[0],
            r"\A-I FORWARD -i singapore-1 -d 172\.16\.0\.0/16 -m comment "
            r'--comment "dual-tunnel-vpn singapore [0-9a-f]{8}" -j ACCEPT\Z',
        )
        self.assertEqual(restored("filter", listed_with("filter", FORWARD_DROPS)), [])
        self.assertEqual(restored("filter", "-P FORWARD ACCEPT\n"), [])

    def test_renews_openings_of_another_block_and_takes_back_what_is_not_needed_any_more(self) -> None:
        there = listed_with("filter", FORWARD_DROPS)
        other = samples.site(dataCenterCidrs=["172.16.3.0/24"])
        lines = restored("filter", there, other)
        ours = [line for line in there.splitlines() if line.startswith("-A")]
        self.assertEqual(lines[:4], [f"-D{line[2:]}" for line in ours])
        self.assertEqual(lines[4:], restored("filter", FORWARD_DROPS, other))
        accepting = there.replace("-P FORWARD DROP", "-P FORWARD ACCEPT")
        self.assertEqual(restored("filter", accepting), [f"-D{line[2:]}" for line in ours])

    def test_leaves_the_rules_of_other_connections_and_people_alone(self) -> None:
        others = '-A FORWARD -m comment --comment "dual-tunnel-vpn sing 12345678" -j ACCEPT\n'
        others += '-A FORWARD -m comment --comment "dual-tunnel-vpn" -j ACCEPT\n-A FORWARD -j LOG\n'
        self.assertNotIn("-D", " ".join(restored("filter", FORWARD_DROPS + others)))

    def test_goes_before_what_would_drop_or_translate_everything_and_leaves_the_rest_before_it(self) -> None:
        everything = "-A POSTROUTING -j MASQUERADE\n"
        for table, listed, before, moves in (
            ("filter", FORWARD_DROPS, "-A FORWARD -j DROP", True),
            ("filter", FORWARD_DROPS, "-A FORWARD -j REJECT --reject-with icmp-port-unreachable", True),
            ("filter", FORWARD_DROPS, "-A FORWARD -s 10.0.0.1/32 -j DROP", False),
            ("filter", FORWARD_DROPS, "-A FORWARD -j DOCKER-USER", False),
            ("nat", NAT + everything, "-A POSTROUTING -j MASQUERADE", True),
            ("nat", NAT + everything, "-A POSTROUTING -o eth0 -j MASQUERADE", False),
        ):
            there = listed_with(table, listed)
            first = there.index("-A ")
            self.assertEqual(restored(table, there), [])
            self.assertEqual(bool(restored(table, there[:first] + before + "\n" + there[first:])), moves, before)

    def test_changes_a_table_at_once(self) -> None:
        shown = {"iptables": "-P FORWARD DROP\n"}
        with (
            mock.patch.object(iptables, "_tables", lambda: [("iptables", "filter")]),
            mock.patch.object(iptables, "run", lambda program, *_: Result(0, shown[program], "")),
            mock.patch.object(iptables, "must") as must,
        ):
            tables, steps = iptables.Iptables().plan(samples.site(), set())
            self.assertEqual(tables, {("ip", "filter")})
            must.assert_not_called()
            for step in steps:
                step.do()
        (call,) = must.call_args_list
        self.assertEqual(call.args, ("iptables-restore", "-w", "--noflush"))
        self.assertRegex(call.kwargs["stdin"], r"\A\*filter\n(-I FORWARD .*\n){4}COMMIT\n\Z")


class FakeNft:
    """nft as far as our own tables go: says the tables that it was given in words of its own."""

    def __init__(self) -> None:
        self.content: dict[tuple[str, str], str] = {}
        self.loaded: list[str] = []

    def must(self, *_: str, stdin: str) -> str:
        """Takes a script."""
        self.loaded.append(stdin)
        for family, name in re.findall(r"^delete table (\w+) (\w+)$", stdin, re.MULTILINE):
            self.content.pop((family, name), None)
        for family, name, body in re.findall(r"^table (\w+) (\w+) \{\n(.+?)\n\}$", stdin, re.DOTALL | re.MULTILINE):
            if body.strip() != "}":
                self.content[family, name] = f"listed {body}"
        return ""

    def table_content(self, family: str, name: str) -> str:
        """What a table has."""
        return self.content.get((family, name), "")


class OwnTables(unittest.TestCase):
    site = samples.site()

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.nft, self.others = FakeNft(), False
        for patch in (
            mock.patch.object(paths, "PRIVATE", Path(directory.name) / "private"),
            mock.patch.object(sysctl, "forwarded_by_others", lambda: self.others),
            mock.patch.multiple(manifest, names=lambda: ["singapore"], load_box=lambda: None),
            mock.patch.multiple(
                own, load=lambda _: self.site, must=self.nft.must, table_content=self.nft.table_content
            ),
        ):
            patch.start()
            self.addCleanup(patch.stop)

    def test_are_loaded_once_in_one_transaction(self) -> None:
        self.assertEqual(len(own.guard(self.site)), 2)
        self.assertEqual(len(self.nft.loaded), 1)
        self.assertEqual((own.guard(self.site), own.amiss(self.site)), ([], []))
        self.assertEqual(len(self.nft.loaded), 1)

    def test_are_loaded_again_when_anything_in_them_is_another_and_only_those(self) -> None:
        own.guard(self.site)
        mine, shared = ("inet", "dual_tunnel_vpn_singapore"), ("ip", "dual_tunnel_vpn")
        for table, content in ((mine, "listed nothing"), (mine, None), (shared, "listed nothing"), (shared, None)):
            if content is None:
                del self.nft.content[table]
            else:
                self.nft.content[table] = content
            told = [f"the packet filter's table {' '.join(table)} was not as it should be"]
            self.assertEqual(own.amiss(self.site), told)
            self.assertEqual(own.guard(self.site), told)
            self.assertEqual(own.amiss(self.site), [])

    def test_are_loaded_again_for_other_blocks_and_when_others_begin_to_forward(self) -> None:
        own.guard(self.site)
        self.site = samples.site(dataCenterCidrs=["172.16.3.0/24"])
        self.assertEqual(len(own.guard(self.site)), 1)
        self.others = True
        self.assertEqual(len(own.guard(self.site)), 1)
        self.assertNotIn(("ip", "dual_tunnel_vpn"), self.nft.content)
        self.assertEqual(own.guard(self.site), [])

    def test_know_an_uplink_that_came_and_go_on_knowing_it_while_it_is_away(self) -> None:
        own.guard(self.site)
        self.assertTrue(own.knows(self.site, []))
        self.assertFalse(own.knows(self.site, ["wan0"]))
        self.assertEqual(len(own.amiss(self.site, ["wan0"])), 1)
        self.assertEqual(len(own.guard(self.site, ["wan0"])), 1)
        self.assertTrue(own.knows(self.site, ["wan0"]))
        for there in ([], ["wan0"]):
            self.assertEqual((own.amiss(self.site, there), own.guard(self.site, there)), ([], []))
        self.assertEqual(len(own.guard(self.site, ["wan1"])), 1)
        self.assertIn('{ "wan0", "wan1" }', self.nft.loaded[-1])

    def test_of_two_boxes_know_a_lan_that_came_last_and_go_on_knowing_it_while_it_is_away(self) -> None:
        self.site, away = samples.pair_site(), samples.network()
        with mock.patch.object(own, "observe", lambda: away):
            own.guard(self.site, ["eth0"])
            self.assertTrue(own.knows(self.site, ["eth0"]))
        exempt = 'iifname "lan" oifname "lan" ip saddr'
        self.assertNotIn(exempt, self.nft.loaded[-1])
        with mock.patch.object(own, "observe", samples.pair_network):
            self.assertFalse(own.knows(self.site, ["eth0"]))
            self.assertEqual(len(own.guard(self.site, ["eth0"])), 1)
            self.assertIn(exempt, self.nft.loaded[-1])
            self.assertTrue(own.knows(self.site, ["eth0"]))
        with mock.patch.object(own, "observe", lambda: away):
            self.assertEqual((own.amiss(self.site), own.guard(self.site)), ([], []))

    def test_of_two_boxes_know_the_lan_that_another_connections_run_put_into_the_shared_one(self) -> None:
        self.site = samples.pair_site()
        with mock.patch.object(own, "observe", samples.network):
            own.guard(self.site)
        with mock.patch.object(own, "observe", samples.pair_network):
            # The shared table is right by then.
            with mock.patch.object(own, "_differing", lambda *_: {}):
                own.guard(self.site)
            self.assertTrue(own.knows(self.site, []))

    def test_counters_and_handles_are_no_difference(self) -> None:
        def listing(packets: int, verdict: str) -> Result:
            expressions = [{"counter": {"packets": packets, "bytes": 1}}, {verdict: None}]
            rules = {"rule": {"handle": packets, "expr": expressions}}
            return Result(0, json.dumps({"nftables": [{"metainfo": {"version": packets}}, rules]}), "")

        def content(packets: int, verdict: str) -> str:
            with mock.patch.object(ruleset_module, "run", lambda *_: listing(packets, verdict)):
                return table_content("inet", "x")

        self.assertEqual(content(1, "drop"), content(2, "drop"))
        self.assertNotEqual(content(1, "drop"), content(1, "accept"))


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

    def test_what_comes_by_an_uplink_is_the_data_centers_and_lies_behind_an_uplink(self) -> None:
        self.assertNotIn("of_the_uplinks", own.render(samples.site()))
        text = own.render(samples.site(), {"wan1", "wan0"})
        self.assertIn(
            'iifname { "wan0", "wan1" } oifname { "singapore-1", "singapore-2" } jump of_the_uplinks\n', text
        )
        chain = re.search(r"chain of_the_uplinks \{\n(.*?)\n    \}", text, re.DOTALL)
        assert chain is not None
        self.assertEqual(
            [line.strip() for line in chain.group(1).splitlines()],
            [
                'fib saddr oifname != { "wan0", "wan1" } counter name to_cloud drop',
                "ip saddr @data_center ip daddr @vpc return",
                "icmp type { destination-unreachable, time-exceeded } ip daddr @vpc return",
                "counter name to_cloud drop",
            ],
        )

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

    def test_firewalld_gets_well_formed_files_with_short_names(self) -> None:
        site = samples.site()
        texts = firewalld.render(site)
        for path, text in texts.items():
            ElementTree.fromstring(text.encode())
            self.assertLessEqual(len(path.stem) - len(site.name) + 11, 17)
            self.assertIn("<!-- dual-tunnel-vpn singapore -->", text)
        self.assertEqual(sorted(path.parent.name for path in texts), ["policies"] * 3 + ["zones"])

    def test_firewalld_is_waited_for_while_it_starts(self) -> None:
        states = iter(["activating", "activating", "activating", "active"])
        done: list[str] = []

        def run(*command: str, **_: Any) -> Result:
            return Result(3, next(states) + "\n", "")

        def must(*command: str, **_: Any) -> str:
            done.append(f"{' '.join(command)} with {len(list(states))} to come")
            return ""

        with (
            tempfile.TemporaryDirectory() as directory,
            mock.patch.multiple(
                firewalld, run=run, must=must, find=lambda _: "/usr/bin/firewall-cmd", _FIREWALLD=Path(directory)
            ),
            mock.patch("time.sleep"),
        ):
            self.assertTrue(firewalld.Firewalld().available())
            _, [step] = firewalld.Firewalld().plan(samples.site(), set())
            step.do()
            _, none = firewalld.Firewalld().plan(samples.site(), set())
        self.assertEqual((done, none), (["firewall-cmd --reload with 0 to come"], []))


class TellsFirewalld(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root, self.reloads, self.fails = Path(directory.name), 0, False
        patches: tuple[Any, ...] = (
            mock.patch.object(paths, "PRIVATE", self.root / "private"),
            mock.patch.multiple(
                firewalld,
                run=lambda *_, **__: Result(0, "active\n", ""),
                must=self.must,
                find=lambda _: "/usr/bin/firewall-cmd",
                _FIREWALLD=self.root / "firewalld",
            ),
        )
        for patch in patches:
            patch.start()
            self.addCleanup(patch.stop)

    def must(self, *_: str, **__: Any) -> str:
        if self.fails:
            raise Refusal("`firewall-cmd --reload` failed on this box: it did not end within 120 s")
        self.reloads += 1
        return ""

    def plan(self, site: Any = None) -> list[Step]:
        return firewalld.Firewalld().plan(site or samples.site(), set())[1]

    def test_what_it_could_not_take_is_given_to_it_again(self) -> None:
        self.fails = True
        self.assertRaises(Refusal, self.plan()[0].do)
        self.fails = False
        for step in self.plan():
            step.do()
        self.assertEqual((self.reloads, self.plan()), (1, []))

    def test_what_was_for_two_boxes_goes_with_the_second(self) -> None:
        for site in (samples.pair_site(), samples.site()):
            for step in self.plan(site):
                step.do()
        self.assertEqual(
            sorted(path.stem for path in (self.root / "firewalld/policies").iterdir()),
            ["singapore-ike", "singapore-in", "singapore-out"],
        )
        self.assertEqual((self.reloads, self.plan()), (2, []))

    def test_a_removal_that_was_cut_off_before_it_had_read_it_has_it_read_it(self) -> None:
        self.plan()[0].do()
        ran: list[str] = []

        def run(*command: str, **_: Any) -> Result:
            ran.append(" ".join(command))
            if command[0] == "firewall-cmd" and ran.count("firewall-cmd --reload") == 1:
                raise KeyboardInterrupt
            return Result(0, "active\n", "")

        with mock.patch.object(firewalld, "run", run):
            self.assertRaises(KeyboardInterrupt, firewalld.Firewalld().close, "singapore")
            for _ in range(2):
                firewalld.Firewalld().close("singapore")
        self.assertEqual(ran.count("firewall-cmd --reload"), 2)
