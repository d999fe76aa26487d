"""What the gateway is told to ignore."""

from __future__ import annotations

import unittest
from typing import Any

from cloud_end.desired import NOTHING, Refused, parse
from cloud_end.fences import Peer, fences
from cloud_end.gateway import Options
from states import connection, state, tunnel

WHERE = {"publicAddress": "192.0.2.254", "vpcAddress": "192.168.10.1", "cloudNetwork": "192.0.2.0/24"}


def drops(peer: Peer = "cooperative", **change: Any) -> list[str]:
    text = fences(parse(state(connection(tunnels=[tunnel(1, **change), tunnel(2)]))), peer, [])
    return [line.strip() for line in text.splitlines() if line.endswith("drop") and "!= @peers" in line]


class Fences(unittest.TestCase):
    def test_lets_strangers_in_when_cooperative(self) -> None:
        self.assertEqual(drops("cooperative"), [])

    def test_drops_strangers_esp_in_both_directions_when_it_takes_ike_only(self) -> None:
        self.assertEqual(
            drops("ike-only"),
            [
                "ip daddr @addresses ip daddr . ip saddr != @peers udp dport 4500 @th,64,32 != 0 drop",
                "ip daddr @addresses ip daddr . ip saddr != @peers ip protocol esp drop",
                "ip saddr @addresses ip saddr . ip daddr != @peers udp sport 4500 @th,64,32 != 0 drop",
                "ip saddr @addresses ip saddr . ip daddr != @peers ip protocol esp drop",
            ],
        )

    def test_drops_strangers_ike_too_when_pinned(self) -> None:
        self.assertEqual(len([line for line in drops("pinned") if "{ 500, 4500 } drop" in line]), 2)

    def test_knows_each_address_with_its_own_peer(self) -> None:
        text = fences(parse(state()), "pinned", [])
        self.assertIn("elements = { 192.0.2.1 . 198.51.100.1, 192.0.2.2 . 198.51.100.2 }", text)

    def test_has_no_elements_where_there_are_none(self) -> None:
        self.assertNotIn("elements", fences(NOTHING, "pinned", []))

    def test_closes_port_4500_where_nat_traversal_is_off(self) -> None:
        text = fences(parse(state(connection(tunnels=[tunnel(1, natTraversal=False), tunnel(2)]))), "cooperative", [])
        self.assertIn(
            "set no_nat_traversal { type ipv4_addr . ipv4_addr; elements = { 192.0.2.1 . 198.51.100.1 }; }", text
        )

    def test_replaces_the_table_as_a_whole(self) -> None:
        self.assertTrue(
            fences(NOTHING, "cooperative", []).startswith("table inet cloud_end\ndelete table inet cloud_end\n")
        )


class OptionsOfTheGateway(unittest.TestCase):
    def test_are_alibabas_and_strongswans_unless_told_otherwise(self) -> None:
        found = Options.parse(WHERE)
        self.assertEqual((found.dpd_delay, found.peer, found.restart), (10, "cooperative", "changed"))
        self.assertEqual((found.retransmit_timeout, found.retransmit_base, found.retransmit_tries), (4.0, 1.8, 5))

    def test_keep_what_is_not_changed(self) -> None:
        found = Options.parse({"peer": "pinned"}, Options.parse({**WHERE, "dpdDelay": 2}))
        self.assertEqual((found.dpd_delay, found.peer), (2, "pinned"))

    def test_refuse_what_they_do_not_know(self) -> None:
        for given, sentence in (
            ({"peers": "pinned"}, "no option peers; it has activeSessionOnly, alsoAnnounced, bgpHold,"),
            ({"peer": "friendly"}, "must be one of cooperative, ike-only, pinned"),
            ({"restart": "none"}, "must be changed or both"),
            ({"bgpHold": 2}, "bgpKeepalive and bgpHold are 60 and 2; they must be seconds, the hold time from 3"),
            ({"bgpKeepalive": 200}, "the keepalive time from 1 to the hold time"),
        ):
            with self.assertRaisesRegex(Refused, sentence):
                Options.parse({**WHERE, **given})
