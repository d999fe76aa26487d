"""Whose a connection is: two stacks that share a box and a name must not overwrite each other's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from . import files, installed, paths
from .commands import Refusal


@dataclass(frozen=True)
class Owner:
    """A Terraform stack's claim."""

    stack: str
    """Where in which stack: told to people, and free to change."""
    id: str
    """Random, made by the first apply and kept in Terraform's state."""

    def save(self, name: str) -> None:
        """Makes the connection this owner's."""
        installed.put(paths.owner(name), (json.dumps(vars(self)) + "\n").encode(), 0o600)


def parse(data: bytes, path: Path) -> Owner:
    """Whom a file's content names."""
    try:
        fields = json.loads(data)
        return Owner(str(fields["stack"]), str(fields["id"]))
    except (ValueError, KeyError, TypeError):
        raise Refusal(f"{path} does not say whose the connection is: remove it and run this again") from None


def of(name: str) -> Owner | None:
    """The owner of a connection on this box, None when nobody is known (installed by a version that did not ask)."""
    data = files.content(paths.owner(name))
    return None if data is None else parse(data, paths.owner(name))


def staged(directory: Path) -> Owner:
    """Who wants the connection that was uploaded."""
    path = directory / "owner.json"
    return parse(path.read_bytes(), path)


def check(name: str, mine: Owner) -> None:
    """Refusal when the connection is another's."""
    theirs = of(name)
    if theirs is not None and theirs.id != mine.id:
        raise Refusal(
            f"connection {name} on this box belongs to {theirs.stack} (Terraform's id {theirs.id}) and not to "
            f"{mine.stack}: give one of them another name, or, where that stack or its state is no more, run "
            f"`sudo {paths.COMMAND} uninstall {name}` on the box and deploy again"
        )
