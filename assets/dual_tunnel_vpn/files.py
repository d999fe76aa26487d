"""Files put in place whole or not at all, whatever interrupts: written beside, synced, renamed."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from .commands import find, run


def content(path: Path) -> bytes | None:
    """The file's content, or None when there is none."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def put(path: Path, data: bytes, mode: int = 0o644, within: Path | None = None) -> bool:
    """Makes the file have this content and mode, owned by root; whether anything had to change.

    within: a directory to write it in, which then holds what an interruption leaves. Where that is another file system,
    and by default, it is written beside the file.
    """
    _sweep(path, within)
    if content(path) == data and not path.is_symlink():
        if path.stat().st_mode & 0o7777 == mode:
            return False
        path.chmod(mode)
        return True
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _write(path, data, mode, within or path.parent)
    except OSError as error:
        if within is None or error.errno != errno.EXDEV:
            raise
        _write(path, data, mode, path.parent)
    _sync_directory(path.parent)
    return True


def _write(path: Path, data: bytes, mode: int, within: Path) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=within)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        relabel(temporary, like=path)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _sweep(path: Path, within: Path | None = None) -> None:
    """Removes what an interrupted put left of the file: it may hold a secret."""
    for directory in {path.parent, within or path.parent}:
        for leftover in directory.glob(f".{path.name}.*.new"):
            leftover.unlink(missing_ok=True)


def remove(path: Path) -> bool:
    """Removes the file and what an interrupted put left beside it; whether it was there."""
    _sweep(path)
    try:
        path.unlink()
    except (FileNotFoundError, NotADirectoryError):
        return False
    _sync_directory(path.parent)
    return True


def relabel(path: Path, like: Path) -> None:
    """Gives a file the SELinux context that the policy has for `like`, where SELinux is on."""
    if not Path("/sys/fs/selinux/enforce").exists():
        return
    if find("matchpathcon") and find("chcon"):
        context = run("matchpathcon", "-n", str(like)).output.strip()
        if context:
            run("chcon", context, str(path))
