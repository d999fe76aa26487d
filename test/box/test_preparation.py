"""What is made ready before the cloud's end changes, what is refused then, and what an apply finds of it."""

from __future__ import annotations

import base64
import errno
import json
import shutil
import subprocess
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from box import samples
from box.samples import DOCUMENT, link, network
from dual_tunnel_vpn import apply, cli, files, manifest, paths, planned, preparation
from dual_tunnel_vpn.commands import Refusal
from dual_tunnel_vpn.ipsec import strongswan, vici
from dual_tunnel_vpn.ipsec.sas import Sa
from dual_tunnel_vpn.net import network as kernel
from dual_tunnel_vpn.net import ways
from dual_tunnel_vpn.net.netlink import Counters
from dual_tunnel_vpn.net.ways import Way
from dual_tunnel_vpn.site import parse

ASSETS = Path(__file__).resolve().parent.parent.parent / "assets"
NAME = "singapore"
UP, DOWN = Sa(ike_id="1", child_id="1"), Sa()


def connection(number: int, **changes: str) -> str:
    """swanctl's text of a tunnel, as lib/host renders it."""
    values = {
        "proposals": "aes256-sha256-modp2048",
        "address": f"192.0.2.{number}",
        "id": f"198.51.100.{number}",
        "esp": "aes256-sha256-modp2048",
        "rekey": "79200s",
        "ts": "172.16.0.0/16",
        "window": "1024",
        **changes,
    }
    return f"""# Tunnel {number}
connections {{
  {NAME}-{number} {{
    version = 2
    local_addrs = 172.16.{number}.93
    remote_addrs = {values["address"]}
    proposals = {values["proposals"]}
    rekey_time = {values["rekey"]}
    local {{
      auth = psk
      id = {values["id"]}
    }}
    remote {{
      auth = psk
      id = 192.0.2.{number}
    }}
    children {{
      {NAME}-{number} {{
        local_ts = {values["ts"]}
        esp_proposals = {values["esp"]}
        replay_window = {values["window"]}
      }}
    }}
  }}
}}
"""


def secrets(number: int, key: str = "old") -> str:
    coded = base64.b64encode(f"{key} key {number}".encode()).decode()
    return f"""secrets {{
  ike-{NAME}-{number} {{
    id-local = a
    id-remote = b
    secret = 0s{coded}
  }}
}}
"""


class OnABox(unittest.TestCase):
    """A box with the connection, both of its tunnels up and traffic by the first; the agent does as it is held."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name)
        self.layout = strongswan.Layout(self.root / "conf.d", self.root / "strongswan.d")
        self.up = {1: UP, 2: UP}
        self.renews = True
        self.agent_obeys = True
        self.still_sends = 0
        self.sent = {11: 100, 12: 100}
        found = network()
        for number in (1, 2):
            found.links[f"{NAME}-{number}"] = link(10 + number, f"{NAME}-{number}")
        netlink = mock.Mock()
        netlink.counters = self.counters
        for owner, name, value in (
            (paths, "RUN", self.root / "run"),
            (paths, "STATE", self.root / "state"),
            (manifest, "_BOX", self.root / "state/box.json"),
            (strongswan, "layout", lambda: self.layout),
            (strongswan, "tunnel_sas", lambda _: self.up),
            (strongswan, "prove_rekey", lambda *_: self.renews),
            (preparation, "observe", lambda: found),
            (preparation, "Netlink", lambda: netlink),
            (ways, "look", lambda *_: [Way("192.168.0.1", "", f"{NAME}-{self.carrying()}", "")]),
            (preparation, "_knock", self.knock),
            (preparation, "MOVED_SECONDS", 0.05),
            (preparation, "COUNTED_SECONDS", 0.0),
        ):
            patch = mock.patch.object(owner, name, value)
            patch.start()
            self.addCleanup(patch.stop)
        files.put(paths.site(NAME), json.dumps(DOCUMENT).encode())
        files.put(paths.owner(NAME), json.dumps({"stack": "ours", "id": "1"}).encode())
        for number in (1, 2):
            first, second = self.layout.tunnel_files(NAME, number)
            files.put(first, connection(number).encode())
            files.put(second, secrets(number).encode())
        self.upload: dict[str, str] = {"owner.json": '{"stack": "ours", "id": "1"}'}
        for number in (1, 2):
            self.upload[f"tunnel-{number}.conf"] = connection(number)
            self.upload[f"secrets-{number}.conf"] = secrets(number)

    def carrying(self) -> int:
        return 2 if self.agent_obeys and planned.held(NAME) == 1 else 1

    def knock(self, _source: str | None, _destination: str) -> bool:
        self.sent[10 + self.carrying()] += 1
        self.sent[11] += self.still_sends
        return True

    def counters(self, ifindex: int) -> Counters:
        return Counters(sent=self.sent[ifindex], received=0)

    def prepare(self, allow_outage: bool = False) -> str:
        """What was said at the end; Refusal."""
        lines = [f"{file} {base64.b64encode(text.encode()).decode()}" for file, text in self.upload.items()]
        (self.root / "bundle").write_text("\n".join([*lines, "end", ""]))
        steps = mock.Mock()
        preparation.prepare(NAME, self.root, allow_outage, steps)
        return str(steps.say.call_args.args[0]) if steps.say.call_args else ""

    def refused(self, sentence: str) -> None:
        with self.assertRaisesRegex(Refusal, sentence):
            self.prepare()
        self.untouched()

    def untouched(self) -> None:
        self.assertEqual((planned.prepared(NAME), planned.held(NAME)), (set(), None))
        for number in (1, 2):
            self.assertEqual(planned.texts(NAME, number, False), (connection(number), secrets(number)))

    def agent_says(self, **tunnels: bool) -> None:
        """Which tunnels it has up with the next configuration that lies there."""
        stamps = planned.stamps(NAME)
        given = {number: stamps.get(number) if tunnels.get(f"t{number}") else None for number in (1, 2)}
        told = [{"number": number, "installed": True, "next": stamp} for number, stamp in given.items()]
        files.put(paths.agent_state(NAME), json.dumps({"time": time.time(), "tunnels": told}).encode())


class Prepares(OnABox):
    def test_nothing_differs_and_nothing_is_done(self) -> None:
        self.assertEqual(self.prepare(), "")
        self.untouched()

    def test_a_box_without_the_connection_is_left_alone(self) -> None:
        self.upload["secrets-1.conf"], self.upload["secrets-2.conf"] = secrets(1, "new"), secrets(2, "new")
        shutil.rmtree(paths.connection(NAME))
        self.assertIn("not on this box yet", self.prepare())
        self.assertFalse(paths.connection(NAME).exists())

    def test_a_first_installation_that_was_cut_off_is_left_alone(self) -> None:
        shutil.rmtree(self.layout.connections)
        self.assertEqual(self.prepare(), "")
        self.assertEqual(planned.prepared(NAME), set())

    def test_anothers_connection_is_refused(self) -> None:
        self.upload["owner.json"] = '{"stack": "theirs", "id": "2"}'
        self.refused("belongs to ours")

    def test_the_active_tunnels_key_moves_the_traffic_and_lies_ready(self) -> None:
        self.upload["secrets-1.conf"] = secrets(1, "new")
        self.assertEqual(self.prepare(), "tunnel 1 (active) is ready for its change, tunnel 2 carries the traffic")
        self.assertEqual((planned.held(NAME), planned.prepared(NAME)), (1, {1}))
        self.assertEqual(planned.texts(NAME, 1, True), (connection(1), secrets(1, "new")))
        self.assertEqual(planned.texts(NAME, 1, False), (connection(1), secrets(1)))

    def test_the_standby_moves_nothing(self) -> None:
        self.upload["tunnel-2.conf"] = connection(2, proposals="aes128-sha256-modp2048")
        self.assertEqual(self.prepare(), "tunnel 2 (standby) is ready for its change, tunnel 1 carries the traffic")
        self.assertEqual((planned.held(NAME), planned.prepared(NAME)), (2, {2}))

    def test_what_each_end_may_have_otherwise_for_a_while_needs_no_turns(self) -> None:
        for change in ({"rekey": "3600s"}, {"window": "32"}, {"ts": "172.16.0.0/12"}):
            with self.subTest(change):
                self.upload["tunnel-1.conf"] = connection(1, **change)
                self.prepare()
                self.assertEqual((planned.held(NAME), planned.prepared(NAME)), (1, set()))

    def test_both_at_once_are_refused_whatever_of_them_changes(self) -> None:
        changes = ({"proposals": "x"}, {"esp": "x"}, {"id": "x"}, {"key": "x"})
        for first in changes:
            for second in changes:
                for number, change in ((1, first), (2, second)):
                    key = change.get("key", "old")
                    self.upload[f"secrets-{number}.conf"] = secrets(number, key)
                    rest = {name: value for name, value in change.items() if name != "key"}
                    self.upload[f"tunnel-{number}.conf"] = connection(number, **rest)
                with self.subTest(first=first, second=second):
                    self.refused("both tunnels would change at once.*one tunnel a deploy.*allowOutage: true")

    def test_a_refusal_has_no_key_in_it(self) -> None:
        self.upload["secrets-1.conf"], self.upload["secrets-2.conf"] = secrets(1, "new"), secrets(2, "new")
        with self.assertRaises(Refusal) as refusal:
            self.prepare()
        for number in (1, 2):
            for key in ("old", "new"):
                self.assertNotIn(secrets(number, key).split("0s")[1][:8], str(refusal.exception))

    def test_both_at_once_lie_ready_where_an_outage_is_allowed(self) -> None:
        self.upload["secrets-1.conf"], self.upload["secrets-2.conf"] = secrets(1, "new"), secrets(2, "new")
        self.assertEqual(self.prepare(allow_outage=True), "both tunnels are ready for their change")
        self.assertEqual((planned.held(NAME), planned.prepared(NAME)), (None, {1, 2}))

    def test_both_at_once_are_no_loss_where_none_is_up_or_the_gateway_is_another(self) -> None:
        self.upload["secrets-1.conf"], self.upload["secrets-2.conf"] = secrets(1, "new"), secrets(2, "new")
        self.up = {1: DOWN, 2: DOWN}
        self.prepare()
        self.assertEqual(planned.prepared(NAME), {1, 2})
        self.up = {1: UP, 2: UP}
        self.refused_then_replaced()

    def refused_then_replaced(self) -> None:
        with self.assertRaises(Refusal):
            self.prepare()
        for number in (1, 2):
            self.upload[f"tunnel-{number}.conf"] = connection(number, address=f"203.0.113.{number}")
        self.prepare()

    def test_both_may_change_in_what_breaks_neither(self) -> None:
        for number in (1, 2):
            self.upload[f"tunnel-{number}.conf"] = connection(number, window="32")
        self.prepare()
        self.untouched()

    def test_one_that_breaks_is_held_though_the_other_changes_too(self) -> None:
        self.upload["tunnel-2.conf"] = connection(2, window="32")
        self.upload["secrets-1.conf"] = secrets(1, "new")
        self.prepare()
        self.assertEqual((planned.held(NAME), planned.prepared(NAME)), (1, {1}))

    def test_is_refused_where_nothing_takes_over(self) -> None:
        self.upload["secrets-1.conf"] = secrets(1, "new")
        self.up = {1: UP, 2: DOWN}
        self.refused(r"tunnel 1 \(active\) would change, and nothing.*tunnel 2 \(standby\) is down.*allowOutage")
        self.up = {1: UP, 2: UP}
        self.agent_obeys = False
        self.refused("the agent did not lead it into tunnel 2")
        self.agent_obeys, self.still_sends = True, 1
        self.refused("tunnel 1 still sends")
        self.still_sends = 0
        with mock.patch.object(preparation, "_knock", lambda *_: True):
            self.refused("tunnel 2 does not send what it is given")

    def test_what_a_bgp_session_sends_is_no_traffic(self) -> None:
        files.put(paths.site(NAME), json.dumps(samples.bgp_document()).encode())
        self.upload["secrets-1.conf"] = secrets(1, "new")
        self.still_sends = preparation.SESSION_PACKETS + 1
        self.refused("tunnel 1 still sends")
        self.still_sends = preparation.SESSION_PACKETS
        self.assertIn("tunnel 2 carries the traffic", self.prepare())

    def test_goes_on_where_nothing_takes_over_and_an_outage_is_allowed(self) -> None:
        self.upload["secrets-1.conf"] = secrets(1, "new")
        self.agent_obeys = False
        self.assertIn("nothing else carries (the agent did not", self.prepare(allow_outage=True))
        self.assertEqual((planned.held(NAME), planned.prepared(NAME)), (None, {1}))

    def test_where_nothing_can_be_sent_the_route_is_proof(self) -> None:
        self.upload["secrets-1.conf"] = secrets(1, "new")
        with mock.patch.object(preparation, "_knock", lambda *_: False):
            self.prepare()
        self.assertEqual(planned.held(NAME), 1)

    def test_without_charon_there_is_nothing_to_lose(self) -> None:
        self.upload["secrets-1.conf"], self.upload["secrets-2.conf"] = secrets(1, "new"), secrets(2, "new")

        def gone(_: object) -> dict[int, Sa]:
            raise vici.ViciUnavailable("charon is not reachable")

        with mock.patch.object(strongswan, "tunnel_sas", gone):
            self.prepare()
        self.assertEqual(planned.prepared(NAME), {1, 2})

    def test_the_way_back_from_a_change_that_the_cloud_did_not_make_leaves_nothing(self) -> None:
        self.upload["secrets-1.conf"] = secrets(1, "new")
        self.prepare()
        self.upload["secrets-1.conf"] = secrets(1)
        self.prepare()
        self.untouched()

    def test_what_the_cloud_has_by_now_is_what_the_next_change_is_from(self) -> None:
        self.upload["secrets-1.conf"] = secrets(1, "new")
        self.prepare()
        self.agent_says(t1=True)
        # The way back is a change of one tunnel, and so is another one on top.
        self.upload["secrets-1.conf"] = secrets(1)
        self.prepare()
        self.assertEqual(planned.texts(NAME, 1, False), (connection(1), secrets(1, "new")))
        self.assertEqual(planned.texts(NAME, 1, True), (connection(1), secrets(1)))
        self.assertEqual(manifest.load_connection(NAME).pending, [])

    def test_what_the_tunnel_was_up_with_last_is_kept_where_it_is_down(self) -> None:
        self.upload["secrets-1.conf"] = secrets(1, "new")
        self.prepare()
        self.agent_says(t1=True)
        said = json.loads(paths.agent_state(NAME).read_text())
        said["tunnels"][0]["installed"], self.up[1] = False, DOWN
        files.put(paths.agent_state(NAME), json.dumps(said).encode())
        self.assertEqual(planned.running(NAME), set())
        self.upload["secrets-1.conf"] = secrets(1, "newer")
        self.prepare()
        self.assertEqual(planned.texts(NAME, 1, False), (connection(1), secrets(1, "new")))
        self.assertEqual(planned.texts(NAME, 1, True), (connection(1), secrets(1, "newer")))
        self.assertEqual(manifest.load_connection(NAME).pending, [1])

    def test_what_cannot_be_proved_is_left_to_the_apply(self) -> None:
        self.upload["secrets-1.conf"] = secrets(1, "new")
        self.prepare()
        self.agent_says(t1=True)
        self.renews = False
        self.prepare()
        self.assertEqual(manifest.load_connection(NAME).pending, [1])

    def test_after_a_deploy_that_was_cut_off_the_other_tunnels_change_is_one_tunnels(self) -> None:
        self.upload["secrets-1.conf"] = secrets(1, "new")
        self.prepare()
        self.agent_says(t1=True)
        self.upload["secrets-2.conf"] = secrets(2, "new")
        self.prepare()
        self.assertEqual((planned.held(NAME), planned.prepared(NAME)), (2, {2}))

    def test_a_tunnel_does_not_run_with_what_came_in_the_place_of_what_it_runs_with(self) -> None:
        self.upload["secrets-1.conf"] = secrets(1, "new")
        self.prepare()
        self.agent_says(t1=True)
        self.upload["secrets-1.conf"] = secrets(1, "newer")
        # Cut off, and made again: the agent has said nothing since.
        for _ in range(2):
            self.prepare()
            self.assertEqual(planned.running(NAME), set())
            self.assertEqual(planned.texts(NAME, 1, False), (connection(1), secrets(1, "new")))
            self.assertEqual(planned.texts(NAME, 1, True), (connection(1), secrets(1, "newer")))
            self.assertEqual(planned.held(NAME), 1)
        # The cloud has not made that one either: two tunnels would change.
        self.upload["secrets-2.conf"] = secrets(2, "new")
        with self.assertRaisesRegex(Refusal, "both tunnels would change at once"):
            self.prepare()

    def test_the_same_next_configuration_again_is_the_one_that_the_tunnel_runs_with(self) -> None:
        planned.put(NAME, 1, planned.Texts(connection(1), secrets(1, "new")))
        self.agent_says(t1=True)
        planned.put(NAME, 1, planned.Texts(connection(1), secrets(1, "new")))
        self.assertEqual(planned.running(NAME), {1})

    def test_a_box_that_cannot_be_written_to_or_asked_is_refused_and_nothing_is_left(self) -> None:
        self.upload["secrets-1.conf"] = secrets(1, "new")
        full = OSError(errno.ENOSPC, "No space left on device")
        for owner, name in ((planned, "put"), (planned, "hold"), (preparation, "observe")):
            with self.subTest(name), mock.patch.object(owner, name, side_effect=full):
                self.refused("the box cannot be made ready for the change: .*No space left on device.*allowOutage")
                self.assertIn("No space left", self.prepare(allow_outage=True))

    def test_of_another_connection_is_installed_before_charon_reads_all(self) -> None:
        self.upload["secrets-1.conf"] = secrets(1, "new")
        self.prepare()
        self.agent_says(t1=True)
        planned.adopt_others(NAME)
        self.assertEqual(planned.texts(NAME, 1, False), (connection(1), secrets(1)))
        with mock.patch.object(manifest, "names", lambda: [NAME, "tokyo"]):
            planned.adopt_others("tokyo")
        self.assertEqual(planned.texts(NAME, 1, False), (connection(1), secrets(1, "new")))
        self.assertEqual(manifest.load_connection(NAME).pending, [1])

    def test_what_an_agent_said_long_ago_counts_for_nothing(self) -> None:
        self.upload["secrets-1.conf"] = secrets(1, "new")
        self.prepare()
        self.agent_says(t1=True)
        self.assertEqual(planned.running(NAME), {1})
        later = time.time() + 60
        with mock.patch.object(time, "time", lambda: later):
            self.assertEqual(planned.running(NAME), set())
        for wrong in ("null", "{}", '{"time": "x"}', '{"time": 1, "tunnels": 3}'):
            files.put(paths.agent_state(NAME), wrong.encode())
            self.assertEqual(planned.running(NAME), set(), wrong)

    def test_an_upload_that_was_cut_off_is_refused(self) -> None:
        for text in ("", "end\n", "owner.json e30=\nend\n", "owner.json *\nend\n", "\xff\n", "tunnel-1.conf\nend\n"):
            (self.root / "bundle").write_bytes(text.encode("latin-1"))
            with self.assertRaisesRegex(Refusal, "incomplete"):
                preparation.prepare(NAME, self.root, False, mock.Mock())
        self.untouched()


class Applies(OnABox):
    """What an apply does with a tunnel that was made ready."""

    def setUp(self) -> None:
        super().setUp()
        self.loaded: list[tuple[str, ...]] = []
        self.terminated: list[str] = []
        self.proved: list[int] = []
        running = mock.Mock(active=True)
        places: list[tuple[Any, str, Any]] = [
            (strongswan, "units", lambda *names: dict.fromkeys(names, running)),
            (strongswan, "wait_for_charon", lambda: None),
            (strongswan, "load", self.load),
            (strongswan, "terminate", self.terminated.append),
            (strongswan, "await_up", lambda *_: set()),
            (strongswan, "prove_rekey", self.prove),
            (apply, "COMING_SECONDS", 0.0),
            (apply, "_lives_elsewhere", lambda *_: ""),
            (kernel, "observe", network),
        ]
        for owner, name, value in places:
            patch = mock.patch.object(owner, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def load(self, names: tuple[str, ...]) -> list[str]:
        self.loaded.append(names)
        return []

    def prove(self, tunnel: Any) -> bool:
        self.proved.append(tunnel.number)
        return True

    def apply(self) -> list[str]:
        """What was said of pauses."""
        for file, text in self.upload.items():
            (self.root / file).write_text(text)
        site, record, steps = parse(json.dumps(DOCUMENT)), manifest.load_connection(NAME), mock.Mock()
        apply._tunnels(site, self.root, self.layout, manifest.Box(), record, steps, lambda: None)
        return [text for ((text,), _) in steps.say.call_args_list if "pause" in text]

    def test_one_that_runs_with_it_is_put_in_place_and_proved_and_not_negotiated_again(self) -> None:
        self.upload["secrets-1.conf"] = secrets(1, "new")
        self.prepare()
        self.agent_says(t1=True)
        self.apply()
        self.assertEqual((self.loaded, self.terminated, self.proved), ([(f"{NAME}-1",)], [], [1]))
        self.assertEqual(planned.texts(NAME, 1, False), (connection(1), secrets(1, "new")))
        self.assertEqual(planned.prepared(NAME), set())
        self.assertEqual(manifest.load_connection(NAME).pending, [])

    def test_one_that_the_agent_is_about_to_bring_up_with_it_is_waited_for(self) -> None:
        self.upload["secrets-1.conf"] = secrets(1, "new")
        self.prepare()
        self.agent_says()
        with (
            mock.patch.object(apply, "COMING_SECONDS", 30.0),
            mock.patch.object(time, "sleep", lambda _: self.agent_says(t1=True)),
        ):
            self.apply()
        self.assertEqual((self.terminated, self.proved), ([], [1]))

    def test_one_is_not_waited_for_that_no_agent_brings_up(self) -> None:
        self.upload["secrets-1.conf"] = secrets(1, "new")
        self.prepare()
        self.agent_says()
        agent = paths.agent_unit(NAME)
        asked = mock.Mock(wraps=planned.running)
        with (
            mock.patch.object(apply, "COMING_SECONDS", 30.0),
            mock.patch.object(strongswan, "units", lambda *names: {n: mock.Mock(active=n != agent) for n in names}),
            mock.patch.object(planned, "running", asked),
        ):
            self.apply()
        self.assertEqual(asked.call_count, 1)
        self.assertEqual((self.terminated, self.proved), ([f"{NAME}-1"], [1]))

    def test_one_that_runs_as_before_is_negotiated_anew(self) -> None:
        self.upload["secrets-1.conf"] = secrets(1, "new")
        self.prepare()
        self.agent_says()
        self.apply()
        self.assertEqual((self.terminated, self.proved), ([f"{NAME}-1"], [1]))
        self.assertEqual(planned.prepared(NAME), set())

    def test_traffic_is_led_away_from_one_that_is_negotiated_anew_and_was_not_made_ready(self) -> None:
        self.upload["tunnel-1.conf"] = connection(1, rekey="3600s")
        carried_by: list[int] = []
        with mock.patch.object(strongswan, "terminate", lambda _: carried_by.append(self.carrying())):
            self.assertEqual(self.apply(), [])
        self.assertEqual(carried_by, [2])

    def test_says_that_traffic_will_pause_where_the_other_one_does_not_take_it(self) -> None:
        self.upload["tunnel-1.conf"] = connection(1, rekey="3600s")
        self.still_sends = True
        self.assertEqual(self.apply(), ["traffic will pause while tunnel 1 is changed: tunnel 1 still sends"])
        self.assertIsNone(planned.held(NAME))
        self.upload["tunnel-1.conf"] = connection(1, rekey="4000s")
        with mock.patch.object(strongswan, "await_up", lambda _, numbers, __: numbers & {2}):
            self.assertEqual(
                self.apply(), ["traffic will pause while tunnel 1 is changed: tunnel 2 is not up to take over"]
            )

    def test_what_was_made_ready_and_is_not_what_comes_is_dropped_before_anything_is_negotiated(self) -> None:
        self.upload["secrets-1.conf"] = secrets(1, "new")
        self.prepare()
        self.agent_says(t1=True)
        self.upload["secrets-1.conf"] = secrets(1, "other")
        before: list[set[int]] = []
        with mock.patch.object(strongswan, "terminate", lambda _: before.append(planned.prepared(NAME))):
            self.apply()
        self.assertEqual(before, [set()])
        self.assertEqual(planned.texts(NAME, 1, False), (connection(1), secrets(1, "other")))

    def test_leaves_nothing_of_what_was_cut_off_while_it_was_made_ready(self) -> None:
        planned.put(NAME, 1, planned.Texts(connection(1), secrets(1, "new")))
        beside = paths.connection(NAME) / "next"
        (beside / "tunnel-1.conf").rename(beside / ".tunnel-1.conf.cut.new")
        self.assertEqual(planned.prepared(NAME), set())
        self.apply()
        self.assertFalse(beside.exists())

    def test_ends_the_hold_whatever_comes_of_it(self) -> None:
        planned.hold(NAME, 1)
        for file, text in self.upload.items():
            (self.root / file).write_text(text)
        with (
            mock.patch.object(apply, "prepare", lambda *_: parse(json.dumps(DOCUMENT))),
            mock.patch.object(apply, "_apply", side_effect=Refusal("no")),
            self.assertRaises(Refusal),
        ):
            apply.apply(self.root, "", mock.Mock())
        self.assertIsNone(planned.held(NAME))

    def test_one_that_lives_by_the_other_uplink_keeps_what_is_ready_for_it(self) -> None:
        self.upload["secrets-1.conf"] = secrets(1, "new")
        self.prepare()
        self.agent_says()
        with (
            mock.patch.object(apply, "_lives_elsewhere", lambda *_: "goes on by uplink 2"),
            self.assertRaisesRegex(Refusal, "goes on by uplink 2"),
        ):
            self.apply()
        self.assertEqual(planned.prepared(NAME), {1})
        self.assertEqual(planned.texts(NAME, 1, False), (connection(1), secrets(1)))


class Script(unittest.TestCase):
    """prepare.sh, with a command in ours' place that ends as it is told."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name)
        self.upload = self.root / "staging/singapore.42"
        self.upload.mkdir(parents=True)
        (self.upload / "bundle").write_text("a key")
        self.command = self.root / "command"
        self.site = self.root / "state/singapore/site.json"
        self.programs = self.root / "lib/current/dual_tunnel_vpn/preparation.py"
        for path in (self.site, self.programs):
            path.parent.mkdir(parents=True)
            path.touch()

    def script(self, status: int = 0, option: str = "") -> tuple[int, str]:
        if status >= 0:
            self.command.write_text(f'#!/bin/sh\necho "$@"\nexit {status}\n')
            self.command.chmod(0o755)
        text = (ASSETS / "prepare.sh").read_text()
        for place, ours in (
            ("/run/dual-tunnel-vpn-staging", self.root / "staging"),
            ("/usr/local/sbin/dual-tunnel-vpn", self.command),
            ("/usr/local/lib/dual-tunnel-vpn", self.root / "lib"),
            ("/etc/dual-tunnel-vpn", self.root / "state"),
            ("sudo -n sh", "sh"),
        ):
            self.assertIn(str(place), text)
            text = text.replace(str(place), str(ours))
        script = f"name=singapore\nupload=42\noption={option}\n{text}"
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
        self.assertEqual(done.stderr, "")
        self.assertFalse(self.upload.exists())
        return done.returncode, done.stdout

    def test_ends_as_the_command_does_and_leaves_nothing_of_the_upload(self) -> None:
        self.assertEqual(self.script(), (0, f"prepare-change singapore {self.upload}\n"))

    def test_passes_on_that_an_outage_is_allowed(self) -> None:
        self.assertEqual(
            self.script(option="--allow-outage"), (0, f"prepare-change singapore {self.upload} --allow-outage\n")
        )

    def test_a_refusal_stops_the_deploy(self) -> None:
        self.assertEqual(self.script(cli.REFUSED)[0], 1)

    def test_programs_that_are_damaged_do_not(self) -> None:
        status, said = self.script(1)
        self.assertEqual(status, 0)
        self.assertIn("could not be made ready", said)

    def test_a_box_that_has_none_or_older_ones_is_left_alone(self) -> None:
        self.programs.unlink()
        self.assertEqual(self.script(3), (0, ""))

    def test_a_box_without_the_connection_is_left_alone(self) -> None:
        self.site.unlink()
        self.assertEqual(self.script(3), (0, ""))

    def test_a_box_that_was_never_installed_on_is_left_alone(self) -> None:
        self.assertEqual(self.script(-1), (0, ""))


class Statuses(unittest.TestCase):
    def test_only_a_refusal_is_told_from_whatever_else_may_be_wrong(self) -> None:
        for error, status in ((Refusal("no"), cli.REFUSED), (OSError(5, "broken"), 1), (vici.ViciError("gone"), 1)):
            with mock.patch.object(cli, "_run", side_effect=error), mock.patch("builtins.print"):
                self.assertEqual(cli.main(["prepare-change", NAME, "/tmp"]), status)
                self.assertEqual(cli.main(["apply", "/tmp"]), 1)



if __name__ == "__main__":
    unittest.main()
