"""The tunnels' SAs: one answer to whether a tunnel is up, for status, apply and agent alike."""

from __future__ import annotations

import itertools
import unittest
from typing import Any
from unittest import mock

from dual_tunnel_vpn.ipsec import sas, strongswan, vici

from . import samples
from .samples import ike_sa


def first(*listed: dict[str, Any]) -> sas.Sa:
    """Tunnel 1's SAs."""
    return sas.of_tunnels(samples.site(), listed)[1]


class ReadsSas(unittest.TestCase):
    def test_a_tunnel_with_both_sas_is_up(self) -> None:
        sa = first(ike_sa("ESTABLISHED", "5", ("7", "INSTALLED")))
        self.assertEqual((sa.installed, sa.ike_id, sa.child_id), (True, "5", "7"))

    def test_a_tunnel_without_sa_is_down(self) -> None:
        self.assertEqual(first(), sas.Sa())
        self.assertFalse(first(ike_sa("ESTABLISHED")).installed)
        self.assertTrue(first(ike_sa("ESTABLISHED")).established)

    def test_an_sa_in_the_making_or_in_deletion_does_not_count(self) -> None:
        making = first(ike_sa("CONNECTING"))
        self.assertEqual((making.installed, making.established, making.connecting), (False, False, True))
        going = first(ike_sa("DELETING", "5", ("7", "INSTALLED")))
        self.assertEqual((going.installed, going.established, going.deleting), (False, False, True))
        self.assertFalse(first(ike_sa("ESTABLISHED", "5", ("7", "DELETED"))).installed)

    def test_a_rekey_or_a_change_of_addresses_under_way_leaves_the_tunnel_up(self) -> None:
        for ike, child in itertools.product(
            ("ESTABLISHED", "REKEYING", "REKEYED"), ("INSTALLED", "UPDATING", "REKEYING", "REKEYED")
        ):
            self.assertTrue(first(ike_sa(ike, "5", ("7", child))).installed, (ike, child))
        self.assertTrue(first(ike_sa("DELETING"), ike_sa("ESTABLISHED", "6", ("7", "INSTALLED"))).installed)

    def test_the_newer_child_counts_after_a_rekey(self) -> None:
        for former in ("DELETED", "REKEYED", "REKEYING", "INSTALLED"):
            sa = first(ike_sa("ESTABLISHED", "5", ("7", former), ("8", "INSTALLED")))
            self.assertEqual((sa.child_id, sa.child_state), ("8", "INSTALLED"), former)
        self.assertEqual(first(ike_sa("ESTABLISHED", "5", ("8", "INSTALLED"), ("7", "REKEYED"))).child_id, "8")

    def test_an_sa_that_is_up_wins_over_another_in_the_making(self) -> None:
        good, making = ike_sa("ESTABLISHED", "5", ("7", "INSTALLED")), ike_sa("CONNECTING", "6")
        for sa in (first(good, making), first(making, good)):
            self.assertEqual((sa.installed, sa.ike_state, sa.connecting), (True, "ESTABLISHED", True))
        self.assertEqual(first(making, ike_sa("DELETING")).ike_state, "CONNECTING")

    def test_of_two_that_are_up_the_newer_is_shown_however_charon_lists_them(self) -> None:
        older, newer = ike_sa("ESTABLISHED", "9", ("12", "INSTALLED")), ike_sa("ESTABLISHED", "10", ("11", "INSTALLED"))
        for sa in (first(older, newer), first(newer, older)):
            self.assertEqual((sa.ike_id, sa.child_id), ("10", "11"))

    def test_other_connections_count_only_as_owners_of_spis(self) -> None:
        listed = [ike_sa("ESTABLISHED", "5", ("7", "INSTALLED"), name="else")]
        self.assertEqual(sas.of_tunnels(samples.site(), listed), {1: sas.Sa(), 2: sas.Sa()})
        self.assertEqual(sas.spis(listed), {0xC0FFEE01, 1})

    def test_apply_and_status_hear_the_same(self) -> None:
        listed = ike_sa("REKEYED", "5", ("7", "UPDATING"))
        client = mock.MagicMock()
        client.__enter__.return_value.list_sas.return_value = list(listed.items())
        with mock.patch.object(vici, "Client", return_value=client):
            self.assertEqual(strongswan.tunnel_sas(samples.site()), sas.of_tunnels(samples.site(), [listed]))

    def ask(self, *answers: vici.Message | Exception) -> tuple[dict[int, sas.Sa], list[bool]]:
        """What is heard where charon answers so, and which of the questions waited for what charon is busy with."""
        client = mock.MagicMock()
        asked = client.__enter__.return_value.list_sas
        asked.side_effect = [answer if isinstance(answer, Exception) else list(answer.items()) for answer in answers]
        with mock.patch.object(vici, "Client", return_value=client):
            found = strongswan.tunnel_sas(samples.site())
        return found, [call.kwargs.get("wait", False) for call in asked.call_args_list]

    def test_a_tunnel_that_charon_is_busy_with_is_not_down(self) -> None:
        first = ike_sa("ESTABLISHED", "5", ("7", "INSTALLED"))
        both = {**first, **ike_sa("REKEYING", "6", ("8", "INSTALLED"), name="singapore-2")}
        found, waited = self.ask(first, both)
        self.assertEqual([sa.installed for sa in found.values()], [True, True])
        self.assertEqual(waited, [False, True])
        self.assertEqual(self.ask(both)[1], [False])

    def test_what_charon_is_busy_with_for_too_long_is_absent(self) -> None:
        found, waited = self.ask(ike_sa("ESTABLISHED", "5", ("7", "INSTALLED")), vici.ViciTimeout("busy"))
        self.assertEqual([sa.installed for sa in found.values()], [True, False])
        self.assertEqual(waited, [False, True])
