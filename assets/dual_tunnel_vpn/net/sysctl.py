"""Kernel parameters under /proc/sys: which ones a connection needs, and their former values.

Forwarding between the data center and the tunnels is needed. It is switched on for each interface, and `ip_forward`
itself is never touched: where that is 1, somebody else wants the box to forward, before us or since, and what the
box forwards beside the tunnels is not ours to stop (firewall/own.py). Whoever sets it to 0 takes ours away too.

Return traffic may come by the other tunnel or the other uplink, so the reverse-path filter of those interfaces is
loose (2): the kernel uses the larger of `all` and the interface's own value, so 2 on the interface decides and `all`
stays as it is.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .. import files, installed, paths
from ..manifest import Box
from ..site import Site

_ROOT = Path("/proc/sys")
_CONF = "net/ipv4/conf"
FORWARD = "net/ipv4/ip_forward"
DEFAULT_FORWARDING = f"{_CONF}/default/forwarding"
"""What an interface that appears later begins with."""
REDIRECTS = f"{_CONF}/all/accept_redirects"
"""0 while the box forwards, as the kernel has it with ip_forward: a router takes no ICMP redirects."""
ACQUIRE = "net/core/xfrm_acq_expires"
"""Written by charon itself when it starts."""

_CONFIGURED = ("/etc/sysctl.conf", "/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d")

HEADER = "# Made by dual-tunnel-vpn; `dual-tunnel-vpn uninstall {name}` removes it.\n"


def read(key: str) -> str | None:
    """The parameter's value, or None when the kernel has none such now."""
    try:
        return (_ROOT / key).read_text().strip()
    except OSError:
        return None


def write(key: str, value: str) -> bool:
    """Sets the parameter where it exists and differs; whether it was changed."""
    return read(key) not in (None, value) and _put({key: value})


def _put(values: dict[str, str]) -> bool:
    """Sets parameters with nothing in between; whether all took it."""
    opened: list[tuple[int, bytes]] = []
    try:
        for key, value in values.items():
            opened.append((os.open(_ROOT / key, os.O_WRONLY | os.O_CLOEXEC), value.encode()))
        for descriptor, data in opened:
            os.write(descriptor, data)
    except OSError:
        return False
    finally:
        for descriptor, _ in opened:
            os.close(descriptor)
    return True


def loose(device: str) -> str:
    """The reverse-path filter's parameter of an interface."""
    return f"{_CONF}/{device}/rp_filter"


def wanted(site: Site, devices: Iterable[str]) -> dict[str, str]:
    """What a connection with uplinks on these devices needs in /etc/sysctl.d.

    Without forwarding, which that would switch on at boot before guards and packet filter are there.
    """
    return {loose(device): "2" for device in (*devices, *site.interfaces)}


def no_redirects(device: str | None) -> dict[str, str]:
    """What keeps the box from telling the LAN's hosts to send to the other box of two; None: no such interface.

    The kernel sends redirects where the interface or `all` says so; others' interfaces say it for themselves.
    """
    return {} if device is None else {f"{_CONF}/{name}/send_redirects": "0" for name in (device, "all")}


def redirects_amiss(device: str | None) -> list[str]:
    """The same, not as wanted, in words."""
    wrong = any(read(key) not in (value, None) for key, value in no_redirects(device).items())
    return [f"ICMP redirects were switched on ({device})"] if wrong else []


def forwarded_by_others() -> bool:
    """Whether somebody else wants the box to forward."""
    return read(FORWARD) == "1"


def _forwarding(names: Iterable[str] = ()) -> list[str]:
    """The parameters of these interfaces, or of all and of those to come."""
    # The loopback interface has nothing to forward; `all` is ip_forward itself.
    names = names or sorted(entry.name for entry in (_ROOT / _CONF).iterdir() if entry.name not in ("all", "lo"))
    return [f"{_CONF}/{name}/forwarding" for name in names]


def _to_forward(site: Site) -> list[str]:
    # Others say by interface what else is forwarded; the tunnels' interfaces are ours alone.
    return _forwarding(site.interfaces) if forwarded_by_others() else _forwarding()


def forward(site: Site) -> None:
    """Switches forwarding on where somebody else has not. Guards and packet filter have to be there before."""
    for key in _to_forward(site):
        write(key, "1")
    if not forwarded_by_others():
        write(REDIRECTS, "0")


def amiss(site: Site, devices: Iterable[str]) -> list[str]:
    """What would keep the kernel from forwarding between data center and tunnels, in words."""
    told = []
    off = [key.split("/")[3] for key in _to_forward(site) if read(key) == "0"]
    if off:
        told.append(f"forwarding was switched off ({', '.join(off)})")
    strict = [key.split("/")[3] for key, value in wanted(site, devices).items() if read(key) not in (value, None)]
    if strict:
        told.append(f"the reverse-path filter was not loose ({', '.join(strict)})")
    return told


def forwarded_before(box: Box | None) -> list[str]:
    """Interfaces that forwarded before us though the box as a whole did not."""
    noted = _noted_forwarding(box) if box else {}
    names = (key.split("/")[3] for key, value in noted.items() if value == "1")
    return sorted(name for name in names if name not in ("all", "default", "lo"))


def render(name: str, values: dict[str, str]) -> bytes:
    """The text of the connection's file in /etc/sysctl.d."""
    lines = [f"{key} = {value}\n" for key, value in sorted(values.items())]
    return (HEADER.format(name=name) + "".join(lines)).encode()


def parse(data: bytes) -> dict[str, str]:
    """The values that a file made by `render` sets."""
    pairs = (line.split("=", 1) for line in data.decode().splitlines() if "=" in line and line[0] != "#")
    return {key.strip(): value.strip() for key, value in pairs}


def remember(box: Box, keys: Iterable[str]) -> bool:
    """Notes the values before ours, once, forwarding's always; whether anything was new."""
    changed = _take_over(box)
    new = [key for key in keys if key not in box.sysctls]
    if DEFAULT_FORWARDING not in box.sysctls:
        if forwarded_by_others():
            # Nothing is ours to switch on. Should the others stop one day, all that forwards then is ours.
            box.sysctls[DEFAULT_FORWARDING] = "0"
            changed = True
        else:
            new += [*_forwarding(), REDIRECTS]
    values = {key: value for key in new if key not in box.sysctls and (value := read(key)) is not None}
    box.sysctls.update(values)
    return bool(values) or changed


def _take_over(box: Box) -> bool:
    """Goes on from a former version, which set ip_forward itself and had it noted; whether it was so."""
    former = box.sysctls.pop(FORWARD, None)
    box.sysctls.pop(f"{_CONF}/default/accept_redirects", None)
    for path in _ours():
        values = parse(files.content(path) or b"")
        if values.pop(FORWARD, None) is not None:
            name = path.name[len(paths.sysctl_file("").stem) : -len(path.suffix)]
            installed.put(path, render(name, values))
    if former == "0" and forwarded_by_others() and not configured_by_others():
        values = {FORWARD: "0", **{key: "1" for key in _forwarding() if read(key) == "1"}, REDIRECTS: "0"}
        with _undisturbed():
            # In between nothing is forwarded.
            _put(values)
    return former is not None


@contextmanager
def _undisturbed() -> Iterator[None]:
    """No other process takes the processor meanwhile, where that is allowed.

    Each change is notified, and whoever hears of it would run before the next one, on a box with one processor for
    longer than all changes take.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except OSError:
        yield
        return
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def configured_by_others() -> bool:
    """Whether a sysctl file that is not ours switches forwarding on."""
    keys = {FORWARD, f"{_CONF}/all/forwarding"}
    for place in map(Path, _CONFIGURED):
        for path in sorted(place.glob("*.conf")) if place.is_dir() else [place]:
            if path in _ours():
                continue
            text = (files.content(path) or b"").decode(errors="replace")
            lines = (line.strip().lstrip("-") for line in text.splitlines() if line.strip()[:1] not in ("#", ";"))
            pairs = (line.split("=", 1) for line in lines if "=" in line)
            if any(key.strip().replace(".", "/") in keys and value.strip() == "1" for key, value in pairs):
                return True
    return False


def restore(box: Box, still_wanted: Iterable[str]) -> None:
    """Puts back every noted value that no other connection needs, and forgets it."""
    _take_over(box)
    keep = set(still_wanted)
    if DEFAULT_FORWARDING not in keep and DEFAULT_FORWARDING in box.sysctls:
        # Interfaces that came later have what was the default before us.
        later = {key: box.sysctls[DEFAULT_FORWARDING] for key in _forwarding() if key not in box.sysctls}
        for key, value in {**later, **_noted_forwarding(box)}.items():
            if not forwarded_by_others():
                write(key, value)
            box.sysctls.pop(key, None)
    else:
        keep |= set(_noted_forwarding(box))
    for key in [key for key in box.sysctls if key not in keep]:
        write(key, box.sysctls.pop(key))


def _noted_forwarding(box: Box) -> dict[str, str]:
    return {key: value for key, value in box.sysctls.items() if key.endswith("/forwarding") or key == REDIRECTS}


def _ours() -> list[Path]:
    return sorted(paths.sysctl_file("").parent.glob(paths.sysctl_file("*").name))


def others(name: str) -> set[str]:
    """The parameters that the connections other than this one need."""
    keys: set[str] = {ACQUIRE, DEFAULT_FORWARDING}
    found = False
    for path in _ours():
        if path != paths.sysctl_file(name):
            found = True
            keys |= set(parse(files.content(path) or b""))
    return keys if found else set()
