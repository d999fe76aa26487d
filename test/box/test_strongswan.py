"""What is read from charon: refused configurations, reasons, and never a secret."""

from __future__ import annotations

import unittest
from unittest import mock

from dual_tunnel_vpn.commands import Result
from dual_tunnel_vpn.ipsec import strongswan, vici

from . import samples


class LoadsConnections(unittest.TestCase):
    def load(self, result: Result, loaded: tuple[str, ...] = ()) -> list[str]:
        client = mock.MagicMock()
        client.__enter__.return_value.list_conns.return_value = {name: {} for name in loaded}
        run = mock.patch.object(strongswan, "run", return_value=result)
        with run, mock.patch.object(vici, "Client", return_value=client):
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
        self.assertEqual(units["b.service"], strongswan.Unit(False, False, False, trouble="is not active"))
        self.assertTrue(units["c.service"].masked)

    def trouble(self, state: str, restarts: int = 0, result: str = "success", seconds: float = 0) -> str:
        """What is said of a unit that has been in that state for some seconds."""
        shown = (
            f"Id=a.service\nLoadState=loaded\nActiveState={state}\nNRestarts={restarts}\nResult={result}\n"
            f"ActiveEnterTimestampMonotonic={int((1000 - seconds) * 1e6) if state == 'active' else 0}\n"
        )
        with (
            mock.patch.object(strongswan, "must", return_value=shown),
            mock.patch.object(strongswan.time, "monotonic", lambda: 1000.0),
        ):
            return strongswan.units("a.service")["a.service"].trouble

    def test_a_unit_that_is_at_work_is_in_no_trouble(self) -> None:
        self.assertEqual(self.trouble("active", seconds=1), "")
        self.assertEqual(self.trouble("active", restarts=1, seconds=1), "")
        self.assertEqual(self.trouble("active", restarts=13, seconds=61), "")
        self.assertEqual(self.trouble("reloading"), "")

    def test_one_that_dies_and_is_started_again_and_again_is(self) -> None:
        self.assertEqual(
            self.trouble("activating", 13, "oom-kill"), "ends and is started anew (oom-kill, restart 13)"
        )
        self.assertEqual(self.trouble("activating", 1), "ends and is started anew (restart 1)")
        self.assertEqual(
            self.trouble("active", restarts=13, seconds=3), "was started anew 3 s ago (restart 13)"
        )

    def test_one_that_starts_or_has_ended_is(self) -> None:
        self.assertEqual(self.trouble("activating"), "is starting")
        self.assertEqual(self.trouble("failed", 0, "exit-code"), "is not active (exit-code)")
        self.assertEqual(self.trouble("inactive"), "is not active")
