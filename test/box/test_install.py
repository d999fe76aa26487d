"""The beginning of install.sh: the bundle is unpacked whole, by whatever shell sh is, or refused."""

from __future__ import annotations

import base64
import shutil
import stat
import subprocess
import tempfile
import unittest
from pathlib import Path

ASSETS = Path(__file__).resolve().parent.parent.parent / "assets"
FILES = {
    "site.json": b'{\n  "name": "singapore"\n}\n',
    "owner.json": b"{}",
    "tunnel-1.conf": b"x" * 50_000,
    "tunnel-2.conf": b"",
    "secrets-1.conf": "secret = \\n %s $x `id` \u00e4\n".encode(),
    "secrets-2.conf": b"secret\n",
}


def line(name: str, content: bytes) -> str:
    return f"{name} {base64.b64encode(content).decode()}\n"


class Unpacks(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name)
        self.staging = self.root / "staging/singapore.1"
        (self.staging / "assets").mkdir(parents=True)
        text, marker, _ = (ASSETS / "install.sh").read_text().partition("# What the box is.\n")
        self.assertTrue(marker)
        text = text.replace('"$(id -u)" -ne 0', '"$(id -u)" -lt 0')
        text = text.replace("/run/dual-tunnel-vpn-staging", str(self.root / "staging"))
        # Instead of all that follows: a copy of what was unpacked.
        text += f'cp -p "$staging"/* "{self.root}/out" 2>/dev/null\nexit 0\n'
        (self.staging / "assets/install.sh").write_text(text)

    def install(self, bundle: str | None, shell: str = "sh") -> subprocess.CompletedProcess[str]:
        if bundle is not None:
            (self.staging / "bundle").write_text(bundle)
        shutil.rmtree(self.root / "out", ignore_errors=True)
        (self.root / "out").mkdir()
        script = str(self.staging / "assets/install.sh")
        return subprocess.run(
            [shell, script, "apply", str(self.staging)], capture_output=True, text=True, check=False
        )

    def test_every_file_is_there_byte_by_byte_for_nobody_else_to_read_and_the_upload_is_gone(self) -> None:
        for shell in filter(shutil.which, ("dash", "bash")):
            with self.subTest(shell):
                self.setUp()
                done = self.install("".join(line(*item) for item in FILES.items()) + "end\n", shell)
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
                out = {path.name: path for path in (self.root / "out").iterdir()}
                self.assertEqual({name: path.read_bytes() for name, path in out.items()}, FILES)
                self.assertEqual({stat.S_IMODE(path.stat().st_mode) for path in out.values()}, {0o600})
                self.assertFalse(self.staging.exists())

    def test_what_was_cut_off_or_is_something_else_is_refused_in_one_sentence(self) -> None:
        whole = line("site.json", b"{}") + line("secrets-1.conf", b"secret")
        for bundle in (None, "", whole, whole + "en", whole[:-3], "../x aGk=\nend\n", "site.json *\nend\n"):
            with self.subTest(bundle):
                self.setUp()
                done = self.install(bundle)
                self.assertEqual(done.returncode, 1)
                self.assertEqual(
                    done.stdout, "dual-tunnel-vpn: the upload of the configuration was incomplete: deploy again\n"
                )
                self.assertFalse(self.staging.exists())
