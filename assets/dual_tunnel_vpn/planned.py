"""A planned change of a tunnel, from before the cloud's end changes until the box's has: what the box remembers of it.

What the tunnel will be lies beside what it is, in `next`, across a reboot, and as long as it does the agent leads the
traffic away from it. A change that only the box has to follow is held in /run, with an end.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from . import failover, files, installed, manifest, paths
from .ipsec import strongswan
from .site import Site, SiteError, load

HOLD_SECONDS = 900
"""How long a hold lasts by itself: the cloud takes less for a change of a connection, its queue included."""


class Hold(NamedTuple):
    """The tunnel that traffic is to leave alone, and until when by the box's clock: another end is another hold."""

    tunnel: int
    until: float


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
    hold = hold_of(name)
    return None if hold is None else hold.tunnel


def hold_of(name: str) -> Hold | None:
    """What holds now."""
    hold = _held(files.content(_hold(name)))
    # One that would last longer than any of ours is none of ours.
    return hold if hold is not None and 0 < hold.until - time.monotonic() <= HOLD_SECONDS else None


def _held(data: bytes | None) -> Hold | None:
    try:
        fields: Any = json.loads(data or b"")
        number, until = fields["tunnel"], float(fields["until"])
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError):
        return None
    return Hold(number, until) if number in (1, 2) and type(number) is int and math.isfinite(until) else None


def put(name: str, number: int, then: Texts) -> None:
    """Makes this the next configuration of a tunnel."""
    if number in prepared(name) and texts(name, number, True) == then:
        return
    # Another one has another stamp, also where its key alone is another.
    drop(name, number)
    connection, secrets = _next(name, number)
    connection.parent.mkdir(mode=0o700, exist_ok=True)
    files.put(secrets, then.secrets.encode(), 0o600)
    # What is there by halves is not there: the connection comes last and goes first.
    files.put(connection, then.connection.encode(), 0o600)


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


def stamps(name: str) -> dict[int, str]:
    """The tunnels that have a next configuration, and what tells that one from whichever comes in its place."""
    found = {}
    for number in prepared(name):
        with suppress(OSError):
            status = _next(name, number)[0].stat()
            found[number] = f"{status.st_ino}-{status.st_mtime_ns}"
    return found


def running(name: str) -> set[int]:
    """The tunnels that are up with the next configuration that lies there, as the agent says."""
    return {number for number, is_up in _last_up(name).items() if is_up}


def _last_up(name: str) -> dict[int, bool]:
    """The tunnels that were up last with the next configuration that lies there, and whether they are up now."""
    state = failover.agent_state(name)
    try:
        if not failover.is_fresh(state):
            return {}
        said = {tunnel["number"]: (tunnel["next"], bool(tunnel["installed"])) for tunnel in state["tunnels"]}
    except (LookupError, TypeError):
        return {}
    there = stamps(name)
    return {number: is_up for number, (stamp, is_up) in said.items() if number in there and there[number] == stamp}


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


def adopt(site: Site, prove: bool = True) -> None:
    """Makes installed what a tunnel ran with last, where a former change came as far as the cloud's end and no further.

    What is the next one is then free for another change, or for the way back. The proof that an apply would have made
    is made here, or left to the next apply.
    """
    layout = strongswan.layout()
    if layout is None:
        return
    record = manifest.load_connection(site.name)
    for number, is_up in sorted(_last_up(site.name).items()):
        if not (prove and is_up and strongswan.prove_rekey(site.tunnel(number))):
            record.pending = sorted({*record.pending, number})
            record.save(site.name)
        for path, text, mode in zip(
            layout.tunnel_files(site.name, number), texts(site.name, number, True), (0o644, 0o600)
        ):
            installed.put(path, text.encode(), mode)


def adopt_others(name: str) -> None:
    """Makes that installed for this box's other connections, before charon is told to read every connection's files.

    Given what is installed, a tunnel that runs with its next configuration would be cut and tried with the former one.
    """
    for each in manifest.names():
        with suppress(SiteError):
            if each != name:
                adopt(load(paths.site(each)), prove=False)
