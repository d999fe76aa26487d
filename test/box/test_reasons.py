"""Verdicts name a cause only where it was told, and say of silence how long it was."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from unittest import mock

from dual_tunnel_vpn.commands import Result
from dual_tunnel_vpn.ipsec import reasons
from dual_tunnel_vpn.site import Tunnel

from . import samples

INITIATING = "initiating IKE_SA singapore-1[5] to 192.0.2.152"
RETRANSMIT = "retransmit 3 of request with message ID 2"


class Reads(unittest.TestCase):
    def told(self, verdict: Callable[[Tunnel, float], str], *lines: str) -> str:
        """What is said 20 s after a beginning since when the journal has these lines."""
        with (
            mock.patch.object(reasons, "run", return_value=Result(0, "\n".join(lines), "")) as run,
            mock.patch("time.time", lambda: 1020.25),
        ):
            told = verdict(samples.site().tunnels[0], 1000.25)
        self.assertIn("IKE_SA_NAME=singapore-1", run.call_args.args)
        self.assertIn("@1000.250000", run.call_args.args)
        return told


class WhyItIsNotUp(Reads):
    def reason(self, *lines: str) -> str:
        return self.told(reasons.not_up, *lines)

    def test_names_what_the_journal_shows(self) -> None:
        cases = {
            "parsed IKE_AUTH response 1 [ N(AUTH_FAILED) ]": "the other end refused the authentication",
            "parsed IKE_SA_INIT response 0 [ N(NO_PROP) ]": "none of the IKE proposals",
            "received NO_PROPOSAL_CHOSEN notify error": "or it expects no tunnel from this egress IP",
            "parsed IKE_AUTH response 1 [ IDr AUTH N(NO_PROP) ]": "none of the IPsec proposals",
            "received NO_PROPOSAL_CHOSEN notify, no CHILD_SA built": "none of the IPsec proposals",
            "received NO_PROPOSAL_CHOSEN error notify": "none of the proposals",
            "giving up after 6 retransmits": "the other end did not answer within 20 s",
            "parsed IKE_AUTH response 1 [ IDr AUTH N(TS_UNACCEPT) ]": "traffic selectors",
            "tried 1 shared key for '198.51.100.198' - '192.0.2.152', but MAC mismatched": "pre-shared keys",
            INITIATING: "names no reason",
        }
        for line, words in cases.items():
            with self.subTest(line):
                self.assertIn(words, self.reason(INITIATING, line))

    def test_takes_the_last_refusal_and_a_refusal_before_silence(self) -> None:
        refused, other = "parsed IKE_AUTH response 1 [ N(AUTH_FAILED) ]", "parsed IKE_SA_INIT response 0 [ N(NO_PROP) ]"
        self.assertIn("proposals", self.reason(refused, other))
        self.assertIn("authentication", self.reason(other, refused))
        self.assertIn("authentication", self.reason(refused, "giving up after 6 retransmits"))

    def test_says_when_nothing_was_tried(self) -> None:
        self.assertIn("not tried", self.reason())


class WhyItsKeyIsNotRenewed(Reads):
    def test_names_the_groups_only_where_the_other_end_refused(self) -> None:
        cases = {
            "parsed CREATE_CHILD_SA response 2 [ N(NO_PROP) ]": "its key cannot be renewed: .*PFS",
            "received NO_PROPOSAL_CHOSEN notify, no CHILD_SA built": "its key cannot be renewed: .*PFS",
            "parsed CREATE_CHILD_SA response 2 [ N(INVAL_KE) ]": "its key cannot be renewed: .*another DH group",
            "parsed CREATE_CHILD_SA response 2 [ N(TS_UNACCEPT) ]": "its key cannot be renewed: .*traffic selectors",
            RETRANSMIT: "^the renewal of its key was not answered within 20 s$",
            INITIATING: "^its key was not renewed within 20 s, and charon's journal names no reason$",
        }
        for line, words in cases.items():
            with self.subTest(line):
                self.assertRegex(self.told(reasons.not_renewed, "sending DPD request", line), words)

    def test_an_empty_journal_names_no_cause(self) -> None:
        self.assertIn("names no reason", self.told(reasons.not_renewed))
