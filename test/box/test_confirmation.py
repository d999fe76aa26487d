"""A change that is confirmed in time stays; one that is not is taken back, whatever comes in between."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from box.samples import DOCUMENT, starter
from dual_tunnel_vpn import apply, cli, confirmation, files, installed, library, links, manifest, paths, rollback
from dual_tunnel_vpn.commands import Refusal, Result
from dual_tunnel_vpn.net import network

ASSETS = Path(__file__).resolve().parent.parent.parent / "assets"
NAME = "singapore"
TIMER, UNIT = paths.rollback_timer(NAME), paths.rollback_unit(NAME)


def document(mark: int) -> str:
    changed = copy.deepcopy(DOCUMENT)
    changed["uplinks"][0]["mark"] = mark
    return json.dumps(changed)


class OnABox(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name)
        self.upload = self.root / "upload"
        self.upload.mkdir()
        self.ran: list[str] = []
        self.stale: list[int] = []
        self.uninstalled: list[str] = []
        patches: list[Any] = [
            mock.patch.object(paths, "STATE", self.root / "state"),
            mock.patch.object(manifest, "_BOX", self.root / "state/box.json"),
            mock.patch.object(confirmation, "must", self.run_command),
            mock.patch.object(confirmation, "run", self.run_command),
            mock.patch.object(rollback, "start", starter(self.run_command)),
            mock.patch.object(rollback, "uninstall", self.uninstall),
            mock.patch.object(apply, "kernel_files"),
            mock.patch.object(links, "stale", lambda old, *_: self.note_stale(old.uplinks[0].mark)),
            mock.patch.object(network, "observe"),
            mock.patch.object(network, "apply"),
        ]
        for patch in patches:
            patch.start()
            self.addCleanup(patch.stop)

    def run_command(self, *command: str, **_: object) -> Result:
        self.ran.append(" ".join(command[1:]))
        return Result(0, "", "")

    def note_stale(self, mark: int) -> list[object]:
        self.stale.append(mark)
        return []

    def uninstall(self, name: str, by: str, _steps: object) -> None:
        self.assertEqual(by, "")
        self.uninstalled.append(name)
        shutil.rmtree(paths.connection(name))

    def site(self, mark: int | None) -> None:
        if mark is not None:
            files.put(paths.site(NAME), document(mark).encode())

    def change(self, mark: int) -> None:
        """What an apply does of it."""
        confirmation.begin(NAME, self.upload)
        apply.put_site(NAME, document(mark).encode(), manifest.load_connection(NAME))

    def roll_back(self) -> None:
        self.ran, self.stale = [], []
        rollback.roll_back(NAME, mock.Mock())

    @property
    def mark(self) -> int | None:
        data = files.content(paths.site(NAME))
        return None if data is None else int(json.loads(data)["uplinks"][0]["mark"])


class Confirms(OnABox):
    def test_the_timer_is_armed_before_anything_changes_and_again_when_the_apply_has_ended(self) -> None:
        confirmation.begin(NAME, self.upload)
        self.assertEqual(self.ran, [f"restart {TIMER}", f"stop {UNIT}"])
        self.assertTrue((self.upload / "armed").exists())
        self.assertTrue(confirmation.waits(NAME))
        confirmation.extend(NAME)
        self.assertEqual(self.ran, [f"restart {TIMER}", f"stop {UNIT}"] * 2)

    def test_an_apply_that_has_changed_nothing_arms_nothing(self) -> None:
        confirmation.extend(NAME)
        self.assertEqual((self.ran, confirmation.waits(NAME)), ([], False))

    def test_a_confirmed_change_stays_and_leaves_no_timer(self) -> None:
        self.site(1)
        self.change(2)
        self.ran = []
        confirmation.confirm(NAME)
        self.assertEqual(self.ran, [f"stop {TIMER}"])
        self.roll_back()
        self.assertEqual((self.mark, self.ran, self.uninstalled), (2, [], []))

    def test_once_is_enough_and_twice_is_told(self) -> None:
        self.change(2)
        confirmation.confirm(NAME)
        with self.assertRaisesRegex(Refusal, "^connection singapore has no change on this box that waits"):
            confirmation.confirm(NAME)

    def test_a_confirmation_that_comes_late_is_refused_also_while_the_change_is_being_taken_back(self) -> None:
        self.site(1)
        self.change(2)
        confirmation.claim(NAME)
        with self.assertRaises(Refusal):
            confirmation.confirm(NAME)
        self.roll_back()
        with self.assertRaises(Refusal):
            confirmation.confirm(NAME)
        self.assertEqual(self.mark, 1)

    def test_a_confirmed_change_is_what_the_next_one_goes_back_to(self) -> None:
        self.site(1)
        self.change(2)
        confirmation.confirm(NAME)
        self.change(3)
        self.roll_back()
        self.assertEqual(self.mark, 2)


class RollsBack(OnABox):
    def test_a_change_goes_back_to_the_former_site_and_what_only_the_new_one_had_goes(self) -> None:
        self.site(1)
        self.change(2)
        self.roll_back()
        self.assertEqual((self.mark, self.stale, self.uninstalled), (1, [1, 2], []))
        self.assertEqual(
            self.ran,
            [f"restart {paths.links_unit(NAME)}", f"restart {paths.agent_unit(NAME)}", f"stop {TIMER}"],
        )
        self.assertEqual(manifest.load_connection(NAME).former, [])

    def test_one_that_is_cut_off_and_run_again_notes_each_former_site_once(self) -> None:
        self.site(1)
        self.change(2)
        with mock.patch.object(installed, "put", side_effect=KeyboardInterrupt), self.assertRaises(KeyboardInterrupt):
            self.roll_back()
        noted = manifest.load_connection(NAME).former
        with mock.patch.object(installed, "put", side_effect=KeyboardInterrupt), self.assertRaises(KeyboardInterrupt):
            self.roll_back()
        self.assertEqual(manifest.load_connection(NAME).former, noted)
        self.roll_back()
        self.assertEqual((self.mark, manifest.load_connection(NAME).former), (1, []))

    def test_the_next_apply_does_all_of_it_once_more(self) -> None:
        self.site(1)
        self.change(2)
        self.roll_back()
        box = manifest.load_box()
        assert box is not None
        self.assertTrue(box.unfinished)
        self.assertFalse(confirmation.waits(NAME))

    def test_a_first_installation_is_removed(self) -> None:
        self.change(1)
        self.roll_back()
        self.assertEqual((self.uninstalled, self.mark), ([NAME], None))
        self.assertFalse(confirmation.waits(NAME))

    def test_a_former_site_that_cannot_be_read_is_as_good_as_none(self) -> None:
        files.put(paths.site(NAME), b"\xff{")
        self.change(1)
        self.roll_back()
        self.assertEqual(self.uninstalled, [NAME])

    def test_what_was_cut_off_in_the_midst_is_taken_up_again(self) -> None:
        self.site(1)
        self.change(2)
        with mock.patch.object(apply, "kernel_files", side_effect=KeyboardInterrupt):
            self.assertRaises(KeyboardInterrupt, self.roll_back)
        self.assertTrue(confirmation.waits(NAME))
        self.roll_back()
        self.assertEqual(self.mark, 1)
        self.assertIn(f"restart {paths.links_unit(NAME)}", self.ran)
        self.assertFalse(confirmation.waits(NAME))

    def test_several_applies_without_a_confirmation_go_back_to_before_the_first(self) -> None:
        self.site(1)
        self.change(2)
        self.change(3)
        self.roll_back()
        self.assertEqual(self.mark, 1)

    def test_an_apply_that_follows_a_rollback_that_was_cut_off_may_go_back_as_far(self) -> None:
        self.site(1)
        self.change(2)
        confirmation.claim(NAME)
        self.change(3)
        confirmation.confirm(NAME)
        self.assertFalse(confirmation.waits(NAME))
        self.assertEqual(self.mark, 3)

    def test_an_apply_may_give_its_change_up_itself_and_nobody_confirms_it_then(self) -> None:
        self.site(1)
        self.change(2)
        self.ran = []
        confirmation.give_up(NAME, self.upload)
        confirmation.extend(NAME)
        self.assertEqual(self.ran, [f"start --no-block {UNIT}"])
        self.assertFalse((self.upload / "armed").exists())
        self.assertRaises(Refusal, confirmation.confirm, NAME)
        self.roll_back()
        self.assertEqual(self.mark, 1)


class Units(unittest.TestCase):
    def test_the_timer_goes_on_after_a_boot_while_something_is_unconfirmed(self) -> None:
        kinds = ("timer", "service")
        timer, service = (library.asset(f"systemd/dual-tunnel-vpn-rollback@.{kind}").decode() for kind in kinds)
        for text in (timer, service):
            for place in (paths.unconfirmed("%i"), paths.rolling_back("%i")):
                self.assertIn(f"\nConditionPathExists=|{place}\n", text)
        self.assertIn("\nWantedBy=timers.target\n", timer)
        self.assertIn("\nOnActiveSec=120s\n", timer)

    def test_what_fails_is_tried_again_for_nobody_can_come(self) -> None:
        service = library.asset("systemd/dual-tunnel-vpn-rollback@.service").decode()
        for line in ("Restart=on-failure", "StartLimitIntervalSec=0", "TimeoutStartSec=infinity"):
            self.assertIn(f"\n{line}\n", service)

    def test_all_are_installed(self) -> None:
        for kind in ("timer", "service"):
            self.assertIn(f"dual-tunnel-vpn-rollback@.{kind}", apply.UNIT_FILES)


class Outcome(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.upload = Path(directory.name)

    def test_why_an_apply_failed_is_left_for_the_last_script(self) -> None:
        not_allowed = PermissionError(13, "Permission denied", "/etc/x")
        for error, sentences in (
            (Refusal("the tunnel is down"), ["the tunnel is down"]),
            (Refusal("the clock is wrong", "port 500 is taken"), ["the clock is wrong", "port 500 is taken"]),
            (not_allowed, ["this box does not allow it: /etc/x: Permission denied"]),
        ):
            with self.assertRaises(type(error)), cli._outcome(self.upload):
                raise error
            told = (self.upload / "outcome").read_text().splitlines()
            self.assertEqual(told, [f"dual-tunnel-vpn: {sentence}" for sentence in sentences])


class LastScript(unittest.TestCase):
    """confirm.sh, with a command in ours' place that says what it was asked."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name)
        self.upload = self.root / "run/dual-tunnel-vpn-staging/singapore.42"
        self.upload.mkdir(parents=True)
        self.marker = self.root / "etc/dual-tunnel-vpn/singapore/unconfirmed.json"
        self.marker.parent.mkdir(parents=True)
        self.command = self.root / "usr/local/sbin/dual-tunnel-vpn"
        self.command.parent.mkdir(parents=True)

    def confirm(self, ended: int | None = 0, said: str = "") -> tuple[int, str]:
        """ended: the status of `dual-tunnel-vpn confirm`, None where there is no such command."""
        if ended is not None:
            self.command.write_text(f'#!/bin/sh\necho "$@" >{self.root}/asked\nprintf "%s" "{said}"\nexit {ended}\n')
            self.command.chmod(0o755)
        text = (ASSETS / "confirm.sh").read_text()
        for place in ("/run/dual-tunnel-vpn-staging", "/etc/dual-tunnel-vpn", "/usr/local/sbin/dual-tunnel-vpn"):
            self.assertIn(place, text)
            text = text.replace(place, f"{self.root}{place}")
        text = text.replace("sudo -n sh", "sh")
        done = subprocess.run(
            ["sh", "-c", f"name=singapore\nupload=42\n{text}"], capture_output=True, text=True, check=False, timeout=30
        )
        self.assertEqual(done.stderr, "")
        self.assertFalse(self.upload.exists())
        return done.returncode, done.stdout

    def asked(self) -> str | None:
        path = self.root / "asked"
        return path.read_text() if path.exists() else None

    def ended(self, outcome: str | None, armed: bool = True) -> None:
        if outcome is not None:
            (self.upload / "outcome").write_text(f"{outcome}\n")
        if armed:
            (self.upload / "armed").touch()

    def test_confirms_what_was_armed(self) -> None:
        self.ended("done")
        self.assertEqual((self.confirm(), self.asked()), ((0, ""), "confirm singapore\n"))

    def test_has_nothing_to_confirm_where_nothing_was_armed(self) -> None:
        self.ended("done", armed=False)
        self.assertEqual((self.confirm(), self.asked()), ((0, ""), None))

    def test_ends_as_the_apply_did_and_keeps_what_a_failed_one_changed(self) -> None:
        self.ended("dual-tunnel-vpn: tunnel 1 did not come up")
        self.assertEqual(self.confirm(), (1, "dual-tunnel-vpn: tunnel 1 did not come up\n"))
        self.assertEqual(self.asked(), "confirm singapore\n")

    def test_says_why_an_apply_refused_before_any_change_also_where_there_is_no_command_yet(self) -> None:
        told = "dual-tunnel-vpn: the kernel has no XFRM interfaces\ndual-tunnel-vpn: port 500 is taken"
        self.ended(told, armed=False)
        self.assertEqual(self.confirm(None), (1, f"{told}\n"))

    def test_tells_an_apply_that_was_cut_off(self) -> None:
        for armed in (True, False):
            self.upload.mkdir(exist_ok=True)
            self.ended(None, armed)
            self.assertEqual(self.confirm(), (1, "dual-tunnel-vpn: the apply was cut off: deploy again\n"))

    def test_tells_one_of_which_a_reboot_has_left_nothing(self) -> None:
        self.upload.rmdir()
        self.marker.touch()
        self.assertEqual(self.confirm(), (1, "dual-tunnel-vpn: the apply was cut off: deploy again\n"))
        self.assertIsNone(self.asked())

    def test_tells_in_one_sentence_that_the_change_was_taken_back(self) -> None:
        for status in (1, None):
            with self.subTest(status):
                self.upload.mkdir(exist_ok=True)
                self.command.unlink(missing_ok=True)
                self.ended("done")
                code, text = self.confirm(status)
                self.assertEqual((code, text.count("\n")), (1, 1))
                self.assertRegex(text, "^dual-tunnel-vpn: no new SSH connection reached this box in time after ")
                self.assertIn("`journalctl -u dual-tunnel-vpn-rollback@singapore`", text)

    def test_tells_what_else_kept_it_from_confirming(self) -> None:
        self.ended("done")
        self.marker.touch()
        self.assertEqual(self.confirm(1, "dual-tunnel-vpn: /etc is full\n"), (1, "dual-tunnel-vpn: /etc is full\n"))

    def test_waits_for_an_installer_that_still_runs(self) -> None:
        self.ended("done")
        ready, go = os.pipe()
        holder = subprocess.Popen(
            ["flock", str(self.upload), "sh", "-c", f'echo; read -r line; echo late >"{self.upload}/outcome"'],
            stdin=ready,
            stdout=subprocess.PIPE,
        )
        assert holder.stdout is not None
        holder.stdout.readline()
        os.close(ready)
        script = mock.Mock()
        thread = threading.Thread(target=lambda: script(self.confirm()))
        thread.start()
        os.write(go, b"\n")
        os.close(go)
        thread.join(30)
        holder.wait()
        holder.stdout.close()
        script.assert_called_once_with((1, "late\n"))


if __name__ == "__main__":
    unittest.main()
