"""The conversation with the BGP speaker: what it says is understood however it is cut, and nothing is waited for."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
import unittest
from pathlib import Path

from dual_tunnel_vpn.bgp.control import ControlError, Line, Reader, Reply
from dual_tunnel_vpn.bgp.conversation import PATIENCE, POLL, RECONNECT, Speaker, kill
from dual_tunnel_vpn.bgp.heard import Heard, Session, prefixes, protocols

GREETING = "0001 BIRD 2.0.12 ready.\n"

PROTOCOLS = """2002-Name       Proto      Table      State  Since         Info
1002-device1    Device     ---        up     04:32:38      $
 blocks_1   Static     routes_1   up     04:32:38      $
 takeover_1 Static     routes_1   down   04:32:38      $
 tunnel_1   BGP        ---        up     04:32:41      Established   $
 takeover_2 Static     routes_2   up     2026-11-27    $
 tunnel_2   BGP        ---        start  04:33:07      Connect       BGP Error: Hold timer expired
0000 $
""".replace("$\n", "\n")
"""As BIRD 2.0.12 writes it; $ shows where blanks at the end of a line are over."""

ROUTES = """1007-Table routes_1:
 192.168.10.0/24      unicast [tunnel_1 04:32:41.777] * (100) [AS45104i]
 >via 169.254.11.1 on singapore-1
                      unicast [tunnel_1 04:32:41.777] (100) [AS45104i]
 192.168.20.0/24      unreachable [tunnel_1 04:32:41.777 from 127.0.0.2] * (100) [AS45104i]
0000 $
""".replace("$\n", "\n").replace(">", "\t")

NONE = "0000 \n"


def replies(text: str) -> list[Reply]:
    """Those in a text."""
    return Reader().feed(text.encode())


class Decodes(unittest.TestCase):
    def test_replies_however_they_are_cut(self) -> None:
        text = (GREETING + PROTOCOLS + ROUTES + "0010-takeover_1: already enabled\n0000 \n9001 syntax error\n").encode()
        whole = Reader().feed(text)
        self.assertEqual(len(whole), 5)
        reader, found = Reader(), []
        for index in range(len(text)):
            found += reader.feed(text[index : index + 1])
        self.assertEqual(found, whole)
        self.assertEqual([reply.failed for reply in whole], ["", "", "", "", "syntax error"])

    def test_what_is_said_unasked_is_no_reply(self) -> None:
        self.assertEqual(replies("+ tunnel_1: Connected\n0013 Daemon is up\n"), [Reply((Line(13, "Daemon is up"),))])

    def test_refuses_what_bird_would_not_send(self) -> None:
        digits = "\u0661\u0662\u0663\u0664"
        for text in ("x\n", "12 x\n", " goes on\n", "00x1 \n", "0001x\n", f"{digits} x\n", "\n", "x" * 70_000):
            with self.subTest(text[:10]), self.assertRaises(ControlError):
                replies(text)
        with self.assertRaisesRegex(ControlError, "without an end"):
            replies("1007-a\n" + " b\n" * 20_000)

    def test_sessions_and_what_takes_over(self) -> None:
        states, taking_over = protocols(replies(PROTOCOLS)[0], (1, 2))
        expired = "Connect BGP Error: Hold timer expired"
        self.assertEqual(states, {1: (True, "Established", False), 2: (False, expired, False)})
        self.assertEqual(taking_over, {2})

    def test_prefixes_each_once(self) -> None:
        self.assertEqual(prefixes(replies(ROUTES)[0]), ("192.168.10.0/24", "192.168.20.0/24"))
        self.assertEqual(prefixes(replies(NONE)[0]), ())


class Bird:
    """What listens on a control socket, and answers only when it is told to."""

    def __init__(self, place: Path) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(place))
        self._listener.listen(4)
        self._peer: socket.socket | None = None

    def accept(self) -> None:
        """Takes the connection and greets."""
        self._peer, _ = self._listener.accept()
        self._peer.setblocking(False)
        self.say(GREETING)

    def say(self, text: str) -> None:
        """Sends that."""
        assert self._peer is not None
        self._peer.sendall(text.encode())

    def asked(self) -> list[str]:
        """The commands since the last time."""
        assert self._peer is not None
        with contextlib.suppress(BlockingIOError):
            return self._peer.recv(4096).decode().splitlines()
        return []

    def hang_up(self) -> None:
        """Ends the connection."""
        assert self._peer is not None
        self._peer.close()

    def close(self) -> None:
        """Ends all."""
        if self._peer is not None:
            self._peer.close()
        self._listener.close()


class Talks(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.place = Path(directory.name) / "control"
        self.heard: list[Heard | None] = []
        self.trouble: list[str] = []
        self.ended: list[int] = []
        self.speaker = Speaker(self.place, (1, 2), self.heard.append, self.trouble.append, self.end)
        self.addCleanup(self.speaker.close)

    def end(self, process: int) -> str:
        """Instead of killing."""
        self.ended.append(process)
        return ""

    def bird(self) -> Bird:
        """One that was reached."""
        bird = Bird(self.place)
        self.addCleanup(bird.close)
        self.speaker.tick(100.0)
        bird.accept()
        return bird

    def take(self) -> None:
        """The loop has found it readable."""
        for channel in self.speaker.channels:
            channel.readable()

    def answer(self, bird: Bird, *texts: str) -> list[str]:
        """Answers one command after the other; which they were."""
        asked = []
        self.take()
        for text in texts:
            asked += bird.asked()
            bird.say(text)
            self.take()
        return asked

    def test_one_that_is_not_there_is_tried_again_and_nothing_is_said_of_it(self) -> None:
        self.speaker.tick(100.0)
        self.assertEqual((self.speaker.channels, self.heard), ([], []))
        bird = Bird(self.place)
        self.addCleanup(bird.close)
        self.speaker.tick(100.0 + RECONNECT)
        self.assertEqual(len(self.speaker.channels), 1)

    def test_asks_once_a_second_one_command_after_the_other(self) -> None:
        bird = self.bird()
        asked = self.answer(bird, PROTOCOLS, ROUTES, NONE)
        routes = [f"show route table routes_{number} protocol tunnel_{number}" for number in (1, 2)]
        self.assertEqual(asked, ["show protocols", *routes])
        expired = "Connect BGP Error: Hold timer expired"
        blocks = ("192.168.10.0/24", "192.168.20.0/24")
        sessions = {1: Session(True, "Established", blocks), 2: Session(False, expired)}
        self.assertEqual(self.heard, [Heard(sessions, frozenset({2}))])
        self.speaker.tick(100.5)
        self.assertEqual(bird.asked(), [])
        self.speaker.tick(100.0 + POLL)
        self.assertEqual(bird.asked(), ["show protocols"])

    def test_a_session_that_bird_has_given_up_is_switched_on_until_it_begins(self) -> None:
        given_up = PROTOCOLS.replace("start  04:33:07      Connect       BGP", "down   04:33:07     ")
        given_up = given_up.replace("Hold timer expired", "No listening socket")
        self.assertNotEqual(given_up, PROTOCOLS)
        bird = self.bird()
        for at in (100.0, 100.0 + POLL):
            self.speaker.tick(at)
            self.answer(bird, given_up, ROUTES, NONE)
            self.assertEqual(self.heard[-1].sessions[2], Session(False, "Error: No listening socket"))  # type: ignore[union-attr]
            self.assertEqual(self.answer(bird, "0011-tunnel_2: enabled\n0000 \n"), ["enable tunnel_2"])
        self.speaker.tick(100.0 + 2 * POLL)
        self.answer(bird, PROTOCOLS, ROUTES, NONE)
        self.assertEqual(bird.asked(), [])
        self.assertEqual(self.trouble, [])

    def test_what_takes_over_is_switched_on_before_the_other_goes_off(self) -> None:
        bird = self.bird()
        self.answer(bird, PROTOCOLS, ROUTES, NONE)
        self.assertEqual(self.speaker.take_over({2}), "")
        asked = self.answer(bird, "0011-takeover_2: enabled\n0000 \n", "0008-takeover_1: already disabled\n0000 \n")
        self.assertEqual(asked, ["enable takeover_2", "disable takeover_1"])
        self.assertEqual(self.trouble, [])
        # What came of it is asked at once.
        self.speaker.tick(100.1)
        self.assertEqual(bird.asked(), ["show protocols"])

    def test_what_was_asked_before_an_order_tells_nothing_of_it(self) -> None:
        bird = self.bird()
        self.take()
        self.speaker.take_over({1})
        self.answer(bird, PROTOCOLS, ROUTES, NONE, NONE, NONE)
        self.assertEqual(self.heard, [])
        self.speaker.tick(100.2)
        self.answer(bird, PROTOCOLS, ROUTES, NONE)
        self.assertEqual(len(self.heard), 1)

    def test_what_bird_refuses_is_said(self) -> None:
        bird = self.bird()
        self.answer(bird, PROTOCOLS, ROUTES, NONE)
        self.speaker.take_over({1})
        self.answer(bird, "9001 syntax error\n", NONE)
        self.assertEqual(self.trouble, ["BIRD refuses what it is told: syntax error"])

    def test_one_that_ends_is_gone_and_reached_again(self) -> None:
        bird = self.bird()
        self.answer(bird, PROTOCOLS, ROUTES, NONE)
        bird.hang_up()
        self.take()
        self.assertEqual(self.speaker.take_over({1}), "the BGP speaker is not there to be told")
        self.speaker.tick(101.5)
        self.assertIsNone(self.heard[-1])
        bird.accept()
        self.answer(bird, PROTOCOLS, ROUTES, NONE)
        self.assertIsNotNone(self.heard[-1])

    def test_one_that_does_not_answer_is_killed_but_not_for_a_pause_of_our_own(self) -> None:
        bird = self.bird()
        self.answer(bird, PROTOCOLS, ROUTES, NONE)
        self.speaker.tick(101.0)
        self.speaker.excuse(60)
        self.speaker.tick(161.0)
        self.assertEqual((len(self.speaker.channels), self.ended), (1, []))
        self.speaker.tick(161.1 + PATIENCE)
        self.assertIsNone(self.heard[-1])
        self.assertEqual(self.ended, [os.getpid()])
        self.assertRegex(self.trouble[0], "^the BGP speaker has not answered for 3 s: it is killed to start anew$")

    def test_one_that_takes_the_connection_and_does_not_even_greet_hangs_too(self) -> None:
        bird = Bird(self.place)
        self.addCleanup(bird.close)
        self.speaker.tick(100.0)
        self.speaker.tick(100.1 + PATIENCE)
        self.assertEqual(self.ended, [os.getpid()])

    def test_a_process_of_another_unit_is_left_alone(self) -> None:
        told = kill(os.getpid(), "x@y.service")
        self.assertEqual(told, f"process {os.getpid()} is not x@y.service's: it is left alone")

    def test_one_that_is_no_bird_is_left(self) -> None:
        for now, banner in ((100.0, "SSH-2.0-OpenSSH\n"), (200.0, "0013 Daemon is up\n")):
            with self.subTest(banner):
                self.place.unlink(missing_ok=True)
                bird = Bird(self.place)
                self.speaker.tick(now)
                bird._peer, _ = bird._listener.accept()
                bird.say(banner)
                self.take()
                self.assertEqual(self.speaker.channels, [])
                bird.close()


if __name__ == "__main__":
    unittest.main()
