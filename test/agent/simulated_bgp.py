"""BGP between a simulated site and its cloud: two sessions through the tunnels, and what the cloud makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dual_tunnel_vpn.bgp.heard import Heard, Session

if TYPE_CHECKING:
    from .simulation import Site

ASKED = 1.0
"""Seconds between the agent's questions to its speaker."""

CONNECT = 1.5
"""Seconds from when a tunnel passes both ways to its session."""

RESTART = 0.9
"""Seconds for which a speaker that was killed is not there."""


@dataclass(frozen=True)
class CloudBgp:
    """The cloud's own mind."""

    hold: float = 3.0
    """What both ends agree on, seconds."""
    keeps: float = 0.0
    """Seconds for which routes outlive their session's hold time (graceful restart)."""
    prefers: bool = True
    """Whether it goes by MED and path; else by its own taste."""
    taste: int = 1
    """The tunnel that it takes where prefixes are equally long and it does not go by what it is told."""
    only_active: bool = False
    """The standby's session never comes up."""
    drops_with_sa: bool = False
    """Whether a tunnel's session ends with its SA."""
    announces: bool = True
    """Whether it tells the VPC's blocks."""


@dataclass
class _Session:
    passing_since: float | None = None
    box: bool = False
    cloud: bool = False
    box_heard: float = 0.0
    cloud_heard: float = 0.0
    routes: bool = False
    """The cloud has what the box told by it."""
    takeover: bool = False
    """The cloud has been told to send everything by it."""
    stale_since: float | None = None


class Bgp:
    """Both ends of both sessions."""

    def __init__(self, site: Site, cloud: CloudBgp) -> None:
        self.site = site
        self.cloud = cloud
        self.sessions = {1: _Session(), 2: _Session()}
        self.told: frozenset[int] = frozenset()
        """What the box's speaker tells now; one that is started anew tells nothing special."""
        self.speaker_back_at = 0.0
        self.cloud_speaker_dead = False
        self._asked_at = 0.0
        self.doubly_told: list[float] = []
        """When everything was told by both."""

    @property
    def speaker_runs(self) -> bool:
        """Whether the box's speaker is there."""
        return self.site.now >= self.speaker_back_at

    def kill_speaker(self) -> None:
        """The box's speaker is killed; systemd starts it anew."""
        self.speaker_back_at = self.site.now + RESTART
        self.told = frozenset()
        for number, session in self.sessions.items():
            session.box = False
            # Its kernel closes the connection, which the cloud sees at once where the tunnel passes.
            if self.site.passes_out(number):
                self._end_cloud(session, keep=False)

    def take_over(self, tunnels: frozenset[int]) -> None:
        """The agent's order."""
        if self.speaker_runs:
            self.told = tunnels
        if len(tunnels) > 1:
            self.doubly_told.append(self.site.now)

    def step(self) -> None:
        """What 50 ms bring."""
        for number, session in self.sessions.items():
            self._step(number, session)
        site = self.site
        if site.now < self._asked_at + ASKED:
            return
        self._asked_at = site.now
        if not self.speaker_runs:
            site.machine.observe_bgp(None)
            return
        blocks = ("192.168.10.0/24",) if self.cloud.announces else ()
        sessions = {
            number: Session(session.box, "Established" if session.box else "Active", blocks if session.box else ())
            for number, session in self.sessions.items()
        }
        site.machine.observe_bgp(Heard(sessions, self.told))

    def _step(self, number: int, session: _Session) -> None:
        site, now = self.site, self.site.now
        wanted = self.speaker_runs and not self.cloud_speaker_dead and not (self.cloud.only_active and number == 2)
        out, back = site.passes_out(number), site.passes_in(number)
        if session.box and session.cloud:
            if back:
                session.box_heard = now
            if out:
                session.cloud_heard = now
                session.routes, session.takeover = True, number in self.told
        elif wanted and out and back:
            session.passing_since = now if session.passing_since is None else session.passing_since
            if now - session.passing_since >= CONNECT:
                session.box = session.cloud = True
                session.box_heard = session.cloud_heard = now
                session.routes, session.takeover, session.stale_since = True, number in self.told, None
        else:
            session.passing_since = None
        if session.box and (now - session.box_heard > self.cloud.hold or (self.cloud_speaker_dead and back)):
            session.box = False
            session.passing_since = None
        gone = self.cloud.drops_with_sa and not site.cloud_sa[number]
        if session.cloud and (now - session.cloud_heard > self.cloud.hold or gone or self.cloud_speaker_dead):
            self._end_cloud(session, keep=not self.cloud_speaker_dead)
            # It says so, which arrives where that direction passes.
            session.box = session.box and not back
        if session.stale_since is not None and now - session.stale_since > self.cloud.keeps:
            session.routes = session.takeover = False
            session.stale_since = None
        if session.box != session.cloud and out and back:
            # The one that lives has its segments answered by a reset.
            session.box = session.cloud = False

    def _end_cloud(self, session: _Session, keep: bool) -> None:
        session.cloud, session.passing_since = False, None
        session.stale_since = self.site.now - (0.0 if keep else 1e9)

    def _ways(self) -> Iterator[tuple[tuple[float, float], int]]:
        for number, session in self.sessions.items():
            if session.routes:
                length = -1.0 if session.takeover else 0.0
                rank = number - (2 if session.takeover else 0)
                yield (length, rank if self.cloud.prefers else float(number != self.cloud.taste)), number

    @property
    def choice(self) -> int | None:
        """The tunnel that the cloud sends by."""
        return min(self._ways(), default=(None, None))[1]
