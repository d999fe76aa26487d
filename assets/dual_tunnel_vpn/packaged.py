"""A package's own unit where ours runs the program: one that comes with the package that we add is masked meanwhile.

Masked, and not disabled alone: an upgrade of Debian's package starts what it finds disabled. One that was there before
is not touched.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from . import manifest, paths
from .commands import run
from .ipsec import strongswan
from .site import Site, SiteError, load


@dataclass(frozen=True)
class PackagedUnit:
    """The unit, and which connections need its program."""

    unit: str
    packages: frozenset[str]
    """By either of these names it comes."""
    mark: str
    """The field of manifest.Box that says whether it is masked by us."""
    needs: Callable[[Site], bool]

    def hold(self, box: manifest.Box, site: Site) -> None:
        """Keeps the unit from starting where a package that we add, or added for an earlier connection, brings it."""
        if not self.needs(site) or not self.packages & set(box.packages):
            return
        state, held = strongswan.units(self.unit)[self.unit], getattr(box, self.mark)
        # One that the owner uses, or has unmasked, is the owner's; an apply may be cut off before the unit is masked.
        if state.masked or state.enabled or state.active or (held and state.known):
            return
        if not held:
            setattr(box, self.mark, True)
            box.save()
        run("systemctl", "mask", "--quiet", self.unit)

    def let_go(self, box: manifest.Box, name: str) -> None:
        """Leaves the unit to the box's owner once no connection beside that one needs the program."""
        if not getattr(box, self.mark) or self.needed(name):
            return
        # One that the owner has unmasked is the owner's.
        if strongswan.units(self.unit)[self.unit].masked:
            run("systemctl", "unmask", "--quiet", "--no-reload", self.unit)
            run("systemctl", "disable", "--quiet", "--no-reload", self.unit)
        setattr(box, self.mark, False)
        box.save()

    def needed(self, beside: str) -> bool:
        """Whether another connection of this box needs the program."""
        for name in manifest.names():
            with suppress(SiteError):
                if name != beside and self.needs(load(paths.site(name))):
                    return True
        return False
