"""The agent's line to charon: what it makes of lists, of absences, of silence."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import tempfile
import time
import unittest
from functools import partial
from typing import Any
from unittest import mock

from dual_tunnel_vpn import site as sites
from dual_tunnel_vpn.ipsec import swanctl, vici
from dual_tunnel_vpn.ipsec.channel import Charon, main_process
from dual_tunnel_vpn.ipsec.sas import Sa

from .fake_charon import FakeCharon


def example() -> sites.Site:
    """A site of two uplinks."""
    uplinks: list[dict[str, Any]] = [
        {"number": n, "address": f"172.16.{n}.9", "prefixLength": 24, "gateway": f"172.16.{n}.1", "device": None}
        for n in (1, 2)
    ]
    tunnels = [
        {"number": n, "role": role, "uplink": n, "ifId": 20480 + n, "ipsecAddress": f"192.0.2.{n}"}
        for n, role in ((1, "active"), (2, "standby"))
    ]
    document = {
        "version": 1,
        "name": "lab",
        "vpcCidrs": ["192.168.0.0/16"],
        "dataCenterCidrs": ["172.16.0.0/16"],
        "routeMetric": 100,
        "uplinks": [{**u, "table": 20480 + u["number"], "mark": 20480 + u["number"]} for u in uplinks],
        "tunnels": [
            {
                **t,
                "mtu": 1400, "mss": 1360, "localId": "a", "remoteId": "b",
                **dict.fromkeys(("connection", "child", "interface"), f"lab-{n}"),
            }
            for n, t in enumerate(tunnels, 1)
        ],
        "agent": {
            "probeIntervalMs": 100,
            "probeMisses": 8,
            "holdSeconds": 5,
            "vpcProbeAddresses": [],
            "mechanisms": {"outerMove": True, "deleteByOtherUplink": True},
        },
    }
    return sites.parse(json.dumps(document))


def ike(name: str, state: str = "ESTABLISHED", child: str | None = "INSTALLED", spi: str = "c0ffee01") -> Any:
    """An entry of list-sas."""
    children = {f"{name}-7": {"name": name, "state": child, "spi-in": spi, "spi-out": "1"}} if child else {}
    return ("list-sa", {name: {"uniqueid": "1", "state": state, "child-sas": children}})


BOTH = [ike("lab-1"), ike("lab-2")]


class Following(unittest.TestCase):
    def setUp(self) -> None:
        self.listed: list[Any] = list(BOTH)
        self.seen: list[dict[int, Sa]] = []
        self.trouble: list[str] = []
        self.given = 0
        handlers: Any = {
            "list-sas": self.give_list,
            "version": lambda _: ([], {"daemon": "charon"}),
            "initiate": lambda _: ([], {"success": "no", "errmsg": "no such child"}),
        }
        self.fake = FakeCharon(handlers)
        self.addCleanup(self.fake.close)

    def give_list(self, _: Any) -> Any:
        """charon's answer to list-sas, counted."""
        self.given += 1
        return list(self.listed), {}

    def follow(self, fake: FakeCharon, **options: float) -> Charon:
        charon = Charon(example(), self.seen.append, self.trouble.append, path=fake.path, **options)
        self.addCleanup(charon.close)
        return charon

    def drive(self, charon: Charon, done: Any, seconds: float = 20.0) -> None:
        """Runs the channel as the loop does, until done."""
        end = time.monotonic() + seconds
        while not done() and time.monotonic() < end:
            charon.tick(time.monotonic())
            for channel in charon.channels:
                channel.writable()
                channel.readable()
        self.assertTrue(done())

    def test_it_tells_what_is_listed_and_is_reachable_only_then(self) -> None:
        charon = self.follow(self.fake)
        self.assertFalse(charon.reachable)
        self.drive(charon, lambda: self.seen)
        self.assertTrue(self.seen[0][1].installed and self.seen[0][2].installed)
        self.assertTrue(charon.reachable)

    def test_an_absence_that_no_event_explains_is_believed_only_when_repeated(self) -> None:
        charon = self.follow(self.fake, poll=0.02, confirm=0.02)
        self.drive(charon, lambda: self.seen)
        self.listed[:] = [ike("lab-2")]
        self.fake.asked.clear()
        self.seen.clear()
        self.drive(charon, lambda: any(not sas[1].installed for sas in self.seen))
        lists = [arguments for name, arguments in self.fake.asked if name == "list-sas"]
        self.assertGreaterEqual(len(lists), 2)
        # The second one waits for SAs that charon is busy with.
        self.assertEqual(["noblock" in asked for asked in lists[:2]], [True, False])

    def test_an_absence_from_the_first_list_is_believed_only_when_repeated(self) -> None:
        asked: list[Any] = []

        def give_list(arguments: Any) -> Any:
            # charon is busy with the first tunnel at the first time, and a list that does not wait passes over it.
            asked.append(arguments)
            return (BOTH[1:] if len(asked) == 1 else BOTH), {}

        with FakeCharon({"list-sas": give_list}) as fake:
            charon = self.follow(fake)
            self.drive(charon, lambda: self.seen)
            charon.close()
        self.assertTrue(self.seen[0][1].installed and self.seen[0][2].installed)

    def test_what_another_connection_keeps_charon_busy_with_holds_nothing_up(self) -> None:
        class Busy(FakeCharon):
            """At work on somebody's SA for good: a list that waits for that is not answered."""

            def _answer(self, peer: socket.socket, packet: vici.Packet) -> None:
                if packet.name != "list-sas" or "noblock" in packet.message:
                    super()._answer(peer, packet)

        with Busy({"list-sas": self.give_list, "version": lambda _: ([], {"daemon": "charon"})}) as fake:
            charon = self.follow(fake, poll=0.05)
            self.drive(charon, lambda: self.seen)
            charon.ask_spis(lambda _: self.fail("it was to wait"))
            self.listed[0] = ike("lab-1", state="DELETING")
            self.drive(charon, lambda: self.seen[-1][1].deleting, seconds=4.0)
            charon.close()

    def test_what_another_connection_keeps_charon_busy_with_does_not_hold_up_the_first_list(self) -> None:
        class Busy(FakeCharon):
            def _answer(self, peer: socket.socket, packet: vici.Packet) -> None:
                if packet.name != "list-sas" or "noblock" in packet.message:
                    super()._answer(peer, packet)

        with Busy({"list-sas": lambda _: (BOTH[1:], {}), "version": lambda _: ([], {"daemon": "charon"})}) as fake:
            charon = self.follow(fake, poll=0.05)
            self.addCleanup(charon.close)
            self.drive(charon, lambda: self.seen, seconds=4.0)
            self.assertTrue(self.seen[0][2].installed)

    def test_a_tunnel_that_is_there_by_now_is_not_asked_for(self) -> None:
        charon = self.follow(self.fake)
        self.drive(charon, lambda: self.seen)
        before = self.given
        charon.initiate(example().tunnels[0], time.monotonic())
        self.drive(charon, lambda: self.given > before)
        self.listed[:] = [ike("lab-2")]
        charon.initiate(example().tunnels[0], time.monotonic())
        self.drive(charon, lambda: self.trouble)
        self.assertEqual([name for name, _ in self.fake.asked].count("initiate"), 1)
        self.assertIn("no such child", self.trouble[0])

    def test_another_configuration_is_loaded_only_where_nothing_is_negotiated_or_up(self) -> None:
        charon = self.follow(self.fake)
        self.drive(charon, lambda: self.seen)
        connection: swanctl.Section = {"connections": {"lab-1": {"version": "2"}}}
        secrets: swanctl.Section = {"secrets": {"ike-lab-1": {"id-local": "a", "secret": "0sAA=="}}}
        for listed in (ike("lab-1"), ike("lab-1", "CONNECTING", None)):
            self.listed[:] = [listed]
            busy: list[bool] = []
            charon.load_when_idle(example().tunnels[0], connection, secrets, partial(busy.append, True))
            self.drive(charon, partial(len, busy))
        self.assertNotIn("load-conn", [name for name, _ in self.fake.asked])
        self.listed[:] = [ike("lab-2")]
        charon.load_when_idle(example().tunnels[0], connection, secrets, self.fail)
        self.drive(charon, lambda: "load-conn" in [name for name, _ in self.fake.asked])
        # Asked so that charon's answer waits for what it is at work on.
        asked = [arguments for name, arguments in self.fake.asked if name == "list-sas" and "ike" in arguments]
        self.assertEqual(["noblock" in arguments for arguments in asked], [False] * 3)

    def test_a_hung_charon_is_told_after_a_second_question_stays_unanswered(self) -> None:
        with FakeCharon({}, hung=True) as hung:
            charon = self.follow(hung, answer_within=0.05)
            self.drive(charon, lambda: charon.silent_since is not None)
            self.assertFalse(charon.reachable)

    def test_a_hung_charon_that_others_ask_too_is_told_though_it_takes_no_connection_any_more(self) -> None:
        with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as sockets:
            path = os.path.join(directory, "charon.vici")
            listener = sockets.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(path)
            listener.listen(1)
            before = Charon(example(), self.seen.append, self.trouble.append, path=path, answer_within=0.05)
            self.addCleanup(before.close)
            before.tick(time.monotonic())
            with self.assertRaises(BlockingIOError):
                while True:
                    other = sockets.enter_context(socket.socket(socket.AF_UNIX))
                    other.setblocking(False)
                    other.connect(path)
            # One that was connected before, and one that comes too late to be.
            self.drive(before, lambda: before.silent_since is not None)
            after = Charon(example(), self.seen.append, self.trouble.append, path=path)
            self.addCleanup(after.close)
            self.drive(after, lambda: after.silent_since is not None)
            self.assertFalse(after.reachable)
            silent = after.silent_since
            listener.close()
            self.drive(after, lambda: after.silent_since is None)
            self.assertIsNotNone(silent)

    def test_only_the_process_of_strongswans_unit_is_taken_for_charon(self) -> None:
        process = os.getpid()
        for name, group, found in (
            ("charon-systemd", "0::/system.slice/strongswan.service", process),
            ("charon", "0::/system.slice/strongswan-starter.service", 0),
            ("python3", "0::/system.slice/strongswan.service", 0),
        ):
            files = {"comm": f"{name}\n", "cgroup": f"{group}\n"}
            with mock.patch("os.listdir", return_value=["self", str(process)]), mock.patch(
                "dual_tunnel_vpn.ipsec.channel._read", side_effect=lambda _, file, files=files: files[file]
            ):
                self.assertEqual(main_process(), found)

    def test_a_charon_that_answers_somebody_is_not_hung(self) -> None:
        charon = self.follow(self.fake, ask=0.02, answer_within=0.5)
        self.drive(charon, lambda: len([1 for name, _ in self.fake.asked if name == "version"]) > 3)
        self.assertIsNone(charon.silent_since)

    def test_it_never_kills_what_is_not_charon(self) -> None:
        charon = self.follow(self.fake)
        self.drive(charon, lambda: self.seen)
        self.assertIn("left alone", charon.kill())

    def test_it_comes_back_when_charon_does(self) -> None:
        charon = self.follow(self.fake)
        self.drive(charon, lambda: self.seen)
        self.seen.clear()
        charon.channels[0].close()
        self.drive(charon, lambda: self.seen)


if __name__ == "__main__":
    unittest.main()
