"""Parts of install.sh: the bundle is unpacked whole, by whatever shell sh is, or refused; locks are waited for; what a
box must have is asked before anything is changed."""

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
        text, marker, _ = (ASSETS / "install.sh").read_text().partition("# What the box is.")
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


BY_DNF = "metadata already locked by 4711\nThe application with PID 4711 is: dnf\n    Memory :  67 M RSS (312 MB VSZ)"


class AwaitsLocks(unittest.TestCase):
    """With a package manager in the real one's place that is refused a lock for a number of times."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name)

    def fetch(
        self, said: str, times: int, patience: int = 60, manager: str = "apt"
    ) -> tuple[int, list[str], list[str]]:
        """The status of `fetch`, what it and last_words say, and the manager's calls, of which `times` are refused."""
        text = (ASSETS / "install.sh").read_text()
        functions = text[text.index("now() {") : text.index('if [ "$#" -lt 2 ]')]
        functions += text[text.index("log=$staging/log") : text.index("# The version of strongSwan")]
        functions = functions.replace("lock_patience=120", f"lock_patience={patience}")
        functions = functions.replace("ls /var/lib/dpkg/updates", "true").replace("dpkg --audit", "true")
        (self.root / "said").write_text(f"{said}\n")
        (self.root / "calls").write_text("")
        script = f"""set -u
say() {{ echo "$*"; }}
dnf() {{ apt-get "$@"; }}
apt-get() {{
    for argument; do case $argument in install | update) echo "$argument" >>calls ;; esac; done
    [ "$(wc -l <calls)" -gt {times} ] || {{ cat said; return 100; }}
}}
sleep() {{ :; }}
manager={manager} staging=. packages=repositories problems=
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

    def test_a_lock_of_dnf_is_waited_for_and_told_once(self) -> None:
        status, told, calls = self.fetch(BY_DNF, 3, manager="dnf")
        self.assertEqual((status, calls), (0, ["install"] * 4))
        self.assertEqual(len(told), 1)
        self.assertIn(BY_DNF.splitlines()[0], told[0])

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


class Asks(unittest.TestCase):
    """What the box is asked, with functions in the place of its programs."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name)
        self.packages = self.root / "packages"
        (self.root / "site.json").write_text('{"name": "singapore", "address": "172.16.1.93"}')

    def ask(self, packages: str = "", confirmed: str = "", **changes: str) -> tuple[int, list[str], list[str]]:
        """The status of the checks, what they say, and the package manager's calls. changes: functions' bodies."""
        text = (ASSETS / "install.sh").read_text()
        script = text[text.index("say() {") : text.index('if [ "$#" -lt 2 ]')]
        script += text[text.index("# What the box is.") : text.index('refuse_if_any\n\nif [ -n "$missing" ]')]
        script = script.replace("/run/systemd/system", changes.pop("systemd", "/"))
        script = script.replace("ls /var/lib/dpkg/updates", "true").replace("dpkg --audit", "true")
        bodies = {
            "ip": 'case $* in -V) echo "ip utility, iproute2-6.1.0, libbpf 1.1.0" ;; *) '
            "echo '2: eth0    inet 172.16.1.93/24 brd 172.16.1.255' ;; esac",
            "uname": "echo 6.1.0-49-amd64",
            "unshare": "true",
            "dpkg-query": 'case $* in *Status*) echo installed ;; *) echo 5.9.8-5+deb12u1 ;; esac',
            "apt-get": 'echo "apt-get $*" >>calls',
            "apt-cache": "echo '  Candidate: 5.9.8-5'",
            "python3": 'echo "python3 $3" >>calls',
            **{name.replace("_", "-"): body for name, body in changes.items()},
        }
        stubs = "".join(f"{name}() {{\n{body}\n}}\n" for name, body in bodies.items() if body)
        (self.root / "calls").write_text("")
        if packages:
            (self.root / "packages").write_text(packages)
        hidden = [name for name, body in bodies.items() if not body]
        command = f'command() {{ case " {" ".join(hidden)} " in *" $2 "*) return 1 ;; esac; builtin command "$@"; }}\n'
        given = f"staging=. assets=. ssh_connection= confirmed={confirmed}"
        done = subprocess.run(
            ["bash", "-c", f"set -u\n{stubs}{command}{given}\n{script}refuse_if_any\n"],
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        self.assertEqual(done.stderr, "")
        said = [sentence.removeprefix("dual-tunnel-vpn: ") for sentence in done.stdout.splitlines()]
        return done.returncode, said, (self.root / "calls").read_text().splitlines()


class Requires(Asks):
    """What the box must have."""

    def refused(self, sentence: str, packages: str = "", **changes: str) -> None:
        status, said, _ = self.ask(packages, **changes)
        self.assertEqual((status, said[-1:]), (1, [sentence]))

    def test_nothing_more_of_a_box_that_suits_and_has_the_packages(self) -> None:
        self.assertEqual(self.ask(), (0, [], []))

    def test_systemd(self) -> None:
        self.refused("this box does not run systemd, which the connection's services need", systemd="/nonexistent")

    def test_a_package_manager(self) -> None:
        self.refused(
            "this box has neither apt-get nor dnf: Debian, Ubuntu and EL9 (CentOS Stream, Rocky, Alma) are supported",
            apt_get="",
            dnf="",
        )

    def test_iproute2_of_5_1(self) -> None:
        self.refused("this box has no ip command: install iproute2 (Debian, Ubuntu) or iproute (EL)", ip="")
        old, new = ("ss190107", "4.20.0", "5.0.0"), ("ss200127", "5.1.0", "v6.2")
        for version in old + new:
            with self.subTest(version):
                suits = version in new
                status, said, _ = self.ask(ip=f"echo ip utility, iproute2-{version}")
                told = f"iproute2 {version} of this box is too old: 5.1 or newer is needed"
                self.assertEqual((status, said), (0, []) if suits else (1, [told]))

    def test_a_kernel_of_4_19_with_xfrm_interfaces(self) -> None:
        self.refused(
            "the kernel 4.18.0-553.el8 of this box is too old: 4.19 or newer is needed, the first with XFRM interfaces",
            uname="echo 4.18.0-553.el8",
        )
        self.refused(
            "the kernel 4.19.0 of this box has no XFRM interfaces or no ESP: boot a kernel with the modules "
            "xfrm_interface and esp4",
            uname="echo 4.19.0",
            unshare="false",
        )

    def test_strongswan_of_5_8(self) -> None:
        old = "strongSwan 5.7.2-1+deb10u2, which this box has or would get, is too old: 5.8 or newer is needed"
        self.refused(old, dpkg_query='case $* in *Status*) echo installed ;; *) echo 5.7.2-1+deb10u2 ;; esac')
        self.refused(old, dpkg_query="false", apt_cache="echo '  Candidate: 5.7.2-1+deb10u2'")
        self.assertEqual(self.ask(apt_cache="echo '  Candidate: 6.0.1-6'", dpkg_query="false")[0], 0)

    def test_packages_that_can_be_had_without_installing_any(self) -> None:
        status, said, calls = self.ask(dpkg_query="false")
        self.assertEqual((status, len(said)), (0, 1))
        self.assertRegex(said[0], "^the packages charon-systemd .* nftables can be had ")
        self.assertEqual(len(calls), 2)
        self.assertEqual(calls[0], "python3 check")
        self.assertIn("install --download-only charon-systemd", calls[1])
        self.refused(
            "the packages charon-systemd strongswan-swanctl libstrongswan-standard-plugins nftables cannot be had on "
            "this box: E: Unable to connect to deb.example.org",
            dpkg_query="false",
            apt_get="echo 'E: Unable to connect to deb.example.org'; false",
        )

    def test_all_of_it_is_told_at_once_with_what_python_asks(self) -> None:
        status, said, _ = self.ask(
            systemd="/nonexistent",
            uname="echo 4.9.0",
            dpkg_query="false",
            apt_get="echo 'E: no mirror'; false",
            python3="echo 'dual-tunnel-vpn: one'; echo 'dual-tunnel-vpn: two'; false",
        )
        self.assertEqual(status, 1)
        words = ("systemd", "kernel 4.9.0", "one", "two", "cannot be had on this box: E: no mirror")
        told = said[-len(words) :]
        for sentence, word in zip(told, words, strict=True):
            self.assertIn(word, sentence)
        self.assertFalse((self.root / "outcome").exists())

    def test_all_of_it_is_left_for_the_last_script(self) -> None:
        status, said, _ = self.ask(
            confirmed="--confirmed",
            systemd="/nonexistent",
            uname="echo 4.9.0",
            python3="echo 'dual-tunnel-vpn: one'; echo 'dual-tunnel-vpn: two'; false",
        )
        left = (self.root / "outcome").read_text().splitlines()
        self.assertEqual((status, len(said)), (1, 4))
        self.assertEqual(left, [f"dual-tunnel-vpn: {sentence}" for sentence in said])

    def test_a_box_without_python_is_asked_what_sh_can_ask(self) -> None:
        (self.root / "site.json").write_text('{"uplinks": [{"address": "172.16.9.9"}]}')
        self.refused(
            "an uplink wants the address 172.16.9.9, which this box does not have (addresses: 172.16.1.93)", python3=""
        )

    def test_nothing_is_installed_where_packages_are_the_owners_business(self) -> None:
        self.assertEqual(self.ask("none"), (0, [], []))
        some = "case $* in *nftables) false ;; *Status*) echo installed ;; *) echo 6.0.1 ;; esac"
        status, said, calls = self.ask("none", dpkg_query=some)
        self.assertEqual(
            (status, said),
            (1, ["the packages nftables are missing on this box and left to you (BoxPackages.provided): install them"]),
        )
        self.assertEqual(calls, ["python3 check"])


class RequiresByDnf(Asks):
    """The same on a box with dnf and without strongSwan; its sources have EPEL's once epel-release is there."""

    DNF = """echo "dnf $*" >>calls
case $* in
*repoquery*) echo 5.9.14 ;;
*"install epel-release") touch epel ;;
*strongswan) [ -e epel ] || { echo 'Error: Unable to find a match: strongswan'; false; } ;;
esac"""

    def ask_dnf(self, packages: str = "", **changes: str) -> tuple[int, list[str], list[str]]:
        """What dnf was asked to install, among the calls."""
        bodies = {"dnf": self.DNF, "rpm": "case $* in *nftables) ;; *) false ;; esac", "apt_get": "", **changes}
        status, said, calls = self.ask(packages, **bodies)
        return status, said, [call.partition("exit_on_lock=True ")[2] for call in calls if "exit_on_lock" in call]

    def test_a_box_that_has_the_packages_is_asked_for_no_others(self) -> None:
        rpm = "case $* in *--qf*) echo 5.9.14 ;; esac"
        self.assertEqual(self.ask_dnf(rpm=rpm), (0, [], []))

    def test_epel_is_added_when_it_is_needed_and_nothing_else_is_wrong(self) -> None:
        status, said, calls = self.ask_dnf()
        self.assertEqual((status, len(said)), (0, 1))
        self.assertRegex(said[0], "^the packages strongswan can be had ")
        install = ["install --downloadonly strongswan", "install epel-release", "install --downloadonly strongswan"]
        self.assertEqual(calls, install)

        (self.root / "epel").unlink()
        status, said, calls = self.ask_dnf(uname="echo 4.9.0")
        self.assertEqual((status, said[-1][:16]), (1, "the kernel 4.9.0"))
        self.assertEqual(calls, ["install --downloadonly strongswan", "install --downloadonly epel-release"])

    def test_a_box_that_knows_no_epel_is_told_what_to_do(self) -> None:
        dnf = self.DNF.replace("touch epel", "echo 'Error: Unable to find a match: epel-release'; false")
        dnf = dnf.replace("echo 5.9.14", ":")
        status, said, _ = self.ask_dnf(dnf=dnf)
        told = (
            "the packages strongswan cannot be had on this box: strongSwan is one of EPEL's packages, and no source of "
            "this box has epel-release: install that first"
        )
        self.assertEqual((status, said[-1]), (1, told))

    def test_strongswan_of_5_8(self) -> None:
        old = "strongSwan 5.7.2, which this box has or would get, is too old: 5.8 or newer is needed"
        status, said, _ = self.ask_dnf(dnf=self.DNF.replace("5.9.14", "5.7.2"))
        self.assertEqual((status, said[-1]), (1, old))


class OnlyRoots(unittest.TestCase):
    """What install.sh says against a directory of packages."""

    def judged(self, directory: Path | str) -> str:
        text = (ASSETS / "install.sh").read_text()
        function = text[text.index("not_only_roots() {") : text.index("# Output goes to a file")]
        script = f"set -u\n{function}\nnot_only_roots {directory}"
        return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False).stdout.strip()

    def test_nothing_against_one_that_only_root_can_change(self) -> None:
        self.assertEqual(self.judged("/usr/lib"), "")

    def test_a_package_a_directory_and_one_above_that_others_can_change(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name).resolve()
            # One of the two is why: the directory's own owner, or /tmp, where everybody writes.
            self.assertRegex(self.judged(directory), "^others than root can change /")
            directory.chmod(0o777)
            self.assertEqual(self.judged(directory), f"others than root can change {directory}")
            package = directory / "x_1_all.deb"
            package.touch()
            package.chmod(0o666)
            self.assertEqual(self.judged(directory), f"{package} is no file that only root can change")
            package.unlink()
            package.symlink_to("/bin/sh")
            self.assertEqual(self.judged(directory), f"{package} is no file that only root can change")
