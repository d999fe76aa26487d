"""Kernel parameters under /proc/sys: which ones a connection needs, and their former values.

Forwarding between the data center and the tunnels is needed. Return traffic may come by the other
tunnel or the other uplink, so the reverse-path filter of those interfaces is loose (2): the kernel uses
the larger of `all` and the interface's own value, so 2 on the interface decides and `all` stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from . import files, paths
from .manifest import Box
from .site import Site

_ROOT = Path("/proc/sys")
FORWARD = "net/ipv4/ip_forward"
ACQUIRE = "net/core/xfrm_acq_expires"
"""Written by charon itself when it starts."""

HEADER = "# Made by dual-tunnel-vpn; `dual-tunnel-vpn uninstall {name}` removes it.\n"


def read(key: str) -> str | None:
    """The parameter's value, or None when the kernel has none such now."""
    try:
        return (_ROOT / key).read_text().strip()
    except OSError:
        return None


def write(key: str, value: str) -> bool:
    """Sets the parameter where it exists and differs; whether it was changed."""
    if read(key) in (None, value):
        return False
    try:
        (_ROOT / key).write_text(value)
    except OSError:
        return False
    return True


def loose(device: str) -> str:
    """The reverse-path filter's parameter of an interface."""
    return f"net/ipv4/conf/{device}/rp_filter"


def wanted(site: Site, devices: Iterable[str]) -> dict[str, str]:
    """What a connection with uplinks on these devices needs."""
    return {FORWARD: "1", **{loose(device): "2" for device in (*devices, *site.interfaces)}}


def render(name: str, values: dict[str, str]) -> bytes:
    """The text of the connection's file in /etc/sysctl.d."""
    lines = [f"{key} = {value}\n" for key, value in sorted(values.items())]
    return (HEADER.format(name=name) + "".join(lines)).encode()


def parse(data: bytes) -> dict[str, str]:
    """The values that a file made by `render` sets."""
    pairs = (line.split("=", 1) for line in data.decode().splitlines() if "=" in line and line[0] != "#")
    return {key.strip(): value.strip() for key, value in pairs}


def remember(box: Box, keys: Iterable[str]) -> bool:
    """Notes the values before ours, once; whether anything was new.

    Switching forwarding on or off makes the kernel rewrite `forwarding` of every interface and
    `accept_redirects` of `all`, so these belong to it.
    """
    new = [key for key in keys if key not in box.sysctls]
    if FORWARD in new and read(FORWARD) == "0":
        conf = _ROOT / "net/ipv4/conf"
        new += [f"net/ipv4/conf/{entry.name}/forwarding" for entry in conf.iterdir() if entry.name != "all"]
        new += ["net/ipv4/conf/all/accept_redirects", "net/ipv4/conf/default/accept_redirects"]
    values = {key: value for key in new if key not in box.sysctls and (value := read(key)) is not None}
    box.sysctls.update(values)
    return bool(values)


def restore(box: Box, still_wanted: Iterable[str]) -> None:
    """Puts back every noted value that no other connection needs, and forgets it."""
    keep = set(still_wanted)
    if FORWARD in keep:
        keep |= {key for key in box.sysctls if key.endswith(("/forwarding", "/accept_redirects"))}
    going = [key for key in box.sysctls if key not in keep]
    for key in sorted(going, key=lambda key: key != FORWARD):
        write(key, box.sysctls[key])
    for key in going:
        del box.sysctls[key]


def others(name: str) -> set[str]:
    """The parameters that the connections other than this one need."""
    keys: set[str] = {ACQUIRE}
    found = False
    for path in paths.sysctl_file(name).parent.glob(paths.sysctl_file("*").name):
        if path != paths.sysctl_file(name):
            found = True
            keys |= set(parse(files.content(path) or b""))
    return keys if found else set()
