"""Installs this package and the command so that a running agent never sees half of a new version.

Each version has a directory named by its content; the symlink `current` moves in one step.
"""

from __future__ import annotations

import compileall
import hashlib
import os
import py_compile
import shutil
from pathlib import Path

from . import files, installed, paths
from .commands import find, run

_ASSETS = Path(__file__).resolve().parent.parent
_PARTS = ("dual_tunnel_vpn", "systemd", "strongswan.d")


def _sources() -> list[Path]:
    found = [_ASSETS / "dual-tunnel-vpn"]
    for part in _PARTS:
        found += [path for path in (_ASSETS / part).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return sorted(found)


def version() -> str:
    """Names the content of what is installed."""
    digest = hashlib.sha256()
    for path in _sources():
        digest.update(f"{path.relative_to(_ASSETS)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def asset(name: str) -> bytes:
    """The content of a file that comes with the package."""
    return (_ASSETS / name).read_bytes()


def current() -> str | None:
    """The installed version, None when there is none."""
    try:
        return os.readlink(paths.LIBRARY / "current")
    except OSError:
        return None


def _names() -> tuple[str, str]:
    """Of this version's directory: the second where somebody changed the first, which may be in use."""
    name = version()
    return name, f"{name}.again"


def stands() -> bool:
    """Whether this version is the installed one, as it was put there."""
    return current() in _names() and installed.programs_are_right()


def install() -> None:
    """Installs this version for all connections."""
    if not stands():
        name = next(each for each in _names() if each != current())
        target = paths.LIBRARY / name
        shutil.rmtree(target, ignore_errors=True)
        staging = paths.LIBRARY / f".{name}.new"
        shutil.rmtree(staging, ignore_errors=True)
        for source in _sources():
            copy = staging / source.relative_to(_ASSETS)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
            copy.chmod(0o644)
        # Compiled now, since the command never writes bytecode; unchecked, since the content never changes.
        compileall.compile_dir(
            staging / "dual_tunnel_vpn", quiet=2, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
        )
        if Path("/sys/fs/selinux/enforce").exists() and find("restorecon"):
            run("restorecon", "-R", str(paths.LIBRARY))
        os.sync()
        staging.rename(target)
        fresh = paths.LIBRARY / ".current.new"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(name)
        fresh.replace(paths.LIBRARY / "current")
    # Left by a removal that was cut off.
    shutil.rmtree(_gone(), ignore_errors=True)
    # Without the command there is nothing that would tidy up after it in a directory that is everybody's.
    installed.put(paths.COMMAND, asset("dual-tunnel-vpn"), 0o755, within=paths.LIBRARY)
    installed.note_library()


def _gone() -> Path:
    return paths.LIBRARY.with_name(f".{paths.LIBRARY.name}.gone")


def prune() -> None:
    """Removes versions that are not current."""
    keep = current()
    for entry in paths.LIBRARY.iterdir():
        if entry.is_dir() and not entry.is_symlink() and entry.name != keep:
            shutil.rmtree(entry, ignore_errors=True)


def remove() -> None:
    """Removes the package, then the command. In between the command is left alone, and copes with that."""
    gone = _gone()
    shutil.rmtree(gone, ignore_errors=True)
    if paths.LIBRARY.is_dir():
        # In one step: half a package could not even say what is wrong.
        paths.LIBRARY.rename(gone)
        shutil.rmtree(gone)
    files.remove(paths.COMMAND)
