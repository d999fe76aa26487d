"""Whether a box keeps up with the gateway: what is said of which figures, and the kernel's crypto measured for real."""

from __future__ import annotations

import errno
import os
import platform
import socket
import struct
import tempfile
import time
import unittest
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from dual_tunnel_vpn.commands import Result
from dual_tunnel_vpn.net import throughput
from dual_tunnel_vpn.net.netlink import Address, Algorithms, IpsecState
from dual_tunnel_vpn.net.throughput import Driver, Speed

from . import samples

CBC = Algorithms("cbc(aes)", 256, "hmac(sha256)", 256, 128)
GCM = Algorithms("rfc4106(gcm(aes))", 160, icv_bits=128)
DES3 = Algorithms("cbc(des3_ede)", 192, "hmac(sha1)", 160, 96)

GENERIC = "authenc(hmac(sha256-generic),cbc(aes-generic))"
BUILT_IN = "authenc(hmac(sha256-ni),cbc-aes-aesni)"

CRYPTO = """name         : authenc(hmac(sha256),cbc(aes))
driver       : authenc(hmac(sha256-generic),cbc(aes-generic))
priority     : 100
internal     : no
ivsize       : 16

name         : cbc(aes)
driver       : cbc-aes-aesni
priority     : 400
ivsize       : 16

name         : authenc(hmac(sha256),cbc(aes))
driver       : authenc(hmac(sha256-ni),cbc-aes-aesni)
priority     : 400
internal     : no
ivsize       : 16

name         : authenc(hmac(sha256),cbc(aes))
driver       : cryptd(authenc)
priority     : 900
internal     : yes
ivsize       : 16
"""


class Line(unittest.TestCase):
    has_module = True

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.cpuinfo = Path(directory.name) / "cpuinfo"
        self.cpuinfo.write_text("flags\t\t: fpu sse2\n")
        for owner, name, fake in (
            (throughput, "_CPUINFO", self.cpuinfo),
            (platform, "machine", lambda: "x86_64"),
            (throughput, "run", lambda *_: Result(0 if self.has_module else 1, "", "")),
        ):
            patch = mock.patch.object(owner, name, fake)
            patch.start()
            self.addCleanup(patch.stop)

    def told(self, mbps: float, bandwidth: int = 500, algorithms: Algorithms = CBC, driver: str = BUILT_IN) -> str:
        return throughput.told(bandwidth, [Speed(mbps, algorithms, driver)], [])

    def test_nothing_is_said_where_a_core_suffices(self) -> None:
        self.assertEqual(self.told(500), "")
        self.assertEqual(throughput.told(1000, [], []), "")

    def test_one_line_says_what_a_core_does_and_what_the_gateway_has(self) -> None:
        self.assertEqual(
            self.told(243.7),
            "this box may not keep up with the VPN gateway's 500 Mbit/s: one core of this box encrypts at most "
            f"240 Mbit/s with cbc(aes) of 256 bits and hmac(sha256) (driver {BUILT_IN})",
        )
        self.assertIn(" 1200 Mbit/s with rfc4106(gcm(aes)) of 160 bits (driver", self.told(1234, 2000, GCM))

    def test_the_slower_of_two_tunnels_is_told(self) -> None:
        speeds = [Speed(400, CBC, BUILT_IN), Speed(90, DES3, "authenc(…)"), Speed(450, GCM, "…")]
        self.assertIn("at most 90 Mbit/s with cbc(des3_ede) ", throughput.told(500, speeds, []))

    def test_the_remedy_is_named_where_it_is_seen(self) -> None:
        self.assertTrue(
            self.told(99, driver=GENERIC).endswith(
                "), this processor shows no AES instructions (a virtual machine may hide them)"
            )
        )
        self.cpuinfo.write_text("flags\t\t: fpu sse2 aes avx\n")
        for driver in (GENERIC, "authenc(hmac-sha256-lib,cbc(ecb(aes-fixed-time)))"):
            end = "), this processor has AES instructions: `modprobe aesni_intel`"
            self.assertTrue(self.told(99, driver=driver).endswith(end))
        self.has_module = False
        self.assertTrue(
            self.told(99, driver=GENERIC).endswith(
                "), this processor has AES instructions that its kernel does not use"
            )
        )
        self.assertTrue(self.told(99).endswith(f"(driver {BUILT_IN})"))
        self.assertTrue(self.told(99, algorithms=DES3).endswith("), AES is faster: choose Encryption.AES_128"))
        with mock.patch.object(platform, "machine", lambda: "riscv64"):
            self.assertTrue(self.told(99, driver=GENERIC).endswith(f"(driver {GENERIC})"))

    def test_gro_matters_from_200_mbits_on(self) -> None:
        line = (
            "this box may not keep up with the VPN gateway's 200 Mbit/s: GRO is off on eth1, lan0, each packet is "
            "handled alone: `ethtool -K eth1 gro on && ethtool -K lan0 gro on`"
        )
        for there, package in ("/usr/sbin/ethtool", ""), (None, " (package ethtool)"):
            with mock.patch.object(throughput, "find", return_value=there):
                told = throughput.told(200, [Speed(900, CBC, BUILT_IN)], ["eth1", "lan0"])
            self.assertEqual(told, line + package)
        self.assertEqual(throughput.told(100, [], ["eth1"]), "")

    def test_both_are_one_line(self) -> None:
        line = throughput.told(500, [Speed(99, CBC, BUILT_IN)], ["eth1"])
        self.assertRegex(line, r"^this box may not keep up .*: one core .*\); GRO is off on eth1, ")
        self.assertNotIn("\n", line)


class OnABox(unittest.TestCase):
    """The whole of it, over fakes of the kernel."""

    def line(
        self,
        bandwidth: int | None,
        states: Callable[[], list[IpsecState]],
        measure: Callable[[Algorithms, float], Speed | None],
    ) -> str:
        ipsec = mock.Mock(states=states)
        with (
            mock.patch.object(throughput, "Ipsec", lambda: ipsec),
            mock.patch.object(throughput, "measure", measure),
            mock.patch.object(throughput, "gro", {"eth0": True, "eth1": False}.get),
        ):
            return throughput.falls_short(samples.site(bandwidthMbps=bandwidth), samples.network())

    def state(self, if_id: int, algorithms: Algorithms | None) -> IpsecState:
        return IpsecState("192.0.2.152", 1, if_id, 0, 0, algorithms)

    def test_nothing_is_asked_where_the_bandwidth_is_not_known(self) -> None:
        def nobody(*_: object) -> list[IpsecState]:
            raise AssertionError

        self.assertEqual(self.line(None, nobody, lambda *_: None), "")
        self.assertIsNone(samples.site().bandwidth_mbps)

    def test_each_algorithm_of_this_connection_is_measured_once_within_the_time(self) -> None:
        asked = []

        def measure(algorithms: Algorithms, seconds: float) -> Speed:
            asked.append((algorithms, seconds))
            return Speed(100, algorithms, "…")

        states = [self.state(20481, CBC), self.state(20481, CBC), self.state(20482, DES3), self.state(7, GCM)]
        states.append(self.state(20481, None))
        self.assertIn("at most 100 Mbit/s", self.line(500, lambda: states, measure))
        self.assertEqual(asked, [(CBC, throughput.SECONDS / 2), (DES3, throughput.SECONDS / 2)])

    def test_what_cannot_be_measured_is_not_told_and_stops_nothing(self) -> None:
        def missing(*_: object) -> Speed:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

        def old_python(*_: object) -> Speed:
            raise AttributeError("AF_ALG")

        states = [self.state(20481, CBC)]
        gro_alone = "^this box may not keep up with the VPN gateway's 500 Mbit/s: GRO is off on eth1, "
        for measure in (missing, old_python, lambda *_: None):
            self.assertRegex(self.line(500, lambda: states, measure), gro_alone)
        self.assertRegex(self.line(500, list, missing), gro_alone)
        self.assertEqual(self.line(100, lambda: states, missing), "")


class Kernel(unittest.TestCase):
    def test_the_implementation_is_the_one_of_highest_priority_that_is_for_all(self) -> None:
        found = throughput.chosen(CRYPTO, "authenc(hmac(sha256),cbc(aes))")
        self.assertEqual(found, Driver(BUILT_IN, 16))
        self.assertIsNone(throughput.chosen(CRYPTO, "rfc4106(gcm(aes))"))

    def test_a_key_of_two_algorithms_says_where_the_second_begins(self) -> None:
        made = throughput.key(CBC)
        self.assertEqual((made[:8], len(made)), (struct.pack("=HH", 8, 1) + bytes((0, 0, 0, 32)), 8 + 32 + 32))
        self.assertEqual(len(throughput.key(GCM)), 20)

    def test_the_interfaces_are_the_uplinks_and_the_lan_or_their_ports(self) -> None:
        network = samples.network()
        bond, port, other, tap = (
            samples.link(4, "bond0"),
            samples.link(5, "eth4", master=4),
            samples.link(6, "eth5"),
            samples.link(7, "singapore-1", "xfrm"),
        )
        network.links.update({each.name: each for each in (bond, port, other, tap)})
        network.addresses += [Address(4, "172.16.3.1", 24), Address(6, "10.0.0.1", 24)]
        self.assertEqual(throughput.devices(samples.site(), network), ["eth0", "eth1", "eth4"])

    def test_an_interface_tells_whether_it_merges_packets(self) -> None:
        self.assertIn(throughput.gro("lo"), (True, False))
        self.assertIsNone(throughput.gro("no-such-device"))


class Measured(unittest.TestCase):
    """By the kernel that runs the tests."""

    def test_the_time_that_is_measured_is_the_packet_s_own(self) -> None:
        spent = iter((0.0, 0.008, 0.0, 0.080, 0.0, 0.016, 0.0, 0.040))
        operation = mock.Mock()
        socket_of = mock.Mock(accept=lambda: (operation, None))
        ticks = iter((0.0, 0.0, 0.1, 0.3))
        with (
            mock.patch.object(socket, "socket", lambda *_: socket_of),
            mock.patch.object(throughput, "chosen", lambda *_: Driver("d", 16)),
            mock.patch.object(throughput, "_CRYPTO", mock.Mock()),
            mock.patch.object(time, "thread_time", lambda: next(spent)),
            mock.patch.object(time, "monotonic", lambda: next(ticks)),
        ):
            speed = throughput.measure(CBC, 0.2)
        assert speed is not None
        # The best of each: 8 packets of 16 bytes in 8 ms, of 1424 bytes in 40 ms.
        self.assertAlmostEqual(speed.mbps, 1408 * 8 / 0.004 / 1e6)
        socket_of.bind.assert_called_once_with(("aead", "authenc(hmac(sha256),cbc(aes))"))

    def test_real_crypto_is_measured_in_time(self) -> None:
        try:
            socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET).close()
        except OSError as error:
            self.skipTest(f"this kernel lets no program use its crypto: {os.strerror(error.errno or 0)}")
        for algorithms in (CBC, GCM, DES3):
            with self.subTest(algorithms.cipher):
                began = time.thread_time()
                try:
                    speed = throughput.measure(algorithms, 0.1)
                except OSError as error:
                    self.skipTest(f"this kernel does not offer {throughput.kernel_name(algorithms)}: {error}")
                assert speed is not None
                self.assertGreater(speed.mbps, 1)
                self.assertLess(time.thread_time() - began, 0.3)
                print(f"{throughput.kernel_name(algorithms)}: {speed.mbps:.0f} Mbit/s by {speed.driver}")


if __name__ == "__main__":
    unittest.main()
