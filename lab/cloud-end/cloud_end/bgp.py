"""Decisions about BGP, without side effects: what bgpd is told, what is taken of what it hears, and the choice."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .desired import Desired, Tunnel

MOST_ROUTES = 50
"""What a gateway's BGP table holds by Alibaba's default; blocks beyond, in the order of addresses, are ignored."""

RESERVED = ipaddress.IPv4Network("100.64.0.0/10")
"""Alibaba's own: no block that overlaps it is taken, nor is a default route, which does."""

RECONNECT = 10
"""Seconds between the gateway's attempts to open a session. Alibaba's own are not known."""

OWN_ROUTES = "OWN"
BELL = "bell"


@dataclass(frozen=True)
class Timers:
    """What the gateway offers in its OPEN, in seconds; of both ends' hold times the smaller one counts."""

    keepalive: int = 60
    hold: int = 180


@dataclass(frozen=True)
class Session:
    """A tunnel's session as bgpd is told of it. open: False where it is not to be."""

    cloud_asn: int
    peer_asn: int
    cloud_address: str
    peer_address: str
    announced: tuple[str, ...] = ()
    timers: Timers = Timers()
    graceful_restart: bool = False
    open: bool = True


@dataclass(frozen=True)
class Path:
    """How the other end describes a block; the MED is 0 where it sends none."""

    as_path: str
    med: int = 0

    @property
    def length(self) -> int:
        """How many autonomous systems are on it; a set counts as one."""
        return sum(1 for word in self.as_path.split() if word)


@dataclass(frozen=True)
class Heard:
    """What came by a tunnel's session, by block. Paths may outlive the session: graceful restart keeps them."""

    established: bool = False
    paths: Mapping[str, Path] = field(default_factory=dict)


def sessions(
    desired: Desired,
    timers: Timers,
    graceful_restart: bool,
    only: Mapping[str, str | None] | None = None,
    more: tuple[str, ...] = (),
) -> dict[str, Session]:
    """The sessions by tunnel. only: by connection, the one tunnel whose session is to be; None: all are.

    more: blocks that are announced although they are not the VPC's.
    """
    found = {}
    for tunnel in desired.tunnels.values():
        if tunnel.bgp is None:
            continue
        gateway = desired.gateways[tunnel.gateway]
        found[tunnel.id] = Session(
            cloud_asn=tunnel.bgp.cloud_asn,
            peer_asn=tunnel.bgp.peer_asn,
            cloud_address=tunnel.bgp.cloud_address,
            peer_address=tunnel.bgp.peer_address,
            # One switch for both directions: without it the gateway does not know the VPC's routes either.
            announced=(*(gateway.announced if gateway.auto_propagate else ()), *more),
            timers=timers,
            graceful_restart=graceful_restart,
            open=only is None or only.get(tunnel.connection) == tunnel.id,
        )
    return found


def commands(before: Mapping[str, Session], after: Mapping[str, Session], bell: int) -> list[str]:
    """What turns bgpd's configuration from one into the other, in its configuration mode.

    Each tunnel has a view of its own, so that none of its routes gets into another's. bell: the port on which it rings.
    """
    lines = [] if before else [f"bgp as-path access-list {OWN_ROUTES} permit ^$"]
    for tunnel, session in before.items():
        if tunnel not in after or _lasting(session) != _lasting(after[tunnel]):
            lines.append(f"no router bgp {session.cloud_asn} view {tunnel}")
    for tunnel, session in after.items():
        old = before.get(tunnel)
        if old is None or _lasting(old) != _lasting(session):
            lines += [*_view(tunnel, session), *_created(session, bell), *_changed(None, session), "exit"]
        elif old != session:
            lines += [*_view(tunnel, session), *_changed(old, session), "exit"]
    return lines


def _lasting(session: Session) -> Session:
    return replace(session, announced=(), open=True)


def _view(tunnel: str, session: Session) -> list[str]:
    return [f"router bgp {session.cloud_asn} view {tunnel}"]


def _created(session: Session, bell: int) -> list[str]:
    peer = f"neighbor {session.peer_address}"
    return [
        f"bgp router-id {session.cloud_address}",
        "no bgp ebgp-requires-policy",
        "no bgp network import-check",
        f"bgp graceful-restart{'' if session.graceful_restart else '-disable'}",
        f"{peer} remote-as {session.peer_asn}",
        f"{peer} shutdown",
        f"{peer} timers {session.timers.keepalive} {session.timers.hold}",
        f"{peer} timers connect {RECONNECT}",
        f"{peer} filter-list {OWN_ROUTES} out",
        f"bmp targets {BELL}",
        "bmp monitor ipv4 unicast post-policy",
        f"bmp connect 127.0.0.1 port {bell} min-retry 100 max-retry 1000",
        "exit",
    ]


def _changed(old: Session | None, session: Session) -> list[str]:
    announced, is_open = (old.announced, old.open) if old else ((), False)
    shutdown = f"neighbor {session.peer_address} shutdown"
    return [
        *(f"network {block}" for block in session.announced if block not in announced),
        *(f"no network {block}" for block in announced if block not in session.announced),
        *([f"no {shutdown}" if session.open else shutdown] if session.open != is_open else []),
    ]


def heard(session: Session, table: Any, summary: Any) -> Heard:
    """What bgpd's answers to `show bgp ipv4 unicast json` and to `show bgp summary json` say of a session's view."""
    peers = (summary.get("ipv4Unicast") or {}).get("peers", {})
    established = peers.get(session.peer_address, {}).get("state") == "Established"
    if not established and not session.graceful_restart:
        # bgpd clears the table a moment after the session has ended.
        return Heard()
    return Heard(
        established=established,
        paths={
            block: Path(path["path"], path.get("metric", 0))
            for block, paths in table.get("routes", {}).items()
            for path in paths
            if path.get("peerId") == session.peer_address
        },
    )


def taken(desired: Desired, every: Mapping[str, Heard]) -> dict[str, dict[str, Path]]:
    """By tunnel, the blocks that the gateway takes of those that it heard."""
    room: dict[str, set[str]] = {}
    for tunnel in _speaking(desired):
        blocks = room.setdefault(tunnel.gateway, set())
        blocks.update(b for b in every.get(tunnel.id, Heard()).paths if not _network(b).overlaps(RESERVED))
    for gateway, blocks in room.items():
        room[gateway] = set(sorted(blocks, key=_network)[:MOST_ROUTES])
    return {
        tunnel.id: {b: p for b, p in every.get(tunnel.id, Heard()).paths.items() if b in room[tunnel.gateway]}
        for tunnel in _speaking(desired)
    }


def choice(desired: Desired, every: Mapping[str, Heard], ignore_med: bool) -> dict[str, str]:
    """The tunnel of each block into which instances of the VPC send: the shorter AS path, then the lower MED, then
    the active tunnel. That the longest prefix comes first is the kernel's doing.
    """
    candidates: dict[str, list[tuple[int, int, bool, str]]] = {}
    for tunnel, paths in taken(desired, every).items():
        known = desired.tunnels[tunnel]
        if not desired.gateways[known.gateway].auto_propagate:
            continue
        for block, path in paths.items():
            rank = (path.length, 0 if ignore_med else path.med, known.role != "master", tunnel)
            candidates.setdefault(block, []).append(rank)
    return {block: min(ranks)[-1] for block, ranks in candidates.items()}


def carrying(desired: Desired, chosen: Mapping[str, str]) -> dict[str, str | None]:
    """By connection with BGP, the tunnel that all traffic for its blocks takes; None where that is none or both.

    A block does not count where longer ones cover it whole: nothing goes by it.
    """
    effective: dict[str, set[str]] = {}
    for block, tunnel in chosen.items():
        longer = [_network(b) for b in chosen if b != block and _network(b).subnet_of(_network(block))]
        if _network(block) not in ipaddress.collapse_addresses(longer):
            effective.setdefault(desired.tunnels[tunnel].connection, set()).add(tunnel)
    found: dict[str, str | None] = {}
    for speaking in _speaking(desired):
        used = effective.get(speaking.connection, set())
        found[speaking.connection] = next(iter(used)) if len(used) == 1 else None
    return found


def _speaking(desired: Desired) -> Iterable[Tunnel]:
    return (t for t in desired.tunnels.values() if t.bgp is not None)


def _network(block: str) -> ipaddress.IPv4Network:
    return ipaddress.IPv4Network(block)
