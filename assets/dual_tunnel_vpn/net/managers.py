"""The network managers of the box: each is told to leave what is ours alone, in files that it reads by itself."""

from __future__ import annotations

from typing import Protocol

from .. import installed, library, paths
from ..commands import find, run
from ..site import Site


class Manager(Protocol):
    """Software that configures interfaces, routes or rules on the box."""

    def available(self) -> bool:
        """Whether the box has it."""

    def tell(self, site: Site) -> None:
        """Has it leave the connection's things alone."""

    def undo(self, name: str, last: bool) -> None:
        """Takes back what it was told. last: no other connection is left on the box."""


class NetworkManager:
    """Each connection has a file of its own; it is read anew at once."""

    def available(self) -> bool:
        """Whether the box has it."""
        return paths.network_manager_file("").parent.is_dir()

    def tell(self, site: Site) -> None:
        """Has it manage no XFRM interface of the connection."""
        names = ";".join(f"interface-name:{name}" for name in site.interfaces)
        text = f"# Made by dual-tunnel-vpn.\n[keyfile]\nunmanaged-devices+={names}\n"
        if installed.put(paths.network_manager_file(site.name), text.encode()):
            self._reload()

    def undo(self, name: str, last: bool) -> None:
        """Removes the connection's file."""
        if installed.remove(paths.network_manager_file(name)):
            self._reload()

    def _reload(self) -> None:
        if find("nmcli"):
            run("nmcli", "general", "reload", "conf")


class Networkd:
    """All connections share a file. networkd reads it when it starts, which is also when it would throw ours out."""

    def available(self) -> bool:
        """Whether the box has it."""
        return find("networkctl") is not None

    def tell(self, site: Site) -> None:
        """Has it leave routes and rules alone that are not its own."""
        installed.put(paths.NETWORKD, library.asset("systemd/networkd.conf"))

    def undo(self, name: str, last: bool) -> None:
        """Removes the file with the last connection, and its directory where nothing else is in it."""
        if not last:
            return
        installed.remove(paths.NETWORKD)
        directory = paths.NETWORKD.parent
        if directory.is_dir() and not any(directory.iterdir()):
            directory.rmdir()


MANAGERS: tuple[Manager, ...] = (NetworkManager(), Networkd())


def tell_all(site: Site) -> None:
    """Tells every manager that the box has, and forgets what was told to one that is gone."""
    for manager in MANAGERS:
        if manager.available():
            manager.tell(site)
        else:
            manager.undo(site.name, last=False)


def undo_all(name: str, last: bool) -> None:
    """Takes back what was told, also to a manager that was removed since."""
    for manager in MANAGERS:
        manager.undo(name, last)
