"""site.json: what is read, and what is refused in words that name the field."""

from __future__ import annotations

import json
import tempfile
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dual_tunnel_vpn.site import SiteError, is_name, load, parse

from . import samples


class ReadsSite(unittest.TestCase):
    def test_a_file_that_a_disk_damaged_is_refused_in_one_sentence(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "site.json"
            path.write_bytes(b'{"version": 1, "name": "\xff\xfe')
            with self.assertRaisesRegex(SiteError, r"site\.json is damaged: it is no text$"):
                load(path)

    def test_reads_every_field(self) -> None:
        site = samples.site()
        self.assertEqual(site.name, "singapore")
        self.assertEqual(site.vpc_cidrs, ("192.168.0.0/16",))
        self.assertEqual(site.uplinks[1].gateway, "172.16.2.253")
        self.assertIsNone(site.uplinks[0].device)
        self.assertEqual(site.tunnels[1].ipsec_address, "192.0.2.10")
        self.assertEqual(site.uplink_of(site.tunnels[1]).address, "172.16.2.57")
        self.assertEqual(site.interfaces, ("singapore-1", "singapore-2"))
        self.assertEqual((site.agent.probe_misses, site.agent.outer_move), (6, True))

    def test_takes_one_uplink_for_both_tunnels(self) -> None:
        document = samples.document()
        del document["uplinks"][1]
        document["tunnels"][1]["uplink"] = 1
        site = parse(json.dumps(document))
        self.assertEqual([site.uplink_of(tunnel).number for tunnel in site.tunnels], [1, 1])

    def test_takes_an_uplink_with_an_address_alone_and_its_gateway_outside(self) -> None:
        document = samples.document()
        document["uplinks"][0].update(address="198.51.100.198", prefixLength=32, gateway="203.0.113.1")
        uplink = parse(json.dumps(document)).uplinks[0]
        self.assertEqual((uplink.address, uplink.prefix_length, uplink.gateway), ("198.51.100.198", 32, "203.0.113.1"))

    def test_takes_one_tunnel_and_one_uplink_of_a_box_of_two(self) -> None:
        for number in (1, 2):
            site = samples.pair_site(number)
            assert site.pair is not None
            self.assertEqual((site.pair.number, site.pair.port), (number, 4893))
            self.assertEqual(site.pair.lan.address, f"172.16.3.{1 + number}")
            self.assertEqual(site.interfaces, (f"singapore-{number}",))
            self.assertEqual(site.tunnel(number).role, ("active", "standby")[number - 1])
            self.assertIsNone(site.other(site.tunnel(number)))

    def test_refuses_of_a_box_of_two_what_is_not_its_own(self) -> None:
        def changed(box: int = 1, **fields: Any) -> str:
            document = samples.pair_document(box)
            document["pair"].update(fields)
            return json.dumps(document)

        both = {**samples.document(), "pair": samples.pair_document()["pair"]}
        lan = samples.pair_document()["pair"]["lan"]
        one = samples.pair_document(2)
        del one["pair"]
        for text, words in (
            (json.dumps(both), "uplinks must be one uplink numbered 1, as the box"),
            (json.dumps({**both, "uplinks": both["uplinks"][:1]}), r"\[1\].uplink must be the number of an uplink"),
            (changed(2, number=1), "uplinks must be one uplink numbered 1, as the box"),
            (json.dumps(one), "uplinks must be one uplink numbered 1 or two"),
            (changed(otherLanAddress="172.16.4.3"), "pair.otherLanAddress must be another host's address in 172.16"),
            (changed(otherLanAddress="172.16.3.2"), "pair.otherLanAddress must be another host's"),
            (changed(virtualGateway="172.16.3.255"), "pair.virtualGateway must be another host's"),
            (changed(virtualGateway="172.16.3.3"), "pair.otherLanAddress must be another host's"),
            (changed(lan={**lan, "prefixLength": 30}), "pair.lan.prefixLength must be a whole number"),
            (changed(lan={**lan, "address": "172.16.3.0"}), "pair.lan.address must be a host's"),
            (changed(lan={**lan, "device": "a b"}), "pair.lan.device must be a network"),
        ):
            with self.subTest(words), self.assertRaisesRegex(SiteError, words):
                parse(text)

    def test_puts_uplinks_in_order_of_their_numbers(self) -> None:
        document = samples.document()
        document["uplinks"].reverse()
        self.assertEqual([uplink.number for uplink in parse(json.dumps(document)).uplinks], [1, 2])

    def test_names_the_field_that_is_wrong(self) -> None:
        def put(*path: Any) -> Callable[[dict[str, Any]], None]:
            def change(document: dict[str, Any]) -> None:
                target: Any = document
                for step in path[:-2]:
                    target = target[step]
                target[path[-2]] = path[-1]

            return change

        cases: list[tuple[Callable[[dict[str, Any]], None], str]] = [
            (put("version", 2), "version 2"),
            (put("name", "Singapore"), "name must be"),
            (put("name", "a23456789012"), "name must be"),
            (put("vpcCidrs", []), "vpcCidrs"),
            (put("vpcCidrs", ["192.168.0.1/16"]), "vpcCidrs"),
            (put("dataCenterCidrs", "172.16.0.0/16"), "dataCenterCidrs"),
            (put("tunnels", 0, "mtu", "1400"), "tunnels[0].mtu"),
            (put("tunnels", 1, "mtu", True), "tunnels[1].mtu"),
            (put("tunnels", 1, "mss", 100), "tunnels[1].mss"),
            (put("uplinks", 0, "address", "172.16.1"), "uplinks[0].address"),
            (put("uplinks", 1, "gateway", None), "uplinks[1].gateway"),
            (put("uplinks", 0, "device", "eth0; reboot"), "uplinks[0].device"),
            (put("uplinks", 1, "number", 1), "uplinks must be"),
            (put("uplinks", 1, "table", 20481), "uplinks must be"),
            (put("tunnels", 0, "uplink", 3), "tunnels[0].uplink"),
            (put("tunnels", 0, "interface", "ipsec0"), "tunnels[0].interface"),
            (put("tunnels", 1, "role", "active"), "tunnels[1].role"),
            (put("tunnels", 1, "ifId", 20481), "tunnels must be"),
            (put("tunnels", 1, "ipsecAddress", "192.0.2.152"), "tunnels must be"),
            (put("agent", "probeMisses", 0), "agent.probeMisses"),
            (put("agent", "mechanisms", "outerMove", "yes"), "agent.mechanisms.outerMove"),
            (put("agent", "vpcProbeAddresses", ["example.com"]), "agent.vpcProbeAddresses"),
        ]
        for change, words in cases:
            with self.subTest(words):
                document = samples.document()
                change(document)
                with self.assertRaises(SiteError) as raised:
                    parse(json.dumps(document))
                self.assertIn(words, str(raised.exception))
                self.assertNotIn("\n", str(raised.exception))

    def test_refuses_every_field_that_is_missing(self) -> None:
        def walk(value: Any, path: list[Any]) -> list[list[Any]]:
            if isinstance(value, dict):
                return [found for key in value for found in [[*path, key], *walk(value[key], [*path, key])]]
            if isinstance(value, list):
                return [found for index, item in enumerate(value) for found in walk(item, [*path, index])]
            return []

        optional = {"device"}
        for path in walk(samples.DOCUMENT, []):
            if path[-1] in optional:
                continue
            with self.subTest(".".join(map(str, path))):
                document = samples.document()
                target: Any = document
                for step in path[:-1]:
                    target = target[step]
                del target[path[-1]]
                with self.assertRaises(SiteError):
                    parse(json.dumps(document))

    def test_says_what_is_not_json_or_not_there(self) -> None:
        with self.assertRaisesRegex(SiteError, "not JSON"):
            parse("{")
        with self.assertRaisesRegex(SiteError, "must be an object"):
            parse("[]")
        with self.assertRaisesRegex(SiteError, "cannot be read"):
            load(Path(tempfile.gettempdir()) / "no such directory" / "site.json")

    def test_a_name_fits_an_interface_name(self) -> None:
        for good in ("a", "singapore", "a-1", "abcdefghijk"):
            self.assertTrue(is_name(good), good)
        for bad in ("", "1a", "-a", "A", "a_b", "abcdefghijkl", "a\n", "a b"):
            self.assertFalse(is_name(bad), bad)
        self.assertLessEqual(len("abcdefghijk-1"), 15)
