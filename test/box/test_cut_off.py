"""An apply that was cut off: the next one has everybody take anew what they may not have taken."""

from __future__ import annotations

import contextlib
import copy
import json
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from box.samples import DOCUMENT, bgp_document, pair_document, starter
from dual_tunnel_vpn import (
    apply,
    checks,
    confirmation,
    files,
    installed,
    library,
    links,
    manifest,
    packaged,
    paths,
    staging,
    uninstall,
)
from dual_tunnel_vpn.bgp import service as bgp
from dual_tunnel_vpn.commands import Refusal
from dual_tunnel_vpn.ipsec import strongswan
from dual_tunnel_vpn.net import managers, network, sysctl, ways
from dual_tunnel_vpn.pair import service as vrrp
from dual_tunnel_vpn.site import Site, load, parse


class Cut(Exception):
    """Where the apply is cut off."""


class Cuts(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name)
        self.ran: list[str] = []
        self.stale: list[int] = []
        self.cut = ""
        self.confirmed = False
        self.moved = ""
        self.document = DOCUMENT
        state = self.root / "state"
        patches: list[Any] = [
            mock.patch.object(paths, "STATE", state),
            mock.patch.object(manifest, "_BOX", state / "box.json"),
            mock.patch.object(library, "prune"),
            mock.patch.object(checks, "strongswan_expected"),
            mock.patch.object(apply, "_shared_files", self.shared_files),
            mock.patch.object(apply, "kernel_files"),
            mock.patch.object(apply, "_enable", return_value=False),
            mock.patch.object(apply, "_links_are_right", return_value=True),
            mock.patch.object(apply, "_tunnels", lambda *arguments: arguments[-1]()),
            mock.patch.object(apply, "must", self.must),
            mock.patch.object(apply, "start", starter(self.must)),
            mock.patch.object(confirmation, "must", self.must),
            mock.patch.object(confirmation, "run", self.must),
            mock.patch.object(links, "stale", lambda old, *_: self.note_stale(old.uplinks[0].mark)),
            mock.patch.object(network, "observe"),
            mock.patch.object(network, "apply"),
            mock.patch.object(ways, "await_tunnels", return_value=[]),
            mock.patch.object(strongswan, "tunnel_sas", return_value={}),
        ]
        for patch in patches:
            patch.start()
            self.addCleanup(patch.stop)

    def shared_files(self, _layout: object, _box: object, anew: bool, _steps: object) -> bool:
        self.ran.append("settings anew" if anew else "settings")
        return False

    def must(self, *command: str, **_: object) -> str:
        words = " ".join(command[1:])
        if self.cut and self.cut in words:
            raise Cut
        self.ran.append(words)
        return ""

    def note_stale(self, mark: int) -> list[object]:
        self.stale.append(mark)
        self.ran.append(f"remove what mark {mark} had")
        return []

    def apply(self, mark: int, cut: str = "", bandwidth: int | None = None) -> list[str]:
        """What an apply has done; with a cut, until it was there."""
        self.ran, self.stale, self.cut = [], [], cut
        document = copy.deepcopy(self.document)
        document["uplinks"][0]["mark"] = mark
        document["bandwidthMbps"] = bandwidth
        text = json.dumps(document)
        staged = self.root / "staged"
        files.put(staged / "site.json", text.encode())
        with contextlib.suppress(Cut):
            apply._apply(parse(text), staged, mock.Mock(moved=self.moved), mock.Mock(), self.confirmed)
        return self.ran


class Applies(Cuts):
    def test_a_change_waits_for_its_confirmation_from_before_the_site_is_in_place(self) -> None:
        self.confirmed = True
        self.apply(1, cut="restart dual-tunnel-vpn-rollback")
        self.assertTrue(confirmation.waits("singapore"))
        self.assertFalse(paths.site("singapore").exists())

    def test_a_change_after_which_the_box_answers_by_another_way_is_taken_back_at_once(self) -> None:
        self.confirmed, self.moved = True, "after the change this box answers 203.0.113.9 by another way"
        with self.assertRaisesRegex(Refusal, "by another way: the change is taken back"):
            self.apply(1)
        self.assertEqual(self.ran[-1], "start --no-block dual-tunnel-vpn-rollback@singapore.service")
        self.assertRaises(Refusal, confirmation.confirm, "singapore")
        self.assertTrue(confirmation.waits("singapore"))

    def test_a_finished_apply_that_nobody_confirmed_may_still_be_confirmed_by_the_next(self) -> None:
        self.confirmed = True
        self.apply(1)
        self.assertIn("restart dual-tunnel-vpn-rollback@singapore.timer", self.apply(1))
        confirmation.confirm("singapore")
        self.assertEqual(self.apply(1), ["settings", "start dual-tunnel-vpn-agent@singapore.service"])

    def test_nothing_is_started_again_where_nothing_is_new(self) -> None:
        self.apply(1)
        self.assertEqual(self.apply(1), ["settings", "start dual-tunnel-vpn-agent@singapore.service"])
        self.assertEqual(self.stale, [])

    def test_nothing_is_started_again_for_another_bandwidth(self) -> None:
        self.apply(1)
        self.confirmed = True
        self.assertNotIn("restart", " ".join(self.apply(1, bandwidth=200)))
        self.assertEqual(load(paths.site("singapore")).bandwidth_mbps, 200)
        self.assertFalse(confirmation.waits("singapore"))

    def test_the_agent_takes_a_site_that_came_before_the_cut(self) -> None:
        self.apply(1)
        self.apply(2, cut="restart dual-tunnel-vpn-agent")
        self.assertEqual(
            self.apply(2),
            [
                "settings anew",
                "daemon-reload",
                "restart dual-tunnel-vpn-links@singapore.service",
                "restart dual-tunnel-vpn-agent@singapore.service",
                "remove what mark 1 had",
            ],
        )
        self.assertEqual(self.apply(2), ["settings", "start dual-tunnel-vpn-agent@singapore.service"])

    def test_what_each_former_site_had_in_the_network_goes_however_often_it_was_cut_off(self) -> None:
        self.apply(1)
        self.apply(2, cut="restart dual-tunnel-vpn-links")
        self.apply(3, cut="daemon-reload")
        self.assertEqual(self.stale, [])
        self.apply(3)
        self.assertEqual(self.stale, [1, 2])
        self.apply(3)
        self.assertEqual(self.stale, [])

    def test_what_the_former_site_had_goes_when_the_agent_that_keeps_it_there_is_gone(self) -> None:
        self.apply(1)
        restarted = "restart dual-tunnel-vpn-agent@singapore.service"
        self.assertEqual(self.apply(2)[-2:], [restarted, "remove what mark 1 had"])

    def test_an_uninstall_takes_down_what_each_former_site_had(self) -> None:
        self.apply(1)
        self.apply(2, cut="restart")
        self.assertEqual([site.uplinks[0].mark for site in uninstall._sites("singapore")], [2, 1])


class LetsGo(Cuts):
    def test_of_the_packages_own_units_once_the_connection_has_neither_bgp_nor_two_boxes(self) -> None:
        masked = strongswan.Unit(False, False, False, masked=True)
        with (
            mock.patch.object(bgp, "follow"),
            mock.patch.object(bgp, "run", self.must),
            mock.patch.object(vrrp, "follow"),
            mock.patch.object(vrrp, "run", self.must),
            mock.patch.object(packaged, "run", self.must),
            mock.patch.object(bgp, "await_sessions", return_value=[]),
            mock.patch.object(apply, "_leave_to_the_other_box"),
            mock.patch.object(strongswan, "units", lambda name: {name: masked}),
        ):
            manifest.Box(speaker_held=True, vrrp_held=True).save()
            self.document = pair_document(bgp=True)
            self.assertNotIn("unmask", " ".join(self.apply(1)))
            self.document = DOCUMENT
            ran = " ".join(self.apply(1))
        for unit in ("bird.service", "keepalived.service"):
            self.assertIn(f"unmask --quiet --no-reload {unit} disable --quiet --no-reload {unit}", ran)
        box = manifest.load_box()
        self.assertEqual(box, manifest.Box())


class LeavesATunnelToTheOtherBox(Cuts):
    def setUp(self) -> None:
        super().setUp()
        self.layout = strongswan.Layout(self.root / "conf.d", self.root / "strongswan.d")
        self.ended: list[str] = []
        for target, name, value in (
            (checks, "strongswan_expected", lambda: self.layout),
            (vrrp, "follow", lambda *_: None),
            (strongswan, "units", lambda name: {name: strongswan.Unit(True, True, True)}),
            (strongswan, "load", lambda _: self.must("swanctl", "load")),
            (strongswan, "terminate", lambda name: self.ended.append(name)),
        ):
            patch = mock.patch.object(target, name, value)
            patch.start()
            self.addCleanup(patch.stop)
        self.apply(1)
        for path in self.layout.tunnel_files("singapore", 2):
            files.put(path, b"x")

    def become_one_of_two(self, cut: str = "") -> list[str]:
        """The connections whose SAs an apply has ended by which the box has tunnel 1 alone."""
        self.cut, self.ended = cut, []
        text = json.dumps(pair_document())
        files.put(self.root / "staged/site.json", text.encode())
        with contextlib.suppress(Cut):
            apply._apply(parse(text), self.root / "staged", mock.Mock(moved=""), mock.Mock(), False)
        return self.ended

    def test_once_and_after_a_cut_once_more(self) -> None:
        self.assertEqual(self.become_one_of_two(cut="load"), [])
        self.assertEqual(self.become_one_of_two(), ["singapore-2"])
        self.assertEqual(self.become_one_of_two(), [])
        self.assertFalse(any(path.exists() for path in self.layout.tunnel_files("singapore", 2)))


class Removals(Cuts):
    def setUp(self) -> None:
        super().setUp()
        self.shared: list[bool] = []
        """Of each removal of what all connections share, whether it takes nothing for done."""
        patches: list[Any] = [
            mock.patch.object(paths, "RUN", self.root / "run"),
            mock.patch.object(paths, "PRIVATE", self.root / "private"),
            mock.patch.object(paths, "FORMER_LOCK", self.root / "former-lock"),
            mock.patch.object(checks, "writable"),
            mock.patch.object(uninstall, "run", self.must),
            mock.patch.object(uninstall, "_shared", self.shared.append),
            mock.patch.object(uninstall, "_network"),
            mock.patch.object(links, "share"),
            mock.patch.object(staging, "sweep"),
            mock.patch.object(sysctl, "restore", lambda box, _: box.sysctls.clear()),
            mock.patch.object(managers, "undo_all"),
            mock.patch.object(installed, "remove", return_value=False),
            mock.patch.object(installed, "forget"),
            mock.patch.object(library, "remove"),
            mock.patch.object(strongswan, "layout", return_value=None),
        ]
        for patch in patches:
            patch.start()
            self.addCleanup(patch.stop)
        self.apply(1)
        box = manifest.load_box()
        assert box is not None
        box.sysctls = {"net/core/xfrm_acq_expires": "30"}
        box.save()

    def uninstall(self, cut: str = "") -> None:
        self.cut = cut
        with contextlib.suppress(Cut):
            uninstall.uninstall("singapore", "", mock.Mock())

    def test_an_apply_after_a_removal_that_was_cut_off_takes_nothing_for_done(self) -> None:
        self.uninstall(cut="disable")
        self.assertIn("settings anew", self.apply(1))
        self.assertEqual(self.apply(1)[0], "settings")

    def test_only_a_removal_after_one_that_was_cut_off_takes_nothing_for_done(self) -> None:
        self.uninstall(cut="disable")
        self.uninstall()
        # Nothing is there any more.
        self.uninstall()
        self.assertEqual(self.shared, [True, False])

    def test_what_was_there_before_us_stays_noted_until_all_is_removed(self) -> None:
        with mock.patch.object(managers, "undo_all", side_effect=Cut):
            self.uninstall()
        box = manifest.load_box()
        self.assertEqual(box and box.sysctls, {"net/core/xfrm_acq_expires": "30"})
        self.uninstall()
        self.assertIsNone(manifest.load_box())

    def test_a_removal_beside_another_connection_leaves_that_as_finished_as_it_was(self) -> None:
        paths.connection("tokyo").mkdir()
        self.uninstall()
        box = manifest.load_box()
        self.assertEqual(box, manifest.Box(unfinished=False))
        self.apply(1, cut="restart dual-tunnel-vpn-agent")
        self.uninstall()
        box = manifest.load_box()
        self.assertTrue(box and box.unfinished)


class BesideAnother(Cuts):
    """An apply of another connection comes between what was cut off and the next try."""

    def apply_tokyo(self) -> None:
        text = json.dumps(DOCUMENT).replace("singapore", "tokyo")
        files.put(self.root / "tokyo/site.json", text.encode())
        self.cut = ""
        apply._apply(parse(text), self.root / "tokyo", mock.Mock(moved=""), mock.Mock(), False)

    def test_the_speaker_is_told_what_it_was_not_told_before_the_cut(self) -> None:
        self.document = bgp_document()
        told: list[bool] = []

        def follow(site: Site, anew: bool) -> None:
            if site.name == "singapore":
                told.append(anew)
                if len(told) == 2:
                    # bird.conf is there by now, and nobody has told BIRD.
                    raise Cut

        with mock.patch.object(bgp, "follow", follow), mock.patch.object(bgp, "await_sessions", return_value=[]):
            self.apply(1)
            self.apply(1)
            self.apply_tokyo()
            self.apply(1)
            self.apply(1)
        self.assertEqual(told, [False, False, True, False])

    def test_a_removal_ends_what_one_that_was_cut_off_has_left_in_charon(self) -> None:
        self.apply(1)
        self.apply_tokyo()
        layout = strongswan.Layout(self.root / "conf.d", self.root / "strongswan.d")
        for number in (1, 2):
            for path in layout.tunnel_files("singapore", number):
                files.put(path, b"x")
        ended: list[str] = []
        patches: list[Any] = [
            mock.patch.object(paths, "RUN", self.root / "run"),
            mock.patch.object(checks, "writable"),
            mock.patch.object(uninstall, "run", self.must),
            mock.patch.object(uninstall, "_network"),
            mock.patch.object(links, "share"),
            mock.patch.object(staging, "sweep"),
            mock.patch.object(sysctl, "restore"),
            mock.patch.object(managers, "undo_all"),
            mock.patch.object(strongswan, "layout", lambda: layout),
            mock.patch.object(strongswan, "units", lambda name: {name: strongswan.Unit(True, True, True)}),
            mock.patch.object(strongswan, "load", lambda _: self.must("swanctl", "--load-all")),
            mock.patch.object(strongswan, "terminate", ended.append),
        ]
        with contextlib.ExitStack() as stack:
            for patch in patches:
                stack.enter_context(patch)
            self.cut = "--load-all"
            self.assertRaises(Cut, uninstall.uninstall, "singapore", "", mock.Mock())
            self.apply_tokyo()
            uninstall.uninstall("singapore", "", mock.Mock())
        self.assertEqual(ended, ["singapore-1", "singapore-2"])


class Enabled(unittest.TestCase):
    def enabled(self, anew: bool) -> list[str]:
        """The units that are enabled where systemd takes all of them for enabled."""
        ran: list[tuple[str, ...]] = []
        with (
            mock.patch.object(
                strongswan, "units", lambda *names: dict.fromkeys(names, strongswan.Unit(True, True, True))
            ),
            mock.patch.object(strongswan, "disabled", lambda *_: []),
            mock.patch.object(apply, "must", lambda *command, **_: ran.append(command)),
        ):
            apply._enable("singapore", anew)
        return [word for command in ran for word in command if word.startswith("dual-tunnel-vpn")]

    def test_what_is_enabled_is_left_alone(self) -> None:
        self.assertEqual(self.enabled(anew=False), [])

    def test_after_a_cut_all_is_enabled_once_more(self) -> None:
        unit = "dual-tunnel-vpn-{}@singapore.{}"
        kinds = (("rollback", "timer"), ("guard", "service"), ("links", "service"), ("agent", "service"))
        self.assertEqual(self.enabled(anew=True), [unit.format(*kind) for kind in kinds])
