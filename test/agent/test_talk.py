"""What the two boxes' agents tell each other: only the other box's words count, and nothing malformed stops anybody."""

from __future__ import annotations

import dataclasses
import json
import random
import socket
import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

from box import samples
from dual_tunnel_vpn import paths, verdict
from dual_tunnel_vpn.agent.facts import Say, Settings, TunnelShape
from dual_tunnel_vpn.agent.pair import PairMachine, Word
from dual_tunnel_vpn.net.netlink import Counters
from dual_tunnel_vpn.pair import lan, side, talk
from dual_tunnel_vpn.site import Pair

WORD = Word(able=True, asks=7, hears=True)


class Words(unittest.TestCase):
    def test_arrive_as_they_were_sent(self) -> None:
        self.assertEqual(talk.decode(talk.encode("a", 2, 5, 6, WORD), "a", 2), (5, 6, WORD))
        full = Word(True, True, 2**32 - 1, 2**32 - 1, True, True, True, True, True, True)
        self.assertLess(len(talk.encode("abcdefghijk", 2, 2**32 - 1, 2**32 - 1, full)), talk.LARGEST / 2)

    def test_of_another_connection_box_or_version_are_none(self) -> None:
        self.assertIsNone(talk.decode(talk.encode("b", 2, 5, 6, WORD), "a", 2))
        self.assertIsNone(talk.decode(talk.encode("a", 1, 5, 6, WORD), "a", 2))
        self.assertIsNone(talk.decode(talk.encode("a", 2, 5, 6, WORD).replace(b'"version":1', b'"version":2'), "a", 2))

    def test_malformed_are_none(self) -> None:
        fields = json.loads(talk.encode("a", 2, 5, 6, WORD))
        values: list[object] = [None, "", "1", -1, 2**32, 1.0, [], {}, True, 1, 10**400]
        for key, right in fields.items():
            for value in values:
                if value == right and (type(value) is type(right) or key == "version"):
                    continue
                if type(right) is bool and type(value) is bool:
                    continue
                numbers = key in ("asks", "grants", "session", "sequence")
                if numbers and type(value) is int and 0 <= value < 2**32:
                    continue
                with self.subTest(key=key, value=value):
                    self.assertIsNone(talk.decode(json.dumps({**fields, key: value}).encode(), "a", 2))
            self.assertIsNone(talk.decode(json.dumps({k: v for k, v in fields.items() if k != key}).encode(), "a", 2))
        seed = random.randrange(2**32)
        rng = random.Random(seed)
        whole = talk.encode("a", 2, 5, 6, WORD)
        for _ in range(2000):
            damaged = bytearray(whole)
            for _ in range(rng.randrange(1, 5)):
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
            with self.subTest(seed=seed):
                talk.decode(bytes(damaged[: rng.randrange(len(damaged) + 1)]), "a", 2)
        self.assertIsNone(talk.decode(b"[" * 100_000, "a", 2))


class Sockets(unittest.TestCase):
    """Both ends on the loopback interface, whose addresses stand for the LAN's."""

    def setUp(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.2", 0))
            self.port = free.getsockname()[1]
        self.ends = [self.end(1, "127.0.0.2", "127.0.0.3"), self.end(2, "127.0.0.3", "127.0.0.2")]
        for end in self.ends:
            end.reopen("lo")
            if not end.is_open:
                self.skipTest("nothing can be bound to the loopback interface here")

    def end(self, number: int, mine: str, other: str) -> talk.Talk:
        pair = samples.pair_site(number).pair
        assert pair is not None
        here = dataclasses.replace(pair.lan, address=mine)
        made = talk.Talk("singapore", dataclasses.replace(pair, lan=here, other_lan_address=other, port=self.port))
        self.addCleanup(made.close)
        return made

    def heard(self, end: talk.Talk) -> Word | None:
        deadline = time.monotonic() + 2
        while (word := end.hear()) is None and time.monotonic() < deadline:
            time.sleep(0.01)
        return word

    def test_a_word_is_said_when_it_is_new_and_each_tenth_of_a_second(self) -> None:
        first, second = self.ends
        self.assertEqual(first.say(10.0, WORD), 10.1)
        self.assertEqual(self.heard(second), WORD)
        first.say(10.05, WORD)
        self.assertIsNone(second.hear())
        first.say(10.06, Word())
        self.assertEqual(self.heard(second), Word())
        first.say(10.17, Word())
        self.assertEqual(self.heard(second), Word())

    def test_the_newest_counts_and_an_agent_that_was_started_anew_is_heard(self) -> None:
        first, second = self.ends
        for number in range(5):
            first.say(10.0, Word(asks=number + 1))
        self.assertEqual(self.heard(second), Word(asks=5))
        again = self.end(1, "127.0.0.2", "127.0.0.3")
        first.close()
        again.reopen("lo")
        again.say(20.0, WORD)
        self.assertEqual(self.heard(second), WORD)

    def test_nobody_elses_words_count(self) -> None:
        first, second = self.ends
        data = talk.encode("singapore", 1, 5, 6, WORD)
        for address, port, ttl in (("127.0.0.4", self.port, 255), ("127.0.0.2", 0, 255), ("127.0.0.2", self.port, 64)):
            first.close()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                stranger.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
                stranger.bind((address, port))
                stranger.sendto(data, ("127.0.0.3", self.port))
                time.sleep(0.05)
                self.assertIsNone(second.hear(), (address, port, ttl))

    def test_a_flood_is_read_in_pieces_and_a_closed_end_says_nothing(self) -> None:
        first, second = self.ends
        for number in range(40):
            first.say(float(number), WORD)
        time.sleep(0.05)
        self.assertIsNotNone(second.hear())
        self.assertIsNotNone(second.hear())
        second.close()
        self.assertEqual((second.hear(), second.fileno(), second.is_open), (None, -1, False))
        second.say(1.0, WORD)
        second.reopen("nowhere0")
        self.assertFalse(second.is_open)

    def test_says_why_it_is_not_open(self) -> None:
        _, second = self.ends
        rival = self.end(2, "127.0.0.3", "127.0.0.2")
        rival.reopen("lo")
        self.assertIn(f"UDP port {self.port} of 127.0.0.3, for the talk with the other box", rival.trouble)
        self.assertIn("cannot be opened: Address already in use", rival.trouble)
        self.assertEqual((rival.is_open, second.trouble), (False, ""))
        second.close()
        rival.reopen("lo")
        self.assertEqual((rival.is_open, rival.trouble), (True, ""))


class Sides(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.asked = 3
        self.count = 100
        for target, name, value in (
            (paths, "RUN", Path(directory.name)),
            (talk.Talk, "reopen", lambda *_: None),
            (lan.Questions, "reopen", lambda *_: None),
            (lan.Questions, "ask", lambda *_: self.asked),
        ):
            patch = mock.patch.object(target, name, value)
            patch.start()
            self.addCleanup(patch.stop)
        site = samples.pair_site()
        assert isinstance(site.pair, Pair)
        self.machine = PairMachine(TunnelShape(1, 1, "active", "192.0.2.152"), Settings())
        self.machine.adopt(10.0, 1, {1: 1}, {})
        self.side = side.Side(site, site.pair, self.machine, lambda _: Counters(sent=0, received=self.count))
        self.addCleanup(self.side.close)
        self.side.refresh(samples.pair_network())

    def test_what_vrrp_is_told_is_read_again_and_nothing_is_standing_aside(self) -> None:
        self.assertTrue(side.stands_aside("singapore"))
        for aside in (False, True):
            self.assertEqual(side.stand_aside("singapore", aside), "")
            self.assertEqual(side.stands_aside("singapore"), aside)

    def test_vouches_for_a_while_and_again_in_time(self) -> None:
        self.side.say(10.0)
        until = paths.agent_alive("singapore").stat().st_mtime
        self.assertTrue(3 < until - time.time() < 6)

    def test_what_vrrp_was_told_is_told_again_where_somebody_changed_it(self) -> None:
        side.stand_aside("singapore", False)
        self.side.say(10.0)
        self.assertTrue(side.stands_aside("singapore"))
        self.assertTrue(paths.vrrp_aside("singapore").exists())

    def test_master_is_who_has_the_address(self) -> None:
        found = samples.pair_network()
        self.assertFalse(self.machine.master)
        found.addresses.append(found.addresses[-1]._replace(address="172.16.3.1", prefix_length=32))
        self.side.refresh(found)
        self.assertTrue(self.machine.master)
        self.assertEqual(self.side.state()["master"], True)

    def test_the_lan_proves_itself_by_what_comes_after_the_other_box_fell_silent(self) -> None:
        self.machine.observe_word(10.0, Word(able=True))
        self.count += 5
        self.side.hear(10.1)
        self.assertLess(self.machine.received_at, 0)
        # What came until now may have been the other box's own.
        self.side.hear(10.3)
        self.assertLess(self.machine.received_at, 0)
        self.side.hear(10.4)
        self.assertLess(self.machine.received_at, 0)
        self.count += 1
        self.side.hear(10.5)
        self.assertEqual((self.machine.received_at, self.machine.witnesses), (10.5, 3))

    def test_a_port_that_another_program_has_is_said_once_and_when_it_is_free_again(self) -> None:
        self.machine.step(10.0)
        said = []
        for trouble in ("UDP port 4893 is taken", "UDP port 4893 is taken", ""):
            self.side.talk.trouble = trouble
            self.side.refresh(samples.pair_network())
            self.assertEqual(self.side.state()["talk"], trouble)
            told = verdict.pair(samples.pair_site(), {"pair": self.side.state()})
            self.assertEqual([words for words in told if "UDP" in words], [trouble] if trouble else [])
            said.append([action.reason for action in self.machine.step(10.0) if isinstance(action, Say)])
        self.assertEqual(said[:2], [["UDP port 4893 is taken"], []])
        self.assertIn("is there again", said[2][0])

    def test_says_nothing_before_it_knows_of_its_own_tunnel(self) -> None:
        with mock.patch.object(self.side.talk, "say", return_value=0.0) as said:
            self.machine.step(10.0)
            self.side.say(10.0)
            said.assert_not_called()
            self.machine.observe_sas(10.1, {})
            self.side.say(10.1)
            said.assert_called_once()

    def test_a_lan_without_its_interface_is_said(self) -> None:
        self.side.refresh(samples.network())
        self.assertEqual(self.machine.lan_trouble, "has no interface with the address 172.16.3.2")


if __name__ == "__main__":
    unittest.main()
