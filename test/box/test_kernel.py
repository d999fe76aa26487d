"""Kernel parameters: noted once, restored when nobody needs them, in an order that the kernel does not undo."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from dual_tunnel_vpn import kernel
from dual_tunnel_vpn.manifest import Box

from . import samples


class FakeKernel:
    """/proc/sys as files; switching forwarding rewrites the interfaces' values as Linux does."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("all", "default", "lo", "eth0", "eth1", "singapore-1", "singapore-2"):
            self.put(f"net/ipv4/conf/{name}/forwarding", "0")
            self.put(f"net/ipv4/conf/{name}/rp_filter", "1")
            self.put(f"net/ipv4/conf/{name}/accept_redirects", "0")
        self.put("net/ipv4/ip_forward", "0")
        self.put("net/core/xfrm_acq_expires", "30")

    def put(self, key: str, value: str) -> None:
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value)

    def write(self, key: str, value: str) -> bool:
        if kernel.read(key) in (None, value):
            return False
        self.put(key, value)
        if key == kernel.FORWARD:
            for name in ("all", "default", "lo", "eth0", "eth1"):
                self.put(f"net/ipv4/conf/{name}/forwarding", value)
            for name in ("all", "default"):
                self.put(f"net/ipv4/conf/{name}/accept_redirects", "0" if value == "1" else "1")
        return True

    def values(self) -> dict[str, str]:
        return {str(path.relative_to(self.root)): path.read_text() for path in self.root.rglob("*") if path.is_file()}


class RestoresParameters(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.fake = FakeKernel(Path(directory.name))
        for patch in (
            mock.patch.object(kernel, "_ROOT", self.fake.root),
            mock.patch.object(kernel, "write", self.fake.write),
        ):
            patch.start()
            self.addCleanup(patch.stop)
        self.wanted = kernel.wanted(samples.site(), ["eth0", "eth1"])

    def noted(self) -> list[str]:
        return [key for key in self.wanted if "singapore" not in key]

    def test_everything_is_as_before_after_install_and_restore(self) -> None:
        self.fake.put("net/ipv4/conf/eth1/forwarding", "1")
        before = self.fake.values()
        box = Box()
        self.assertTrue(kernel.remember(box, self.noted()))
        for key, value in self.wanted.items():
            kernel.write(key, value)
        self.assertEqual(kernel.read("net/ipv4/conf/eth0/rp_filter"), "2")
        kernel.restore(box, ())
        for name in ("singapore-1", "singapore-2"):
            self.fake.put(f"net/ipv4/conf/{name}/rp_filter", "1")
        self.assertEqual(self.fake.values(), before)
        self.assertEqual(box.sysctls, {})

    def test_a_second_note_keeps_the_first_values(self) -> None:
        box = Box()
        kernel.remember(box, self.noted())
        kernel.write(kernel.FORWARD, "1")
        self.assertFalse(kernel.remember(box, self.noted()))
        self.assertEqual(box.sysctls[kernel.FORWARD], "0")

    def test_what_another_connection_needs_stays(self) -> None:
        box = Box()
        kernel.remember(box, self.noted())
        for key, value in self.wanted.items():
            kernel.write(key, value)
        kernel.restore(box, {kernel.FORWARD, kernel.loose("eth1")})
        self.assertEqual(kernel.read(kernel.FORWARD), "1")
        self.assertEqual(kernel.read("net/ipv4/conf/eth1/rp_filter"), "2")
        self.assertEqual(kernel.read("net/ipv4/conf/eth0/rp_filter"), "1")
        kernel.restore(box, ())
        self.assertEqual(kernel.read(kernel.FORWARD), "0")
        self.assertEqual(kernel.read("net/ipv4/conf/eth0/forwarding"), "0")

    def test_a_box_that_forwards_already_goes_on_forwarding(self) -> None:
        kernel.write(kernel.FORWARD, "1")
        box = Box()
        kernel.remember(box, self.noted())
        kernel.restore(box, ())
        self.assertEqual(kernel.read(kernel.FORWARD), "1")

    def test_an_interface_that_is_gone_is_no_error(self) -> None:
        box = Box(sysctls={"net/ipv4/conf/gone0/rp_filter": "1"})
        kernel.restore(box, ())
        self.assertEqual(box.sysctls, {})

    def test_the_file_says_what_is_wanted(self) -> None:
        text = kernel.render("singapore", self.wanted)
        self.assertEqual(kernel.parse(text), self.wanted)
        self.assertIn(b"net/ipv4/ip_forward = 1\n", text)
