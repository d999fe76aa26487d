"""Which rules of others' packet filters drop probes by their mark."""

from __future__ import annotations

import unittest
from unittest import mock

from dual_tunnel_vpn.commands import Result
from dual_tunnel_vpn.net.firewall import marks
from dual_tunnel_vpn.net.firewall.ruleset import Ruleset


def nft(table: str, *expressions: dict[str, object]) -> Ruleset:
    """A ruleset of one rule."""
    rule = {"family": "ip", "table": table, "chain": "firewall", "expr": list(expressions)}
    return Ruleset(frozenset(), (), (rule,))


def match(left: object, right: object, op: str = "==") -> dict[str, object]:
    """An nft match."""
    return {"match": {"op": op, "left": left, "right": right}}


META: dict[str, object] = {"meta": {"key": "mark"}}
BIT: dict[str, object] = {"&": [META, 0x8000]}
DROP: dict[str, object] = {"drop": None}


class Marks(unittest.TestCase):
    def dropped(self, mark: int, ruleset: Ruleset, saved: str = "") -> str:
        """Which rule drops what has that mark."""
        with (
            mock.patch.object(Ruleset, "found", lambda: ruleset),
            mock.patch.object(marks, "find", lambda program: saved and program == "iptables-save"),
            mock.patch.object(marks, "run", lambda _: Result(0, saved, "")),
        ):
            return marks.dropped_by(mark)

    def test_are_dropped_by_a_bit_by_their_value_and_by_being_others(self) -> None:
        where = "chain firewall of nftables' table ip kube"
        for found in (match(BIT, 0x8000), match(META, 0x9001), match(META, 7, "!=")):
            self.assertEqual(self.dropped(0x9001, nft("kube", found, DROP)), where)
            self.assertEqual(self.dropped(7, nft("kube", found, DROP)), "")

    def test_are_not_dropped_by_what_accepts_is_ours_or_selects_by_more_than_the_mark(self) -> None:
        bit, port = match(BIT, 0x8000), match({"payload": {"protocol": "tcp", "field": "dport"}}, 80)
        for rules in (
            nft("kube", bit, {"accept": None}),
            nft("dual_tunnel_vpn_x", bit, DROP),
            nft("kube", bit, port, DROP),
            nft("kube", match(META, {"set": [1]}), DROP),
            Ruleset.of({}),
        ):
            self.assertEqual(self.dropped(0x9001, rules), "")

    def test_are_dropped_by_iptables(self) -> None:
        kubelet = "-A KUBE-FIREWALL -m comment --comment x -m mark --mark 0x8000/0x8000 -j DROP"
        where = "chain KUBE-FIREWALL of iptables' table filter"
        self.assertEqual(self.dropped(0x9001, Ruleset.of({}), f"*filter\n{kubelet}\nCOMMIT\n"), where)
        self.assertEqual(self.dropped(0x1001, Ruleset.of({}), f"*filter\n{kubelet}\nCOMMIT\n"), "")
        others = "-A X -m mark ! --mark 0x1001 -j REJECT --reject-with icmp-port-unreachable"
        self.assertEqual(self.dropped(0x1001, Ruleset.of({}), f"*filter\n{others}\n"), "")
        self.assertNotEqual(self.dropped(0x9001, Ruleset.of({}), f"*filter\n{others}\n"), "")
        change = "-A X -m mark --mark 0x1 -j MARK --set-xmark 0x4000/0x4000"
        for beside in ("-A X -p tcp -m mark --mark 0x1 -j DROP", change):
            self.assertEqual(self.dropped(1, Ruleset.of({}), f"*filter\n{beside}\n"), "")
