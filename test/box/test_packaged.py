"""The packages' own units of BIRD and keepalived: masked where we brought the package, while a connection needs it."""

from __future__ import annotations

import tempfile
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from dual_tunnel_vpn import manifest, packaged, paths
from dual_tunnel_vpn.bgp import service as bgp
from dual_tunnel_vpn.commands import Result
from dual_tunnel_vpn.ipsec import strongswan
from dual_tunnel_vpn.pair import service as vrrp
from dual_tunnel_vpn.site import Site

from . import samples

ABSENT = strongswan.Unit(known=False, enabled=False, active=False)
MASKED = strongswan.Unit(known=False, enabled=False, active=False, masked=True)
IDLE = strongswan.Unit(known=True, enabled=False, active=False)
USED = strongswan.Unit(known=True, enabled=True, active=True)


class PackagedUnit(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.calls: list[str] = []
        self.state = ABSENT
        for target, name, value in (
            (manifest, "_BOX", Path(directory.name) / "box.json"),
            (packaged, "run", self.run_),
            (strongswan, "units", lambda name: {name: self.state}),
        ):
            patch = mock.patch.object(target, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def run_(self, *command: str, **_: Any) -> Result:
        self.calls.append(" ".join(word for word in command[1:] if not word.startswith("-")))
        return Result(0, "", "")

    def did(self) -> list[str]:
        """What was done since it was last asked."""
        done, self.calls[:] = list(self.calls), []
        return done

    def each(self) -> Iterator[tuple[packaged.PackagedUnit, str, Site]]:
        """Each of them, its package, and a site that needs it."""
        for unit, package, site in (
            (bgp.PACKAGED, "bird2", samples.bgp_site()),
            (vrrp.PACKAGED, "keepalived", samples.pair_site()),
        ):
            with self.subTest(unit.unit):
                self.state = ABSENT
                yield unit, package, site
                manifest.remove_box()
                self.calls.clear()

    def held(self, unit: packaged.PackagedUnit, package: str) -> manifest.Box:
        """A box on which the unit is noted as masked."""
        box = manifest.Box(packages=[package])
        setattr(box, unit.mark, True)
        return box

    def let_go(self, unit: packaged.PackagedUnit, *others: Site) -> None:
        saved = manifest.load_box()
        assert saved is not None
        sites = {"singapore": samples.site(), **{f"site-{index}": each for index, each in enumerate(others)}}
        with (
            mock.patch.object(manifest, "names", return_value=list(sites)),
            mock.patch.object(packaged, "load", lambda path: sites[path.parent.name]),
            mock.patch.object(paths, "site", lambda name: Path(name) / "site.json"),
        ):
            unit.let_go(saved, "singapore")

    def test_is_kept_from_starting_before_its_package_comes_and_for_as_long_as_a_connection_needs_it(self) -> None:
        for unit, package, site in self.each():
            box = manifest.Box(packages=["nftables", package])
            unit.hold(box, site)
            self.assertEqual(self.did(), [f"mask {unit.unit}"])
            self.state = MASKED
            unit.hold(box, site)
            self.let_go(unit, site)
            self.assertEqual(self.did(), [])
            self.let_go(unit)
            self.assertEqual(self.did(), [f"unmask {unit.unit}", f"disable {unit.unit}"])
            self.assertEqual(manifest.load_box(), manifest.Box(packages=["nftables", package]))

    def test_is_kept_from_starting_again_where_a_connection_needs_it_again(self) -> None:
        for unit, package, site in self.each():
            self.state = IDLE
            unit.hold(manifest.Box(packages=[package]), site)
            self.assertEqual(self.did(), [f"mask {unit.unit}"])

    def test_is_masked_by_the_next_apply_where_one_was_cut_off_before_it(self) -> None:
        for unit, package, site in self.each():
            unit.hold(self.held(unit, package), site)
            self.assertEqual(self.did(), [f"mask {unit.unit}"])

    def test_is_its_owners_who_uses_it_or_has_unmasked_it(self) -> None:
        for unit, package, site in self.each():
            self.state = USED
            unit.hold(manifest.Box(packages=[package]), site)
            self.state = IDLE
            held = self.held(unit, package)
            unit.hold(held, site)
            held.save()
            self.let_go(unit)
            self.assertEqual(self.did(), [])
            self.assertEqual(manifest.load_box(), manifest.Box(packages=[package]))

    def test_is_not_touched_where_its_package_was_there_or_no_connection_needs_it(self) -> None:
        for unit, package, site in self.each():
            unit.hold(manifest.Box(packages=["nftables"]), site)
            unit.hold(manifest.Box(packages=[package]), samples.site())
            self.assertEqual(self.did(), [])


if __name__ == "__main__":
    unittest.main()
