"""What we put on the box, by hash: noted as it is put in place, compared at each start and by `status`.

It finds what was changed by hand and what a disk lost; it stops nobody who is root. What differs is said and stops
nothing: a connection does not end because somebody touched a comment.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from . import files, paths


@dataclass
class _Record:
    salt: str = ""
    """So that nobody who sees the record can try keys against it."""
    prints: dict[str, str] = field(default_factory=dict)
    """Of each file, by its path."""


def _place() -> Path:
    return paths.STATE / "installed.json"


def _load() -> _Record | None:
    """None when there is none that can be read."""
    try:
        fields = json.loads(files.content(_place()) or b"")
        prints = {str(path): str(known) for path, known in fields["prints"].items()}
        return _Record(bytes.fromhex(fields["salt"]).hex(), prints)
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def _print(path: Path, salt: str) -> str:
    """What a file is known by: its mode and its content, or where it leads. Empty when it is not there."""
    try:
        if path.is_symlink():
            return f"link {os.readlink(path)}"
        mode, data = path.stat().st_mode & 0o7777, path.read_bytes()
    except OSError:
        return ""
    return f"{mode:04o} {hashlib.sha256(bytes.fromhex(salt) + data).hexdigest()}"


def _note(put: Iterable[Path] = (), gone: Iterable[Path] = ()) -> None:
    # Before the first connection has begun there is nothing to note it in.
    if not paths.STATE.is_dir():
        return
    record = _load() or _Record(os.urandom(16).hex())
    forgotten = set(map(str, gone))
    prints = {path: known for path, known in record.prints.items() if path not in forgotten}
    prints.update({str(path): _print(path, record.salt) for path in put})
    if prints != record.prints:
        record.prints = prints
        files.put(_place(), (json.dumps(vars(record), indent=1, sort_keys=True) + "\n").encode(), 0o600)


def put(path: Path, data: bytes, mode: int = 0o644, within: Path | None = None) -> bool:
    """Puts a file in place, as files.put does, and notes it."""
    changed = files.put(path, data, mode, within)
    _note([path])
    return changed


def remove(path: Path) -> bool:
    """Removes a file, as files.remove does, and forgets it."""
    removed = files.remove(path)
    _note(gone=[path])
    return removed


def note_library() -> None:
    """Notes the installed programs, and forgets those of other versions."""
    _note([paths.LIBRARY / "current", *_programs()], map(Path, _below(paths.LIBRARY, _load())))


def forget(name: str) -> None:
    """Forgets what is in a connection's own directory."""
    _note(gone=map(Path, _below(paths.connection(name), _load())))


def _below(directory: Path, record: _Record | None) -> list[str]:
    return [path for path in (record or _Record()).prints if directory in Path(path).parents]


def _programs() -> list[Path]:
    directory = Path(os.path.realpath(paths.LIBRARY / "current"))
    return sorted(path for path in directory.rglob("*") if path.is_symlink() or not path.is_dir())


def look(besides: Collection[Path] = ()) -> Iterator[str]:
    """What differs, in words, file by file: empty for each that does not, so that one may stop in between.

    besides: files that are not looked at, and directories of such.
    """
    record = _load()
    if record is None:
        yield f"{_place()} is missing or damaged: whether our files are as we put them cannot be told"
        return
    skipped = set(besides)
    yield from _look(record, [path for path in record.prints if skipped.isdisjoint((Path(path), *Path(path).parents))])


def programs_are_right() -> bool:
    """Whether the installed programs are known to be as they were put."""
    record = _load() or _Record()
    programs = _below(paths.LIBRARY, record)
    return bool(programs) and not any(_look(record, programs))


def _look(record: _Record, those: Iterable[str]) -> Iterator[str]:
    for path in those:
        yield _difference(path, record.prints[path], _print(Path(path), record.salt))
    for program in _programs():
        # Python would take it for one of ours.
        yield "" if str(program) in record.prints else f"{program} is not ours, and may be run"


def _difference(path: str, known: str, found: str) -> str:
    if found == known:
        return ""
    if not found:
        return f"{path}, which we installed, is missing or cannot be read"
    if found.split()[1:] == known.split()[1:] and "link" not in (found[:4], known[:4]):
        return f"{path} has mode {found[:4]}, and not {known[:4]} as we installed it"
    return f"{path} was changed since we installed it"


def amiss(besides: Collection[Path] = ()) -> list[str]:
    """All that differs, in words, as `look` has it."""
    return list(filter(None, look(besides)))
