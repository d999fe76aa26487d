"""The tunnels' SAs as charon lists them, and the one answer to whether a tunnel is up.

A rekey under way takes nothing down: an SA that is being replaced carries until the new one does (charon's REKEYING
and REKEYED), and so does one whose addresses are being changed (UPDATING).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..site import Site, Tunnel
from . import vici

ESTABLISHED = ("ESTABLISHED", "REKEYING", "REKEYED")
"""States of an IKE_SA that is up."""

CARRYING = ("INSTALLED", "UPDATING", "REKEYING", "REKEYED")
"""States of a CHILD_SA that carries traffic, the one that will last longest first."""

_COMING = ("CREATED", "CONNECTING")
_DELETING = "DELETING"
_NONE = "NONE"


@dataclass(frozen=True)
class Sa:
    """A tunnel's SAs: unique ids are None while there is no such SA up."""

    ike_id: str | None = None
    ike_state: str = _NONE
    child_id: str | None = None
    child_state: str = _NONE
    bytes_in: int = 0
    bytes_out: int = 0
    connecting: bool = False
    """An IKE_SA is on its way, perhaps beside the one that is shown."""
    deleting: bool = False
    """An IKE_SA is being deleted, perhaps beside the one that is shown."""

    @property
    def established(self) -> bool:
        """Whether the two ends know each other."""
        return self.ike_id is not None

    @property
    def installed(self) -> bool:
        """Whether traffic can pass: the tunnel is up."""
        return self.child_id is not None


def of_tunnels(site: Site, listed: Iterable[vici.Message]) -> dict[int, Sa]:
    """Each tunnel's SAs by its number, from what list-sas streams."""
    found: dict[str, list[vici.Message]] = {}
    for name, ike in _ike_sas(listed):
        found.setdefault(name, []).append(ike)
    return {tunnel.number: _of(tunnel, found.get(tunnel.connection, [])) for tunnel in site.tunnels}


def children(tunnel: Tunnel, listed: Iterable[vici.Message]) -> dict[str, set[str]]:
    """The tunnel's CHILD_SAs that carry, by the IKE_SA they belong to: both ends may have set the tunnel up at once."""
    return {
        vici.text(ike, "uniqueid"): {vici.text(child, "uniqueid") for child in carrying}
        for name, ike in _ike_sas(listed)
        if name == tunnel.connection and (carrying := _carrying(_mine(tunnel, ike)))
    }


def spis(listed: Iterable[vici.Message]) -> set[int]:
    """Every SPI that charon owns, of whichever connection."""
    children = [child for _, ike in _ike_sas(listed) for child in _children(ike)]
    return {vici.number(child, key, base=16) for child in children for key in ("spi-in", "spi-out")}


def _ike_sas(listed: Iterable[vici.Message]) -> list[tuple[str, vici.Message]]:
    return [(name, ike) for entry in listed for name, ike in entry.items() if isinstance(ike, dict)]


def _children(ike: vici.Message) -> list[vici.Message]:
    return [child for child in vici.section(ike, "child-sas").values() if isinstance(child, dict)]


def _of(tunnel: Tunnel, ike_sas: list[vici.Message]) -> Sa:
    # Of two that are equally good the newer is shown. charon lists them by their SPIs.
    ike_sas = sorted(ike_sas, key=lambda ike: vici.number(ike, "uniqueid"), reverse=True)
    states = [vici.text(ike, "state") for ike in ike_sas]
    candidates = [_read(tunnel, ike, state) for ike, state in zip(ike_sas, states)]
    shown = max(
        candidates, key=lambda sa: (sa.installed, sa.established, sa.ike_state in _COMING), default=Sa()
    )
    return replace(shown, connecting=any(state in _COMING for state in states), deleting=_DELETING in states)


def _mine(tunnel: Tunnel, ike: vici.Message) -> list[vici.Message]:
    return [child for child in _children(ike) if vici.text(child, "name") == tunnel.child]


def _carrying(mine: list[vici.Message]) -> list[vici.Message]:
    return [child for child in mine if vici.text(child, "state") in CARRYING]


def _read(tunnel: Tunnel, ike: vici.Message, state: str) -> Sa:
    mine = _mine(tunnel, ike)
    carrying = _carrying(mine)
    child = min(reversed(carrying), key=lambda each: CARRYING.index(vici.text(each, "state")), default=None)
    child_state = vici.text(child or (mine[0] if mine else {}), "state", _NONE)
    if state not in ESTABLISHED:
        return Sa(ike_state=state or _NONE, child_state=child_state)
    return Sa(
        ike_id=vici.text(ike, "uniqueid"),
        ike_state=state,
        child_id=None if child is None else vici.text(child, "uniqueid"),
        child_state=child_state,
        bytes_in=0 if child is None else vici.number(child, "bytes-in"),
        bytes_out=0 if child is None else vici.number(child, "bytes-out"),
    )
