"""What is read from charon: refused configurations, renewals, units, and never a secret."""

from __future__ import annotations

import itertools
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from dual_tunnel_vpn import manifest
from dual_tunnel_vpn.commands import Result
from dual_tunnel_vpn.ipsec import strongswan, vici

from . import samples
from .samples import ike_sa


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


class ConnectionsOfOthers(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.etc = Path(directory.name)
        (self.etc / "conf.d").mkdir()
        self.main, self.ours = self.etc / "swanctl.conf", self.etc / "conf.d/singapore-1.conf"
        self.main.write_text("# connections { }\n# Include config snippets\ninclude conf.d/*.conf\n")
        self.ours.write_text("connections {\n}\n")

    def others(self) -> list[str]:
        found = strongswan.Layout(self.etc / "conf.d", self.etc / "strongswan.d")
        with mock.patch.object(manifest, "names", lambda: ["singapore"]):
            return strongswan.others(found)

    def test_ours_are_none_nor_are_comments_and_what_the_package_includes(self) -> None:
        self.assertEqual(self.others(), [])

    def test_a_file_of_somebody_elses_is_one_if_it_defines_connections(self) -> None:
        theirs = self.etc / "conf.d/theirs.conf"
        theirs.write_text("secrets {\n}\n")
        self.assertEqual(self.others(), [])
        for text in ("connections {\n}\n", "secrets { }\nconnections.theirs { }\n"):
            theirs.write_text(text)
            self.assertEqual(self.others(), [str(theirs)])

    def test_so_is_what_is_written_in_swanctls_own_file_or_included_from_elsewhere(self) -> None:
        for text in ("connections {\n}\n", "include /opt/vpn/*.conf\n", "include conf.d/*.conf\ninclude more/*.conf\n"):
            self.main.write_text(text)
            self.assertEqual(self.others(), [str(self.main)])


class ProvesRenewals(unittest.TestCase):
    """Lists of SAs one after the other, CHILD_SAs by IKE_SA; the last is repeated. A clock that passes at each look."""

    def prove(self, *lists: dict[str, list[str]], refused: int = 0) -> tuple[bool, int]:
        """Whether the renewal was proved, and how many rekeys were asked for."""
        clock, left = [0.0], list(lists)
        tunnel = samples.site().tunnels[0]
        charon = mock.MagicMock()
        client = charon.__enter__.return_value
        client.rekey.side_effect = [vici.ViciRefused("no match")] * refused + [None] * 100

        def listed() -> list[tuple[str, vici.Message]]:
            clock[0] += 1
            found = left.pop(0) if len(left) > 1 else left[0]
            sas = [ike_sa("ESTABLISHED", ike, *((child, "INSTALLED") for child in found[ike])) for ike in found]
            return [entry for sa in sas for entry in sa.items()]

        client.list_sas.side_effect = listed
        with (
            mock.patch.object(vici, "Client", return_value=charon),
            mock.patch("time.monotonic", lambda: clock[0]),
            mock.patch("time.sleep"),
        ):
            proved = strongswan.prove_rekey(tunnel, 10)
        return proved, client.rekey.call_count

    def test_a_new_child_of_the_same_ike_sa_is_a_proof(self) -> None:
        self.assertEqual(self.prove({"1": ["2"]}, {"1": ["2"]}, {"1": ["2", "3"]}), (True, 1))

    def test_no_new_child_is_none(self) -> None:
        self.assertEqual(self.prove({"1": ["2"]}), (False, 1))
        self.assertEqual(self.prove({}), (False, 0))

    def test_a_tunnel_that_was_set_up_anew_is_none_and_is_asked_again(self) -> None:
        self.assertEqual(self.prove({"1": ["2"]}, {}, {"5": ["6"]}), (False, 2))
        self.assertEqual(self.prove({"1": ["2"]}, {}, {"5": ["6"]}, {"5": ["7"]}), (True, 2))

    def test_of_two_that_both_ends_began_at_once_either_is_a_proof(self) -> None:
        both = {"5": ["9"], "6": ["8"]}
        for renewed in ({"5": ["9"], "6": ["10"]}, {"6": ["10"]}, {"5": ["10"], "6": ["8"]}):
            self.assertEqual(self.prove(both, both, renewed), (True, 1), renewed)
        # One more IKE_SA proves nothing about the one that was asked.
        self.assertEqual(self.prove(both, {"6": ["8"], "7": ["10"]}), (False, 1))

    def test_a_child_that_has_just_gone_is_asked_again(self) -> None:
        self.assertEqual(self.prove({"1": ["2"]}, {"1": ["2"]}, {"1": ["3"]}, refused=1), (True, 2))


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

    def test_those_that_do_not_start_at_boot_are_told_by_their_files_also_beside_one_that_has_none(self) -> None:
        states = {"a.service": "enabled\n", "b.timer": "disabled\n", "c.service": "", "d.service": "enabled-runtime\n"}

        def run(_: str, verb: str, *names: str) -> Result:
            self.assertEqual(verb, "is-enabled")
            there = itertools.takewhile(bool, (states[name] for name in names))
            return Result(1, "".join(there), "")

        with mock.patch.object(strongswan, "run", run):
            self.assertEqual(strongswan.disabled("a.service", "b.timer"), ["b.timer"])
            self.assertEqual(strongswan.disabled(*states), ["b.timer", "c.service"])

    def trouble(
        self, state: str, restarts: int = 0, result: str = "success", seconds: float = 0, job: str = ""
    ) -> str:
        """What is said of a unit that has been in that state for some seconds; job: what systemd is yet to do."""
        shown = (
            f"Id=a.service\nLoadState=loaded\nActiveState={state}\nNRestarts={restarts}\nResult={result}\n"
            f"ActiveEnterTimestampMonotonic={int((1000 - seconds) * 1e6) if state == 'active' else 0}\nJob={job}\n"
        )
        with (
            mock.patch.object(strongswan, "must", return_value=shown),
            mock.patch("time.monotonic", lambda: 1000.0),
        ):
            return strongswan.units("a.service")["a.service"].trouble

    def test_a_unit_that_is_at_work_is_in_no_trouble(self) -> None:
        self.assertEqual(self.trouble("active", seconds=1), "")
        self.assertEqual(self.trouble("active", restarts=1, seconds=1), "")
        self.assertEqual(self.trouble("active", restarts=13, seconds=61), "")
        self.assertEqual(self.trouble("reloading"), "")

    def test_one_that_dies_and_is_started_again_and_again_is(self) -> None:
        self.assertEqual(self.trouble("activating", 13, "oom-kill"), "ends and is started anew (oom-kill, restart 13)")
        self.assertEqual(self.trouble("activating", 1), "ends and is started anew (restart 1)")
        # Between its end and its next start.
        again = "ends and is started anew (oom-kill, restart 2)"
        self.assertEqual(self.trouble("inactive", 2, "oom-kill", job="7"), again)
        self.assertEqual(self.trouble("inactive", 2, "oom-kill"), "is not active (oom-kill)")
        self.assertEqual(self.trouble("active", restarts=13, seconds=3), "was started anew 3 s ago (restart 13)")

    def test_one_that_starts_or_has_ended_is(self) -> None:
        self.assertEqual(self.trouble("activating"), "is starting")
        self.assertEqual(self.trouble("failed", 0, "exit-code"), "is not active (exit-code)")
        self.assertEqual(self.trouble("inactive"), "is not active")
