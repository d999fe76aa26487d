"""What is read from charon: tunnels' states, refused configurations, reasons, and never a secret."""

from __future__ import annotations

import unittest
from typing import Any
from unittest import mock

from dual_tunnel_vpn import strongswan, vici
from dual_tunnel_vpn.commands import Result

from . import samples


def sa(ike: str, unique: str, *children: tuple[str, str]) -> dict[str, Any]:
    return {
        "uniqueid": unique,
        "state": ike,
        "child-sas": {
            f"singapore-1-{number}": {"name": "singapore-1", "uniqueid": number, "state": state}
            for number, state in children
        },
    }


class ReadsStates(unittest.TestCase):
    def state(self, *sas: dict[str, Any]) -> strongswan.TunnelState:
        client = mock.MagicMock()
        client.__enter__.return_value.list_sas.return_value = [("singapore-1", entry) for entry in sas]
        with mock.patch.object(vici, "Client", return_value=client):
            return strongswan.tunnel_states(samples.site())[1]

    def test_a_tunnel_with_both_sas_is_up(self) -> None:
        state = self.state(sa("ESTABLISHED", "5", ("7", "INSTALLED")))
        self.assertEqual((state.up, state.ike_id, state.child_id), (True, "5", "7"))

    def test_a_tunnel_without_sa_is_down(self) -> None:
        self.assertEqual((self.state().up, self.state().ike_state), (False, "NONE"))

    def test_an_sa_in_the_making_or_in_deletion_does_not_count(self) -> None:
        self.assertFalse(self.state(sa("CONNECTING", "5")).up)
        self.assertFalse(self.state(sa("DELETING", "5", ("7", "INSTALLED"))).up)
        self.assertFalse(self.state(sa("ESTABLISHED", "5", ("7", "DELETED"))).up)

    def test_the_newer_child_counts_after_a_rekey(self) -> None:
        state = self.state(sa("ESTABLISHED", "5", ("7", "DELETED"), ("8", "INSTALLED")))
        self.assertEqual((state.up, state.child_id), (True, "8"))

    def test_an_sa_that_is_up_wins_over_another_in_the_making(self) -> None:
        good, making = sa("ESTABLISHED", "5", ("7", "INSTALLED")), sa("CONNECTING", "6")
        self.assertTrue(self.state(good, making).up)
        self.assertTrue(self.state(making, good).up)
        self.assertEqual(self.state(making).ike_state, "CONNECTING")


class LoadsConnections(unittest.TestCase):
    def load(self, result: Result, loaded: tuple[str, ...] = ()) -> list[str]:
        client = mock.MagicMock()
        client.__enter__.return_value.list_conns.return_value = {name: {} for name in loaded}
        with mock.patch.object(strongswan, "run", return_value=result):
            with mock.patch.object(vici, "Client", return_value=client):
                return strongswan.load(("singapore-1", "singapore-2"))

    def test_nothing_is_refused_when_all_loads(self) -> None:
        self.assertEqual(self.load(Result(0, "loaded connection 'singapore-1'\n", "")), [])

    def test_our_refused_connection_is_a_problem(self) -> None:
        said = "loading connection 'singapore-1' failed: invalid value for: proposals, config discarded\n"
        self.assertEqual(self.load(Result(22, "", said)), [said.strip()])

    def test_a_foreign_refused_connection_is_not(self) -> None:
        said = "loading connection 'theirs' failed: invalid value for: proposals, config discarded\n"
        self.assertEqual(self.load(Result(22, "", said), ("singapore-1", "singapore-2")), [])

    def test_a_parser_that_gives_up_is_a_problem_without_the_secret(self) -> None:
        said = "secrets.conf:4: syntax error, unexpected NAME near secret = 0sc2VjcmV0\n"
        problems = self.load(Result(2, "", said))
        self.assertEqual(len(problems), 1)
        self.assertNotIn("c2VjcmV0", problems[0])


class FindsReasons(unittest.TestCase):
    def reason(self, *lines: str) -> str:
        with mock.patch.object(strongswan, "run", return_value=Result(0, "\n".join(lines), "")) as run:
            reason = strongswan.likely_reason(samples.site().tunnels[0], "@0")
        self.assertIn("IKE_SA_NAME=singapore-1", run.call_args.args)
        return reason

    def test_names_what_the_journal_shows(self) -> None:
        cases = {
            "parsed IKE_AUTH response 1 [ N(AUTH_FAILED) ]": "the other end refused the authentication",
            "parsed IKE_SA_INIT response 0 [ N(NO_PROP) ]": "none of the proposals",
            "giving up after 6 retransmits": "does not answer",
            "parsed IKE_AUTH response 1 [ IDr AUTH N(TS_UNACCEPT) ]": "traffic selectors",
            "tried 1 shared key for '198.51.100.198' - '192.0.2.152', but MAC mismatched": "pre-shared keys",
            "initiating IKE_SA singapore-1[5] to 192.0.2.152": "names no reason",
        }
        for line, words in cases.items():
            with self.subTest(line):
                self.assertIn(words, self.reason("initiating IKE_SA singapore-1[5] to 192.0.2.152", line))

    def test_takes_the_last_refusal_and_a_refusal_before_silence(self) -> None:
        refused, other = "parsed IKE_AUTH response 1 [ N(AUTH_FAILED) ]", "parsed IKE_SA_INIT response 0 [ N(NO_PROP) ]"
        self.assertIn("proposals", self.reason(refused, other))
        self.assertIn("authentication", self.reason(other, refused))
        self.assertIn("authentication", self.reason(refused, "giving up after 6 retransmits"))

    def test_says_when_nothing_was_tried(self) -> None:
        self.assertIn("not tried", self.reason())


class ReadsUnits(unittest.TestCase):
    def test_units_in_the_order_asked(self) -> None:
        shown = (
            "Id=a.service\nLoadState=loaded\nUnitFileState=enabled\nActiveState=active\n\n"
            "Id=b.service\nLoadState=not-found\nUnitFileState=\nActiveState=inactive\n\n"
            "Id=c.service\nLoadState=masked\nUnitFileState=masked-runtime\nActiveState=inactive\n"
        )
        with mock.patch.object(strongswan, "must", return_value=shown):
            units = strongswan.units("a.service", "b.service", "c.service")
        self.assertEqual(units["a.service"], strongswan.Unit(True, True, True))
        self.assertEqual(units["b.service"], strongswan.Unit(False, False, False))
        self.assertTrue(units["c.service"].masked)
