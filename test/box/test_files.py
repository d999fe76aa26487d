"""Files are put in place whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from dual_tunnel_vpn import files


class PutsFiles(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = Path(directory.name) / "deep" / "file.conf"

    def mode(self) -> int:
        return stat.S_IMODE(self.path.stat().st_mode)

    def test_makes_directories_and_sets_the_mode(self) -> None:
        self.assertTrue(files.put(self.path, b"one", 0o600))
        self.assertEqual((self.path.read_bytes(), self.mode()), (b"one", 0o600))

    def test_tells_whether_anything_changed(self) -> None:
        files.put(self.path, b"one")
        inode = self.path.stat().st_ino
        self.assertFalse(files.put(self.path, b"one"))
        self.assertEqual(self.path.stat().st_ino, inode)
        self.assertTrue(files.put(self.path, b"two"))
        self.assertTrue(files.put(self.path, b"two", 0o600))
        self.assertEqual(self.mode(), 0o600)

    def test_a_secret_is_never_readable_by_others_not_even_for_a_moment(self) -> None:
        modes = []
        replace = Path.replace

        def watched(source: Path, target: Path) -> Path:
            modes.append(stat.S_IMODE(source.stat().st_mode))
            return replace(source, target)

        with mock.patch.object(Path, "replace", watched):
            old = os.umask(0)
            try:
                files.put(self.path, b"secret", 0o600)
            finally:
                os.umask(old)
        self.assertEqual(modes, [0o600])

    def test_a_failure_leaves_the_former_content_and_no_leftover(self) -> None:
        files.put(self.path, b"one")
        full = OSError(28, "No space left on device")
        with mock.patch.object(os, "fsync", side_effect=full), self.assertRaises(OSError):
            files.put(self.path, b"two")
        self.assertEqual(self.path.read_bytes(), b"one")
        self.assertEqual(list(self.path.parent.iterdir()), [self.path])

    def test_what_an_interruption_leaves_lies_where_it_was_to_be_written(self) -> None:
        within = self.path.parent.parent / "ours"
        within.mkdir()
        with mock.patch.object(Path, "replace", side_effect=KeyboardInterrupt), mock.patch.object(Path, "unlink"):
            self.assertRaises(KeyboardInterrupt, files.put, self.path, b"one", within=within)
        self.assertEqual((len(list(within.iterdir())), list(self.path.parent.iterdir())), (1, []))
        files.put(self.path, b"one", within=within)
        self.assertEqual((list(within.iterdir()), list(self.path.parent.iterdir())), ([], [self.path]))

    def test_another_file_system_is_nowhere_to_write_it(self) -> None:
        within = self.path.parent.parent / "ours"
        within.mkdir()
        replace = Path.replace

        def one_file_system(source: Path, target: Path) -> Path:
            if source.parent != target.parent:
                raise OSError(errno.EXDEV, "Invalid cross-device link")
            return replace(source, target)

        with mock.patch.object(Path, "replace", one_file_system):
            self.assertTrue(files.put(self.path, b"one", 0o755, within))
        self.assertEqual((self.path.read_bytes(), self.mode(), list(within.iterdir())), (b"one", 0o755, []))

    def test_replaces_a_symlink_and_not_what_it_points_to(self) -> None:
        files.put(self.path, b"one")
        link = self.path.with_name("link")
        link.symlink_to(self.path)
        files.put(link, b"one")
        self.assertFalse(link.is_symlink())

    def test_removes_a_file_with_what_an_interrupted_put_left(self) -> None:
        files.put(self.path, b"one")
        self.path.with_name(".file.conf.abc.new").write_bytes(b"half")
        other = self.path.with_name(".other.conf.abc.new")
        other.write_bytes(b"not ours")
        self.assertTrue(files.remove(self.path))
        self.assertEqual(list(self.path.parent.iterdir()), [other])
        self.assertFalse(files.remove(self.path))
        self.assertFalse(files.remove(self.path / "below" / "a file"))

    def test_what_an_interrupted_put_left_goes_with_the_next_one_also_where_nothing_is_to_be_changed(self) -> None:
        files.put(self.path, b"one")
        left = self.path.with_name(".file.conf.abc.new")
        for data in (b"one", b"two"):
            left.write_bytes(b"half a secret")
            files.put(self.path, data)
            self.assertEqual(list(self.path.parent.iterdir()), [self.path])
