"""The rewriting of a moved outer path's addresses: no state, nobody else's packets, and back when it was flushed."""

from __future__ import annotations

import re
import unittest
from unittest import mock

from dual_tunnel_vpn.net import rewriting

from .test_channel import example

DEVICES = {1: "eth0", 2: "eth1"}


class Rewriting(unittest.TestCase):
    def test_keeps_no_state_and_comes_before_and_after_everything_of_others(self) -> None:
        script = rewriting.render(example(), DEVICES)
        for stateful in ("snat", "dnat", "masquerade", "redirect", "type nat", "ct "):
            self.assertNotIn(stateful, script)
        # Before conntrack (-200) sees what comes, after it has seen what goes.
        self.assertIn("hook prerouting priority -350", script)
        self.assertIn("hook postrouting priority 300", script)

    def test_touches_the_tunnels_own_packets_only(self) -> None:
        script = rewriting.render(example(), DEVICES)
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
        script = rewriting.render(example(), DEVICES)
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

    def test_is_put_back_when_somebody_flushed_or_changed_it(self) -> None:
        rules: list[bytes] | None = []
        made = rewriting.Rewriting(example(), mock.Mock(rules=lambda family, name: rules))

        def load(_: str) -> str:
            nonlocal rules
            rules = [b"first", b"second"]
            return ""

        with mock.patch.object(rewriting, "_nft", side_effect=load) as nft:
            made.prepare(DEVICES)
            made.prepare(DEVICES)
            self.assertEqual(nft.call_count, 1)
            for count, changed in ((2, []), (3, [b"first"]), (4, [b"first", b"another"])):
                rules = changed
                made.prepare(DEVICES)
                self.assertEqual(nft.call_count, count)
            # A kernel that does not tell is no reason to start a process again and again.
            rules = None
            made.prepare(DEVICES)
            self.assertEqual(nft.call_count, 4)

    def test_waits_for_an_uplink_that_was_never_there(self) -> None:
        self.assertNotIn("addr set ", rewriting.render(example(), {}))
