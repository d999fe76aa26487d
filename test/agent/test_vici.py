"""The vici client: its codec byte by byte, and a charon that refuses, hangs or dies."""

from __future__ import annotations

import random
import time
import unittest
from collections.abc import Callable
from typing import Any

from dual_tunnel_vpn.ipsec import vici

from .fake_charon import Answer, FakeCharon

LIST_SAS: list[tuple[str, Any]] = [
    ("list-sa", {"lab-1": {"uniqueid": "1", "state": "ESTABLISHED", "child-sas": {"lab-1-1": {"state": "INSTALLED"}}}}),
    ("list-sa", {"lab-2": {"uniqueid": "2", "state": "CONNECTING", "child-sas": {}}}),
]


class Codec(unittest.TestCase):
    def test_encodes_the_example_of_the_protocol_documentation(self) -> None:
        message = {"key1": "value1", "section1": {"sub-section": {"key2": "value2"}, "list1": ["item1", "item2"]}}
        wire = (
            b"\x03\x04key1\x00\x06value1\x01\x08section1\x01\x0bsub-section\x03\x04key2\x00\x06value2\x02"
            b"\x04\x05list1\x05\x00\x05item1\x05\x00\x05item2\x06\x02"
        )
        self.assertEqual(vici.encode_message(message), wire)
        self.assertEqual(vici.decode_message(wire), message)

    def test_frames_a_request_with_length_type_and_name(self) -> None:
        self.assertEqual(vici.encode_packet(vici.CMD_REQUEST, "stats"), b"\x00\x00\x00\x07\x00\x05stats")
        self.assertEqual(vici.encode_packet(vici.EVENT_CONFIRM), b"\x00\x00\x00\x01\x05")

    def test_sends_booleans_as_yes_and_no_numbers_as_decimals_and_leaves_out_none(self) -> None:
        wire = vici.encode_message({"a": True, "b": False, "c": -1, "d": None})
        self.assertEqual(vici.decode_message(wire), {"a": "yes", "b": "no", "c": "-1"})

    def test_keeps_every_byte_of_a_secret(self) -> None:
        secret = bytes(range(256))
        decoded = vici.decode_message(vici.encode_message({"data": secret}))["data"]
        assert isinstance(decoded, str)
        self.assertEqual(decoded.encode("utf-8", "surrogateescape"), secret)

    def test_keeps_sections_that_share_a_name(self) -> None:
        wire = vici.encode_message({"c": {"a": "1"}}) + vici.encode_message({"c": {"a": "2"}})
        self.assertEqual(vici.decode_message(wire), {"c": {"a": "1"}, "c#2": {"a": "2"}})

    def test_any_message_survives_the_wire_in_any_fragmentation(self) -> None:
        seed = random.randrange(2**32)
        rng = random.Random(seed)
        for _ in range(200):
            message = _random_message(rng, 3)
            wire = b"".join(vici.encode_packet(vici.EVENT, f"e{i}", message) for i in range(3))
            reader, packets, at = vici.PacketReader(), [], 0
            while at < len(wire):
                step = rng.randint(1, 40)
                packets += reader.feed(wire[at : at + step])
                at += step
            self.assertEqual(packets, [vici.Packet(vici.EVENT, f"e{i}", message) for i in range(3)], f"seed {seed}")

    def test_refuses_every_truncation_of_a_message(self) -> None:
        wire = vici.encode_message({"s": {"l": ["one", "two"], "k": "v"}})
        for length in range(1, len(wire)):
            with self.assertRaises(vici.ViciFormatError, msg=str(length)):
                vici.decode_message(wire[:length])

    def test_random_bytes_decode_or_are_refused_and_nothing_else(self) -> None:
        seed = random.randrange(2**32)
        rng = random.Random(seed)
        for _ in range(3000):
            try:
                vici.decode_message(bytes(rng.randrange(8) for _ in range(rng.randrange(60))))
            except vici.ViciFormatError:
                continue
            except Exception as error:  # noqa: BLE001 - any other kind is the failure looked for
                self.fail(f"seed {seed}: {error!r}")

    def test_refuses_a_stream_that_announces_too_much(self) -> None:
        with self.assertRaises(vici.ViciFormatError):
            vici.PacketReader().feed(b"\xff\xff\xff\xff")
        with self.assertRaises(vici.ViciFormatError):
            vici.PacketReader().feed(b"\x00\x00\x00\x00")

    def test_refuses_names_and_values_that_do_not_fit(self) -> None:
        for message in ({"": "v"}, {"n" * 256: "v"}, {"k": "v" * 65536}, {"k": 1.5}):
            with self.assertRaises(vici.ViciFormatError):
                vici.encode_message(message)


def _random_message(rng: random.Random, depth: int) -> dict[str, Any]:
    message: dict[str, Any] = {}
    for i in range(rng.randrange(5)):
        kind = rng.randrange(3 if depth else 2)
        word = "".join(chr(rng.choice((rng.randrange(32, 127), rng.randrange(0xA0, 0x2FF)))) for _ in range(8))
        name = f"{i}{word}"
        if kind == 0:
            message[name] = word * rng.randrange(4)
        elif kind == 1:
            message[name] = [word] * rng.randrange(4)
        else:
            message[name] = _random_message(rng, depth - 1)
    return message


class Calls(unittest.TestCase):
    def test_lists_sas_in_the_order_charon_streams_them(self) -> None:
        with FakeCharon({"list-sas": lambda _: (LIST_SAS, {})}) as charon, vici.Client(charon.path) as client:
            self.assertEqual([name for name, _ in client.list_sas()], ["lab-1", "lab-2"])
            client.list_sas(wait=True)
            # Whatever noblock says: charon waits only where it is not given.
            self.assertEqual(charon.asked, [("list-sas", {"noblock": "yes"}), ("list-sas", {})])

    def test_tells_two_sas_of_one_connection_apart(self) -> None:
        twice: list[tuple[str, Any]] = [LIST_SAS[0], ("list-sa", {"lab-1": {"uniqueid": "9"}})]
        with FakeCharon({"list-sas": lambda _: (twice, {})}) as charon, vici.Client(charon.path) as client:
            self.assertEqual([vici.text(sa, "uniqueid") for _, sa in client.list_sas()], ["1", "9"])

    def test_a_refusal_carries_what_charon_said(self) -> None:
        no = {"success": "no", "errmsg": "CHILD_SA config 'x' not found"}
        with FakeCharon({"initiate": lambda _: ([], no)}) as charon, vici.Client(charon.path) as client:
            with self.assertRaisesRegex(vici.ViciRefused, "initiate.*config 'x' not found"):
                client.initiate("x")
            self.assertEqual(charon.asked[0][1]["timeout"], "-1")

    def test_an_unknown_command_or_event_is_refused(self) -> None:
        with FakeCharon({}) as charon, vici.Client(charon.path) as client:
            with self.assertRaises(vici.ViciRefused):
                client.request("no-such-command")
            with self.assertRaises(vici.ViciRefused):
                client.register("no-such-event")

    def test_an_event_between_request_and_answer_is_kept(self) -> None:
        events: list[tuple[str, Any]] = [("child-updown", {"up": "yes"})]
        with FakeCharon({"stats": lambda _: (events, {"uptime": "1"})}) as charon, vici.Client(charon.path) as client:
            client.register("child-updown")
            self.assertEqual(client.request("stats"), {"uptime": "1"})
            event = client.next_event(0)
            self.assertEqual(event and event.name, "child-updown")
            self.assertIsNone(client.next_event(0))

    def test_a_secret_goes_out_with_its_owners(self) -> None:
        with FakeCharon({"load-shared": lambda _: ([], {})}) as charon, vici.Client(charon.path) as client:
            client.load_psk("lab-1", b"\x00\xff", ["192.0.2.1", "192.0.2.2"])
            asked = charon.asked[0][1]
            self.assertEqual(asked["owners"], ["192.0.2.1", "192.0.2.2"])
            self.assertEqual(str(asked["data"]).encode("utf-8", "surrogateescape"), b"\x00\xff")

    def test_a_hung_charon_never_holds_the_caller_longer_than_the_timeout(self) -> None:
        with FakeCharon({}, hung=True) as charon, vici.Client(charon.path, timeout=0.2) as client:
            for call in (client.version, client.list_sas, lambda: client.register("ike-updown")):
                begin = time.monotonic()
                with self.assertRaises(vici.ViciTimeout):
                    call()
                # Less than the client's own default: the one that was given counts.
                self.assertLess(time.monotonic() - begin, 4.0)

    def test_a_charon_that_is_not_there_is_unavailable_at_once(self) -> None:
        with self.assertRaises(vici.ViciUnavailable):
            vici.Client("/nonexistent/charon.vici").version()
        with self.assertRaises(vici.ViciUnavailable):
            vici.Channel(lambda *_: None, "/nonexistent/charon.vici")

    def test_a_client_connects_again_after_charon_went_away(self) -> None:
        with FakeCharon({"version": lambda _: ([], {"daemon": "charon"})}) as charon:
            client = vici.Client(charon.path)
            client.version()
            charon.asked.clear()
            client.close()
            self.assertEqual(client.version(), {"daemon": "charon"})
            client.close()


class Loop(unittest.TestCase):
    """The channel, driven as an event loop would."""

    def drive(self, channel: vici.Channel, until: list[Any], seconds: float = 20.0) -> None:
        end = time.monotonic() + seconds
        while not until and time.monotonic() < end:
            channel.readable()
            channel.writable()

    def test_queued_requests_are_answered_in_order_with_their_own_events(self) -> None:
        handlers: dict[str, Callable[[vici.Message], Answer]] = {
            "list-sas": lambda _: (LIST_SAS, {}),
            "version": lambda _: ([], {"daemon": "charon"}),
        }
        got: list[list[vici.Message] | None] = []
        with FakeCharon(handlers) as charon:
            channel = vici.Channel(lambda *_: None, charon.path)
            channel.register("list-sa")
            channel.request("list-sas", {}, lambda answer, _: got.append(answer))
            channel.request("version", {}, lambda answer, _: got.append(answer))
            end = time.monotonic() + 20
            while len(got) < 2 and time.monotonic() < end:
                channel.readable()
            channel.close()
        assert got[0] is not None
        self.assertEqual(len(got[0]), 3)
        self.assertEqual(got[1], [{"daemon": "charon"}])

    def test_an_event_reaches_the_loop(self) -> None:
        seen: list[Any] = []
        with FakeCharon({"stats": lambda _: ([("ike-updown", {"up": "yes"})], {})}) as charon:
            channel = vici.Channel(lambda name, message: seen.append((name, message)), charon.path)
            channel.request("stats", {}, None)
            self.drive(channel, seen)
            channel.close()
        self.assertEqual(seen, [("ike-updown", {"up": "yes"})])

    def test_a_channel_that_is_closed_tells_every_asker(self) -> None:
        errors: list[vici.ViciError | None] = []
        with FakeCharon({}, hung=True) as charon:
            channel = vici.Channel(lambda *_: None, charon.path)
            for _ in range(2):
                channel.request("version", {}, lambda _, error: errors.append(error))
            channel.close()
        self.assertTrue(channel.closed)
        self.assertEqual([type(error) for error in errors], [vici.ViciUnavailable] * 2)

    def test_a_charon_that_dies_ends_the_channel(self) -> None:
        errors: list[vici.ViciError | None] = []
        charon = FakeCharon({}, hung=True)
        channel = vici.Channel(lambda *_: None, charon.path)
        channel.request("version", {}, lambda _, error: errors.append(error))
        charon.close()
        self.drive(channel, errors)
        self.assertTrue(channel.closed)
        self.assertIsInstance(errors[0], vici.ViciUnavailable)


if __name__ == "__main__":
    unittest.main()
