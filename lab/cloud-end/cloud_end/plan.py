"""Decisions of the cloud end, without side effects: what to restart, which tunnel carries, which rules."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .desired import Desired, Tunnel

Restart = Literal["changed", "both"]

IKE_ALIVE = frozenset(("ESTABLISHED", "REKEYING", "REKEYED"))
CHILD_ALIVE = frozenset(("INSTALLED", "REKEYING", "REKEYED", "RETRYING", "UPDATING"))
DUPLICATE_ENDS = 12
"""Seconds after which strongSwan has ended the older of two IKE_SAs, which it does after ten, or never does."""

MAIN_TABLE = 254
FIRST_TABLE = 3000
FROM_IPSEC_ADDRESS = 900
FIRST_ROUTES = (1000, 11000)
"""Where the routes' rules begin, in turns: the kernel takes a rule for there already when one of the same
preference says more, and new rules are to be there before old ones go."""
VPC_LEARNT, LEARNT_TABLE = 29000, 2900
"""Where instances' packets are looked up in what BGP has brought: behind policies and destinations."""
VPC_LEFTOVER = 30000


@dataclass(frozen=True)
class Changes:
    """What an apply has to do to tunnels; whoever is in none of the lists is left alone."""

    removed: tuple[str, ...]
    added: tuple[str, ...]
    restarted: tuple[str, ...]
    reloaded: tuple[str, ...]


def _negotiated(tunnel: Tunnel) -> Tunnel:
    # Which tunnel is active, who initiates and what is spoken inside are no part of what the two ends have agreed on.
    return dataclasses.replace(tunnel, role="master", immediate=False, bgp=None)


def changes(before: Desired, after: Desired, restart: Restart) -> Changes:
    """Compares by tunnel id; `restart` says whether a changed tunnel takes its sibling along."""
    common = [i for i in after.tunnels if i in before.tunnels]
    differ = {i for i in common if _negotiated(before.tunnels[i]) != _negotiated(after.tunnels[i])}
    if restart == "both":
        touched = {after.tunnels[i].connection for i in differ}
        differ = {i for i in common if after.tunnels[i].connection in touched}
    return Changes(
        removed=tuple(i for i in before.tunnels if i not in after.tunnels),
        added=tuple(i for i in after.tunnels if i not in before.tunnels),
        restarted=tuple(i for i in common if i in differ),
        reloaded=tuple(i for i in common if i not in differ and before.tunnels[i] != after.tunnels[i]),
    )


def carrying(desired: Desired, alive: Iterable[str]) -> dict[str, str | None]:
    """The tunnel that each connection sends by: the active one while it lives, else the standby."""
    living = set(alive)
    choice: dict[str, str | None] = {}
    for name, ids in desired.connections.items():
        ordered = sorted(ids, key=lambda i: desired.tunnels[i].role != "master")
        choice[name] = next((i for i in ordered if i in living), None)
    return choice


def sections(parent: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """The sections under key, in order."""
    found = parent.get(key, {})
    return [s for s in found.values() if isinstance(s, dict)] if isinstance(found, dict) else []


def alive(sas: Iterable[tuple[str, Mapping[str, Any]]]) -> set[str]:
    """The tunnels with a CHILD_SA that carries, from charon's list of IKE_SAs."""
    return {
        name
        for name, sa in sas
        if sa.get("state") in IKE_ALIVE and any(c.get("state") in CHILD_ALIVE for c in sections(sa, "child-sas"))
    }


def status(tunnel: str, sas: Iterable[tuple[str, Mapping[str, Any]]]) -> str:
    """Alibaba's word for how far a tunnel has come."""
    own = [sa for name, sa in sas if name == tunnel]
    if alive((tunnel, sa) for sa in own):
        return "ipsec_sa_established"
    established = [sa for sa in own if sa.get("state") in IKE_ALIVE]
    if not established:
        return "ike_sa_not_established"
    # While phase 2 is under way phase 1's success is the news; once it is over, phase 2's failure is.
    busy = {t for sa in established for key in ("tasks-active", "tasks-queued") for t in sa.get(key, ())}
    return "ike_sa_established" if busy & {"CHILD_CREATE", "QUICK_MODE"} else "ipsec_sa_not_established"


def superfluous(tunnel: str, sas: Iterable[tuple[str, Mapping[str, Any]]]) -> list[int] | None:
    """What ends where both ends negotiated a tunnel at once; None while it has no IKE_SA or is being negotiated.

    Of two IKE_SAs strongSwan itself ends the older ten seconds later, unless both were established at the same moment.
    """
    own = sorted((sa for name, sa in sas if name == tunnel), key=lambda sa: int(sa.get("established", 0)))
    if not own or any(sa.get("state") != "ESTABLISHED" for sa in own):
        return None
    newest, *older = own
    if older and int(newest.get("established", 0)) < DUPLICATE_ENDS:
        return None
    return [int(sa["uniqueid"]) for sa in older]


@dataclass(frozen=True)
class Rule:
    """A routing rule: what matches goes to the table (None: a black hole)."""

    pref: int
    table: int | None
    source: str | None = None
    destination: str | None = None
    device: str | None = None

    def words(self) -> list[str]:
        """The rule as `ip rule` takes it."""
        parts = ["pref", str(self.pref)]
        for word, value in (("from", self.source), ("to", self.destination), ("iif", self.device)):
            if value is not None:
                parts += [word, value]
        return parts + (["blackhole"] if self.table is None else ["lookup", str(self.table)])


def rules(desired: Desired, tables: Mapping[str, int], vpc_device: str, first: int = FIRST_ROUTES[0]) -> list[Rule]:
    """All routing rules. Each connection has a table with a default route into its carrying tunnel,
    empty when it has none, so that a lookup falls through to the next rule: a lower weight, or nothing.
    """
    found = [Rule(FROM_IPSEC_ADDRESS, MAIN_TABLE, source=f"{a}/32") for a in desired.addresses]
    policy = [r for r in desired.routes if r.source is not None]
    plain = [r for r in desired.routes if r.source is None]
    policy.sort(key=lambda r: -r.weight)
    plain.sort(key=lambda r: (-int(r.destination.partition("/")[2]), -r.weight))
    found += [
        Rule(first + n, tables[r.connection], source=r.source, destination=r.destination)
        for n, r in enumerate(policy + plain)
    ]
    if any(tunnel.bgp is not None for tunnel in desired.tunnels.values()):
        found.append(Rule(VPC_LEARNT, LEARNT_TABLE, device=vpc_device))
    return [*found, Rule(VPC_LEFTOVER, None, device=vpc_device)]


def allocate(wanted: Iterable[str], taken: Mapping[str, int], first: int) -> dict[str, int]:
    """A number for each name: the one it has, else the lowest that is free."""
    names = list(wanted)
    kept = {name: taken[name] for name in names if name in taken}
    used, number = set(kept.values()), first
    for name in names:
        if name in kept:
            continue
        while number in used:
            number += 1
        kept[name] = number
        used.add(number)
    return kept


def if_id(tunnel: str) -> int:
    """A tunnel's XFRM interface id: the same after a restart of the daemon."""
    return int.from_bytes(hashlib.sha256(tunnel.encode()).digest()[:4], "big") % 0x7FFFFFFF + 1


def interface(tunnel: str) -> str:
    """A tunnel's XFRM interface name."""
    return f"ipsec{if_id(tunnel):08x}"
