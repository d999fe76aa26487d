"""What the agent's rules speak of: their numbers, the tunnels and how far the rescue of each has come, and actions."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Union

from ..ipsec.sas import Sa


@dataclass(frozen=True)
class Settings:
    """The rules' numbers; times in seconds. site.json sets those that users may choose."""

    interval: float = 0.1
    misses: int = 8
    hold: float = 5.0
    hold_limit: float = 300.0
    flap: float = 60.0
    """A failure of the active tunnel this soon after the failback doubles the hold."""
    calm: float = 600.0
    """A stay on the active tunnel this long ends the memory of flaps."""
    brownout: float = 0.5
    """Share of probes missed over the window that counts as dead when another path is far better."""
    outer_move: bool = True
    delete_by_other_uplink: bool = True
    proof_within: float = 0.35
    """How long a moved outer path may take to prove itself before the next mechanism is tried; longer on slow paths."""
    unproved: float = 10.0
    """How long a moved outer path is kept without proof when there is nothing else to try."""
    delete_within: float = 5.0
    """How long the cloud may take to acknowledge a DELETE."""
    settle: float = 0.3
    """How long a tunnel that was brought back for the failback is watched before traffic goes there."""
    restart_grace: float = 1.5
    """After charon's restart the kernel's old states still carry traffic: time for new SAs to come."""
    initiate_first: float = 1.0
    initiate_limit: float = 3.0
    initiate_patience: float = 1800.0
    """After this many seconds of failed attempts they become rarer."""
    initiate_slow: float = 15.0
    hung_after: float = 2.5
    """charon does not answer for this long: it is hung."""
    kill_pause: float = 30.0
    loading: float = 0.1
    """After another configuration was given to charon: time for it to begin by itself."""
    turn: float = 10.0
    """An attempt that has brought nothing for this long makes room for the other configuration's."""
    one_way: float = 3.0
    """Sending without receiving anything for this long raises the suspicion of one-way loss."""
    blind_retry: float = 60.0
    """A path that probes cannot judge and that failed is tried again after this long, longer after each failure."""
    echo_within: float = 0.8
    """How long hosts in the VPC may take to clear a tunnel of it."""

    @property
    def witness(self) -> float:
        """How long a path must have answered to witness that another's silence is that one's own.

        After a moment in which everything stood still, one path's answers come a little earlier than the other's.
        It is short enough to cost nothing: by the default number of misses, a silence of one path alone has its
        witness before it is judged.
        """
        return 2 * self.interval

    @property
    def awake(self) -> float:
        """How long a path that was silent must have answered before anything moves to it.

        It is longer than for a witness, since a path that counts as dead, and may be back as well, is probed half
        as often.
        """
        return 3 * self.interval


@dataclass(frozen=True)
class TunnelShape:
    """What the machine knows about a tunnel: its number, its own uplink, the names to speak of it."""

    number: int
    uplink: int
    role: str
    address: str


class Phase(Enum):
    """Where the rescue of a tunnel whose own uplink is dead stands."""

    NONE = "none"
    PROVING = "outer path moved, waiting for proof"
    MOVED = "lives by the other uplink"
    RETURNING = "back on its own uplink, waiting for proof"
    DELETING = "DELETE sent by the other uplink"
    WAITING = "waits for its own uplink"


@dataclass
class TunnelState:
    """The machine's memory about one tunnel."""

    shape: TunnelShape
    outer: int
    """The uplink that its outer packets leave by now."""
    sa: Sa = field(default_factory=Sa)
    installed_since: float = 0.0
    phase: Phase = Phase.NONE
    phase_since: float = 0.0
    acknowledged: bool = False
    """The cloud confirmed the DELETE: it has moved and must not be called back before the hold is over."""
    restoring: bool = False
    """Brought back for the failback after its path was well for the whole hold."""
    initiate_at: float = 0.0
    initiate_pause: float = 0.0
    missing_since: float | None = None
    next: str | None = None
    """The stamp of the next configuration that lies beside the installed one, where a change is prepared: the cloud has
    either.
    """
    given: str | None = None
    """The stamp of the next configuration that charon was given last; None: it was the installed one."""
    waits: bool = False
    """A change of it is prepared, and when it was last up, it was so without."""
    outdated: bool = False
    """charon was given one that is no next one any more: whether it is the installed one by now, the files know."""
    loaded: bool = False
    """charon was given a configuration that was not yet tried."""
    connecting_since: float | None = None
    moved_at: float = -1.0
    home_at: float = -1.0
    """When it may return to its own uplink at the earliest, after a return that failed."""
    proved: bool = False
    """Whether something came back since the outer path was moved."""
    proved_at: float = -1.0
    triggered_at: float = -1.0

    @property
    def prepared(self) -> bool:
        """Whether a change of it is prepared."""
        return self.next is not None

    @property
    def given_next(self) -> bool:
        """Whether charon has the next configuration that lies there."""
        return self.next is not None and self.given == self.next


@dataclass(frozen=True)
class SetInner:
    """Route the VPC by this tunnel's XFRM interface."""

    tunnel: int
    reason: str


@dataclass(frozen=True)
class SetOuter:
    """Route the tunnel's IPsec address by this uplink."""

    tunnel: int
    uplink: int
    reason: str


@dataclass(frozen=True)
class TakeOver:
    """Have the cloud told by BGP to send everything by the sessions of these tunnels; none: as is usual."""

    tunnels: frozenset[int]
    reason: str


@dataclass(frozen=True)
class StandAside:
    """Have VRRP give the virtual gateway to the other box, whatever priorities say; or take part in it (again)."""

    aside: bool
    reason: str


@dataclass(frozen=True)
class Initiate:
    """Ask charon to set the tunnel up."""

    tunnel: int
    reason: str


@dataclass(frozen=True)
class Load:
    """Give charon the tunnel's installed configuration, or the one that is prepared to be the next."""

    tunnel: int
    next: bool
    reason: str


@dataclass(frozen=True)
class Terminate:
    """Ask charon to delete the tunnel's IKE_SA; force: forget it without an answer."""

    tunnel: int
    force: bool
    reason: str


@dataclass(frozen=True)
class Trigger:
    """Send something through the tunnel, so that the cloud sees where it comes from, and ask for an answer."""

    tunnel: int


@dataclass(frozen=True)
class KillCharon:
    """End a hung charon; systemd starts it anew."""

    reason: str


@dataclass(frozen=True)
class Say:
    """Nothing to do, but worth a line in the log."""

    reason: str


Action = Union[SetInner, SetOuter, TakeOver, StandAside, Initiate, Load, Terminate, Trigger, KillCharon, Say]
