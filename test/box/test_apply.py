"""Parts of an apply: whom strongSwan's unit is confined for, and which modules the kernel is to load."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from dual_tunnel_vpn import apply, paths
from dual_tunnel_vpn.commands import Result
from dual_tunnel_vpn.ipsec import strongswan


class Files(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name)
        for owner, name, place in (
            (apply, "_CONFINED", "strongswan.service.d/confined.conf"),
            (paths, "MODULES", "modules-load.d/ours.conf"),
            (paths, "STATE", "state"),
        ):
            patch = mock.patch.object(owner, name, self.root / place)
            patch.start()
            self.addCleanup(patch.stop)

    def confined(self, others: list[str]) -> tuple[bool, bool, str]:
        """Whether the unit is, whether anything changed, and what was said."""
        steps = mock.Mock()
        with mock.patch.object(strongswan, "others", lambda _: others):
            changed = apply._confine(mock.Mock(), steps)
        said = steps.say.call_args
        return apply._CONFINED.exists(), changed, said.args[0] if said else ""

    def test_strongswan_is_confined_where_all_connections_are_ours(self) -> None:
        self.assertEqual(self.confined([]), (True, True, ""))
        self.assertEqual(self.confined([]), (True, False, ""))

    def test_strongswan_is_left_as_it_is_where_others_have_connections(self) -> None:
        self.confined([])
        told = "strongSwan has connections of others too (/etc/a.conf): strongswan.service is not confined"
        self.assertEqual(self.confined(["/etc/a.conf"]), (False, True, told))
        self.assertEqual(self.confined(["/etc/a.conf"]), (False, False, told))

    def modules(self, *there: str) -> str:
        """The file, on a kernel that has these."""

        def run(program: str, name: str) -> Result:
            self.assertEqual(program, "modprobe")
            return Result(0 if name in there else 1, "", "")

        with mock.patch.object(apply, "run", run):
            apply._modules()
        return paths.MODULES.read_text()

    def test_modules_that_the_kernel_does_not_have_would_fail_at_each_boot_and_are_left_out(self) -> None:
        head = "# Made by dual-tunnel-vpn.\nxfrm_interface\n"
        self.assertEqual(self.modules("xfrm_interface", "esp4_offload"), f"{head}esp4_offload\n")
        self.assertEqual(self.modules("xfrm_interface"), head)


if __name__ == "__main__":
    unittest.main()
