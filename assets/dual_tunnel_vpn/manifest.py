"""What the box was like before us: written before each change, read by uninstall.

box.json is shared by all connections of the box: kernel parameters and strongSwan's service.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import files, paths
from .commands import Refusal

_BOX = paths.STATE / "box.json"


@dataclass
class Box:
    """The state before the first connection was installed."""

    service_enabled: bool = False
    """Whether strongSwan's unit was enabled."""
    service_active: bool = False
    """Whether strongSwan's unit ran."""
    others: list[str] = field(default_factory=list)
    """The files that defined connections of others."""
    sysctls: dict[str, str] = field(default_factory=dict)
    """Former values by path under /proc/sys."""
    packages: list[str] = field(default_factory=list)
    """Packages that we added; they stay when the last connection goes."""

    speaker_held: bool = False
    """Whether the unit that BIRD's package brings was masked by us, while a connection has BGP."""
    vrrp_held: bool = False
    """Whether the unit that keepalived's package brings was masked by us, while a connection has two boxes."""
    restart_pending: bool = False
    """Whether charon has still to be restarted to take settings that it reads only then."""
    unfinished: bool = False
    """Whether programs are new or an apply was cut off: what runs may not be what the files say."""

    def save(self) -> None:
        """Writes box.json."""
        files.put(_BOX, (json.dumps(vars(self), indent=2, sort_keys=True) + "\n").encode(), 0o600)


def load_box() -> Box | None:
    """What box.json says, or None when no connection was ever begun."""
    fields = _read(_BOX)
    return None if fields is None else Box(**_known(fields, Box))


def remove_box() -> None:
    """Forgets the state before us: it has been restored."""
    files.remove(_BOX)


@dataclass
class Connection:
    """How far the installation of one connection has come."""

    pending: list[int] = field(default_factory=list)
    """Tunnels whose files are in place, or half in place, and not yet known to be in force."""
    former: list[Any] = field(default_factory=list)
    """The contents of each site.json before this one of which something may still be in the box's network."""
    unfinished: bool = False
    """Whether an apply or a removal of it was cut off: what that left, no apply of another connection puts right."""
    mark: str = ""
    """What Terraform's state says of the last apply that succeeded, where the stack has the box asked for drift."""

    def save(self, name: str) -> None:
        """Writes the connection's manifest."""
        data = (json.dumps(vars(self), indent=2) + "\n").encode()
        files.put(paths.connection(name) / "manifest.json", data, 0o600)


def load_connection(name: str) -> Connection:
    """The connection's manifest, a fresh one when there is none."""
    fields = _read(paths.connection(name) / "manifest.json")
    return Connection() if fields is None else Connection(**_known(fields, Connection))


def _read(path: Path) -> dict[str, Any] | None:
    data = files.content(path)
    if data is None:
        return None
    try:
        fields = json.loads(data)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise Refusal(f"{path} of this box was changed by somebody and is no JSON any more: remove it and try again")
    return fields


def _known(fields: dict[str, Any], of: type) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key in of.__dataclass_fields__}  # type: ignore[attr-defined]


def names() -> list[str]:
    """The connections of this box, half-installed ones included."""
    if not paths.STATE.is_dir():
        return []
    return sorted(entry.name for entry in paths.STATE.iterdir() if entry.is_dir())
