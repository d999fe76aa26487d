"""Whose connection is removed, what is swept, and what is left to do once the package is gone."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from dual_tunnel_vpn import checks, files, installed, library, manifest, owner, paths, staging, uninstall
from dual_tunnel_vpn.bgp import service as bgp
from dual_tunnel_vpn.commands import Refusal, Result, run
from dual_tunnel_vpn.ipsec import states, strongswan
from dual_tunnel_vpn.net import firewall, managers, sysctl
from dual_tunnel_vpn.net.firewall import own
from dual_tunnel_vpn.pair import service as vrrp
from dual_tunnel_vpn.site import parse

from . import samples
from .samples import document
from .test_firewall import FakeNft

ASSETS = Path(__file__).resolve().parent.parent.parent / "assets"


class InDirectory(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name)
        for name in ("STATE", "STAGING", "LIBRARY", "COMMAND"):
            patch = mock.patch.object(paths, name, self.root / name.lower())
            patch.start()
            self.addCleanup(patch.stop)


class Owners(InDirectory):
    def test_another_stack_that_is_destroyed_leaves_the_connection(self) -> None:
        owner.Owner("prod/site/box", "id-1").save("singapore")
        steps = mock.Mock()
        uninstall.uninstall("singapore", "id-2", steps)
        steps.say.assert_called_once_with("connection singapore on this box belongs to prod/site/box and stays")
        self.assertIsNotNone(owner.of("singapore"))

    def test_a_box_that_cannot_be_changed_is_left_whole(self) -> None:
        with (
            mock.patch("os.access", lambda path, _: path != "/etc"),
            mock.patch.object(uninstall, "run", side_effect=AssertionError),
            self.assertRaisesRegex(Refusal, "^/etc is mounted read-only on this box: mount it writable"),
        ):
            uninstall.uninstall("singapore", "", mock.Mock())

    def test_what_is_no_owner_is_refused_in_one_sentence(self) -> None:
        for data in (b"", b"[]", b'{"stack": "a"}', b"null"):
            files.put(paths.owner("singapore"), data)
            with self.assertRaisesRegex(Refusal, "owner.json does not say whose the connection is: remove it"):
                owner.of("singapore")

    def test_a_manifest_that_somebody_changed_is_refused_in_one_sentence(self) -> None:
        for data in (b"", b"{", b"[]"):
            files.put(paths.connection("singapore") / "manifest.json", data)
            with self.assertRaisesRegex(Refusal, "manifest.json of this box was changed by somebody"):
                manifest.load_connection("singapore")


class Shares(InDirectory):
    def commands_at_the_end(self, theirs_was_there: bool) -> list[str]:
        """What the last removal runs where strongSwan was off before us and a connection of others is there."""
        layout = strongswan.Layout(self.root / "swanctl/conf.d", self.root / "strongswan.d")
        files.put(layout.connections / "theirs.conf", b"connections {\n  theirs {\n  }\n}\n")
        ran: list[str] = []

        def run(*command: str, **_: object) -> Result:
            ran.append(" ".join(command))
            return Result(0, "", "")

        with (
            mock.patch.object(manifest, "_BOX", paths.STATE / "box.json"),
            mock.patch.object(uninstall, "DROP_INS", (self.root / "drop-ins/a.conf",)),
            mock.patch.multiple(paths, UNITS=self.root / "units", MODULES=self.root / "modules"),
            mock.patch.object(strongswan, "layout", lambda: layout),
            mock.patch.object(strongswan, "units", lambda name: {name: strongswan.Unit(True, True, True)}),
            mock.patch.object(uninstall, "run", run),
        ):
            manifest.Box(others=strongswan.others(layout) if theirs_was_there else []).save()
            uninstall._shared(anew=True)
        return ran

    def test_strongswan_goes_on_where_others_have_come_to_rely_on_it(self) -> None:
        ran = self.commands_at_the_end(theirs_was_there=False)
        self.assertNotIn("systemctl stop strongswan.service", ran)
        self.assertFalse([each for each in ran if "disable" in each])
        self.assertIn("swanctl --reload-settings", ran)

    def test_strongswan_is_put_back_where_others_had_it_disabled_all_the_time(self) -> None:
        ran = self.commands_at_the_end(theirs_was_there=True)
        self.assertIn("systemctl stop strongswan.service", ran)
        self.assertTrue([each for each in ran if "disable" in each])

    def test_the_packet_filter_that_all_share_is_right_at_the_end_for_those_that_stay(self) -> None:
        sites = {name: parse(json.dumps(document()).replace("singapore", name)) for name in ("singapore", "tokyo")}
        nft = FakeNft()

        def run(*_: object, **__: object) -> Result:
            return Result(0, "", "")

        def meanwhile(*_: object) -> None:
            # The other connection's agent has seen that somebody changed the packet filter.
            own.guard(sites["tokyo"])

        with contextlib.ExitStack() as stack:
            patches: list[Any] = [
                mock.patch.multiple(paths, PRIVATE=self.root / "p", RUN=self.root / "run", UNITS=self.root / "units"),
                mock.patch.object(paths, "NETWORK_LOCK", self.root / "p/network-lock"),
                mock.patch.object(manifest, "_BOX", paths.STATE / "box.json"),
                mock.patch.multiple(
                    own,
                    load=lambda path: sites[path.parent.name],
                    must=nft.must,
                    load_script=lambda script: nft.must(stdin=script),
                    tables=lambda: set(nft.content),
                    table_content=nft.table_content,
                ),
                mock.patch.multiple(sysctl, forwarded_by_others=lambda: False, restore=mock.Mock()),
                mock.patch.multiple(uninstall, run=run, observe=samples.network, apply=mock.Mock()),
                mock.patch.object(states, "remove_all"),
                mock.patch.object(firewall, "FILTERS", ()),
                mock.patch.object(managers, "undo_all", meanwhile),
                mock.patch.object(checks, "writable"),
                mock.patch.object(strongswan, "layout", return_value=None),
                mock.patch.object(installed, "remove", return_value=False),
                mock.patch.multiple(bgp, remove=mock.Mock()),
                mock.patch.multiple(vrrp, remove=mock.Mock()),
            ]
            for patch in patches:
                stack.enter_context(patch)
            for name, site in sites.items():
                files.put(paths.site(name), json.dumps(document()).replace("singapore", name).encode())
                own.guard(site)
            own.guard(sites["singapore"])
            self.assertEqual(own.amiss(sites["tokyo"]), [])
            uninstall.uninstall("singapore", "", mock.Mock())
            self.assertEqual(own.amiss(sites["tokyo"]), [])
            self.assertNotIn("singapore", nft.content["ip", "dual_tunnel_vpn"])


class Sweeps(InDirectory):
    def upload(self, name: str, age: float) -> Path:
        path = paths.STAGING / name
        path.mkdir(parents=True)
        (path / "bundle").write_text("secrets")
        then = path.stat().st_mtime - age
        os.utime(path, (then, then))
        return path

    def test_nothing_to_sweep(self) -> None:
        staging.sweep()

    def test_removes_what_was_left_behind_and_leaves_what_may_be_at_work(self) -> None:
        old, young, installing = self.upload("a.1", 200), self.upload("a.2", 5), self.upload("b.1", 2000)
        descriptor = os.open(installing, os.O_RDONLY)
        self.addCleanup(os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        staging.sweep()
        self.assertEqual([path.exists() for path in (old, young, installing)], [False, True, True])


class Removes(InDirectory):
    def test_the_package_goes_in_one_step_before_the_command(self) -> None:
        (paths.LIBRARY / "v1").mkdir(parents=True)
        paths.COMMAND.touch()
        seen = []

        def watched(path: Path, **_: object) -> None:
            seen.append((str(path.name), paths.LIBRARY.exists(), paths.COMMAND.exists()))

        with mock.patch("dual_tunnel_vpn.library.shutil.rmtree", watched):
            library.remove()
        self.assertEqual(seen[-1], (".library.gone", False, True))
        self.assertFalse(paths.COMMAND.exists())

    def test_a_program_that_cannot_be_run_is_a_failed_result(self) -> None:
        program = self.root / "program"
        program.write_text("x")
        result = run(str(program))
        self.assertEqual((result.status, result.errors), (126, f"{program} cannot be run: Permission denied"))


class WithoutPackage(InDirectory):
    """The command alone, as an uninstall leaves it that was cut off at its very end."""

    def run_command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        text = (ASSETS / "dual-tunnel-vpn").read_text()
        for place in ("/usr/local/lib", "/etc/dual-tunnel-vpn"):
            self.assertIn(place, text)
            text = text.replace(place, f"{self.root}{place}")
        self.command = self.root / "dual-tunnel-vpn"
        self.command.write_text(text.replace("os.geteuid()", "0"))
        return subprocess.run(
            [sys.executable, "-IB", str(self.command), *arguments], capture_output=True, text=True, check=False
        )

    def test_completes_the_uninstall(self) -> None:
        gone = self.root / "usr/local/lib/.dual-tunnel-vpn.gone"
        half = self.root / "usr/local/lib/dual-tunnel-vpn/v1/dual_tunnel_vpn"
        for directory in (gone, half):
            directory.mkdir(parents=True)
        done = self.run_command("uninstall", "--owner=id-1", "singapore")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout, "dual-tunnel-vpn: no connection was left on this box\n")
        self.assertEqual(
            [path.exists() for path in (gone, half.parent.parent, self.command)], [False, False, False]
        )

    def test_says_what_to_do_where_a_connection_is_left(self) -> None:
        (self.root / "etc/dual-tunnel-vpn/singapore").mkdir(parents=True)
        for arguments in (["uninstall", "singapore"], ["status"]):
            done = self.run_command(*arguments)
            self.assertEqual((done.returncode, done.stderr), (1, ""))
            missing = r"\Adual-tunnel-vpn: its programs are missing in [^\n]*, deploy again: [^\n]*\n\Z"
            self.assertRegex(done.stdout, missing)
        self.assertTrue(self.command.exists())

    def test_tells_who_asks_for_drift_that_there_is_some(self) -> None:
        done = self.run_command("drift", "singapore")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        answer = json.loads(done.stdout)
        self.assertEqual((answer["installed"], answer["mark"], answer["added"]), (True, "", []))
        self.assertRegex(answer["differences"][0], r"\Aits programs are missing in ")


class Rendered(unittest.TestCase):
    def test_the_owner_that_terraform_renders_is_read(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            (Path(directory) / "owner.json").write_text(json.dumps({"stack": "a/b", "id": "x"}))
            self.assertEqual(owner.staged(Path(directory)), owner.Owner("a/b", "x"))
