"""Two simulated boxes that share a connection: their agents' machines, VRRP, the LAN with its hosts, and the cloud.

Time passes in steps of 50 ms; a word between the boxes arrives at once, or as late as `word_delay` says.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dual_tunnel_vpn.agent.cadence import PathProbe, Round
from dual_tunnel_vpn.agent.facts import (
    Action,
    Initiate,
    SetInner,
    StandAside,
    TakeOver,
    Terminate,
    Trigger,
    TunnelShape,
)
from dual_tunnel_vpn.agent.moved import Moved
from dual_tunnel_vpn.agent.pair import PairMachine, Word
from dual_tunnel_vpn.bgp.heard import Heard, Session
from dual_tunnel_vpn.ipsec.sas import Sa

from .simulation import BOX_NOTICES, CLOUD_NOTICES, NEGOTIATION, SETTINGS, STEP, Faults, SimulatedProber

ADVERT = 0.2
PREEMPT_DELAY = 1.0
PRIORITY = {1: 200, 2: 150}
BOOT = 8.0
"""Seconds from the power to the agent and VRRP."""
AGENT_RESTART = 0.6
BGP_HOLD = 3.0
BGP_CONNECT = 1.5
WORDS_EVERY = 0.1
HOSTS_ASK_AGAIN = 5.0
"""Seconds after which a host that gets no answer asks anew who has the virtual gateway."""


@dataclass
class LanFaults:
    """What is broken of one box's way to the LAN."""

    out_dead: bool = False
    in_dead: bool = False
    carrier_lost: bool = False

    @property
    def sends(self) -> bool:
        """Whether what the box sends reaches the LAN."""
        return not (self.out_dead or self.carrier_lost)

    @property
    def receives(self) -> bool:
        """Whether what is on the LAN reaches the box."""
        return not (self.in_dead or self.carrier_lost)


class Vrrp:
    """keepalived on one box, as it is configured."""

    def __init__(self, now: float, number: int) -> None:
        self.priority = PRIORITY[number]
        self.state = "fault"
        self._down_at = 0.0
        self._advert_at = now
        self._preempt_at: float | None = None

    @property
    def _skew(self) -> float:
        return (256 - self.priority) / 256 * ADVERT

    def step(self, now: float, aside: bool) -> int | None:
        """The priority that it advertises now, None: nothing. aside: it is told so, or its interface is down."""
        if aside:
            was, self.state = self.state, "fault"
            return 0 if was == "master" else None
        if self.state == "fault":
            self.state, self._preempt_at = "backup", None
            self._down_at = now + 3 * ADVERT + self._skew
        if self.state == "backup" and now >= self._down_at:
            self.state, self._advert_at = "master", now
        if self.state == "master" and now >= self._advert_at:
            self._advert_at = now + ADVERT
            return self.priority
        return None

    def hear(self, now: float, priority: int) -> None:
        """An advertisement has come."""
        if self.state == "master" and priority > self.priority:
            self.state, self._preempt_at = "backup", None
        if self.state != "backup":
            return
        if priority == 0:
            self._down_at = now + self._skew
        elif priority > self.priority:
            self._down_at = now + 3 * ADVERT + self._skew
        elif self._preempt_at is None:
            self._preempt_at = now + PREEMPT_DELAY
        if 0 < priority < self.priority and self._preempt_at is not None and now < self._preempt_at:
            self._down_at = now + 3 * ADVERT + self._skew


class Box:
    """One of the two. What a prober asks of a site, it answers itself."""

    def __init__(self, pair: Pair, number: int) -> None:
        self.pair = pair
        self.number = number
        self.random = pair.random
        self.faults = Faults()
        self.lan = LanFaults()
        self.probes_sent: dict[int, int] = {}
        self.round_trip = 0.012
        self.back_at = pair.now
        """When it has booted; the power is off: never."""
        self.agent_back_at = pair.now
        self.booted = False
        self.machine: PairMachine | None = None
        self.kept: dict[str, Any] = {}
        """What the agent keeps in /run."""
        self.held: int | None = None
        self.next: dict[int, str] = {}
        self.start()

    def start(self) -> None:
        """As after a boot: nothing in /run, no tunnel."""
        self.aside: bool | None = None
        """What VRRP's file says; None: it is not there."""
        self.inner: int | None = None
        self.sa = "none"
        self.negotiating: float | None = None
        self.deleting: float | None = None
        self.charonless = False
        self.sa_heard = 0.0
        self.told: frozenset[int] = frozenset()
        self.vrrp = Vrrp(self.pair.now, self.number)
        self.machine = None
        self.kept = {}
        self.listed_at = self.hears_at = self.pair.now
        self.inbox: list[tuple[float, int, Word]] = []
        self.last_word = Word()
        self.word_at = 0.0
        # A word of a former life, on its way still, is older than all of this one.
        self.sequence = round(self.pair.now * 1000)
        self.heard_sequence = 0
        self.bgp_asked_at = 0.0
        self.packets = [0, 0]

    @property
    def now(self) -> float:
        """Simulated time."""
        return self.pair.now

    @property
    def on(self) -> bool:
        """Whether it has power and has booted."""
        return self.now >= self.back_at

    def goes_out(self, uplink: int) -> bool:
        """Whether a packet towards the cloud gets through."""
        return self._passes(uplink) and uplink not in self.faults.out_dead

    def comes_in(self, uplink: int) -> bool:
        """Whether a packet from the cloud gets through."""
        return self._passes(uplink) and uplink not in self.faults.in_dead

    def _passes(self, uplink: int) -> bool:
        faults = self.faults
        if not self.on or faults.stalled or uplink in faults.carrier_lost:
            return False
        return self.random.random() >= faults.loss.get(uplink, 0.0)

    def takes_out(self) -> bool:
        """Whether what is put into its tunnel arrives."""
        up = self.on and self.sa == "up" and self.pair.cloud_sa[self.number]
        return up and self.number not in self.faults.esp_lost and self.goes_out(self.number)

    def takes_in(self) -> bool:
        """Whether what the cloud puts into its tunnel arrives."""
        up = self.on and self.sa in ("up", "deleting") and self.pair.cloud_sa[self.number]
        return up and not self.faults.charon_dead and self.comes_in(self.number)

    @property
    def could_carry(self) -> bool:
        """Whether LAN and tunnel are well in truth."""
        lan = self.lan.sends and self.lan.receives
        return lan and self.takes_out() and self.takes_in() and not self.faults.charon_dead

    # Its agent

    def step(self) -> None:
        """What 50 ms bring."""
        if not self.on:
            if self.booted:
                self.booted = False
                self.start()
            return
        self.booted = True
        if self.now < self.agent_back_at:
            if self.machine is not None:
                self.kept = json.loads(json.dumps(self.machine.memory()))
                self.machine = None
            return
        if self.machine is None:
            self._start_agent()
        machine, now = self.machine, self.now
        assert machine is not None
        lost = self.number in self.faults.carrier_lost
        machine.observe_witnesses(self.pair.witnesses)
        machine.observe_link(self.number, not lost, "has lost its carrier" if lost else "is back")
        machine.observe_lan("has lost its carrier" if self.lan.carrier_lost else "")
        machine.observe_charon(now, not self.faults.charon_dead)
        if not self.faults.charon_dead and now >= self.listed_at:
            up = "1" if self.sa == "up" else None
            found = Sa(ike_id=up, child_id=up, deleting=self.sa == "deleting", connecting=self.negotiating is not None)
            machine.observe_sas(now, {self.number: found})
        machine.observe_change(None if self.held is None else (self.held, 0), self.next)
        if round(now / STEP) % 20 == 0:
            machine.observe_traffic(now, self.number, *self.packets)
        self._observe_bgp(machine)
        if machine.is_quiet(now) and self._lan_says_something():
            machine.observe_received(now)
        self.hear_words()
        machine.observe_master(self.vrrp.state == "master")
        late = self.round.hear(now)
        if late:
            machine.excuse(late)
        self.decide()

    def _start_agent(self) -> None:
        shape = TunnelShape(self.number, self.number, ("active", "standby")[self.number - 1], f"192.0.2.{self.number}")
        self.machine = PairMachine(shape, SETTINGS, True, self.pair.bgp, self.random.randrange(2**32))
        aside = self.aside is not False
        self.listed_at = self.now + self.pair.listed
        self.hears_at = self.now + self.pair.deaf_at_start
        self.machine.adopt(self.now, self.inner, {self.number: self.number}, self.kept, aside)
        def opener(by_ike: bool) -> SimulatedProber:
            return SimulatedProber(self, self.number, self.number, by_ike)  # type: ignore[arg-type]

        probe = PathProbe(self.machine.paths[(self.number, self.number)], opener)
        probe.reopen()
        self.round = Round(self.machine, {(self.number, self.number): probe}, Moved(lambda _: None), self.now)

    def _lan_says_something(self) -> bool:
        # A host's broadcast, or its answer to what it was asked.
        asked = self.lan.sends and self.pair.hosts_answer
        return self.lan.receives and (asked or self.random.random() < 0.02)

    def _observe_bgp(self, machine: PairMachine) -> None:
        if not self.pair.bgp or self.now < self.bgp_asked_at + 1.0:
            return
        self.bgp_asked_at = self.now
        up = self.pair.sessions[self.number].up
        session = Session(up, "Established" if up else "Active", ("192.168.10.0/24",) if up else ())
        machine.observe_bgp(Heard({self.number: session}, self.told))

    def hear_words(self) -> bool:
        """Takes what has come; whether anything has."""
        due = [entry for entry in self.inbox if entry[0] <= self.now]
        self.inbox = [entry for entry in self.inbox if entry[0] > self.now]
        if self.now < self.hears_at:
            return False
        for _, sequence, word in due:
            if self.machine is not None and sequence > self.heard_sequence:
                self.heard_sequence = sequence
                self.machine.observe_word(self.now, word)
        return bool(due)

    def decide(self) -> None:
        """Goes a round, and says what is new."""
        assert self.machine is not None
        self.round.step(self.now, self._act)
        word = self.machine.word()
        if self.machine.informed and (word != self.last_word or self.now >= self.word_at):
            self.last_word, self.word_at = word, self.now + WORDS_EVERY - STEP / 2
            self.sequence += 1
            self.pair.send(self, self.sequence, word)

    def _act(self, action: Action) -> None:
        if not isinstance(action, Trigger):
            self.pair.log.append((self.now, f"box {self.number}: {action.reason}"))
        self.pair.actions.append((self.now, self.number, action))
        if isinstance(action, SetInner):
            self.inner = action.tunnel
        elif isinstance(action, StandAside):
            self.aside = action.aside
        elif isinstance(action, TakeOver):
            self.told = action.tunnels
        elif isinstance(action, Initiate):
            if not self.faults.charon_dead and self.sa in ("none", "deleting"):
                self.negotiating = self.now if self.negotiating is None else self.negotiating
        elif isinstance(action, Terminate) and self.sa == "up":
            self.sa, self.deleting = "deleting", self.now


@dataclass
class _Session:
    since: float | None = None
    up: bool = False
    heard: float = 0.0
    """By the cloud."""
    box_heard: float = 0.0
    routes: bool = False
    takeover: bool = False


@dataclass
class Gaps:
    """Times without a packet."""

    ended: list[tuple[float, float]] = field(default_factory=list)
    since: float | None = None

    def note(self, now: float, passes: bool) -> None:
        """One packet was sent."""
        if not passes:
            self.since = now if self.since is None else self.since
        elif self.since is not None:
            self.ended.append((self.since, now - self.since))
            self.since = None

    def longest(self, after: float, now: float) -> float:
        """The longest that ended after a moment, the present one included."""
        lengths = [length for begin, length in self.ended if begin + length > after]
        return max([*lengths, 0.0 if self.since is None else now - self.since], default=0.0)


class Pair:
    """Both boxes, the LAN and the cloud."""

    def __init__(self, seed: int, bgp: bool = True) -> None:
        self.random = random.Random(seed)
        self.seed = seed
        self.bgp = bgp
        self.now = 1000.0
        self.log: list[tuple[float, str]] = []
        self.actions: list[tuple[float, int, Action]] = []
        self.apart = False
        """The boxes' own packets do not reach each other; the LAN's hosts are reached by both."""
        self.words_lost = 0.0
        self.word_delay = 0.0
        self.hosts_answer = True
        self.witnesses = 2
        """The hosts that the boxes' kernels know on the LAN."""
        self.listed = 0.1
        """Seconds from an agent's start to charon's first list."""
        self.deaf_at_start = 0.0
        """Seconds from an agent's start to the first word that it hears."""
        self.cloud_calls_again: float | None = None
        """Seconds after which the cloud negotiates a tunnel anew that a box has ended; None: it waits for the box."""
        self.cloud_sa = {1: False, 2: False}
        self.cloud_heard = {1: 0.0, 2: 0.0}
        self.sessions = {1: _Session(), 2: _Session()}
        self.gateway_at: int | None = None
        """The box that the LAN's hosts take for the virtual gateway."""
        self._asked_anew_at = 0.0
        self.out, self.inward = Gaps(), Gaps()
        self.loops: list[float] = []
        self.idle_asides = Gaps()
        """Times in which every box stood aside though one could carry."""
        self.boxes = {number: Box(self, number) for number in (1, 2)}

    # Faults

    def power_off(self, number: int) -> None:
        """A box loses its power."""
        self.boxes[number].back_at = float("inf")

    def power_on(self, number: int) -> None:
        """It boots."""
        if self.boxes[number].back_at == float("inf"):
            self.boxes[number].back_at = self.now + BOOT

    def kill_agent(self, number: int) -> None:
        """An agent is killed; systemd starts it anew."""
        self.boxes[number].agent_back_at = self.now + AGENT_RESTART

    def heal(self) -> None:
        """All faults end."""
        self.apart, self.words_lost, self.word_delay = False, 0.0, 0.0
        for number, box in self.boxes.items():
            self.power_on(number)
            box.faults, box.lan, box.held, box.next = Faults(), LanFaults(), None, {}

    # The course of things

    def run(self, seconds: float) -> None:
        """Lets simulated time pass."""
        end = self.now + seconds
        while self.now < end - STEP / 2:
            self.now += STEP
            self._step()

    def send(self, sender: Box, sequence: int, word: Word) -> None:
        """A word leaves a box."""
        receiver = self.boxes[3 - sender.number]
        if self._between(sender, receiver) and self.random.random() >= self.words_lost:
            delay = self.word_delay * self.random.random()
            receiver.inbox.append((self.now + delay, sequence, word))

    def _between(self, sender: Box, receiver: Box) -> bool:
        return receiver.on and sender.lan.sends and receiver.lan.receives and not self.apart

    def _step(self) -> None:
        for number, box in self.boxes.items():
            self._ike(number, box)
        if self.bgp:
            for number, box in self.boxes.items():
                self._session(number, box)
        for box in self.boxes.values():
            box.step()
        # Words cross the LAN in much less than a step.
        for _ in range(3):
            for box in self.boxes.values():
                if box.machine is not None and box.on and box.hear_words():
                    box.decide()
        self._vrrp()
        self._measure()

    def _vrrp(self) -> None:
        for number, box in self.boxes.items():
            if not box.on:
                continue
            before = box.vrrp.state
            # Its own file, when it is not there, is made so that it stands aside.
            priority = box.vrrp.step(self.now, box.aside is not False or box.lan.carrier_lost)
            other = self.boxes[3 - number]
            if priority is not None and other.on and self._between(box, other):
                met = other.vrrp.state == "master" and 0 < priority < other.vrrp.priority
                other.vrrp.hear(self.now, priority)
                if met and other.lan.sends:
                    self.gateway_at = other.number
            if box.vrrp.state == "master" and before != "master" and box.lan.sends:
                self.gateway_at = number

    def _ike(self, number: int, box: Box) -> None:
        passes = not box.faults.charon_dead and box.goes_out(number) and box.comes_in(number)
        if box.faults.charon_dead:
            box.charonless = True
            box.negotiating = box.deleting = None
        elif box.charonless:
            # It comes back with nothing, and starts anew by itself; what the kernel had is gone.
            box.charonless, box.sa, box.negotiating = False, "none", self.now
        if box.deleting is not None and self.now - box.deleting >= 0.1 and passes:
            box.deleting, box.sa, self.cloud_sa[number] = None, "none", False
            if self.cloud_calls_again is not None and box.negotiating is None:
                box.negotiating = self.now + self.cloud_calls_again
        if box.negotiating is not None:
            if self.now - box.negotiating > 9.0:
                box.negotiating = None
            elif self.now - box.negotiating >= NEGOTIATION and passes:
                box.negotiating, box.deleting, box.sa, self.cloud_sa[number] = None, None, "up", True
        if box.sa == "up" and self.cloud_sa[number] and passes:
            self.cloud_heard[number] = box.sa_heard = self.now
        if self.cloud_sa[number] and self.now - self.cloud_heard[number] > CLOUD_NOTICES:
            self.cloud_sa[number] = False
        if box.sa == "up" and self.now - box.sa_heard > BOX_NOTICES:
            box.sa = "none"

    def _session(self, number: int, box: Box) -> None:
        session, out, back = self.sessions[number], box.takes_out(), box.takes_in()
        if session.up and out:
            session.heard, session.takeover = self.now, number in box.told
        if session.up and back:
            session.box_heard = self.now
        if not session.up and out and back:
            session.since = self.now if session.since is None else session.since
            if self.now - session.since >= BGP_CONNECT:
                session.up, session.routes, session.takeover = True, True, number in box.told
                session.heard = session.box_heard = self.now
        elif not session.up:
            session.since = None
        if session.up and (self.now - session.box_heard > BGP_HOLD or not box.on):
            session.up, session.since = False, None
        if session.routes and self.now - session.heard > BGP_HOLD:
            session.routes = session.takeover = session.up = False
            session.since = None

    @property
    def cloud_choice(self) -> int | None:
        """The tunnel that the cloud sends by."""
        if self.bgp:
            ranks = {k: k - (2 if s.takeover else 0) for k, s in self.sessions.items() if s.routes}
            return min(ranks, key=ranks.__getitem__, default=None)
        return next((number for number in (1, 2) if self.cloud_sa[number]), None)

    def _measure(self) -> None:
        first, second = self.boxes.values()
        if first.on and second.on and (first.inner, second.inner) == (2, 1):
            self.loops.append(self.now)
        out, inward = self._leaves(), self._arrives()
        self.out.note(self.now, out)
        self.inward.note(self.now, inward)
        if round(self.now / STEP) % 20 == 0 and not out and self.now - self._asked_anew_at > HOSTS_ASK_AGAIN:
            self._asked_anew_at = self.now
            masters = [n for n, box in self.boxes.items() if box.on and box.vrrp.state == "master"]
            reached = [n for n in masters if self.boxes[n].lan.sends and self.boxes[n].lan.receives]
            self.gateway_at = self.random.choice(reached) if reached else self.gateway_at
        idle = all(box.aside is not False or not box.on for box in self.boxes.values())
        self.idle_asides.note(self.now, not (idle and any(box.could_carry for box in self.boxes.values())))

    def _leaves(self) -> bool:
        """Whether what a host on the LAN sends to the VPC arrives there."""
        box = None if self.gateway_at is None else self.boxes[self.gateway_at]
        if box is None or not box.on or not box.lan.receives:
            return False
        if box.inner == 3 - box.number:
            other = self.boxes[box.inner]
            if not other.on or not self._between_hosts(box, other) or other.inner != other.number:
                return False
            box = other
        return self._counted(box, 0, box.inner == box.number and box.takes_out(), box.sa == "up")

    def _between_hosts(self, sender: Box, receiver: Box) -> bool:
        # What is filtered between the boxes is their own.
        return sender.lan.sends and receiver.lan.receives

    def _arrives(self) -> bool:
        """Whether what an instance in the VPC sends to the LAN arrives there."""
        box = None if self.cloud_choice is None else self.boxes[self.cloud_choice]
        if box is None:
            return False
        came = self._counted(box, 1, box.takes_in(), True)
        return came and box.lan.sends

    def _counted(self, box: Box, which: int, arrives: bool, counts: bool) -> bool:
        box.packets[which] += arrives or (counts and which == 0)
        return arrives

    # What is asked afterwards

    @property
    def as_is_usual(self) -> bool:
        """Whether all is as it is while nothing is wrong."""
        first, second = self.boxes.values()
        return (
            (first.vrrp.state, second.vrrp.state) == ("master", "backup")
            and (first.inner, second.inner) == (1, 2)
            and self.cloud_choice == 1
            and not (first.told or second.told)
            and (first.aside, second.aside) == (False, False)
            and self.out.since is None
            and self.inward.since is None
        )

    def gaps(self, after: float) -> tuple[float, float]:
        """The longest since a moment: out of the data center, and into it."""
        return self.out.longest(after, self.now), self.inward.longest(after, self.now)

    def story(self) -> str:
        """The log, for a failing test."""
        said = "\n".join(f"{at - 1000:9.2f}  {text}" for at, text in self.log[-80:])
        states: Mapping[int, object] = {
            n: (b.on, b.vrrp.state, b.inner, b.sa, b.aside, sorted(b.told), b.faults, b.lan)
            for n, b in self.boxes.items()
        }
        return f"seed {self.seed}, now {self.now - 1000:.2f}, cloud by {self.cloud_choice}\n{said}\n{states}"
