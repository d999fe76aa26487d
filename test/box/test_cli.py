"""The command line: its lock, its names, and its last words."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from dual_tunnel_vpn import cli, paths
from dual_tunnel_vpn.commands import Refusal, Result


def hold(path: str, holding: multiprocessing.synchronize.Event, release: multiprocessing.synchronize.Event) -> None:
    with mock.patch.object(paths, "LOCK", Path(path)), cli.lock():
        holding.set()
        release.wait(30)


class Locks(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = Path(directory.name) / "lock"
        patch = mock.patch.object(paths, "LOCK", self.path)
        patch.start()
        self.addCleanup(patch.stop)
        self.holding, self.release = multiprocessing.Event(), multiprocessing.Event()
        self.other = multiprocessing.Process(target=hold, args=(str(self.path), self.holding, self.release))
        self.other.start()
        self.holding.wait(30)

    def tearDown(self) -> None:
        self.release.set()
        self.other.join(30)
        self.other.close()

    def test_refuses_after_waiting_for_another(self) -> None:
        with self.assertRaisesRegex(Refusal, "another apply or uninstall has held"):
            with cli.lock(wait=0):
                self.fail("entered")

    def test_enters_when_the_other_has_ended(self) -> None:
        self.release.set()
        with cli.lock(wait=30):
            self.assertTrue(self.path.exists())

    def test_a_removed_lock_file_locks_nobody_out(self) -> None:
        self.path.unlink()
        with cli.lock(wait=0):
            self.assertTrue(self.path.exists())


class Speaks(unittest.TestCase):
    def run_cli(self, *arguments: str) -> tuple[int, str]:
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(io.StringIO()):
            status = cli.main(arguments)
        return status, output.getvalue()

    def test_a_wrong_name_is_refused_in_one_sentence(self) -> None:
        with mock.patch.object(cli.os, "geteuid", return_value=0):  # type: ignore[attr-defined]
            status, text = self.run_cli("links", "No Such")
        self.assertEqual(status, 1)
        self.assertRegex(text, r"\Adual-tunnel-vpn: 'No Such' is not a connection's name: [^\n]*\n\Z")

    def test_a_user_without_sudo_is_told_so(self) -> None:
        with mock.patch.object(cli.os, "geteuid", return_value=65534):  # type: ignore[attr-defined]
            with mock.patch.object(cli, "run", return_value=Result(1, "", "sudo: a password is required")):
                status, text = self.run_cli("status")
        self.assertEqual(status, 1)
        self.assertRegex(text, "cannot run sudo without a password on this box")

    def test_an_unknown_verb_is_a_usage_error(self) -> None:
        with self.assertRaises(SystemExit) as raised:
            self.run_cli("destroy")
        self.assertEqual(raised.exception.code, 2)
