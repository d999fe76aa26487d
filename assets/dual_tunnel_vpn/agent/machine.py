"""What the failover agent decides, and why: a pure state machine.

It is told what is seen (observe_*) and asked what to do (step). It reads no clock and touches nothing,
so hours of faults can be simulated in a second. Every action carries a reason for people to read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Union

from ..ipsec.sas import Sa
from .health import RECOVER, Health, Path

MEMORY_VERSION = 2
"""Of what one agent leaves to the next; another version is not read, since an upgrade may change it."""


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
    one_way: float = 3.0
    """Sending without receiving anything for this long raises the suspicion of one-way loss."""
    blind_retry: float = 60.0
    """A path that probes cannot judge and that failed is tried again after this long, longer after each failure."""
    echo_within: float = 0.8
    """How long hosts in the VPC may take to clear a tunnel of it."""

    @property
    def witness(self) -> float:
        """How long a path must have answered to witness that another's silence is that one's own.

        When everything stood still for a moment, the answers of one path come a little before those of the other.
        Short enough to cost nothing: with the default misses a lone silence has its witness before it is judged.
        """
        return 2 * self.interval

    @property
    def awake(self) -> float:
        """How long a path that was silent must have answered before anything moves to it.

        Longer than a witness: a path that counts as dead, and may be back as well, is probed half as often.
        """
        return 3 * self.interval


@dataclass(frozen=True)
class TunnelShape:
    """What the machine knows about a tunnel: its number, its own uplink, the names to speak of it."""

    number: int
    uplink: int
    role: str
    address: str


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
class Initiate:
    """Ask charon to set the tunnel up."""

    tunnel: int
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


Action = Union[SetInner, SetOuter, Initiate, Terminate, Trigger, KillCharon, Say]


class Traffic:
    """What one tunnel carried, in samples of about a second."""

    def __init__(self) -> None:
        self._last: tuple[int, int] | None = None
        self._samples: deque[tuple[float, int, int]] = deque(maxlen=20)

    def observe(self, now: float, sent: int, received: int) -> None:
        """Takes the interface's counters."""
        if self._last is not None and sent >= self._last[0] and received >= self._last[1]:
            self._samples.append((now, sent - self._last[0], received - self._last[1]))
        self._last = (sent, received)

    def forget(self) -> None:
        """Starts anew."""
        self._samples.clear()

    def sent_lately(self, now: float, seconds: float) -> int:
        """Packets sent in the last seconds."""
        return sum(sent for at, sent, _ in self._samples if at > now - seconds)

    def received_lately(self, now: float, seconds: float) -> int:
        """Packets received in the last seconds."""
        return sum(received for at, _, received in self._samples if at > now - seconds)

    def received_before(self, now: float, seconds: float) -> int:
        """In how many of the ten samples before the last seconds something was received."""
        before = [received for at, _, received in self._samples if at <= now - seconds]
        return sum(received > 0 for received in before[-10:])


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
    moved_at: float = -1.0
    home_at: float = -1.0
    """When it may return to its own uplink at the earliest, after a return that failed."""
    proved: bool = False
    """Whether something came back since the outer path was moved."""
    proved_at: float = -1.0
    triggered_at: float = -1.0


class Machine:
    """Two tunnels, one or two uplinks. Times are seconds of a monotonic clock that never jumps."""

    def __init__(
        self,
        tunnels: tuple[TunnelShape, TunnelShape],
        uplinks: tuple[int, ...],
        settings: Settings,
        end_to_end: bool = False,
    ) -> None:
        """end_to_end: hosts in the VPC are known that answer what is sent through a tunnel."""
        self.settings = settings
        self.end_to_end = end_to_end
        self.tunnels = {shape.number: TunnelState(shape, shape.uplink) for shape in tunnels}
        self.preferred = tunnels[0].number
        self.uplinks = uplinks
        self.paths = {
            (uplink, shape.number): Path(settings.interval, settings.misses) for uplink in uplinks for shape in tunnels
        }
        self._beside = {key: self._doubters(*key) for key in self.paths}
        """The paths whose trouble casts doubt on a path."""
        self.calm = False
        """Whether every path is up and none has missed its last probe."""
        self.links = dict.fromkeys(uplinks, True)
        self.link_reasons = dict.fromkeys(uplinks, "")
        self.inner: int | None = None
        """The tunnel that the routes to the VPC lead to; None: they do not exist yet."""
        self.hold = settings.hold
        self.preferred_since: float | None = None
        self.failed_back_at: float | None = None
        self.left_at: float | None = None
        """When traffic left the active tunnel."""
        self.charon: bool | None = None
        self.charon_since = -1e9
        self.charon_silent_since: float | None = None
        self.killed_at = -1e9
        self.switches = 0
        self.traffic = {number: Traffic() for number in self.tunnels}
        self._traffic_seen = False
        self._echo_since: float | None = None
        self._now = 0.0
        self._actions: list[Action] = []

    # What is seen

    def adopt(self, now: float, inner: int | None, outer: Mapping[int, int], memory: Mapping[str, Any]) -> None:
        """Takes over at the start what the kernel has and what a former agent knew, without touching anything.

        memory: what `memory` returned to the former agent, on the same boot; empty when there is none.
        """
        self.inner = inner
        self.preferred_since = now if inner == self.preferred else None
        for path in self.paths.values():
            path.up_since = now
        if memory.get("version") == MEMORY_VERSION:
            try:
                self._remember(memory)
            except (TypeError, ValueError, LookupError):
                self._actions.append(Say("what the former agent remembered cannot be read: starting without it"))
        for number, uplink in outer.items():
            tunnel = self.tunnels[number]
            tunnel.outer, tunnel.moved_at = uplink, now
            if uplink != tunnel.shape.uplink and tunnel.phase not in (Phase.MOVED, Phase.DELETING):
                self._enter(tunnel, Phase.PROVING, now)
            elif uplink == tunnel.shape.uplink and tunnel.phase is not Phase.WAITING:
                self._enter(tunnel, Phase.NONE, now)

    def memory(self) -> dict[str, Any]:
        """What the next agent on the same boot needs to go on where this one stopped; JSON."""
        return {
            "version": MEMORY_VERSION,
            "hold": self.hold,
            "failedBackAt": self.failed_back_at,
            "preferredSince": self.preferred_since,
            "leftAt": self.left_at,
            "paths": [
                [*key, path.health.value, path.up_since, path.ever_answered, path.by_ike]
                for key, path in self.paths.items()
            ],
            "tunnels": [
                [number, tunnel.phase.name, tunnel.phase_since, tunnel.acknowledged, tunnel.proved]
                for number, tunnel in self.tunnels.items()
            ],
        }

    def _remember(self, memory: Mapping[str, Any]) -> None:
        self.hold = float(memory.get("hold", self.hold))
        self.failed_back_at = _moment(memory.get("failedBackAt"))
        self.left_at = _moment(memory.get("leftAt"))
        if self.preferred_since is not None:
            self.preferred_since = _moment(memory.get("preferredSince")) or self.preferred_since
        for uplink, number, health, up_since, answered, by_ike in memory.get("paths", []):
            path = self.paths.get((uplink, number))
            if path is not None:
                path.health, path.up_since = Health(health), float(up_since)
                path.last_answered_sent_at = 0.0 if answered else -1.0
                path.by_ike = bool(by_ike)
        for number, phase, since, acknowledged, proved in memory.get("tunnels", []):
            tunnel = self.tunnels[number]
            tunnel.phase, tunnel.phase_since = Phase[phase], float(since)
            tunnel.acknowledged, tunnel.proved = bool(acknowledged), bool(proved)

    def observe_link(self, uplink: int, well: bool, reason: str) -> None:
        """Carrier and address of an uplink."""
        if self.links[uplink] != well:
            self.links[uplink] = well
            self.link_reasons[uplink] = reason
            self._actions.append(Say(f"uplink {uplink} {reason}"))

    def observe_sas(self, now: float, sas: Mapping[int, Sa]) -> None:
        """charon's list, complete."""
        in_grace = now - self.charon_since < self.settings.restart_grace
        for number, tunnel in self.tunnels.items():
            sa = sas.get(number, Sa())
            if tunnel.sa.installed and not sa.installed and not sa.deleting and in_grace:
                continue
            if sa.installed and not tunnel.sa.installed:
                tunnel.installed_since = now
                tunnel.initiate_pause = 0.0
                tunnel.missing_since = None
                self._actions.append(Say(f"{self._name(number)} is up"))
            elif tunnel.sa.installed and not sa.installed:
                tunnel.missing_since = now
                tunnel.initiate_at = now
                if not sa.deleting:
                    self._actions.append(Say(f"{self._name(number)} has no SA any more"))
            tunnel.sa = sa

    def observe_charon(self, now: float, answering: bool) -> None:
        """Whether charon is there and answers."""
        if answering:
            if self.charon is False:
                self.charon_since = now
                self._actions.append(Say("charon answers again"))
                for tunnel in self.tunnels.values():
                    tunnel.initiate_at = max(tunnel.initiate_at, now + self.settings.restart_grace)
            self.charon = True
            self.charon_silent_since = None
        elif self.charon:
            self.charon = False
            self._actions.append(Say("charon is gone"))

    def observe_charon_silent(self, since: float | None) -> None:
        """charon took a request at that time and has not answered it."""
        self.charon_silent_since = since

    def observe_traffic(self, now: float, number: int, sent: int, received: int) -> None:
        """How many packets a tunnel's interface has carried so far; told about once a second."""
        self.traffic[number].observe(now, sent, received)
        self._traffic_seen = True

    def observe_proof(self, number: int, sent_at: float) -> None:
        """An answer came through this tunnel to what was sent through it at that time."""
        tunnel = self.tunnels[number]
        tunnel.proved_at = max(tunnel.proved_at, sent_at)

    # What is decided

    def step(self, now: float) -> list[Action]:
        """The actions that what was seen calls for; they count as done."""
        self._now = now
        self._judge_paths(now)
        self._judge_charon(now)
        self._judge_traffic(now)
        for number in self.tunnels:
            self._rescue(now, number)
        self._choose_inner(now)
        for number in self.tunnels:
            self._bring_up(now, number)
        actions, self._actions = self._actions, []
        return actions

    def path(self, number: int, uplink: int | None = None) -> Path:
        """The path of a tunnel by an uplink (default: the one that it leaves by now)."""
        return self.paths[(self.tunnels[number].outer if uplink is None else uplink, number)]

    def passable(self, number: int, uplink: int) -> bool:
        """Whether nothing speaks against that way."""
        return self.links[uplink] and self.path(number, uplink).health is not Health.DOWN

    def inviting(self, number: int, uplink: int) -> bool:
        """Whether that way is worth moving to: nothing speaks against it, not even silence yet to be judged.

        One that is back is not at once: the way to be left may be back with it.
        """
        path = self.path(number, uplink)
        settled = self._now - path.heard_since >= self.settings.awake
        return self.passable(number, uplink) and settled and not path.silent

    def ready(self, number: int) -> bool:
        """Whether the tunnel is worth moving traffic to."""
        return self.usable(number) and self.inviting(number, self.tunnels[number].outer)

    def usable(self, number: int) -> bool:
        """Whether traffic put into the tunnel now should arrive."""
        tunnel = self.tunnels[number]
        doubtful = tunnel.outer != tunnel.shape.uplink and not tunnel.proved
        return tunnel.sa.installed and not doubtful and self.passable(number, tunnel.outer)

    def watched(self, uplink: int, number: int) -> bool:
        """Whether that path is probed at the full rate: the active tunnel's own, and the standby's while it carries.

        Where both tunnels share an uplink, that of the tunnel in use alone, or the uplink would carry twice the probes.
        """
        if self.tunnels[number].shape.uplink != uplink:
            return False
        carries = number == (self.inner or self.preferred)
        return carries or (number == self.preferred and len(self.uplinks) > 1)

    def hurried(self, uplink: int, number: int) -> bool:
        """Whether a path that is not watched is probed more often than once a second: there is doubt."""
        return any(path.missed_in_a_row > 0 or path.health is Health.DOWN for path in self._beside[(uplink, number)])

    def _doubters(self, uplink: int, number: int) -> tuple[Path, ...]:
        """A tunnel's own path; for the other tunnel's own path, which is then needed, the active tunnel's too."""
        own = {shape_number: tunnel.shape.uplink for shape_number, tunnel in self.tunnels.items()}
        wanted = [number]
        if (uplink == own[number] and number != self.preferred) or len(self.uplinks) == 1:
            wanted = list(own)
        return tuple(self.paths[(own[other], other)] for other in wanted)

    def other_uplink(self, number: int) -> int | None:
        """The uplink that is not the tunnel's own, if there is one."""
        own = self.tunnels[number].shape.uplink
        return next((uplink for uplink in self.uplinks if uplink != own), None)

    def other_tunnel(self, number: int) -> int:
        """The other tunnel's number."""
        return next(other for other in self.tunnels if other != number)

    def _name(self, number: int) -> str:
        return f"tunnel {number} ({self.tunnels[number].shape.role})"

    def _judge_paths(self, now: float) -> None:
        self.calm = True
        for (uplink, number), path in self.paths.items():
            path.advance(now)
            if path.health is Health.UP and not path.missed_in_a_row and path.loss < self.settings.brownout:
                continue
            self.calm = False
            where = f"uplink {uplink} to {self.tunnels[number].shape.address}"
            verdict = self._others_answer(now, path) if path.health is Health.UP and path.missed_in_a_row else ""
            if path.health is Health.UP and path.silent:
                if verdict or path.missed_in_a_row >= 3 * path.misses:
                    # Where everything is silent, one answer shows that it no longer is.
                    path.mark_down(RECOVER if verdict else 1)
                    silence = now - path.first_missed_sent_at
                    missed = f"{path.missed_in_a_row} probes in a row without an answer, for {silence:.2f} s"
                    self._actions.append(Say(f"{where}: {missed}{verdict}"))
            elif path.health is Health.UP and path.loss >= self.settings.brownout:
                best = min(
                    (other.loss for key, other in self.paths.items() if self._comparable(key, uplink)), default=1
                )
                if best <= self.settings.brownout / 3:
                    loss = path.loss
                    path.mark_down()
                    self._actions.append(Say(f"{where}: {loss:.0%} of its probes are lost, {best:.0%} elsewhere"))
            elif path.health is Health.DOWN and not path.ever_answered and now >= path.doubted_until:
                path.health, path.up_since = Health.UNPROVEN, now
            elif path.health is Health.DOWN and path.answered_in_a_row >= path.recover:
                path.mark_up(now)
                self._actions.append(Say(f"{where}: answers again"))

    def _comparable(self, key: tuple[int, int], uplink: int) -> bool:
        path = self.paths[key]
        return path.health is Health.UP and key[0] != uplink and self.links[key[0]] and path.has_window

    def _others_answer(self, now: float, path: Path) -> str:
        """Why the silence of a path is its own and not that of everything; empty when it is not."""
        proven = [(key, other) for key, other in self.paths.items() if other.health is Health.UP and other is not path]
        if not proven:
            return "; there is no other path to compare with"
        for (by, to), other in proven:
            if other.last_answered_sent_at > path.first_missed_sent_at and other.missed_in_a_row < other.misses:
                if path.alone_since is None:
                    path.alone_since = now
                if now - path.alone_since >= self.settings.witness:
                    return f"; uplink {by} to {self.tunnels[to].shape.address} answers"
                return ""
        path.alone_since = None
        return ""

    def _judge_charon(self, now: float) -> None:
        silent = self.charon_silent_since
        if silent is None or now - silent < self.settings.hung_after or now - self.killed_at < self.settings.kill_pause:
            return
        self.killed_at = now
        self._actions.append(
            KillCharon(f"charon has not answered for {now - silent:.1f} s: it is killed to start anew")
        )

    def _judge_traffic(self, now: float) -> None:
        """One-way loss: we send and nothing comes back, though it did until a moment ago."""
        if not self._traffic_seen and self._echo_since is None:
            return
        self._traffic_seen = False
        number = self.inner
        if number is None or not self.usable(number) or not self._one_way(now, number):
            self._echo_since = None
            return
        tunnel, path = self.tunnels[number], self.path(number)
        lost = f"tunnel {number} sends, and nothing has come back for {self.settings.one_way:g} s"
        preferred = self.tunnels[self.preferred]
        if number != self.preferred and preferred.sa.installed:
            # The cloud sends by the active tunnel while it has it: what is broken is its way back there.
            if preferred.phase is Phase.MOVED and self.settings.delete_by_other_uplink:
                why = f"{lost}: the cloud's way back by tunnel {self.preferred} is broken"
                self._start_delete(now, preferred, preferred.outer, why)
            self._forgive()
            return
        if self.end_to_end:
            # A host in the VPC is known: its silence decides, and its answer clears the tunnel.
            if self._echo_since is None:
                self._echo_since = now
                self._actions.append(Say(f"{lost}: asking a host in the VPC"))
            if tunnel.proved_at >= self._echo_since:
                self._forgive()
                return
            self._trigger(now, tunnel, 0.1)
            if now - self._echo_since < self.settings.echo_within:
                return
            lost = f"{lost}, nor does the VPC answer"
        elif path.health is Health.UP:
            # Probes pass. Without a host to ask, one-way traffic may simply be what the site does.
            return
        self._forgive()
        path.mark_down()
        self._doubt(now, path)
        self._actions.append(Say(lost))

    def _one_way(self, now: float, number: int) -> bool:
        received = [traffic.received_lately(now, self.settings.one_way) for traffic in self.traffic.values()]
        before = max(traffic.received_before(now, self.settings.one_way) for traffic in self.traffic.values())
        sent = self.traffic[number].sent_lately(now, self.settings.one_way)
        return sent >= 5 and not any(received) and before >= 5

    def _forgive(self) -> None:
        self._echo_since = None
        for traffic in self.traffic.values():
            traffic.forget()

    def _why_down(self, number: int, uplink: int) -> str:
        if not self.links[uplink]:
            return f"uplink {uplink} {self.link_reasons[uplink]}"
        return f"uplink {uplink} does not reach {self.tunnels[number].shape.address}"

    def _enter(self, tunnel: TunnelState, phase: Phase, now: float) -> None:
        tunnel.phase, tunnel.phase_since = phase, now

    def _move_outer(self, now: float, tunnel: TunnelState, uplink: int, reason: str) -> None:
        if tunnel.outer != uplink:
            tunnel.outer, tunnel.proved, tunnel.moved_at = uplink, False, now
            self._actions.append(SetOuter(tunnel.shape.number, uplink, reason))

    def _rescue(self, now: float, number: int) -> None:
        """Keeps the cloud's direction alive when a tunnel's own uplink is dead."""
        tunnel = self.tunnels[number]
        own = tunnel.shape.uplink
        own_well = self.passable(number, own)
        if own_well and tunnel.phase is Phase.NONE:
            return
        other, name = self.other_uplink(number), self._name(number)
        if tunnel.phase is Phase.NONE:
            if other is None or not tunnel.sa.installed or not self.inviting(number, other):
                return
            if number not in (self.inner, self.preferred):
                return
            if self.settings.outer_move:
                self._flip_before_move(now, number)
                self._enter(tunnel, Phase.PROVING, now)
                tunnel.triggered_at = -1.0
                self._move_outer(
                    now,
                    tunnel,
                    other,
                    f"{self._why_down(number, own)}: {name} goes on by uplink {other}, if the cloud follows",
                )
            elif self.settings.delete_by_other_uplink and self.ready(self.other_tunnel(number)):
                self._flip_before_move(now, number)
                self._start_delete(now, tunnel, other)
        if tunnel.phase is Phase.PROVING:
            self._prove(now, tunnel)
        elif tunnel.phase is Phase.RETURNING:
            self._return_home(now, tunnel)
        elif tunnel.phase is Phase.DELETING:
            self._await_delete(now, tunnel)
        elif tunnel.phase is Phase.MOVED:
            self._stay_moved(now, tunnel)
        elif tunnel.phase is Phase.WAITING and own_well:
            urgent = not self.usable(self.other_tunnel(number))
            held = now - self.path(number, own).up_since >= self.hold
            if held or urgent or not tunnel.acknowledged:
                tunnel.restoring = held
                tunnel.initiate_at = now
                self._enter(tunnel, Phase.NONE, now)

    def _flip_before_move(self, now: float, number: int) -> None:
        # Inner first: that direction is then healed whatever the cloud does.
        other = self.other_tunnel(number)
        if self.inner == number and self.ready(other):
            self._set_inner(now, other, self._why_down(number, self.tunnels[number].outer))

    def _start_delete(self, now: float, tunnel: TunnelState, uplink: int, why: str = "") -> None:
        self._move_outer(
            now, tunnel, uplink, f"the DELETE for {self._name(tunnel.shape.number)} leaves by uplink {uplink}"
        )
        self._enter(tunnel, Phase.DELETING, now)
        tunnel.acknowledged = False
        self._actions.append(
            Terminate(
                tunnel.shape.number,
                False,
                f"{why}{': ' if why else ''}the cloud is told by uplink {uplink} to use the other tunnel",
            )
        )

    def _prove(self, now: float, tunnel: TunnelState) -> None:
        number, name = tunnel.shape.number, self._name(tunnel.shape.number)
        if self._proof_came(tunnel):
            self._enter(tunnel, Phase.MOVED, now)
        elif not tunnel.sa.installed:
            self._give_up(now, tunnel, f"{name} is gone")
        elif not self.passable(number, tunnel.outer):
            self._call_back(now, tunnel)
        elif now - tunnel.phase_since >= self._proof_time(tunnel) and self._led_there(tunnel):
            if self.settings.delete_by_other_uplink and self.ready(self.other_tunnel(number)):
                waited = f"{now - tunnel.phase_since:.2f} s"
                self._actions.append(Say(f"nothing came back through {name} in {waited}: the cloud does not follow"))
                self._start_delete(now, tunnel, tunnel.outer)
            elif self.usable(self.other_tunnel(number)):
                self._give_up(now, tunnel, f"nothing came back through {name}")
            else:
                self._enter(tunnel, Phase.MOVED, now)
        else:
            self._trigger(now, tunnel, 0.05)

    def _proof_time(self, tunnel: TunnelState) -> float:
        return max(self.settings.proof_within, 2 * self.path(tunnel.shape.number).round_trip + 0.1)

    def _led_there(self, tunnel: TunnelState) -> bool:
        """Whether the moved tunnel's way was seen to be well since: only then does silence speak against the cloud."""
        path = self.path(tunnel.shape.number)
        return not path.ever_answered or path.last_answered_sent_at >= tunnel.moved_at

    def _proof_came(self, tunnel: TunnelState) -> bool:
        if not tunnel.proved and tunnel.proved_at >= tunnel.moved_at:
            tunnel.proved = True
            self._actions.append(
                Say(f"the cloud follows: {self._name(tunnel.shape.number)} carries both ways by uplink {tunnel.outer}")
            )
        return tunnel.proved

    def _trigger(self, now: float, tunnel: TunnelState, pause: float) -> None:
        if now - tunnel.triggered_at >= pause - 0.01:
            tunnel.triggered_at = now
            self._actions.append(Trigger(tunnel.shape.number))

    def _await_delete(self, now: float, tunnel: TunnelState) -> None:
        number, name = tunnel.shape.number, self._name(tunnel.shape.number)
        waited = now - tunnel.phase_since
        if not tunnel.sa.installed and not tunnel.sa.deleting:
            tunnel.acknowledged = True
            self._give_up(now, tunnel, f"the cloud acknowledged after {waited:.2f} s: it uses the other tunnel")
        elif waited >= self.settings.delete_within:
            self._actions.append(Terminate(number, True, f"no answer to the DELETE of {name} in {waited:.0f} s"))
            self._give_up(now, tunnel, "the cloud takes nothing from the other uplink and must notice by itself")
        elif self.passable(number, tunnel.shape.uplink) and not self.passable(number, tunnel.outer):
            self._move_outer(
                now, tunnel, tunnel.shape.uplink, f"{self._why_down(number, tunnel.outer)}: the DELETE goes home"
            )

    def _stay_moved(self, now: float, tunnel: TunnelState) -> None:
        number, name, own = tunnel.shape.number, self._name(tunnel.shape.number), tunnel.shape.uplink
        if not tunnel.sa.installed and not tunnel.sa.deleting:
            self._give_up(now, tunnel, f"{name} is gone")
            return
        if not self._proof_came(tunnel):
            if now - tunnel.phase_since > self.settings.unproved:
                if self.passable(number, tunnel.outer) and self._led_there(tunnel):
                    self._give_up(now, tunnel, f"nothing ever came back through {name}")
                else:
                    self._call_back(now, tunnel)
                return
            self._trigger(now, tunnel, 0.5)
        if not self.passable(number, own):
            return
        if now < tunnel.home_at and self.passable(number, tunnel.outer):
            return
        held = now - self.path(number, own).up_since >= self.hold
        if held or not tunnel.proved or not self.passable(number, tunnel.outer):
            tunnel.restoring = held
            tunnel.triggered_at = -1.0
            well = f"uplink {own} has been well for {self.hold:g} s" if held else f"uplink {own} is back"
            self._enter(tunnel, Phase.RETURNING, now)
            self._move_outer(now, tunnel, own, f"{well}: {name} returns to it")
            tunnel.installed_since = max(tunnel.installed_since, now)
            self._return_home(now, tunnel)

    def _return_home(self, now: float, tunnel: TunnelState) -> None:
        """Until something came back, the tunnel may be sent to the other uplink again."""
        number, name = tunnel.shape.number, self._name(tunnel.shape.number)
        other = self.other_uplink(number)
        if tunnel.proved_at >= tunnel.moved_at or not tunnel.sa.installed or other is None:
            self._enter(tunnel, Phase.NONE, now)
        elif now - tunnel.phase_since < self._proof_time(tunnel):
            self._trigger(now, tunnel, 0.05)
        elif self.end_to_end and self.passable(number, other):
            path = self.path(number, tunnel.shape.uplink)
            path.mark_down()
            self._doubt(now, path)
            self.hold = min(self.settings.hold_limit, self.hold * 2)
            tunnel.home_at = now + self.hold
            self._enter(tunnel, Phase.PROVING, now)
            self._move_outer(now, tunnel, other, f"nothing came back through {name} by its own uplink: away again")
        else:
            self._enter(tunnel, Phase.NONE, now)

    def _doubt(self, now: float, path: Path) -> None:
        # A path that probes cannot judge is tried again rarely: without probes a try costs traffic.
        path.doubted_until = now + self.settings.blind_retry * max(1.0, self.hold / self.settings.hold)

    def _give_up(self, now: float, tunnel: TunnelState, reason: str) -> None:
        self._enter(tunnel, Phase.WAITING, now)
        self._move_outer(now, tunnel, tunnel.shape.uplink, reason)

    def _call_back(self, now: float, tunnel: TunnelState) -> None:
        """The other uplink is dead too, which says nothing about the cloud: tried again once it is back."""
        reason = self._why_down(tunnel.shape.number, tunnel.outer)
        self._enter(tunnel, Phase.NONE, now)
        self._move_outer(now, tunnel, tunnel.shape.uplink, reason)

    def _choose_inner(self, now: float) -> None:
        if self.inner is None:
            number = self.preferred
            if not self.usable(number) and self.usable(self.other_tunnel(number)):
                number = self.other_tunnel(number)
            self._set_inner(now, number, "there is no route to the VPC yet")
            return
        current, other = self.inner, self.other_tunnel(self.inner)
        if not self.usable(current):
            tunnel = self.tunnels[current]
            # A tunnel without an SA carries nothing for certain; one that probes speak against might.
            if self.ready(other) or (not tunnel.sa.installed and self.tunnels[other].sa.installed):
                lost = (
                    "has no SA" if not tunnel.sa.installed else f"has no way: {self._why_down(current, tunnel.outer)}"
                )
                self._set_inner(now, other, f"{self._name(current)} {lost}")
        elif current != self.preferred and self._may_fail_back(now):
            self._set_inner(now, self.preferred, f"{self._name(self.preferred)} has been well for its hold")
        if self.preferred_since is not None and now - self.preferred_since >= self.settings.calm:
            self.hold = self.settings.hold

    def _may_fail_back(self, now: float) -> bool:
        tunnel = self.tunnels[self.preferred]
        own = tunnel.shape.uplink
        if tunnel.phase is not Phase.NONE or tunnel.outer != own or not self.usable(self.preferred):
            return False
        if self.left_at is not None and now - self.left_at < self.hold:
            return False
        path, installed_for = self.path(self.preferred, own), now - tunnel.installed_since
        if path.health is Health.UP and now - path.up_since < self.hold:
            return False
        return installed_for >= (self.settings.settle if tunnel.restoring else self.hold)

    def _set_inner(self, now: float, number: int, reason: str) -> None:
        if self.inner is not None:
            self.switches += 1
        if number == self.preferred:
            self.preferred_since = now
            if self.inner is not None:
                self.failed_back_at = now
        else:
            if self.failed_back_at is not None and now - self.failed_back_at < self.settings.flap:
                self.hold = min(self.settings.hold_limit, self.hold * 2)
            self.preferred_since = None
            self.left_at = now
            self.tunnels[self.preferred].restoring = False
        self.inner = number
        self._actions.append(SetInner(number, f"{reason}: the VPC is reached by {self._name(number)}"))

    def _bring_up(self, now: float, number: int) -> None:
        tunnel = self.tunnels[number]
        sa = tunnel.sa
        if sa.installed or sa.connecting or not self.charon or tunnel.phase is not Phase.NONE:
            return
        if now < tunnel.initiate_at or not self.passable(number, tunnel.outer):
            return
        if tunnel.missing_since is None:
            tunnel.missing_since = now
        if now - tunnel.missing_since > self.settings.initiate_patience:
            tunnel.initiate_pause = self.settings.initiate_slow
        else:
            tunnel.initiate_pause = min(
                self.settings.initiate_limit, max(self.settings.initiate_first, 2 * tunnel.initiate_pause)
            )
        tunnel.initiate_at = now + tunnel.initiate_pause
        self._actions.append(Initiate(number, f"{self._name(number)} is missing"))


def _moment(value: object) -> float | None:
    if value is None or isinstance(value, (int, float)):
        return value
    raise ValueError("not a moment")
