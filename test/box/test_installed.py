"""What we put on the box is known by hash: every change is told, and none but the next apply mends it."""

from __future__ import annotations

import os
import shutil
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from dual_tunnel_vpn import installed, library, paths

SECRET = b"secret = 0sc2VjcmV0\n"


class OnBox(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name)
        for name in ("STATE", "LIBRARY", "COMMAND"):
            patch = mock.patch.object(paths, name, self.root / name.lower())
            patch.start()
            self.addCleanup(patch.stop)
        paths.STATE.mkdir()
        self.file = self.root / "etc/file.conf"
        installed.put(self.file, SECRET, 0o600)


class Files(OnBox):
    def test_nothing_is_told_of_what_is_as_it_was_put(self) -> None:
        self.assertEqual(installed.amiss(), [])
        self.assertFalse(installed.put(self.file, SECRET, 0o600))
        self.assertEqual(installed.amiss(), [])

    def test_another_content_or_mode_is_told_as_are_a_link_and_nothing(self) -> None:
        changed = f"{self.file} was changed since we installed it"
        self.file.write_bytes(SECRET + b"# touched\n")
        self.assertEqual(installed.amiss(), [changed])
        self.file.write_bytes(SECRET)
        self.file.chmod(0o644)
        self.assertEqual(installed.amiss(), [f"{self.file} has mode 0644, and not 0600 as we installed it"])
        elsewhere = self.root / "elsewhere"
        elsewhere.write_bytes(SECRET)
        elsewhere.chmod(0o600)
        self.file.unlink()
        self.assertEqual(installed.amiss(), [f"{self.file}, which we installed, is missing or cannot be read"])
        self.file.symlink_to(elsewhere)
        self.assertEqual(installed.amiss(), [changed])

    def test_the_next_time_that_it_is_put_mends_it(self) -> None:
        self.file.write_bytes(b"")
        self.assertTrue(installed.put(self.file, SECRET, 0o600))
        self.assertEqual(installed.amiss(), [])

    def test_what_was_removed_is_forgotten_and_so_is_what_was_in_a_connections_directory(self) -> None:
        installed.put(paths.site("lab"), b"{}")
        shutil.rmtree(paths.connection("lab"))
        self.assertEqual(len(installed.amiss()), 1)
        installed.forget("lab")
        self.assertTrue(installed.remove(self.file))
        self.assertEqual(installed.amiss(), [])

    def test_no_secret_can_be_guessed_by_the_record_which_root_alone_reads(self) -> None:
        record = paths.STATE / "installed.json"
        self.assertEqual(record.stat().st_mode & 0o777, 0o600)
        one = record.read_bytes()
        record.unlink()
        installed.put(self.file, SECRET, 0o600)
        self.assertNotEqual(record.read_bytes(), one)

    def test_a_record_that_is_gone_or_damaged_is_told_and_ends_nothing(self) -> None:
        for data in (None, b"", b"[]", b"{}", b'{"salt": 1, "prints": []}', b'{"salt": "zz", "prints": {}}'):
            with self.subTest(data):
                (paths.STATE / "installed.json").unlink(missing_ok=True)
                if data is not None:
                    (paths.STATE / "installed.json").write_bytes(data)
                told = installed.amiss()
                self.assertEqual(len(told), 1)
                self.assertIn("installed.json is missing or damaged", told[0])
                installed.put(self.file, SECRET, 0o600)
                self.assertEqual(installed.amiss(), [])

    def test_nothing_is_noted_where_no_connection_was_begun(self) -> None:
        shutil.rmtree(paths.STATE)
        installed.put(self.file, SECRET)
        installed.remove(self.file)
        self.assertFalse(paths.STATE.exists())


class Programs(OnBox):
    def setUp(self) -> None:
        super().setUp()
        library.install()
        self.directory = paths.LIBRARY / "current/dual_tunnel_vpn"

    def test_every_program_is_known_with_what_python_made_of_it(self) -> None:
        cached = sorted((self.directory / "__pycache__").glob("cli.*.pyc"))
        self.assertEqual(len(cached), 1)
        for path in (*cached, self.directory / "net/netlink.py", paths.COMMAND):
            before = path.read_bytes()
            path.write_bytes(before + b"\n")
            self.assertEqual(installed.amiss(), [f"{os.path.realpath(path)} was changed since we installed it"])
            path.write_bytes(before)

    def test_a_stranger_among_them_is_told(self) -> None:
        stranger = paths.LIBRARY / "current/json.py"
        stranger.write_text("")
        self.assertEqual(installed.amiss(), [f"{os.path.realpath(stranger)} is not ours, and may be run"])

    def test_an_install_mends_them_in_a_directory_of_its_own_and_only_then(self) -> None:
        first = library.current()
        library.install()
        self.assertEqual(library.current(), first)
        for expected in (f"{first}.again", first):
            (self.directory / "net/netlink.py").write_text("")
            self.assertFalse(installed.programs_are_right())
            library.install()
            self.assertEqual((library.current(), installed.amiss()), (expected, []))
            library.prune()
            self.assertEqual(installed.amiss(), [])


if __name__ == "__main__":
    unittest.main()
