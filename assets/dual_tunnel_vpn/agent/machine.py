"""What the failover agent decides, and why: a pure state machine.

It is told what is seen (observe_*) and asked what to do (step). It reads no clock and touches nothing,
so hours of faults can be simulated in a second. Every action carries a reason for people to read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..bgp.heard import Heard, Session
from ..ipsec.sas import Sa
from .facts import Action, Initiate, KillCharon, Load, Phase, Say, Settings, Terminate, TunnelShape
from .health import RECOVER, Health, Path
from .rescue import rescue, start_delete
from .situation import Situation
from .steering import may_return, silenced, steer, takeover
from .traffic import Traffic

MEMORY_VERSION = 2
"""Of what one agent leaves to the next; another version is not read, since an upgrade may change it."""


class Machine(Situation):
    """Observes and steps."""

    def __init__(
        self,
        tunnels: tuple[TunnelShape, ...],
        uplinks: tuple[int, ...],
        settings: Settings,
        end_to_end: bool = False,
    ) -> None:
        """end_to_end: hosts in the VPC are known that answer what is sent through a tunnel."""
        super().__init__(tunnels, uplinks, settings, end_to_end)
        self._beside = {key: self._doubters(*key) for key in self.paths}
        """The paths whose trouble casts doubt on a path."""
        self.calm = False
        """Whether every path is up and none has missed its last probe."""
        self.charon: bool | None = None
        self.charon_since = -1e9
        self.charon_silent_since: float | None = None
        self.killed_at = -1e9
        self.traffic = {number: Traffic() for number in self.tunnels}
        self._traffic_seen = False
        self._echo_since: float | None = None
        self._asked_vpc = not end_to_end
        """Whether something has come back since the start, or hosts in the VPC were asked; else they are, once."""
        self._asked_hold: tuple[int, object] | None = None

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
                self.do(Say("what the former agent remembered cannot be read: starting without it"))
        for number, uplink in outer.items():
            tunnel = self.tunnels[number]
            tunnel.outer, tunnel.moved_at = uplink, now
            if uplink != tunnel.shape.uplink and tunnel.phase not in (Phase.MOVED, Phase.DELETING):
                self.enter(tunnel, Phase.PROVING, now)
            elif uplink == tunnel.shape.uplink and tunnel.phase is not Phase.WAITING:
                self.enter(tunnel, Phase.NONE, now)

    def memory(self) -> dict[str, Any]:
        """What the next agent on the same boot needs to go on where this one stopped; JSON."""
        return {
            "version": MEMORY_VERSION,
            "hold": self.hold,
            "failedBackAt": self.failed_back_at,
            "preferredSince": self.preferred_since,
            "leftAt": self.left_at,
            "given": {str(number): tunnel.given for number, tunnel in self.tunnels.items() if tunnel.given is not None},
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
        for number, stamp in memory.get("given", {}).items():
            self.tunnels[int(number)].given = str(stamp)

    def observe_link(self, uplink: int, well: bool, reason: str) -> None:
        """Carrier and address of an uplink."""
        if self.links[uplink] != well:
            self.links[uplink] = well
            self.link_reasons[uplink] = reason
            self.do(Say(f"uplink {uplink} {reason}"))

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
                self.do(Say(f"{self.name(number)} is up"))
            elif tunnel.sa.installed and not sa.installed:
                tunnel.missing_since = now
                tunnel.initiate_at = now
                if not sa.deleting:
                    self.do(Say(f"{self.name(number)} has no SA any more"))
            tunnel.sa = sa

    def observe_charon(self, now: float, answering: bool) -> None:
        """Whether charon is there and answers."""
        if answering:
            if self.charon is False:
                self.charon_since = now
                self.do(Say("charon answers again"))
                for tunnel in self.tunnels.values():
                    tunnel.initiate_at = max(tunnel.initiate_at, now + self.settings.restart_grace)
                    # It has started with what is installed.
                    tunnel.given, tunnel.loaded, tunnel.outdated = None, False, False
            self.charon = True
            self.charon_silent_since = None
        elif self.charon:
            self.charon = False
            self.do(Say("charon is gone"))

    def observe_charon_silent(self, since: float | None) -> None:
        """charon took a request at that time and has not answered it."""
        self.charon_silent_since = since

    def observe_change(self, hold: tuple[int, object] | None, nexts: Mapping[int, str]) -> None:
        """A planned change: the tunnel that is to carry nothing, with what tells this hold from others; and the stamps
        of the next configurations that are there.
        """
        for number, tunnel in self.tunnels.items():
            before, tunnel.next = tunnel.next, nexts.get(number)
            if tunnel.next != before or tunnel.sa.installed:
                tunnel.waits = tunnel.prepared and not tunnel.given_next
            if tunnel.given in (None, tunnel.next):
                continue
            # What charon has is installed by now, or never will be.
            tunnel.given, tunnel.loaded, tunnel.outdated = None, False, True
            if not tunnel.prepared and not tunnel.sa.installed:
                self._give_installed(number, f"{self.name(number)} has one configuration again")
        hold = hold or self._implied_hold()
        if hold == self._asked_hold:
            return
        self._asked_hold, former = hold, self.held
        self.held = None if hold is None else hold[0]
        if self.held != former:
            is_held = "no tunnel is held any more"
            self.do(Say(is_held if hold is None else f"{self.name(hold[0])} is held: it is about to be changed"))

    def _implied_hold(self) -> tuple[int, object] | None:
        """A change that is prepared may come at any moment."""
        return self._waits()

    def _waits(self) -> tuple[int, object] | None:
        """The one tunnel whose prepared change has not come, and its stamp; of two neither is the better one."""
        waiting = [(number, tunnel.next) for number, tunnel in self.tunnels.items() if tunnel.waits]
        return waiting[0] if len(waiting) == 1 else None

    def _give_installed(self, number: int, reason: str) -> None:
        self.tunnels[number].outdated = False
        self.do(Load(number, False, reason))

    def observe_no_turn(self, number: int, next_one: bool) -> None:
        """charon was not given this configuration: the tunnel was on its way, or up, with the other one."""
        tunnel = self.tunnels[number]
        if tunnel.prepared and tunnel.given_next == next_one:
            tunnel.loaded, tunnel.given = False, None if next_one else tunnel.next
            tunnel.initiate_at = self.now + self.settings.initiate_first
            self.do(Say(f"{self.name(number)} is on its way as it is"))

    def observe_traffic(self, now: float, number: int, sent: int, received: int) -> None:
        """How many packets a tunnel's interface has carried so far; told about once a second."""
        self.traffic[number].observe(now, sent, received)
        self._traffic_seen = True

    def observe_proof(self, number: int, sent_at: float) -> None:
        """An answer came through this tunnel to what was sent through it at that time."""
        tunnel = self.tunnels[number]
        tunnel.proved_at = max(tunnel.proved_at, sent_at)

    def observe_bgp(self, heard: Heard | None) -> None:
        """What the BGP speaker knows, None when it is not there."""
        if heard is None:
            if self.taking_over is not None:
                self.do(Say("the BGP speaker is gone"))
            self.taking_over = None
            self.sessions = {number: Session() for number in self.tunnels}
            self.ended.clear()
            return
        self.taking_over = heard.taking_over
        for number, found in heard.sessions.items():
            before, self.sessions[number] = self.sessions[number], found
            if found.established != before.established:
                (self.ended.discard if found.established else self.ended.add)(number)
                said = "is established" if found.established else f"has ended ({found.state})"
                self.do(Say(f"the BGP session of {self.name(number)} {said}"))

    # What is decided

    def step(self, now: float) -> list[Action]:
        """The actions that what was seen calls for; they count as done."""
        self.now = now
        self._judge_paths(now)
        self._judge_charon(now)
        self._judge_session(now)
        self._judge_traffic(now)
        for tunnel in self.tunnels.values():
            rescue(self, now, tunnel)
        self._choose_inner(now)
        steer(self, self._takeover())
        for number in self.tunnels:
            self._bring_up(now, number)
        actions, self.actions = self.actions, []
        return actions

    def _takeover(self) -> frozenset[int]:
        """The tunnels by whose sessions the cloud is to send everything."""
        return takeover(self)

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
                    self.do(Say(f"{where}: {missed}{verdict}"))
            elif path.health is Health.UP and path.loss >= self.settings.brownout:
                best = min(
                    (other.loss for key, other in self.paths.items() if self._comparable(key, uplink)), default=1
                )
                if best <= self.settings.brownout / 3:
                    loss = path.loss
                    path.mark_down()
                    self.do(Say(f"{where}: {loss:.0%} of its probes are lost, {best:.0%} elsewhere"))
            elif path.health is Health.DOWN and not path.ever_answered and now >= path.doubted_until:
                path.health, path.up_since = Health.UNPROVEN, now
            elif path.health is Health.DOWN and path.answered_in_a_row >= path.recover:
                path.mark_up(now)
                self.do(Say(f"{where}: answers again"))

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
        self.do(KillCharon(f"charon has not answered for {now - silent:.1f} s: it is killed to start anew"))

    def _judge_session(self, now: float) -> None:
        """A BGP session that is not established says that nothing passes inside, where the counters say so too.

        Alone it proves nothing: the cloud's speaker may have ended it. That it ended need not have been seen: neither
        after a boot, nor by an agent or with a speaker that has started since.
        """
        number = self.inner
        if number is None or self.taking_over is None or not self._traffic_seen or not self.usable(number):
            return
        if number not in self.sessions or self.sessions[number].established:
            return
        other, path = self.other_tunnel(number), self.path(number)
        if not silenced(self.traffic[number], now, self.settings.one_way):
            return
        # One that was never seen may be about to begin: what it has just sent proves nothing yet.
        if number not in self.ended and not self.traffic[number].unanswered(now, self.settings.one_way):
            return
        if self.works(other) and self.could_carry(other):
            self._forgive()
            path.mark_down()
            self.doubt(now, path)
            nothing = f"nothing has come back through it for {self.settings.one_way:g} s"
            state = "has ended" if number in self.ended else "is not established"
            self.do(Say(f"the BGP session of {self.name(number)} {state}, and {nothing}"))

    def _judge_traffic(self, now: float) -> None:
        """One-way loss: we send and nothing comes back, though it did until a moment ago, or nobody knows yet."""
        if not self._traffic_seen and self._echo_since is None:
            return
        self._traffic_seen = False
        number = self.inner
        # Where all BGP sessions have ended the cloud has no way back by either tunnel, and neither is to blame.
        known = self.ended == set(self.tunnels)
        ours = number is not None and number in self.tunnels
        if number is None or not ours or known or not self.usable(number) or not self._one_way(now, number):
            self._echo_since = None
            return
        tunnel, path = self.tunnels[number], self.path(number)
        lost = f"tunnel {number} sends, and nothing has come back for {self.settings.one_way:g} s"
        preferred = self.tunnels[self.preferred]
        if number != self.preferred and preferred.sa.installed:
            # The cloud sends by the active tunnel while it has it: what is broken is its way back there.
            if preferred.phase is Phase.MOVED and self.settings.delete_by_other_uplink:
                why = f"{lost}: the cloud's way back by tunnel {self.preferred} is broken"
                start_delete(self, now, preferred, preferred.outer, why)
            self._forgive()
            return
        if self.end_to_end:
            # A host in the VPC is known: its silence decides, and its answer clears the tunnel.
            if self._echo_since is None:
                self._echo_since = now
                self.do(Say(f"{lost}: asking a host in the VPC"))
            if tunnel.proved_at >= self._echo_since:
                self._asked_vpc = True
                self._forgive()
                return
            self.trigger(now, tunnel, 0.1)
            if now - self._echo_since < self.settings.echo_within:
                return
            self._asked_vpc = True
            lost = f"{lost}, nor does the VPC answer"
        elif path.health is Health.UP:
            # Probes pass. Without a host to ask, one-way traffic may simply be what the site does.
            return
        self._forgive()
        path.mark_down()
        self.doubt(now, path)
        self.do(Say(lost))

    def _one_way(self, now: float, number: int) -> bool:
        received = [traffic.received_lately(now, self.settings.one_way) for traffic in self.traffic.values()]
        before = max(traffic.received_before(now, self.settings.one_way) for traffic in self.traffic.values())
        sent = self.traffic[number].sent_lately(now, self.settings.one_way)
        self._asked_vpc = self._asked_vpc or before >= 5
        # Of the other tunnel's loss the VPC's hosts are not asked: the cloud's way back is judged by what came before.
        asks = not self._asked_vpc and (number == self.preferred or not self.tunnels[self.preferred].sa.installed)
        return sent >= 5 and not any(received) and (before >= 5 or asks)

    def _forgive(self) -> None:
        self._echo_since = None
        for traffic in self.traffic.values():
            traffic.forget()

    def _choose_inner(self, now: float) -> None:
        if self.inner is None:
            number = self.preferred
            avoided = not self.usable(number) or number == self.held
            if avoided and self.usable(self.other_tunnel(number)):
                number = self.other_tunnel(number)
            self.set_inner(now, number, "there is no route to the VPC yet")
            return
        current, other = self.inner, self.other_tunnel(self.inner)
        if not self.usable(current):
            # A tunnel without an SA carries nothing for certain; one that probes speak against might.
            if self.ready(other) or (self._is_gone(current) and self._is_up(other)):
                self.set_inner(now, other, f"{self.name(current)} {self._why_left(current)}")
        elif current == self.held:
            if self.ready(other):
                self.set_inner(now, other, f"{self.name(current)} is about to be changed", planned=True)
        elif current != self.preferred and self.preferred != self.held and self._may_fail_back(now):
            self.set_inner(now, self.preferred, f"{self.name(self.preferred)} has been well for its hold")
        if self.preferred_since is not None and now - self.preferred_since >= self.settings.calm:
            self.hold = self.settings.hold

    def _is_up(self, number: int) -> bool:
        return number in self.tunnels and self.tunnels[number].sa.installed

    def _is_gone(self, number: int) -> bool:
        return number in self.tunnels and not self.tunnels[number].sa.installed

    def _why_left(self, number: int) -> str:
        if number not in self.tunnels:
            return "takes nothing any more"
        tunnel = self.tunnels[number]
        return f"has no way: {self.why_down(number, tunnel.outer)}" if tunnel.sa.installed else "has no SA"

    def _may_fail_back(self, now: float) -> bool:
        tunnel = self.tunnels[self.preferred]
        own = tunnel.shape.uplink
        if tunnel.phase is not Phase.NONE or tunnel.outer != own or not self.usable(self.preferred):
            return False
        if self.left_at is not None and now - self.left_at < self.hold:
            return False
        if not may_return(self):
            return False
        path, installed_for = self.path(self.preferred, own), now - tunnel.installed_since
        if path.health is Health.UP and now - path.up_since < self.hold:
            return False
        return installed_for >= (self.settings.settle if tunnel.restoring else self.hold)

    def _bring_up(self, now: float, number: int) -> None:
        tunnel = self.tunnels[number]
        sa = tunnel.sa
        if sa.installed or not sa.connecting:
            tunnel.connecting_since = None
        elif tunnel.connecting_since is None:
            tunnel.connecting_since = now
        if sa.installed:
            # What it is up with is what it is tried with first once it is down.
            tunnel.loaded = tunnel.given_next
        if sa.installed or not self.charon or tunnel.phase is not Phase.NONE:
            return
        if not self.passable(number, tunnel.outer):
            return
        if tunnel.connecting_since is not None:
            # charon tries one for ever where the other end is silent, as IKEv1's is to a wrong key.
            if tunnel.prepared and now - tunnel.connecting_since > self.settings.turn:
                tunnel.connecting_since, tunnel.loaded = None, False
                self.do(Terminate(number, True, f"{self.name(number)} is not answered: its other configuration's turn"))
            return
        if now < tunnel.initiate_at:
            return
        if tunnel.prepared and not tunnel.loaded:
            # First the next one: when a change is prepared, it is what has most likely ended the tunnel.
            next_one = not tunnel.given_next
            tunnel.loaded, tunnel.outdated = True, False
            tunnel.given = tunnel.next if next_one else None
            tunnel.initiate_at = now + self.settings.loading
            which = "next" if next_one else "installed"
            self.do(Load(number, next_one, f"{self.name(number)} is tried with its {which} configuration"))
            return
        if tunnel.outdated and not tunnel.prepared:
            tunnel.initiate_at = now + self.settings.loading
            self._give_installed(number, f"{self.name(number)} is tried with its installed configuration")
            return
        tunnel.loaded = False
        if tunnel.missing_since is None:
            tunnel.missing_since = now
        if now - tunnel.missing_since > self.settings.initiate_patience:
            tunnel.initiate_pause = self.settings.initiate_slow
        else:
            limit = self.settings.initiate_first if tunnel.prepared else self.settings.initiate_limit
            tunnel.initiate_pause = min(limit, max(self.settings.initiate_first, 2 * tunnel.initiate_pause))
        tunnel.initiate_at = now + tunnel.initiate_pause
        self.do(Initiate(number, f"{self.name(number)} is missing"))


def _moment(value: object) -> float | None:
    if value is None or isinstance(value, (int, float)):
        return value
    raise ValueError("not a moment")
