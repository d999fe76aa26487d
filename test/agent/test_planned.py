"""A planned change of a tunnel: what is held back, which configuration is tried when, and that neither ever harms."""

from __future__ import annotations

import json
import random
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from dual_tunnel_vpn import paths, planned
from dual_tunnel_vpn.agent.facts import Load
from dual_tunnel_vpn.ipsec import strongswan, swanctl

from .simulation import Faults, Site
from .test_machine import settled


def loads(site: Site) -> list[tuple[int, bool]]:
    """The configurations that charon was given, in order."""
    return [(action.tunnel, action.next) for _, action in site.actions if isinstance(action, Load)]


class Hold(unittest.TestCase):
    def test_traffic_leaves_a_held_tunnel_without_loss_and_returns_when_it_is_released(self) -> None:
        site = settled()
        began = site.now
        site.held = 1
        site.run(2)
        self.assertEqual(site.inner, 2, site.story())
        site.run(60)
        self.assertEqual(site.inner, 2, site.story())
        site.held = None
        site.run(3)
        self.assertEqual(site.inner, 1, site.story())
        self.assertEqual(site.longest(site.out_gaps, began), 0, site.story())
        self.assertEqual(site.longest(site.in_gaps, began), 0, site.story())

    def test_a_held_standby_moves_nothing_and_takes_over_all_the_same(self) -> None:
        site = settled()
        site.held = 2
        site.run(30)
        self.assertEqual(site.switches(), [], site.story())
        began = site.now
        site.faults = Faults(out_dead={1}, in_dead={1})
        site.run(30)
        self.assertEqual(site.inner, 2, site.story())
        self.assertLess(site.longest(site.out_gaps, began), 0.9, site.story())

    def test_a_held_tunnel_carries_when_the_other_fails_and_keeps_what_it_carries(self) -> None:
        site = settled()
        site.held = 1
        site.run(10)
        began = site.now
        for _ in range(5):
            site.faults = Faults(out_dead={2}, in_dead={2})
            site.run(20)
            self.assertEqual(site.inner, 1, site.story())
            site.faults = Faults()
            site.run(20)
        self.assertEqual(site.inner, 1, site.story())
        self.assertEqual(len([at for at in site.switches() if at > began]), 1, site.story())

    def test_a_planned_move_is_no_flap(self) -> None:
        site = settled()
        for _ in range(4):
            site.held = 1
            site.run(10)
            site.held = None
            site.run(10)
        self.assertEqual((site.inner, site.machine.hold), (1, site.settings.hold), site.story())

    def test_lasts_for_as_long_as_a_change_is_prepared_and_has_not_come(self) -> None:
        for number, carries in ((1, 2), (2, 1)):
            site = settled()
            site.next[number], site.held = "new", number
            site.run(2)
            began = site.now
            # A deploy that failed at the cloud, and is made again much later.
            site.held = None
            site.run(60)
            self.assertEqual((site.inner, site.machine.held), (carries, number), site.story())
            site.restart_agent()
            site.run(20)
            self.assertEqual(site.inner, carries, site.story())
            site.change_cloud(number)
            site.run(20)
            self.assertEqual((site.inner, site.box_sa[number]), (1, "up"), site.story())
            self.assertIsNone(site.machine.held, site.story())
            before = site.switches()
            site.restart_agent()
            site.run(20)
            self.assertEqual(site.switches(), before, site.story())
            self.assertEqual(site.longest(site.out_gaps, began), 0, site.story())

    def test_a_change_of_both_tunnels_holds_neither(self) -> None:
        site = settled()
        site.next.update({1: "new", 2: "new"})
        site.run(30)
        self.assertEqual((site.switches(), site.machine.held), ([], None), site.story())

    def test_another_hold_of_a_tunnel_that_carried_alone_is_noticed(self) -> None:
        site = settled()
        site.held = 1
        site.run(3)
        site.faults = Faults(out_dead={2}, in_dead={2})
        site.run(20)
        site.faults = Faults()
        site.run(20)
        self.assertEqual(site.inner, 1, site.story())
        site.holds += 1
        site.run(3)
        self.assertEqual(site.inner, 2, site.story())

    def test_an_agent_that_starts_during_a_hold_goes_on_with_it(self) -> None:
        site = settled()
        site.held = 1
        site.run(3)
        site.restart_agent()
        site.run(20)
        self.assertEqual(site.inner, 2, site.story())


class Turns(unittest.TestCase):
    def test_the_tunnel_is_back_with_the_next_configuration_within_a_second_of_the_clouds_change(self) -> None:
        for number in (1, 2):
            site = settled(number)
            site.next[number], site.held = "new", number
            site.run(3)
            began = site.now
            site.change_cloud(number)
            site.run(1)
            self.assertEqual(site.box_sa[number], "up", site.story())
            self.assertEqual(loads(site), [(number, True)], site.story())
            site.configure(number)
            site.run(20)
            self.assertFalse(site.machine.tunnels[number].given_next, site.story())
            self.assertEqual((site.inner, site.loaded[number]), (1, "new"), site.story())
            self.assertEqual(site.longest(site.out_gaps, began), 0, site.story())
            # Static routing: the cloud is moved by the loss of its SA alone.
            self.assertLessEqual(site.longest(site.in_gaps, began), 0.1, site.story())

    def test_both_at_once_are_back_as_soon(self) -> None:
        site = settled()
        site.next.update({1: "new", 2: "new"})
        site.run(2)
        site.change_cloud(1, 2)
        site.run(1)
        self.assertEqual(site.box_sa, {1: "up", 2: "up"}, site.story())

    def test_a_tunnel_that_is_lost_for_another_reason_comes_back_as_it_was(self) -> None:
        site = settled()
        site.next[1] = "new"
        site.run(3)
        site.change_cloud(1, to="old")
        site.run(3)
        self.assertEqual((site.box_sa[1], site.loaded[1]), ("up", "old"), site.story())
        self.assertEqual(loads(site), [(1, True), (1, False)], site.story())

    def test_a_negotiation_that_the_lists_pass_over_keeps_its_turn_and_is_known_for_what_it_is(self) -> None:
        site = settled()
        site.negotiation, site.passes_over = 4.0, True
        site.next[1] = "new"
        site.run(3)
        site.change_cloud(1)
        site.run(5)
        self.assertEqual((site.box_sa[1], site.loaded[1]), ("up", "new"), site.story())
        self.assertTrue(site.machine.tunnels[1].given_next, site.story())

    def test_a_silent_refusal_ends_the_turn_too(self) -> None:
        site = settled()
        site.silent_refusal, site.gives_up = True, 1e9
        site.next[1] = "new"
        site.run(3)
        site.change_cloud(1, to="old")
        site.run(13)
        self.assertEqual((site.box_sa[1], site.loaded[1]), ("up", "old"), site.story())

    def test_charon_that_starts_anew_with_the_installed_one_is_given_the_next(self) -> None:
        site = settled()
        site.next[1] = "new"
        site.run(2)
        site.change_cloud(1)
        site.run(3)
        site.faults = Faults(charon_dead=True)
        site.box_sa, site.cloud_sa = {1: "none", 2: "none"}, {1: False, 2: False}
        site.run(1)
        site.faults = Faults()
        site.run(6)
        self.assertEqual((site.box_sa, site.loaded[1]), ({1: "up", 2: "up"}, "new"), site.story())

    def test_what_charon_has_started_with_is_not_taken_for_the_next(self) -> None:
        site = settled()
        site.next[1] = "new"
        site.run(2)
        site.change_cloud(1)
        site.run(3)
        self.assertTrue(site.machine.tunnels[1].given_next, site.story())
        site.cloud_has[1] = "old"
        site.faults = Faults(charon_dead=True)
        site.run(0.2)
        site.faults = Faults()
        # Its own start action was faster than the agent.
        site.run(0.2)
        self.assertEqual((site.box_sa[1], site.machine.tunnels[1].given_next), ("up", False), site.story())

    def test_a_next_one_that_is_gone_again_is_not_left_in_charon(self) -> None:
        site = settled()
        site.next[1] = "new"
        site.run(2)
        site.change_cloud(1, to="other")
        site.run(0.3)
        del site.next[1]
        site.run(2)
        self.assertEqual(site.loaded[1], "old", site.story())

    def test_one_that_came_in_the_place_of_what_the_tunnel_runs_with_is_tried_first(self) -> None:
        site = settled()
        site.next[1], site.held = "new", 1
        site.run(2)
        site.change_cloud(1)
        site.run(2)
        # As preparation does it, before the cloud is changed once more.
        site.installed[1], site.next[1] = site.next[1], "newer"
        site.run(2)
        self.assertFalse(site.machine.tunnels[1].given_next, site.story())
        before = len(loads(site))
        site.change_cloud(1, to="newer")
        site.run(1)
        self.assertEqual((site.box_sa[1], site.loaded[1]), ("up", "newer"), site.story())
        self.assertEqual(loads(site)[before:], [(1, True)], site.story())

    def test_what_charon_has_and_the_files_have_no_more_is_not_tried_again(self) -> None:
        site = settled()
        site.next[1] = "new"
        site.run(2)
        site.change_cloud(1)
        site.run(2)
        # Forgotten while the tunnel was up with it, and the cloud has gone back.
        del site.next[1]
        site.run(2)
        site.change_cloud(1, to="old")
        site.run(2)
        self.assertEqual((site.box_sa[1], site.loaded[1]), ("up", "old"), site.story())

    def test_a_tunnel_that_was_up_with_its_next_configuration_is_tried_with_that_first(self) -> None:
        site = settled()
        site.next[1] = "new"
        site.run(2)
        site.change_cloud(1)
        site.run(10)
        before = len(loads(site))
        site.change_cloud(1, to="new")
        site.run(1)
        self.assertEqual((site.box_sa[1], loads(site)[before:]), ("up", []), site.story())

    def test_without_a_planned_change_nothing_is_ever_loaded(self) -> None:
        site = settled()
        site.faults = Faults(refused={1, 2})
        site.run(30)
        site.faults = Faults()
        site.run(30)
        self.assertEqual(loads(site), [])


class Anything(unittest.TestCase):
    def test_whatever_happens_traffic_ends_on_a_tunnel_that_works_and_both_come_up(self) -> None:
        seed = random.randrange(2**32)
        for case in range(25):
            rng = random.Random(seed + case)
            site = settled(rng.randrange(1000), policy=rng.choice(("cooperative", "ike-only", "pinned")))
            site.silent_refusal = rng.random() < 0.2
            for _ in range(10):
                number = rng.choice((1, 2))
                what = rng.randrange(8)
                if what == 0:
                    site.held = rng.choice((None, 1, 2))
                elif what == 1:
                    # As prepare does it: what the agent says that it runs with is what is installed.
                    tunnel = site.machine.tunnels[number]
                    if tunnel.next is not None and tunnel.next == site.next.get(number) and not tunnel.waits:
                        site.installed[number] = site.next[number]
                    elif site.next.get(number) == site.cloud_has[number]:
                        # The cloud has changed, and the tunnel has not been up since: another change has to come.
                        continue
                    site.next[number] = rng.choice("xyz")
                elif what == 2 and number in site.next:
                    site.change_cloud(number, to=site.next[number])
                elif what == 3 and site.next.get(number) == site.cloud_has[number]:
                    site.configure(number)
                elif what == 4:
                    site.restart_agent()
                else:
                    faults = (Faults(), Faults(out_dead={1}, in_dead={1}), Faults(carrier_lost={2}), Faults())
                    site.faults = rng.choice(faults)
                site.run(rng.choice((0.3, 2, 8)))
                if site.faults.none and site.machine.inner is not None and rng.random() < 0.3:
                    site.run(40)
                    carrying = site.machine.inner
                    other = 3 - carrying
                    works = site.box_sa[carrying] == "up" or site.box_sa[other] != "up"
                    self.assertTrue(works, f"seed {seed + case} {site.story()}")
            site.faults = Faults()
            site.run(60)
            self.assertEqual(site.box_sa, {1: "up", 2: "up"}, f"seed {seed + case} {site.story()}")
            self.assertNotEqual(site.inner, site.machine.held, f"seed {seed + case} {site.story()}")
            self.assertIsNone(site.out_gap_from, f"seed {seed + case} {site.story()}")


class Notes(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name)
        layout = strongswan.Layout(self.root / "conf.d", self.root / "strongswan.d")
        for owner, name, value in (
            (paths, "RUN", self.root / "run"),
            (paths, "STATE", self.root / "state"),
            (strongswan, "layout", lambda: layout),
        ):
            patch = mock.patch.object(owner, name, value)
            patch.start()
            self.addCleanup(patch.stop)
        (self.root / "state/site").mkdir(parents=True)

    def test_a_hold_ends_by_itself(self) -> None:
        self.assertIsNone(planned.held("site"))
        planned.hold("site", 1)
        self.assertEqual(planned.held("site"), 1)
        later = time.monotonic() + planned.HOLD_SECONDS + 1
        with mock.patch.object(time, "monotonic", lambda: later):
            self.assertIsNone(planned.held("site"))

    def test_a_hold_that_is_none_of_ours_holds_nothing(self) -> None:
        place = self.root / "run/site/hold.json"
        place.parent.mkdir(parents=True)
        far = time.monotonic() + planned.HOLD_SECONDS + 5
        soon = time.monotonic() + 5
        for wrong in (
            "", "null", "[]", "7", "{}", '{"tunnel": 1}', json.dumps({"tunnel": 3, "until": soon}),
            json.dumps({"tunnel": True, "until": soon}), json.dumps({"tunnel": "1", "until": soon}),
            json.dumps({"tunnel": 1.0, "until": soon}), json.dumps({"tunnel": 1, "until": far}),
            '{"tunnel": 1, "until": Infinity}', '{"tunnel": 1, "until": NaN}', '{"tunnel": 1, "until": []}',
            json.dumps({"tunnel": [1], "until": soon}), "[" * 100000, "\xff",
        ):
            place.write_bytes(wrong.encode("latin-1"))
            self.assertIsNone(planned.held("site"), wrong[:50])
        place.write_text(json.dumps({"tunnel": 2, "until": soon}))
        self.assertEqual(planned.held("site"), 2)

    def test_the_next_configuration_is_roots_alone_and_whole_or_not_there(self) -> None:
        texts = planned.Texts("connection", "secret")
        planned.put("site", 2, texts)
        directory = self.root / "state/site/next"
        self.assertEqual(directory.stat().st_mode & 0o777, 0o700)
        self.assertEqual({file.stat().st_mode & 0o777 for file in directory.iterdir()}, {0o600})
        self.assertEqual((planned.prepared("site"), planned.texts("site", 2, True)), ({2}, texts))
        (directory / "tunnel-2.conf").unlink()
        self.assertEqual(planned.prepared("site"), set())

    def test_what_has_no_next_one_is_what_is_installed(self) -> None:
        (self.root / "conf.d").mkdir()
        (self.root / "conf.d/site-1.conf").write_text("installed")
        (self.root / "conf.d/site-1.secrets.conf").write_text("key")
        self.assertEqual(planned.texts("site", 1, True), planned.Texts("installed", "key"))
        with self.assertRaises(OSError):
            planned.texts("site", 2, False)

    def test_forgetting_leaves_nothing(self) -> None:
        planned.put("site", 1, planned.Texts("a", "b"))
        planned.put("site", 2, planned.Texts("a", "b"))
        planned.drop("site", 1)
        self.assertEqual(planned.prepared("site"), {2})
        planned.drop("site", 2)
        self.assertFalse((self.root / "state/site/next").exists())
        planned.put("site", 1, planned.Texts("a", "b"))
        planned.hold("site", 1)
        planned.forget("site")
        self.assertEqual((planned.prepared("site"), planned.held("site")), (set(), None))
        self.assertFalse((self.root / "state/site/next").exists())


CONNECTION = """# Tunnel 1
connections {
  site-1 {
    version = 2
    local_addrs = 172.16.1.93
    proposals = aes256-sha256-modp2048
    local {
      auth = psk
      id = 198.51.100.198
    }
    children {
      site-1 {
        local_ts = 10.0.0.0/8, 172.16.0.0/12
      }
    }
  }
}
"""
SECRETS = """secrets {
  ike-site-1 {
    id-local = 198.51.100.198
    id-remote = 192.0.2.152
    secret = 0sAP8=
  }
}
"""


class Messages(unittest.TestCase):
    def messages(self, connection: str = CONNECTION, secrets: str = SECRETS) -> list[tuple[str, Any]]:
        return list(swanctl.messages(swanctl.parse(connection), swanctl.parse(secrets)))

    def test_the_secret_comes_before_what_uses_it_and_replaces_the_one_of_its_name(self) -> None:
        first, second = self.messages()
        owners = ["198.51.100.198", "192.0.2.152"]
        secret = {"id": "ike-site-1", "type": "ike", "data": b"\0\xff", "owners": owners}
        self.assertEqual(first, ("load-shared", secret))
        self.assertEqual(second[0], "load-conn")
        self.assertEqual(
            second[1],
            {
                "site-1": {
                    "version": "2",
                    "local_addrs": ["172.16.1.93"],
                    "proposals": ["aes256-sha256-modp2048"],
                    "local": {"auth": "psk", "id": "198.51.100.198"},
                    "children": {"site-1": {"local_ts": ["10.0.0.0/8", "172.16.0.0/12"]}},
                }
            },
        )

    def test_a_damaged_file_is_told_without_what_is_in_it(self) -> None:
        seed = random.randrange(2**32)
        rng = random.Random(seed)
        for text in (CONNECTION, SECRETS):
            for _ in range(400):
                damaged = list(text)
                for _ in range(rng.randrange(1, 4)):
                    damaged[rng.randrange(len(damaged))] = rng.choice("{}= \n\0#\r\u2028x")
                cut = "".join(damaged)[: rng.randrange(len(damaged))]
                try:
                    self.messages(cut if text is CONNECTION else CONNECTION, cut if text is SECRETS else SECRETS)
                except swanctl.SwanctlError as error:
                    self.assertNotIn("AP8", str(error), f"seed {seed}")

    def test_only_base64_is_a_secret(self) -> None:
        for wrong in ("", "0x00ff", "plain", "0s", "0s*", "0sAP8"):
            with self.subTest(wrong):
                if wrong == "0s":
                    self.assertEqual(self.messages(secrets=SECRETS.replace("0sAP8=", wrong))[0][1]["data"], b"")
                    continue
                with self.assertRaises(swanctl.SwanctlError):
                    self.messages(secrets=SECRETS.replace("0sAP8=", wrong))

    def test_too_deep_a_text_is_refused(self) -> None:
        with self.assertRaises(swanctl.SwanctlError):
            swanctl.parse("a {\n" * 1000 + "}\n" * 1000)


if __name__ == "__main__":
    unittest.main()
