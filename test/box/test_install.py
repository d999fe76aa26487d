"""Parts of install.sh: the bundle is unpacked whole, by whatever shell sh is, or refused; locks are waited for."""

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

    def install(
        self, bundle: str | None, shell: str = "sh", options: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        if bundle is not None:
            (self.staging / "bundle").write_text(bundle)
        shutil.rmtree(self.root / "out", ignore_errors=True)
        (self.root / "out").mkdir()
        script = str(self.staging / "assets/install.sh")
        return subprocess.run(
            [shell, script, "apply", *options, str(self.staging)], capture_output=True, text=True, check=False
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


    def test_of_one_that_is_to_be_confirmed_stays_why_it_was_refused_and_nothing_else(self) -> None:
        for shell in filter(shutil.which, ("dash", "bash")):
            with self.subTest(shell):
                self.setUp()
                done = self.install(line("secrets-1.conf", b"secret"), shell, ("--confirmed",))
                self.assertEqual((done.returncode, done.stderr), (1, ""))
                self.assertEqual([path.name for path in self.staging.iterdir()], ["outcome"])
                self.assertEqual((self.staging / "outcome").read_text(), done.stdout)

    def test_what_it_armed_stays_for_the_last_script(self) -> None:
        (self.staging / "armed").touch()
        done = self.install("end\n", options=("--confirmed",))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual([path.name for path in self.staging.iterdir()], ["armed"])


def by_apt(path: str) -> str:
    """How apt-get 2.6 tells that another program holds a lock of its own."""
    directory = path.rpartition("/")[0]
    held = f"E: Could not get lock {path}. It is held by process 4711 (unattended-upgr)"
    return f"{held}\nE: Unable to lock directory {directory}/"


LISTS, ARCHIVES = map(by_apt, ("/var/lib/apt/lists/lock", "/var/cache/apt/archives/lock"))
FRONTEND = (
    "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 4711 (unattended-upgr)\n"
    "E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process using it?"
)
DPKG = (
    "dpkg: error: dpkg frontend lock was locked by another process with pid 4711\n"
    "Note: removing the lock file is always wrong, can damage the locked area\n"
    "and the entire system. See <https://wiki.debian.org/Teams/Dpkg/FAQ#db-lock>."
)


class AwaitsLocks(unittest.TestCase):
    """With an apt-get in the real one's place that is refused a lock for a number of times."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name)

    def fetch(self, said: str, times: int, patience: int = 60) -> tuple[int, list[str], list[str]]:
        """The status of `fetch`, what it and last_words say, and the calls of apt-get, which is refused `times`."""
        text = (ASSETS / "install.sh").read_text()
        functions = text[text.index("now() {") : text.index('if [ "$#" -lt 2 ]')]
        functions += text[text.index("log=$staging/log") : text.index('if [ -n "$missing" ]')]
        functions = functions.replace("lock_patience=120", f"lock_patience={patience}")
        functions = functions.replace("ls /var/lib/dpkg/updates", "true").replace("dpkg --audit", "true")
        (self.root / "said").write_text(f"{said}\n")
        (self.root / "calls").write_text("")
        script = f"""set -u
say() {{ echo "$*"; }}
apt-get() {{
    for argument; do case $argument in install | update) echo "$argument" >>calls ;; esac; done
    [ "$(wc -l <calls)" -gt {times} ] || {{ cat said; return 100; }}
}}
sleep() {{ :; }}
manager=apt staging=.
{functions}
fetch nftables || {{ last_words; exit 1; }}
"""
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.root, capture_output=True, text=True, check=False, timeout=30
        )
        self.assertEqual(done.stderr, "")
        return done.returncode, done.stdout.splitlines(), (self.root / "calls").read_text().split()

    def test_each_lock_of_apt_and_dpkg_is_waited_for_and_told_once(self) -> None:
        for said in (LISTS, ARCHIVES, FRONTEND, DPKG):
            with self.subTest(said):
                status, told, calls = self.fetch(said, 3)
                self.assertEqual((status, calls), (0, ["install"] * 4))
                self.assertEqual(len(told), 1)
                self.assertIn(said.splitlines()[0], told[0])

    def test_a_lock_that_is_held_for_longer_is_named_in_one_sentence(self) -> None:
        status, told, calls = self.fetch(ARCHIVES, 1000, 0)
        self.assertEqual((status, calls), (1, ["install"]))
        self.assertEqual(
            told,
            [
                "another program has used the package manager for 0 s, wait for it to end and deploy again "
                "(E: Could not get lock /var/cache/apt/archives/lock. It is held by process 4711 (unattended-upgr))"
            ],
        )

    def test_any_other_failure_is_not_tried_again_and_lists_are_fetched_as_before(self) -> None:
        for said in ("E: Unable to locate package nftables", "E: Unable to lock directory /var/lib/apt/lists/ EROFS"):
            with self.subTest(said):
                status, told, calls = self.fetch(said, 1000)
                self.assertEqual((status, told, calls), (1, [said], ["install", "update"]))
