"""The command line: its lock, its names, and its last words."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from dual_tunnel_vpn import cli, paths
from dual_tunnel_vpn.commands import Refusal, Result


def hold(path: str, holding: multiprocessing.synchronize.Event, release: multiprocessing.synchronize.Event) -> None:
    with mock.patch.multiple(paths, PRIVATE=Path(path).parent, LOCK=Path(path)), cli.lock():
        holding.set()
        release.wait(30)


class Locks(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        private = Path(directory.name) / "private"
        self.path = private / "lock"
        for name, path in (("PRIVATE", private), ("LOCK", self.path)):
            patch = mock.patch.object(paths, name, path)
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
        with self.assertRaisesRegex(Refusal, "another apply or uninstall has held"), cli.lock(wait=0):
            self.fail("entered")

    def test_enters_when_the_other_has_ended(self) -> None:
        self.release.set()
        with cli.lock(wait=30):
            self.assertTrue(self.path.exists())

    def test_nobody_but_root_can_come_near_the_lock(self) -> None:
        self.assertEqual(stat.S_IMODE(self.path.parent.stat().st_mode), 0o700)
        self.assertEqual(paths.LOCK.parent, paths.PRIVATE)

    def test_a_removed_directory_locks_nobody_out(self) -> None:
        shutil.rmtree(self.path.parent)
        with cli.lock(wait=0):
            self.assertTrue(self.path.exists())

    def test_a_removed_lock_file_locks_nobody_out(self) -> None:
        self.path.unlink()
        with cli.lock(wait=0):
            self.assertTrue(self.path.exists())


class Starts(unittest.TestCase):
    def test_without_what_is_slow_to_load_and_is_not_used(self) -> None:
        # Links, status and repair are processes of their own, and on a small box loading is most of what they do.
        code = (
            "import sys; sys.path.insert(0, sys.argv[1]); from dual_tunnel_vpn import cli, links, status; "
            "print([name for name in ('urllib.request', 'http', 'ssl', 'email', 'xml') if name in sys.modules])"
        )
        command = [sys.executable, "-ISB", "-c", code, str(Path(cli.__file__).parents[1])]
        self.assertEqual(subprocess.run(command, capture_output=True, text=True, check=True).stdout, "[]\n")


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
        refused = Result(1, "", "sudo: a password is required")
        with mock.patch("os.geteuid", return_value=65534), mock.patch.object(cli, "run", return_value=refused):
            status, text = self.run_cli("status")
        self.assertEqual(status, 1)
        self.assertRegex(text, "cannot run sudo without a password on this box")

    def test_what_the_box_does_not_allow_is_one_sentence(self) -> None:
        for error, words in (
            (OSError(30, "Read-only file system", "/etc/x"), "/etc/x: Read-only file system"),
            (OSError(28, "No space left on device"), "No space left on device"),
            (OSError("odd"), "odd"),
        ):
            with mock.patch("os.geteuid", return_value=0), mock.patch.object(cli, "lock", side_effect=error):
                status, text = self.run_cli("uninstall", "singapore")
            self.assertEqual((status, text), (1, f"dual-tunnel-vpn: this box does not allow it: {words}\n"))

    def test_tells_root_on_whose_behalf_it_uninstalls(self) -> None:
        with mock.patch.object(cli, "_become_root", side_effect=Refusal("stopped")) as become:
            with mock.patch.dict(os.environ, DUAL_TUNNEL_VPN_OWNER="id-1"):
                self.run_cli("uninstall", "singapore")
            self.run_cli("uninstall", "singapore")
        self.assertEqual(
            [call.args[0] for call in become.call_args_list],
            [["uninstall", "--owner=id-1", "singapore"], ["uninstall", "--owner=", "singapore"]],
        )

    def test_goes_on_when_nobody_reads_any_more(self) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "w", buffering=1) as closed, mock.patch("sys.stdout", closed):
            cli.Steps().say("one")
            cli.Steps().say("two")

    def test_an_unknown_verb_is_a_usage_error(self) -> None:
        with self.assertRaises(SystemExit) as raised:
            self.run_cli("destroy")
        self.assertEqual(raised.exception.code, 2)
