"""What an uplink's segment says by ARP: between the two ends of a cable in a network namespace."""

from __future__ import annotations

import json
import subprocess
import sys
import unittest
from pathlib import Path

from dual_tunnel_vpn.net import neighbours

# Somebody at the other end who answers for some addresses, each with a hardware address of its own.
SCRIPT = """
import json, socket, subprocess, sys, threading
sys.path.insert(0, sys.argv[1])
from dual_tunnel_vpn.net import neighbours
there = json.loads(sys.argv[2])

def run(*command):
    subprocess.run(command, check=True)

run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "far")
run("ip", "link", "set", "lo", "up")
for name in ("eth0", "far"):
    run("ip", "link", "set", name, "up")
far = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
far.bind(("far", 0x0806))

def answer():
    while True:
        packet = far.recv(2048)
        asked = socket.inet_ntoa(packet[38:42])
        if asked in there:
            hardware = far.getsockname()[4] if there[asked] == "own" else bytes.fromhex(there[asked])
            reply = neighbours.request(hardware, asked, socket.inet_ntoa(packet[28:32]))
            far.send(reply[:20] + b"\\0\\2" + reply[22:])

threading.Thread(target=answer, daemon=True).start()
neighbours.SECONDS = 0.7
segments = [
    neighbours.Segment("eth0", "172.16.1.93", "172.16.1.253"),
    neighbours.Segment("lo", "127.0.0.1", "127.0.0.2"),
]
if sys.argv[3] == "down":
    run("ip", "link", "set", "eth0", "down")
print(json.dumps([[found.gateway, found.rival] for found in neighbours.ask(segments).values()]))
"""


class Asks(unittest.TestCase):
    def ask(self, there: dict[str, str], state: str = "up") -> list[list[object]]:
        """What is found on an Ethernet and on a device without ARP."""
        package = str(Path(neighbours.__file__).parents[2])
        command = ["unshare", "--map-root-user", "--net", sys.executable, "-c", SCRIPT]
        done = subprocess.run(
            [*command, package, json.dumps(there), state], capture_output=True, text=True, check=False, timeout=30
        )
        self.assertEqual(done.stderr, "")
        found: list[list[object]] = json.loads(done.stdout)
        return found

    def test_who_is_there(self) -> None:
        gateway, rival = {"172.16.1.253": "020000000001"}, {"172.16.1.93": "020000000002"}
        no_arp = [True, ""]
        self.assertEqual(self.ask({}), [[False, ""], no_arp])
        self.assertEqual(self.ask(gateway), [[True, ""], no_arp])
        self.assertEqual(self.ask({**gateway, **rival}), [[True, "02:00:00:00:00:02"], no_arp])
        # Another interface of the box on the same segment answers for all of its addresses.
        self.assertEqual(self.ask({**gateway, "172.16.1.93": "own"}), [[True, ""], no_arp])
        self.assertEqual(self.ask(gateway, "down"), [[False, ""], no_arp])


class Reads(unittest.TestCase):
    def test_who_speaks(self) -> None:
        packet = neighbours.request(b"\2\0\0\0\0\1", "172.16.1.93", "172.16.1.253")
        self.assertEqual(neighbours.speaker(packet + bytes(18)), (b"\2\0\0\0\0\1", "172.16.1.93"))

    def test_nobody_in_what_is_no_arp_of_ethernet_and_ipv4(self) -> None:
        packet = neighbours.request(b"\2\0\0\0\0\1", "172.16.1.93", "172.16.1.253")
        for wrong in (b"", packet[:41], packet[:12] + b"\x08\x00" + packet[14:], packet[:18] + b"\x08" + packet[19:]):
            self.assertIsNone(neighbours.speaker(wrong))
