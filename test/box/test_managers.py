"""Network managers: told to leave what is ours alone, and told nothing any more afterwards."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from dual_tunnel_vpn import paths
from dual_tunnel_vpn.net import managers

from . import samples


class Managers(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name)
        self.files = self.root / "NetworkManager"
        self.networkd = self.root / "networkd.conf.d/90-ours.conf"
        self.programs = {"nmcli", "networkctl"}
        self.command = mock.Mock()
        for target, name, value in (
            (paths, "network_manager_file", lambda name: self.files / f"90-{name}.conf"),
            (paths, "NETWORKD", self.networkd),
            (managers, "find", lambda program: program if program in self.programs else None),
            (managers, "run", self.command),
        ):
            patch = mock.patch.object(target, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def test_network_manager_is_told_which_interfaces_are_ours_and_reads_it_once(self) -> None:
        self.files.mkdir()
        managers.tell_all(samples.site())
        managers.tell_all(samples.site())
        text = (self.files / "90-singapore.conf").read_text()
        self.assertIn("\nunmanaged-devices+=interface-name:singapore-1;interface-name:singapore-2\n", text)
        self.command.assert_called_once_with("nmcli", "general", "reload", "conf")

    def test_managers_that_are_not_there_are_told_nothing(self) -> None:
        self.programs.clear()
        managers.tell_all(samples.site())
        self.assertEqual(list(self.root.iterdir()), [])

    def test_networkd_is_told_until_the_last_connection_goes(self) -> None:
        managers.tell_all(samples.site())
        managers.undo_all("singapore", last=False)
        self.assertTrue(self.networkd.exists())
        managers.undo_all("tokyo", last=True)
        self.assertFalse(self.networkd.parent.exists())

    def test_what_was_told_is_taken_back_also_from_a_manager_that_was_removed_since(self) -> None:
        self.files.mkdir()
        managers.tell_all(samples.site())
        theirs = self.networkd.parent / "theirs.conf"
        theirs.touch()
        self.programs.clear()
        managers.undo_all("singapore", last=True)
        self.assertEqual(list(self.files.iterdir()), [])
        self.assertEqual(list(self.networkd.parent.iterdir()), [theirs])
