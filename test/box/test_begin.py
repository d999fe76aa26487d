"""The first script on a box: it goes on only where no other user can meddle with Terraform's scripts."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

ASSETS = Path(__file__).resolve().parent.parent.parent / "assets"


class Begins(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name)
        # The temporary directory is closed to others; from here on down it is this test that says who enters.
        self.root.chmod(0o755)
        self.home = self.root / "home"
        self.scripts = self.home / ".ssh"
        self.scripts.mkdir(parents=True)
        self.scripts.chmod(0o700)
        self.staging = self.root / "staging"

    def begin(self, shell: str = "sh") -> subprocess.CompletedProcess[str]:
        text = (ASSETS / "begin.sh").read_text()
        self.assertIn("/run/dual-tunnel-vpn-staging", text)
        text = text.replace("/run/dual-tunnel-vpn-staging", str(self.staging)).replace("sudo -n sh", "sh")
        (self.scripts / "begin.sh").write_text(f"name=singapore\nupload=42\n{text}")
        return subprocess.run(
            [shell, ".ssh/begin.sh"], cwd=self.home, capture_output=True, text=True, check=False
        )

    def refused(self, sentence: str) -> None:
        done = self.begin()
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertRegex(done.stdout, rf"\Adual-tunnel-vpn: {sentence}\n\Z")
        self.assertFalse(self.staging.exists())

    def test_makes_a_directory_for_this_upload_that_only_the_user_enters(self) -> None:
        for shell in filter(shutil.which, ("dash", "bash", "busybox")):
            with self.subTest(shell):
                done = self.begin(shell)
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
                upload = self.staging / "singapore.42"
                modes = [oct(path.stat().st_mode & 0o7777) for path in (self.staging, upload)]
                self.assertEqual(modes, ["0o711", "0o700"])
                self.assertEqual(upload.stat().st_uid, os.getuid())
                self.assertEqual(list(upload.iterdir()), [upload / "assets"])
                shutil.rmtree(self.staging)

    def test_refuses_a_directory_that_others_enter(self) -> None:
        for mode in (0o755, 0o750, 0o711, 0o701):
            self.scripts.chmod(mode)
            self.refused(
                f"other users of this box can enter {self.scripts}, where Terraform's scripts go: "
                f"run `chmod 700 {self.scripts}`, or name another directory in ssh.scriptDirectory"
            )

    def test_takes_a_directory_that_lies_in_a_closed_one(self) -> None:
        self.scripts.chmod(0o755)
        self.home.chmod(0o700)
        self.assertEqual(self.begin().returncode, 0)

    def test_refuses_a_directory_above_in_which_others_can_put_another_in_its_place(self) -> None:
        for mode in (0o777, 0o775, 0o757):
            self.home.chmod(mode)
            self.refused(
                f"other users of this box can write to {self.home}, which holds the directory of Terraform's scripts: "
                f"run `chmod go-w {self.home}`"
            )
        self.home.chmod(0o1777)
        self.assertEqual(self.begin().returncode, 0)

    @unittest.skipIf(os.getuid() != 0, "only root gives a directory away")
    def test_refuses_a_directory_above_that_is_another_users(self) -> None:
        os.chown(self.home, 65534, -1)
        self.refused(
            f"{self.home} on this box, which holds the directory of Terraform's scripts, belongs to another user"
        )

    def test_sweeps_what_cut_sessions_and_the_version_before_left(self) -> None:
        former = self.home / ".dual-tunnel-vpn/singapore"
        old, young, busy = (self.staging / name for name in ("a.1", "a.2", "a.3"))
        for path in (former, old, young, busy):
            path.mkdir(parents=True)
            (path / "bundle").write_text("secrets")
        emptied, fresh = self.scripts / "dual-tunnel-vpn-1.sh", self.scripts / "dual-tunnel-vpn-2.sh"
        for path in (emptied, fresh):
            path.touch()
        then = time.time() - 900
        for path in (old, busy, emptied):
            os.utime(path, (then, then))
        with subprocess.Popen(["flock", str(busy), "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            assert holder.stdin and holder.stdout
            holder.stdin.write(b"held\n")
            holder.stdin.flush()
            holder.stdout.readline()
            self.assertEqual(self.begin().returncode, 0)
            holder.stdin.close()
        left = [path.exists() for path in (former.parent, old, young, busy, emptied, fresh)]
        self.assertEqual(left, [False, False, True, True, False, True])

    def test_two_uploads_have_names_of_their_own_and_one_of_the_same_name_is_refused(self) -> None:
        self.assertEqual(self.begin().returncode, 0)
        done = self.begin()
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout, "dual-tunnel-vpn: /run of this box takes no upload\n")
