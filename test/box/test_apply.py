"""Parts of an apply: whom strongSwan's unit is confined for, its settings, and which modules the kernel is to load."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from dual_tunnel_vpn import apply, manifest, paths
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

    def settings(self, others: bool, running: bool = True) -> tuple[tuple[str, ...], bool, bool]:
        """The files that charon has of us, whether it is to be restarted, and whether it was told to read them."""
        layout = strongswan.Layout(self.root / "conf.d", self.root / "strongswan.d")
        box = manifest.Box()
        with (
            mock.patch.object(strongswan, "others", lambda _: ["/etc/a.conf"] if others else []),
            mock.patch.object(strongswan, "serves_others", lambda _: others and running),
            mock.patch.object(apply, "run") as run,
        ):
            apply._settings(layout, box, False)
        files = tuple(sorted(path.name for path in layout.settings.iterdir()))
        return files, box.restart_pending, run.called

    ALL = ("zz-dual-tunnel-vpn-routes.conf", "zz-dual-tunnel-vpn.conf")

    def test_charon_gets_its_settings_by_a_restart_the_first_time_and_by_reading_them_later(self) -> None:
        self.assertEqual(self.settings(others=False), (self.ALL, True, False))
        self.assertEqual(self.settings(others=False), (self.ALL, False, False))
        (self.root / "strongswan.d/zz-dual-tunnel-vpn.conf").write_text("from before")
        self.assertEqual(self.settings(others=False), (self.ALL, False, True))

    def test_charon_is_not_restarted_where_others_have_connections_and_keeps_their_routes(self) -> None:
        self.assertEqual(self.settings(others=True), (self.ALL[1:], False, True))
        # One that does not run is started anyway.
        (self.root / "strongswan.d/zz-dual-tunnel-vpn.conf").unlink()
        self.assertEqual(self.settings(others=True, running=False), (self.ALL[1:], True, False))
        # Others may come and go.
        self.assertEqual(self.settings(others=False), (self.ALL, False, True))
        self.assertEqual(self.settings(others=True), (self.ALL[1:], False, True))

    def test_others_are_those_that_charon_has_loaded_too(self) -> None:
        layout = strongswan.Layout(self.root / "conf.d", self.root / "strongswan.d")
        (paths.STATE / "lab").mkdir(parents=True)
        client = mock.MagicMock()
        unit = strongswan.Unit(known=True, enabled=True, active=True)
        with (
            mock.patch.object(strongswan, "units", lambda *_: {strongswan.UNIT: unit}),
            mock.patch("dual_tunnel_vpn.ipsec.vici.Client", return_value=client),
        ):
            loaded = client.__enter__.return_value.list_conns
            for names, served in (((), False), (("lab-1", "lab-2"), False), (("lab-1", "office"), True)):
                loaded.return_value = {name: {} for name in names}
                self.assertEqual(strongswan.serves_others(layout), served)

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
