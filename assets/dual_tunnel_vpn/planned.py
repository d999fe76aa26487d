"""A planned change of a tunnel, from before the cloud's end changes until the box's has: what the box remembers of it.

What the tunnel will be lies beside what it is, in `next`, across a reboot; that traffic is to leave it alone is held in
/run, with an end, so that a deploy that never goes on holds nothing for ever.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from . import failover, files, paths
from .ipsec import strongswan

HOLD_SECONDS = 900
"""How long a hold lasts by itself: the cloud takes less for a change of a connection, its queue included."""


class Texts(NamedTuple):
    """A tunnel as swanctl reads it."""

    connection: str
    secrets: str


def _hold(name: str) -> Path:
    return paths.RUN / name / "hold.json"


def _next(name: str, number: int) -> tuple[Path, Path]:
    directory = paths.connection(name) / "next"
    return directory / f"tunnel-{number}.conf", directory / f"secrets-{number}.conf"


def hold(name: str, number: int) -> None:
    """Has the agent lead no traffic into a tunnel while the other one can carry it, for HOLD_SECONDS."""
    held = {"tunnel": number, "until": time.monotonic() + HOLD_SECONDS}
    files.put(_hold(name), (json.dumps(held) + "\n").encode(), 0o600)


def release(name: str) -> None:
    """Ends the hold."""
    files.remove(_hold(name))


def held(name: str) -> int | None:
    """The tunnel that is held now."""
    number, until = _held(files.content(_hold(name)))
    # One that would last longer than any of ours is none of ours.
    return number if 0 < until - time.monotonic() <= HOLD_SECONDS else None


def _held(data: bytes | None) -> tuple[int | None, float]:
    try:
        fields: Any = json.loads(data or b"")
        number, until = fields["tunnel"], float(fields["until"])
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError):
        return None, 0.0
    return (number, until) if number in (1, 2) and type(number) is int and math.isfinite(until) else (None, 0.0)


def put(name: str, number: int, texts: Texts) -> None:
    """Makes this the next configuration of a tunnel."""
    connection, secrets = _next(name, number)
    connection.parent.mkdir(mode=0o700, exist_ok=True)
    files.put(secrets, texts.secrets.encode(), 0o600)
    # What is there by halves is not there: the connection comes last and goes first.
    files.put(connection, texts.connection.encode(), 0o600)


def drop(name: str, number: int) -> None:
    """Forgets the next configuration of a tunnel."""
    for path in _next(name, number):
        files.remove(path)
    with suppress(OSError):
        _next(name, number)[0].parent.rmdir()


def forget(name: str) -> None:
    """Forgets whatever was planned for a connection."""
    release(name)
    shutil.rmtree(_next(name, 1)[0].parent, ignore_errors=True)


def prepared(name: str) -> set[int]:
    """The tunnels that have a next configuration."""
    return {number for number in (1, 2) if all(path.is_file() for path in _next(name, number))}


def running(name: str) -> set[int]:
    """The tunnels that are up with their next configuration, as the agent says."""
    state = failover.agent_state(name)
    try:
        if not 0 <= time.time() - state["time"] < failover.FRESH_SECONDS:
            return set()
        found = {tunnel["number"] for tunnel in state["tunnels"] if tunnel["installed"] and tunnel["next"]}
    except (LookupError, TypeError):
        return set()
    return found & prepared(name)


def texts(name: str, number: int, next_one: bool) -> Texts:
    """What a tunnel is, or will be where that is known; OSError when it is neither."""
    layout = strongswan.layout()
    if next_one and number in prepared(name):
        places = _next(name, number)
    elif layout is not None:
        places = layout.tunnel_files(name, number)
    else:
        raise FileNotFoundError(2, "strongSwan is not installed")
    connection, secrets = (path.read_text(encoding="utf-8", errors="replace") for path in places)
    return Texts(connection, secrets)
