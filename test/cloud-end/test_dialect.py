"""Alibaba's words for a tunnel as charon's."""

from __future__ import annotations

import unittest
from typing import Any

from cloud_end import dialect
from cloud_end.desired import Refused, Tunnel, parse
from states import connection, state, tunnel


def made(**change: Any) -> Tunnel:
    outer = {key: change.pop(key) for key in ("effectImmediately", "localSubnets", "remoteSubnets") if key in change}
    return parse(state(connection(**outer, tunnels=[tunnel(1, **change), tunnel(2)]))).tunnels["tun-1"]


def message(**change: Any) -> dict[str, Any]:
    return dialect.connection(made(**change), 7, 10)


def child(**change: Any) -> dict[str, Any]:
    found: dict[str, Any] = message(**change)["children"]["tun-1"]
    return found


def ike(**change: Any) -> dict[str, Any]:
    return {**tunnel(1)["ike"], **change}


def esp(**change: Any) -> dict[str, Any]:
    return {**tunnel(1)["esp"], **change}


class Proposals(unittest.TestCase):
    def test_speaks_one_proposal_for_each_phase(self) -> None:
        self.assertEqual(message()["proposals"], ["aes256-sha256-modp2048"])
        self.assertEqual(child()["esp_proposals"], ["aes192-sha1-modp1024"])

    def test_knows_every_encryption(self) -> None:
        for word, expected in (
            ("aes", "aes128"),
            ("aes192", "aes192"),
            ("aes256", "aes256"),
            ("des", "des"),
            ("3des", "3des"),
        ):
            self.assertEqual(message(ike=ike(enc=word))["proposals"], [f"{expected}-sha256-modp2048"])
            self.assertEqual(child(esp=esp(enc=word))["esp_proposals"], [f"{expected}-sha1-modp1024"])

    def test_knows_every_authentication(self) -> None:
        for word in ("md5", "sha1", "sha256", "sha384", "sha512"):
            self.assertEqual(message(ike=ike(auth=word))["proposals"], [f"aes256-{word}-modp2048"])

    def test_knows_every_group(self) -> None:
        for word, expected in (
            ("group1", "modp768"),
            ("group2", "modp1024"),
            ("group5", "modp1536"),
            ("group14", "modp2048"),
        ):
            self.assertEqual(message(ike=ike(dhGroup=word))["proposals"], [f"aes256-sha256-{expected}"])
            self.assertEqual(child(esp=esp(pfs=word))["esp_proposals"], [f"aes192-sha1-{expected}"])

    def test_has_no_group_for_esp_without_pfs(self) -> None:
        self.assertEqual(child(esp=esp(pfs="disabled"))["esp_proposals"], ["aes192-sha1"])

    def test_refuses_ike_without_a_group(self) -> None:
        with self.assertRaisesRegex(
            Refused, "Tunnel tun-1 has the IKE DH group disabled; the cloud end knows group1, "
        ):
            message(ike=ike(dhGroup="disabled"))

    def test_refuses_a_word_that_alibaba_does_not_have(self) -> None:
        with self.assertRaisesRegex(
            Refused, "the ESP encryption aes128; the cloud end knows aes, aes192, aes256, des, 3des"
        ):
            message(esp=esp(enc="aes128"))


class Connection(unittest.TestCase):
    def test_is_pinned_to_the_two_addresses_and_identities(self) -> None:
        found = message(localId="left", remoteId="right")
        self.assertEqual((found["local_addrs"], found["remote_addrs"]), (["192.0.2.1"], ["198.51.100.1"]))
        self.assertEqual(
            (found["local"], found["remote"]), ({"auth": "psk", "id": "left"}, {"auth": "psk", "id": "right"})
        )

    def test_dies_at_the_end_of_each_lifetime(self) -> None:
        found = message()
        seconds = [int(found[key].rstrip("s")) for key in ("rekey_time", "over_time")]
        self.assertEqual((sum(seconds), child()["life_time"]), (86400, "3600s"))
        self.assertLess(int(child()["rekey_time"].rstrip("s")), 3600)

    def test_speaks_the_version_and_the_mode(self) -> None:
        self.assertEqual((message()["version"], message()["aggressive"]), ("2", False))
        found = message(ike=ike(version="ikev1", mode="aggressive"))
        self.assertEqual((found["version"], found["aggressive"]), ("1", True))

    def test_looks_for_a_dead_peer_only_when_asked(self) -> None:
        self.assertEqual((message()["dpd_delay"], message(dpd=False)["dpd_delay"]), ("10s", "0s"))

    def test_never_starts_by_being_loaded(self) -> None:
        self.assertNotIn("start_action", child())

    def test_starts_again_after_a_dead_peer_only_when_it_negotiates_at_once(self) -> None:
        self.assertEqual(child()["dpd_action"], "restart")
        self.assertEqual(child(effectImmediately=False)["dpd_action"], "clear")

    def test_protects_the_subnets_of_the_connection(self) -> None:
        found = child(localSubnets=["192.168.1.0/24", "192.168.2.0/24"], remoteSubnets=["172.16.0.0/16"])
        self.assertEqual(found["local_ts"], ["192.168.1.0/24", "192.168.2.0/24"])
        self.assertEqual(found["remote_ts"], ["172.16.0.0/16"])

    def test_carries_no_secret(self) -> None:
        self.assertNotIn("secret 1", repr(message()))
