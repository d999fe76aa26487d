"""A change of routes, rules or packet filter stays only if somebody can still come: by a new SSH connection.

    --begin--> unconfirmed --confirm--> as it is now
                    |
                    '--timer--> rolling back ----> as it was before (rollback.py)

The timer begins with the change, anew when the apply ends, and anew at each boot. A file says where it stands: whoever
moves it first, confirm or rollback, has decided, and neither waits for a lock to do so.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from . import files, paths
from .commands import Refusal, must, run


def begin(name: str, upload: Path) -> None:
    """Arms the timer, before the change is made; the connection's units are in place. upload: is told so, too."""
    with suppress(FileNotFoundError):
        # A rollback that was cut off: what it was to go back to has not changed.
        paths.rolling_back(name).replace(paths.unconfirmed(name))
    if not paths.unconfirmed(name).exists():
        former = files.content(paths.site(name))
        document = {"site": None if former is None else former.decode(errors="replace")}
        files.put(paths.unconfirmed(name), (json.dumps(document) + "\n").encode(), 0o600)
    files.put(upload / "armed", b"", 0o600)
    must("systemctl", "restart", paths.rollback_timer(name))
    # One that waits for us to let go of the lock is of an earlier change.
    run("systemctl", "stop", paths.rollback_unit(name))


def waits(name: str) -> bool:
    """Whether an earlier change is still unconfirmed, or half taken back."""
    return paths.unconfirmed(name).exists() or paths.rolling_back(name).exists()


def extend(name: str) -> None:
    """Gives the confirmation its whole time once the apply has ended: that may have taken longer."""
    if paths.unconfirmed(name).exists():
        run("systemctl", "restart", paths.rollback_timer(name))
        run("systemctl", "stop", paths.rollback_unit(name))


def give_up(name: str, upload: Path) -> None:
    """Has the change taken back as soon as the caller lets go of the lock, whoever comes. upload: is told why."""
    files.remove(upload / "armed")
    claim(name)
    run("systemctl", "start", "--no-block", paths.rollback_unit(name))


def confirm(name: str) -> None:
    """Leaves the change as it is; Refusal where there is none that waits for this."""
    if not files.remove(paths.unconfirmed(name)):
        raise Refusal(f"connection {name} has no change on this box that waits for its confirmation")
    run("systemctl", "stop", paths.rollback_timer(name))


def claim(name: str) -> str | None:
    """Begins a rollback, which nobody can confirm any more. The site.json to go back to, empty for none.

    None where there is nothing to take back.
    """
    with suppress(FileNotFoundError):
        paths.unconfirmed(name).replace(paths.rolling_back(name))
    data = files.content(paths.rolling_back(name))
    if data is None:
        return None
    with suppress(ValueError, LookupError, TypeError):
        return str(json.loads(data)["site"] or "")
    return ""


def rolled_back(name: str) -> None:
    """The rollback is at its end."""
    files.remove(paths.rolling_back(name))
    run("systemctl", "stop", paths.rollback_timer(name))
