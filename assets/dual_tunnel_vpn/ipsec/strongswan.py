"""strongSwan on this box: where its files are, its unit, loading connections, and the state of SAs."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .. import files, manifest
from ..commands import Refusal, must, run
from ..site import Site, Tunnel
from . import sas, vici

UNIT = "strongswan.service"

BUSY = 5.0
"""Seconds for which charon may be busy with one SA; what it is busy with longer is told as absent."""

PATIENCE = 20.0
"""How long charon may take to answer, seconds: a slow box that is busy starting takes its time."""

RESTLESS_SECONDS = 60
"""A unit that systemd has started anew more than once is trusted when it has run for this long."""

LEGACY_UNITS = ("strongswan-starter.service", "ipsec.service")
"""strongSwan's old daemon and libreswan: either holds the IKE ports."""

_ROOTS = (Path("/etc/strongswan"), Path("/etc"))
"""EL9's package keeps everything below /etc/strongswan, Debian's directly below /etc."""


@dataclass(frozen=True)
class Layout:
    """Where the installed package reads its files from."""

    connections: Path
    """swanctl's conf.d."""
    settings: Path
    """strongswan.d."""

    def tunnel_files(self, site_name: str, number: int) -> tuple[Path, Path]:
        """The connection's file and the secret's file of a tunnel."""
        stem = f"{site_name}-{number}"
        return self.connections / f"{stem}.conf", self.connections / f"{stem}.secrets.conf"

    @property
    def settings_file(self) -> Path:
        """Our settings for charon; the name sorts after the packages' own files."""
        return self.settings / "zz-dual-tunnel-vpn.conf"

    @property
    def routes_file(self) -> Path:
        """Those that take charon's routes away, where no other connection may need them."""
        return self.settings / "zz-dual-tunnel-vpn-routes.conf"


def layout() -> Layout | None:
    """The installed strongSwan's layout, None when it is not installed."""
    for root in _ROOTS:
        if (root / "swanctl").is_dir() and (root / "strongswan.d").is_dir():
            return Layout(root / "swanctl" / "conf.d", root / "strongswan.d")
    return None


_CONNECTIONS = re.compile(r"\bconnections\b|\binclude\s+(?!conf\.d/\*\.conf\b)\S")
"""What defines connections in swanctl's files, or has others read that may."""


def others(found: Layout) -> list[str]:
    """swanctl's files that define connections and are not ours."""
    ours = {path for name in manifest.names() for number in (1, 2) for path in found.tunnel_files(name, number)}
    candidates = [found.connections.parent / "swanctl.conf", *sorted(found.connections.glob("*.conf"))]
    texts = {path: files.content(path) or b"" for path in candidates if path not in ours}
    return [str(path) for path, text in texts.items() if _CONNECTIONS.search(_without_comments(text))]


def serves_others(found: Layout) -> bool:
    """Whether charon runs and has connections that are not ours, or is to have them: a restart would cut them."""
    if not units(UNIT)[UNIT].active:
        return False
    if others(found):
        return True
    ours = {f"{name}-{number}" for name in manifest.names() for number in (1, 2)}
    try:
        with vici.Client(timeout=PATIENCE) as client:
            return not ours.issuperset(client.list_conns())
    except vici.ViciError:
        # One that does not answer serves nobody.
        return False


def _without_comments(text: bytes) -> str:
    return re.sub("#.*", "", text.decode(errors="replace"))


@dataclass(frozen=True)
class Unit:
    """A systemd unit's state."""

    known: bool
    enabled: bool
    active: bool
    """It runs, or is on its way to."""
    masked: bool = False
    trouble: str = ""
    """What speaks against its being at work, in words that go on from its name; empty when nothing does."""


_PROPERTIES = "Id,LoadState,UnitFileState,ActiveState,ActiveEnterTimestampMonotonic,NRestarts,Result,Job"


def units(*names: str) -> dict[str, Unit]:
    """The units' states, by one call."""
    shown = must("systemctl", "show", f"--property={_PROPERTIES}", *names)
    found = {}
    for name, block in zip(names, shown.strip().split("\n\n")):
        fields = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        found[name] = Unit(
            known=fields.get("LoadState") == "loaded",
            enabled=fields.get("UnitFileState") in _ENABLED,
            active=fields.get("ActiveState") in ("active", "activating", "reloading"),
            masked=fields.get("LoadState") == "masked",
            trouble=_trouble(fields),
        )
    return found


def disabled(*names: str) -> list[str]:
    """Those of the units that do not start at boot, by their files: what `units` tells may be from before a change."""
    states = run("systemctl", "is-enabled", *names).output.split()
    if len(states) != len(names):
        # It stops at one that has no file.
        states = [run("systemctl", "is-enabled", name).output.strip() for name in names]
    return [name for name, state in zip(names, states) if state not in _ENABLED]


_ENABLED = ("enabled", "enabled-runtime")


def _trouble(fields: dict[str, str]) -> str:
    state, restarts, result = (fields.get(key, "") for key in ("ActiveState", "NRestarts", "Result"))
    again = int(restarts) if restarts.isdigit() else 0
    why = result if result != "success" else ""
    if state in ("active", "reloading"):
        # One restart is a repair that is over; one that follows on others may not be the last.
        seconds = time.monotonic() - int(fields.get("ActiveEnterTimestampMonotonic") or 0) / 1e6
        restless = again > 1 and seconds < RESTLESS_SECONDS
        return f"was started anew {seconds:.0f} s ago (restart {again})" if restless else ""
    # Between its end and its next start it is not active for a moment, with that start's job waiting.
    if state == "activating" or (state in ("inactive", "failed") and again and fields.get("Job")):
        details = ", ".join(filter(None, (why, f"restart {again}")))
        return f"ends and is started anew ({details})" if again else "is starting"
    return f"is not active ({why})" if why else "is not active"


def load(names: tuple[str, ...]) -> list[str]:
    """Loads all of swanctl's files; what charon or swanctl refused about these connections, in words.

    charon leaves alone the SAs of a connection that is loaded again unchanged.
    """
    result = run("swanctl", "--load-all", "--noprompt", timeout=60)
    problems = []
    for line in (result.output + result.errors).splitlines():
        if "fail" in line and any(f"'{name}'" in line or f"{name}." in line for name in names):
            problems.append(_harmless(line))
    if not result.ok and not problems:
        words = (result.errors.strip() or result.output.strip() or "no message").splitlines()[-1]
        with vici.Client(timeout=PATIENCE) as client:
            loaded = client.list_conns()
        if not all(name in loaded for name in names):
            problems.append(_harmless(words))
    return problems


def _harmless(line: str) -> str:
    """The line without anything that could be a secret's value."""
    return re.sub(r"(secret\w*\s*[=:]\s*)\S+", r"\1***", line.strip())


def tunnel_sas(site: Site) -> dict[int, sas.Sa]:
    """Both tunnels' SAs by number; raises vici.ViciError when charon does not answer.

    A list passes over an SA that charon is busy with, as in a rekey: an absence counts when one that waits repeats it.
    """
    with vici.Client(timeout=PATIENCE) as client:
        found = sas.of_tunnels(site, [{name: sa} for name, sa in client.list_sas()])
        if all(sa.installed for sa in found.values()):
            return found
        with suppress(vici.ViciTimeout):
            listed = client.list_sas(timeout=BUSY, wait=True)
            found = sas.of_tunnels(site, [{name: sa} for name, sa in listed])
        return found


def terminate(connection: str, wait: float = 3.0) -> None:
    """Ends all SAs of a connection, by force when the peer does not acknowledge within `wait` seconds."""
    try:
        with vici.Client(timeout=PATIENCE) as client:
            client.terminate(ike=connection, force=True, wait=wait)
    except vici.ViciError:
        # Nothing to end, or charon is not there: either way no SA of the tunnel is in use.
        return


def initiate(tunnel: Tunnel) -> None:
    """Starts a tunnel; the outcome shows in its state."""
    try:
        with vici.Client(timeout=PATIENCE) as client:
            client.initiate(tunnel.child, ike=tunnel.connection)
    except vici.ViciRefused:
        # An SA in the making refuses a second one: waiting for the state is what counts.
        return


def await_up(site: Site, numbers: set[int], seconds: float, initiate_every: float = 5.0) -> set[int]:
    """Waits until these tunnels are up, starting them as needed; those that are not up in time."""
    by_number = {tunnel.number: tunnel for tunnel in site.tunnels}
    deadline = time.monotonic() + seconds
    again: dict[int, float] = {}
    down = set(numbers)
    while down and time.monotonic() < deadline:
        try:
            found = tunnel_sas(site)
            down = {number for number in numbers if not found[number].installed}
            for number in down:
                idle = not (found[number].connecting or found[number].established)
                if idle and time.monotonic() >= again.get(number, 0):
                    initiate(by_number[number])
                    again[number] = time.monotonic() + initiate_every
        except vici.ViciError:
            # charon is busy or being restarted: what counts is whether the tunnels are up in time.
            pass
        if down:
            time.sleep(0.25)
    return down


def prove_rekey(tunnel: Tunnel, seconds: float = 20.0) -> bool:
    """Rekeys the CHILD_SA once and says whether a new one came: key exchange groups of ESP show only then.

    Both ends may have set the tunnel up at once, and the other one may have forgotten one of the two IKE_SAs: where
    there are two, a new CHILD_SA in either is the proof.
    """
    deadline = time.monotonic() + seconds
    before: dict[str, set[str]] = {}
    while time.monotonic() < deadline:
        with vici.Client(timeout=PATIENCE) as client:
            now = sas.children(tunnel, [{name: sa} for name, sa in client.list_sas()])
        there = before.keys() & now.keys()
        if any(now[ike_id] - before[ike_id] for ike_id in there):
            return True
        if now and not there:
            # The first CHILD_SA of an IKE_SA has no key exchange of its own: a tunnel set up anew proves nothing.
            before = now if _rekey(tunnel) else {}
        time.sleep(0.25)
    return False


def _rekey(tunnel: Tunnel) -> bool:
    try:
        with vici.Client(timeout=PATIENCE) as client:
            client.rekey(child=tunnel.child)
    except vici.ViciRefused:
        # It has just gone.
        return False
    return True


def wait_for_charon(seconds: float = 20.0) -> None:
    """Waits until charon answers; Refusal when it does not."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with vici.Client(timeout=2) as client:
                client.version()
            return
        except vici.ViciError as error:
            if time.monotonic() >= deadline:
                raise Refusal(f"strongSwan does not answer on this box ({error}): see `journalctl -u {UNIT}`") from None
            time.sleep(0.2)
