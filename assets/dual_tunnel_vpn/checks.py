"""What is checked on the box before anything is changed. Each problem is one sentence."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path

from . import files, links, manifest, owner, paths
from .bgp import service as bgp
from .commands import Refusal, find
from .ipsec import strongswan
from .net import neighbours, obstacles, wanted
from .net.firewall import marks
from .net.netlink import MAIN_TABLE, Place
from .net.network import Network, observe, places, way_to
from .pair import service as vrrp
from .site import Site, SiteError, load

SPACE_NEEDED = 80
"""Free space wanted where packages and our files go, MiB."""

CLOCK_TOLERANCE = 3600
"""How far the box's clock and that of the machine that applies may be apart, in seconds."""

IKE_PORTS = (500, 4500)


def staged(directory: Path) -> Site:
    """The staged site.json, with all that belongs to it there."""
    described = directory / "site.json"
    site = load(described) if described.is_file() else None
    # Of two boxes each is given the files of its own tunnel.
    numbers = (1, 2) if site is None else tuple(tunnel.number for tunnel in site.tunnels)
    names = [f"{part}-{number}.conf" for part in ("tunnel", "secrets") for number in numbers]
    missing = [name for name in ("owner.json", *names) if not (directory / name).is_file()]
    if missing or site is None:
        what = (*missing, described.name)[0]
        raise Refusal(f"the upload of the configuration was incomplete, {what} is missing: deploy again")
    return site


def check(site: Site, mine: owner.Owner, ssh_connection: str, sent: float | None = None) -> None:
    """Refusal with every problem that keeps the connection from being installed on this box.

    sent: when the upload was made by the clock of the machine that applies, in seconds since the epoch.
    """
    # Of the routes in one table, for example, each is told in the same words.
    problems = dict.fromkeys(_problems(site, mine, ssh_connection, sent))
    if problems:
        raise Refusal(*problems)


def _problems(site: Site, mine: owner.Owner, ssh_connection: str, sent: float | None) -> Iterator[str]:
    network, routes = observe(), places()
    yield from _refused(owner.check, site.name, mine)
    uplinks = list(_uplinks(site, network))
    yield from uplinks
    yield from _refused(writable)
    yield from _space()
    yield from _ours(site)
    yield from _foreign(site, network, routes)
    yield from obstacles.find(site, network, routes)
    yield from bgp.problems(site, network)
    yield from vrrp.problems(site, network)
    yield from _marks(site)
    yield from _services()
    yield from _refused(management, site, ssh_connection)
    if not paths.site(site.name).exists():
        # A connection that is there already may be changed while an uplink is down, or the clock has jumped.
        yield from _clock(sent)
        if not uplinks:
            yield from _neighbours(site, network)


def _refused(step: Callable[..., None], *arguments: object) -> Iterator[str]:
    try:
        step(*arguments)
    except Refusal as refusal:
        yield from refusal.sentences


def _uplinks(site: Site, network: Network) -> Iterator[str]:
    missing = links.missing_uplinks(site, network)
    for uplink in missing:
        addresses = {found.address for found in network.addresses} - {"127.0.0.1"}
        have = ", ".join(sorted(addresses)) or "none"
        where = f"interface {uplink.device}" if uplink.device else f"address {uplink.address}"
        yield f"uplink {uplink.number} wants the {where}, which this box does not have (addresses: {have})"
    there = [uplink for uplink in site.uplinks if uplink not in missing]
    devices = {wanted.device_of(uplink, network) for uplink in there}
    for uplink in there:
        device = wanted.device_of(uplink, network)
        if device not in network.devices_with(uplink.address):
            yield f"uplink {uplink.number} wants the address {uplink.address} on {device}, which lacks it"
    if len(devices) != len(there):
        yield "both uplinks' addresses are on one interface of this box: give each uplink its own interface"


def _neighbours(site: Site, network: Network) -> Iterator[str]:
    """What the uplinks' segments say: whether the gateways are there, and whether an address is somebody else's too."""
    asked = [
        (uplink, neighbours.Segment(device, uplink.address, uplink.gateway))
        for uplink in site.uplinks
        if (device := wanted.device_of(uplink, network)) is not None
    ]
    found = neighbours.ask([segment for _, segment in asked])
    for uplink, segment in asked:
        answer = found[segment]
        if not answer.gateway:
            yield (
                f"the gateway {uplink.gateway} of uplink {uplink.number} does not answer on {segment.device} of this "
                "box: check its address, the cable, and the router behind it"
            )
        if answer.rival:
            yield (
                f"the address {uplink.address} of uplink {uplink.number} is another machine's too, {answer.rival} on "
                f"{segment.device} of this box: give one of them another address"
            )


def sent(directory: Path) -> float | None:
    """When the upload was made by the clock of the machine that applies, in seconds since the epoch; None: not told."""
    told = files.content(directory / "time") or b""
    try:
        # As Terraform's timestamp() has it.
        moment = datetime.strptime(told.decode("ascii"), "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        return None
    return moment.replace(tzinfo=timezone.utc).timestamp()


def _clock(told: float | None) -> Iterator[str]:
    ahead = 0.0 if told is None else time.time() - told
    if abs(ahead) > CLOCK_TOLERANCE:
        shown = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M")
        side = "ahead of" if ahead > 0 else "behind"
        yield (
            f"the clock of this box says {shown} UTC, {abs(ahead) / 3600:.0f} h {side} that of the machine that "
            "applies: set whichever is wrong, by NTP for example (`timedatectl set-ntp true`)"
        )


def writable() -> None:
    """Refusal when the box cannot be changed at all, before half of a change is made."""
    closed = [directory for directory in ("/etc", "/usr/local", "/var") if not os.access(directory, os.W_OK)]
    if closed:
        raise Refusal(
            *(f"{each} is mounted read-only on this box: mount it writable and run this again" for each in closed)
        )


def _space() -> Iterator[str]:
    told = set()
    for directory in ("/usr", "/etc", "/var"):
        free = shutil.disk_usage(directory).free // 2**20
        system = os.stat(directory).st_dev
        if free < SPACE_NEEDED and system not in told:
            told.add(system)
            yield f"{directory} has {free} MiB free on this box, {SPACE_NEEDED} MiB are needed"


def _ours(site: Site) -> Iterator[str]:
    for name in manifest.names():
        if name == site.name:
            continue
        try:
            other = load(paths.site(name))
        except SiteError:
            continue
        # One sentence for each connection: of two that are one and the same all of it clashes.
        yield from islice(_clashes(site, name, other), 1)


def _clashes(site: Site, name: str, other: Site) -> Iterator[str]:
    numbers = {tunnel.if_id for tunnel in other.tunnels} & {tunnel.if_id for tunnel in site.tunnels}
    tables = {(uplink.table, uplink.mark) for uplink in other.uplinks}
    if numbers or any(
        uplink.table == table or uplink.mark == mark for uplink in site.uplinks for table, mark in tables
    ) or _pairs_clash(site, other):
        yield (
            f"the numbers derived from the name {site.name} clash with those of connection {name} on this box: "
            "give one of them another name"
        )
    shared = {tunnel.ipsec_address for tunnel in other.tunnels} & {t.ipsec_address for t in site.tunnels}
    if shared:
        yield f"connection {name} of this box goes to {sorted(shared)[0]} already"
    # strongSwan finds a pre-shared key by the ids alone: of two keys for the same ids it would take the last.
    ids = {(tunnel.local_id, tunnel.remote_id) for tunnel in other.tunnels}
    for tunnel in site.tunnels:
        if (tunnel.local_id, tunnel.remote_id) in ids:
            yield (
                f"connection {name} of this box has a tunnel with the ids {tunnel.local_id} and {tunnel.remote_id} "
                "already: give one of them another id"
            )
    for mine in map(ipaddress.IPv4Network, site.vpc_cidrs):
        for theirs in map(ipaddress.IPv4Network, other.vpc_cidrs):
            if mine.overlaps(theirs):
                yield f"the VPC's block {mine} overlaps {theirs} of connection {name} on this box"


def _pairs_clash(site: Site, other: Site) -> bool:
    """Whether two connections of two boxes each could not tell their VRRP or their agents' talk apart."""
    mine, theirs = site.pair, other.pair
    if mine is None or theirs is None:
        return False
    return mine.port == theirs.port or mine.virtual_router_id == theirs.virtual_router_id


def _marks(site: Site) -> Iterator[str]:
    for uplink in site.uplinks:
        where = marks.dropped_by(uplink.mark)
        if where:
            yield (
                f"{where} of this box drops packets by their firewall mark, and so those with {uplink.mark:#x}, which "
                f"the name {site.name} gives its probes: give the connection another name, or change that rule"
            )


def _foreign(site: Site, network: Network, routes: list[Place]) -> Iterator[str]:
    installed = paths.site(site.name).exists()
    numbers = {tunnel.if_id for tunnel in site.tunnels}
    for name, link in network.links.items():
        if name in site.interfaces:
            if not installed or link.kind != "xfrm":
                yield f"this box has an interface {name} that is not ours: give the connection another name"
        elif link.kind == "xfrm" and link.if_id in numbers:
            yield f"interface {name} of this box has the if_id {link.if_id} that the name {site.name} gives"
    by_mark = {uplink.mark: uplink for uplink in site.uplinks}
    for rule in network.rules:
        # One with a mask comes after ours, and packets of others have not all bits of our marks.
        if rule.mark in by_mark and not rule.mask and by_mark[rule.mark].table != rule.table:
            yield f"a rule of this box uses the firewall mark {rule.mark} that the name {site.name} gives"
    tables = {uplink.table for uplink in site.uplinks}
    outer = {f"{tunnel.ipsec_address}/32": tunnel.ipsec_address for tunnel in site.tunnels}
    for place in routes:
        if place.protocol == paths.ROUTE_PROTOCOL:
            continue
        if place.table in tables:
            yield f"routing table {place.table} that the name {site.name} gives is in use on this box"
        if place.table == MAIN_TABLE and place.destination in outer:
            address = outer[place.destination]
            yield f"this box has a route to {address} already: remove it, the connection makes its own"
    layout = strongswan.layout()
    if layout is not None:
        yield from _names_in_swanctl(site, layout)


def _names_in_swanctl(site: Site, layout: strongswan.Layout) -> Iterator[str]:
    ours = {path for number in (1, 2) for path in layout.tunnel_files(site.name, number)}
    pattern = re.compile(rf"^\s*({re.escape(site.name)}-[12])\s*\{{", re.MULTILINE)
    for path in [layout.connections.parent / "swanctl.conf", *layout.connections.glob("*.conf")]:
        text = b"" if path in ours and paths.site(site.name).exists() else files.content(path) or b""
        found = pattern.search(text.decode(errors="replace"))
        if found:
            yield f"{path} has a connection {found.group(1)} already: give the connection another name"


def _services() -> Iterator[str]:
    states = strongswan.units(strongswan.UNIT, *strongswan.LEGACY_UNITS)
    used = [
        name
        for name in strongswan.LEGACY_UNITS
        if states[name].active or (states[name].known and states[name].enabled)
    ]
    for name in used:
        yield f"{name} is in use on this box and holds the IKE ports: disable it first, or use another box"
    if used or states[strongswan.UNIT].active:
        return
    for port in IKE_PORTS:
        for program in sorted(_listeners(port)):
            yield f"{program} listens on UDP port {port} of this box, which strongSwan needs: stop it first"


def _listeners(port: int) -> set[str]:
    """The programs that listen on a UDP port, by their names."""
    rows = []
    for table in ("udp", "udp6"):
        with contextlib.suppress(FileNotFoundError):
            rows += Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]
    fields = [row.split() for row in rows]
    inodes = {row[9] for row in fields if row[1].endswith(f":{port:04X}")}
    return {_holder(f"socket:[{inode}]") for inode in inodes}


def _holder(handle: str) -> str:
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if os.readlink(link) == handle:
                return (link.parents[1] / "comm").read_text(encoding="utf-8", errors="replace").strip()
    return "another program"


def ssh_session(told: str) -> str:
    """SSH_CONNECTION of whoever started us: as told, else from a process that started us (sudo drops it)."""
    process = os.getppid()
    while not told and process > 1:
        try:
            environment = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
            status = Path(f"/proc/{process}/status").read_text(encoding="utf-8", errors="replace")
        except OSError:
            break
        prefix = b"SSH_CONNECTION="
        told = next((item[len(prefix) :].decode() for item in environment if item.startswith(prefix)), "")
        process = int(next(line.split()[1] for line in status.splitlines() if line.startswith("PPid:")))
    return told


def ssh_ends(ssh_connection: str) -> tuple[str, str] | None:
    """(client's address, box's address) of an IPv4 SSH session, None when there is none."""
    fields = ssh_connection.split()
    try:
        ends = [ipaddress.ip_address(fields[index]) for index in (0, 2)]
    except (IndexError, ValueError):
        return None
    if any(end.version != 4 for end in ends):
        return None
    return str(ends[0]), str(ends[1])


def management(site: Site, ssh_connection: str) -> None:
    """Refuses when the routes to the VPC would take the caller's own SSH session away."""
    ends = ssh_ends(ssh_connection)
    if ends is None:
        return
    client, box = ends
    block = next((b for b in site.vpc_cidrs if ipaddress.ip_address(client) in ipaddress.ip_network(b)), None)
    if block is not None and way_to(client, box)[0] not in site.interfaces:
        raise Refusal(
            f"your SSH session comes from {client}, inside the VPC's block {block}, but not through this connection: "
            "it would be cut off; connect from another address"
        )


def strongswan_expected() -> strongswan.Layout:
    """The layout of the strongSwan that install.sh has put in place."""
    layout = strongswan.layout()
    if layout is None or find("swanctl") is None:
        raise Refusal("strongSwan's swanctl is not installed on this box: run install.sh apply")
    return layout
