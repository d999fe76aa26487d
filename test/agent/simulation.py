"""A simulated site: two uplinks, a gateway with its own mind, charon, and the machine under test.

Time is simulated in steps of 50 ms, so that hours of faults take seconds. What the gateway does is
modelled on strongSwan's responder; `policy` says how it treats a tunnel that comes by the other uplink.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dual_tunnel_vpn.agent.cadence import PathProbe, Round
from dual_tunnel_vpn.agent.facts import (
    Action,
    Initiate,
    KillCharon,
    Load,
    Say,
    SetInner,
    SetOuter,
    Settings,
    TakeOver,
    Terminate,
    Trigger,
    TunnelShape,
)
from dual_tunnel_vpn.agent.machine import Machine
from dual_tunnel_vpn.agent.moved import Moved
from dual_tunnel_vpn.agent.probes import Answer
from dual_tunnel_vpn.ipsec.sas import Sa

from .simulated_bgp import Bgp, CloudBgp

STEP = 0.05
NEGOTIATION = 0.3
REFUSAL = 0.2
"""Until the other end has refused a key, seconds."""
CLOUD_NOTICES = 15.0
BOX_NOTICES = 19.0
SETTINGS = Settings()


@dataclass
class Faults:
    """What is broken now."""

    out_dead: set[int] = field(default_factory=set)
    """Uplinks that lose everything towards the cloud."""
    in_dead: set[int] = field(default_factory=set)
    carrier_lost: set[int] = field(default_factory=set)
    address_dead: set[int] = field(default_factory=set)
    """Tunnels whose IPsec address is gone."""
    refused: set[int] = field(default_factory=set)
    """Tunnels that the cloud refuses to negotiate (wrong PSK) and has deleted."""
    loss: dict[int, float] = field(default_factory=dict)
    """Share of packets lost in each direction by uplink."""
    icmp_filtered: bool = False
    probes_filtered: bool = False
    esp_lost: set[int] = field(default_factory=set)
    """Uplinks that lose ESP towards the cloud while probes and IKE pass."""
    forged: set[int] = field(default_factory=set)
    """Uplinks by which somebody sends what looks like the gateway's ESP and does not decrypt."""
    stalled: bool = False
    """Nothing at all is delivered (a stall of the machine around us)."""
    charon_dead: bool = False

    @property
    def none(self) -> bool:
        """Whether all is well (filtered probes are no fault of a path)."""
        return replace(self, icmp_filtered=False, probes_filtered=False) == Faults()


def uplink_faults(rng: random.Random, uplink: int) -> list[Faults]:
    """What may befall an uplink, or both."""
    return [
        Faults(out_dead={uplink}, in_dead={uplink}),
        Faults(out_dead={uplink}),
        Faults(in_dead={uplink}),
        Faults(carrier_lost={uplink}),
        Faults(address_dead={uplink}),
        Faults(loss={uplink: rng.choice((0.05, 0.1, 0.3, 0.6))}),
        Faults(out_dead={1, 2}, in_dead={1, 2}),
    ]


class SimulatedProber:
    """A prober whose packets the simulation carries."""

    def __init__(self, site: Site, uplink: int, tunnel: int, by_ike: bool) -> None:
        self._site, self._uplink, self._tunnel, self._by_ike = site, uplink, tunnel, by_ike
        self._answers: list[tuple[float, int]] = []

    def send(self, sequence: int) -> None:
        """Sends; the answer comes a round trip later, or never."""
        site, faults = self._site, self._site.faults
        site.probes_sent[self._uplink] = site.probes_sent.get(self._uplink, 0) + 1
        if faults.probes_filtered or (faults.icmp_filtered and not self._by_ike):
            return
        if self._tunnel in faults.address_dead:
            return
        if site.goes_out(self._uplink) and site.comes_in(self._uplink):
            self._answers.append((site.now + site.round_trip, sequence))

    def receive(self, at_most: int) -> list[Answer]:
        """The answers that have come."""
        due = [(sequence, self._site.now - at) for at, sequence in self._answers if at <= self._site.now]
        self._answers = [(at, sequence) for at, sequence in self._answers if at > self._site.now]
        return due[:at_most]

    def close(self) -> None:
        """Forgets what was on its way."""
        self._answers.clear()


class Site:
    """The simulated site with the machine in it."""

    def __init__(
        self,
        seed: int,
        policy: str = "cooperative",
        settings: Settings = SETTINGS,
        uplinks: tuple[int, ...] = (1, 2),
        vpc_host: bool = True,
        conversation: bool = False,
        initial: Faults | None = None,
        counts_forged: bool = False,
        bgp: CloudBgp | None = None,
        idle: bool = False,
    ) -> None:
        self.random = random.Random(seed)
        self.seed = seed
        self.policy = policy
        self.settings = settings
        self.uplinks = uplinks
        self.vpc_host = vpc_host
        self.idle = idle
        """Nobody sends anything."""
        self._bgp = None if bgp is None else Bgp(self, bgp)
        self.conversation = conversation
        """The cloud's side answers only what it gets, as most traffic does."""
        self.counts_forged = counts_forged
        """The box counts what arrives by the uplink that is not the tunnel's own, decrypted or not: it must not."""
        self.silent_refusal = False
        self.gives_up = 9.0
        """Seconds after which charon gives an attempt up."""
        self.by_other = {1: 0, 2: 0}
        self.moved = Moved(self.by_other.get)
        self.packets = {1: [0, 0], 2: [0, 0]}
        self.now = 1000.0
        self.round_trip = 0.012
        self.faults = initial or Faults()
        self.homes = {1: uplinks[0], 2: uplinks[-1]}
        self.outer = dict(self.homes)
        self.inner: int | None = None
        self.box_sa: dict[int, str] = {1: "none", 2: "none"}
        self.cloud_sa = {1: False, 2: False}
        self.endpoint = dict(self.homes)
        self.cloud_heard = {1: 0.0, 2: 0.0}
        self.box_heard = {1: 0.0, 2: 0.0}
        self.log: list[tuple[float, str]] = []
        self.actions: list[tuple[float, Action]] = []
        self.probes_sent: dict[int, int] = {}
        self.negotiation = NEGOTIATION
        """How long a negotiation takes, seconds."""
        self.passes_over = False
        """charon's lists pass over what it is negotiating, since it is at work on it."""
        self._negotiating: dict[int, float] = {}
        self._deleting: dict[int, float] = {}
        self._proofs: list[tuple[float, int, float]] = []
        self.out_gap_from: float | None = None
        self.in_gap_from: float | None = None
        self.out_gaps: list[tuple[float, float]] = []
        self.in_gaps: list[tuple[float, float]] = []
        self.held: int | None = None
        self.holds = 0
        """What tells a hold from the one before."""
        self.installed = {1: "old", 2: "old"}
        """What is in the tunnels' files, and so what charon starts with."""
        self.next: dict[int, str] = {}
        self.loaded = dict(self.installed)
        self.cloud_has = dict(self.installed)
        self.machine = self._make_machine({})

    @property
    def bgp(self) -> Bgp:
        """Both ends of both sessions, on a site with BGP."""
        assert self._bgp is not None
        return self._bgp

    def _make_machine(self, memory: Mapping[str, Any]) -> Machine:
        shapes = (
            TunnelShape(1, self.homes[1], "active", "192.0.2.152"),
            TunnelShape(2, self.homes[2], "standby", "192.0.2.10"),
        )
        machine = Machine(shapes, self.uplinks, self.settings, self.vpc_host)
        machine.adopt(self.now, self.inner, dict(self.outer), memory)
        self.probes = {
            key: PathProbe(path, self._opener(*key))
            for key, path in machine.paths.items()
        }
        for probe in self.probes.values():
            probe.reopen()
        self.round = Round(machine, self.probes, self.moved, self.now)
        self.round.resume()
        return machine

    def _opener(self, uplink: int, tunnel: int):  # type: ignore[no-untyped-def]
        return lambda by_ike: SimulatedProber(self, uplink, tunnel, by_ike)

    def restart_agent(self) -> None:
        """A new machine that knows what the kernel has and what the former one wrote down."""
        self.moved = Moved(self.by_other.get)
        self.machine = self._make_machine(json.loads(json.dumps(self.machine.memory())))

    # How packets fare

    def goes_out(self, uplink: int) -> bool:
        """Whether a packet towards the cloud gets through."""
        faults = self.faults
        return self._passes(uplink) and uplink not in faults.out_dead

    def comes_in(self, uplink: int) -> bool:
        """Whether a packet towards the box gets through."""
        return self._passes(uplink) and uplink not in self.faults.in_dead

    def _passes(self, uplink: int) -> bool:
        faults = self.faults
        if faults.stalled or uplink in faults.carrier_lost:
            return False
        return self.random.random() >= faults.loss.get(uplink, 0.0)

    def _to_cloud(self, tunnel: int) -> bool:
        """ESP of a tunnel to the cloud: whether it is taken; the cloud follows it where it may."""
        uplink = self.outer[tunnel]
        if self.box_sa[tunnel] != "up" or not self.cloud_sa[tunnel] or tunnel in self.faults.address_dead:
            return False
        if not self.goes_out(uplink) or uplink in self.faults.esp_lost:
            return False
        if uplink != self.homes[tunnel] and self.policy != "cooperative":
            return False
        self.endpoint[tunnel] = uplink
        self.cloud_heard[tunnel] = self.now
        return True

    @property
    def cloud_choice(self) -> int | None:
        """The tunnel that the cloud sends by: the active one while its SA lives, or as BGP tells it."""
        if self._bgp is not None:
            return self._bgp.choice
        return next((tunnel for tunnel in (1, 2) if self.cloud_sa[tunnel]), None)

    def passes_out(self, tunnel: int) -> bool:
        """Whether what the box itself sends into the tunnel arrives."""
        if self.box_sa[tunnel] == "up":
            self.packets[tunnel][0] += self._whole_second
        return self._to_cloud(tunnel)

    def passes_in(self, tunnel: int) -> bool:
        """Whether what the cloud sends into the tunnel arrives; it is counted."""
        arrives = self._arrives(tunnel)
        self.packets[tunnel][1] += self._whole_second and arrives and self.bgp.sessions[tunnel].cloud
        return arrives

    @property
    def _whole_second(self) -> bool:
        return round(self.now / STEP) % 20 == 0

    def _to_box(self) -> bool:
        tunnel = self.cloud_choice
        return tunnel is not None and self._arrives(tunnel)

    def _arrives(self, tunnel: int) -> bool:
        if self.box_sa[tunnel] not in ("up", "deleting") or tunnel in self.faults.address_dead:
            return False
        if not self.cloud_sa[tunnel]:
            return False
        if self.faults.charon_dead or not self.comes_in(self.endpoint[tunnel]):
            return False
        self.box_heard[tunnel] = self.now
        self.by_other[tunnel] += self.endpoint[tunnel] != self.homes[tunnel]
        return True

    # The course of things

    def run(self, seconds: float) -> None:
        """Lets simulated time pass."""
        end = self.now + seconds
        while self.now < end - STEP / 2:
            self.now += STEP
            self._step()

    def _step(self) -> None:
        self._ike()
        if self._bgp is not None:
            self._bgp.step()
        machine, now = self.machine, self.now
        for uplink in self.uplinks:
            lost = uplink in self.faults.carrier_lost
            machine.observe_link(uplink, not lost, "has lost its carrier" if lost else "is back")
        if self.faults.charon_dead:
            self.loaded = dict(self.installed)
        if round(now / STEP) % 20 == 0:
            machine.observe_change(None if self.held is None else (self.held, self.holds), self.next)
        machine.observe_charon(now, not self.faults.charon_dead)
        if not self.faults.charon_dead:
            machine.observe_sas(now, self._listed())
        if self._whole_second:
            for number, (sent, received) in self.packets.items():
                machine.observe_traffic(now, number, sent, received)
        for due, tunnel, sent_at in [proof for proof in self._proofs if proof[0] <= now]:
            self._proofs.remove((due, tunnel, sent_at))
            machine.observe_proof(tunnel, sent_at)
        if self.counts_forged:
            for tunnel, home in self.homes.items():
                self.by_other[tunnel] += any(uplink != home for uplink in self.faults.forged)
        self.round.hear(now)
        self.round.step(now, self._act)
        self._measure()

    def _listed(self) -> Mapping[int, Sa]:
        return {
            tunnel: Sa(
                ike_id="1" if state == "up" else None,
                child_id="1" if state == "up" else None,
                deleting=state == "deleting",
                connecting=tunnel in self._negotiating and not self.passes_over,
            )
            for tunnel, state in self.box_sa.items()
        }

    def _act(self, action: Action) -> None:
        self.actions.append((self.now, action))
        if not isinstance(action, Trigger):
            self.log.append((self.now, action.reason))
        if isinstance(action, SetInner):
            self.inner = action.tunnel
        elif isinstance(action, SetOuter):
            self.outer[action.tunnel] = action.uplink
        elif isinstance(action, TakeOver):
            self.bgp.take_over(action.tunnels)
        elif isinstance(action, Initiate):
            if not self.faults.charon_dead and self.box_sa[action.tunnel] in ("none", "deleting"):
                self._negotiating.setdefault(action.tunnel, self.now)
        elif isinstance(action, Load):
            busy = action.tunnel in self._negotiating or self.box_sa[action.tunnel] == "up"
            if busy and action.tunnel in self.next:
                self.machine.observe_no_turn(action.tunnel, action.next)
                return
            following = self.next.get(action.tunnel) if action.next else None
            self.loaded[action.tunnel] = following or self.installed[action.tunnel]
        elif isinstance(action, Terminate):
            if action.force:
                self._deleting.pop(action.tunnel, None)
                self._negotiating.pop(action.tunnel, None)
                self.box_sa[action.tunnel] = "none"
            elif self.box_sa[action.tunnel] == "up":
                self.box_sa[action.tunnel] = "deleting"
                self._deleting[action.tunnel] = self.now
        elif isinstance(action, Trigger):
            self._trigger(action.tunnel)
        elif isinstance(action, (KillCharon, Say)):
            return

    def _trigger(self, tunnel: int) -> None:
        if self._to_cloud(tunnel) and self.vpc_host and self._to_box():
            self._proofs.append((self.now + self.round_trip, tunnel, self.now))

    def _way(self, tunnel: int) -> bool:
        """Whether an IKE exchange of this tunnel gets through now."""
        uplink = self.outer[tunnel]
        if tunnel in self.faults.address_dead or self.faults.charon_dead:
            return False
        return self.goes_out(uplink) and self.comes_in(uplink)

    def _ike(self) -> None:
        for tunnel in (1, 2):
            home = self.outer[tunnel] == self.homes[tunnel]
            deleting = self.now - self._deleting.get(tunnel, self.now) >= 0.1
            if deleting and self._way(tunnel) and (home or self.policy != "pinned"):
                del self._deleting[tunnel]
                self.box_sa[tunnel], self.cloud_sa[tunnel] = "none", False
            began = self._negotiating.get(tunnel)
            if began is not None:
                refused = self.loaded[tunnel] != self.cloud_has[tunnel] and self._way(tunnel)
                if tunnel in self.faults.refused or self.now - began > self.gives_up:
                    del self._negotiating[tunnel]
                elif refused:
                    # An end that says nothing to a wrong key, as IKEv1's, leaves charon trying.
                    if self.now - began >= REFUSAL and not self.silent_refusal:
                        del self._negotiating[tunnel]
                elif self.now - began >= self.negotiation and home and self._way(tunnel):
                    del self._negotiating[tunnel]
                    self._deleting.pop(tunnel, None)
                    self.box_sa[tunnel], self.cloud_sa[tunnel] = "up", True
                    self.endpoint[tunnel] = self.homes[tunnel]
                    self.cloud_heard[tunnel] = self.box_heard[tunnel] = self.now
            if tunnel in self.faults.refused and self.cloud_sa[tunnel]:
                self.cloud_sa[tunnel] = False
                if self._way(tunnel):
                    self.box_sa[tunnel] = "none"
            self._dpd(tunnel, home)

    def _dpd(self, tunnel: int, home: bool) -> None:
        alive = self.box_sa[tunnel] == "up" and self.cloud_sa[tunnel]
        if alive and self._way(tunnel) and (home or self.policy != "pinned"):
            self.cloud_heard[tunnel] = self.box_heard[tunnel] = self.now
        if self.cloud_sa[tunnel] and self.now - self.cloud_heard[tunnel] > CLOUD_NOTICES:
            self.cloud_sa[tunnel] = False
        if self.box_sa[tunnel] == "up" and self.now - self.box_heard[tunnel] > BOX_NOTICES:
            self.box_sa[tunnel] = "none"

    def _measure(self) -> None:
        out = self.inner is not None and self._to_cloud(self.inner)
        inward = (out or not self.conversation) and self._to_box()
        if self.inner is not None and self.box_sa[self.inner] == "up" and not self.idle:
            self.packets[self.inner][0] += 1
        if inward and self.cloud_choice is not None and not self.idle:
            self.packets[self.cloud_choice][1] += 1
        self.out_gap_from = self._gap(out, self.out_gap_from, self.out_gaps)
        self.in_gap_from = self._gap(inward, self.in_gap_from, self.in_gaps)

    def _gap(self, passes: bool, since: float | None, gaps: list[tuple[float, float]]) -> float | None:
        if passes:
            if since is not None:
                gaps.append((since, self.now - since))
            return None
        return self.now if since is None else since

    # A planned change

    def change_cloud(self, *tunnels: int, to: str = "new") -> None:
        """The cloud takes another key for tunnels and deletes them."""
        for tunnel in tunnels:
            self.cloud_has[tunnel] = to
            self.cloud_sa[tunnel] = False
            if self._way(tunnel):
                self.box_sa[tunnel] = "none"

    def configure(self, tunnel: int) -> None:
        """The box's files follow."""
        self.installed[tunnel] = self.loaded[tunnel] = self.next.pop(tunnel, self.installed[tunnel])
        self.held = None

    # What is asked afterwards

    def switches(self) -> list[float]:
        """When traffic was switched, the first route not counted."""
        return [at for at, action in self.actions if isinstance(action, SetInner)][1:]

    def longest(self, gaps: list[tuple[float, float]], since: float) -> float:
        """The longest gap that ended after a moment, the present one included."""
        open_gap = self.out_gap_from if gaps is self.out_gaps else self.in_gap_from
        lengths = [length for begin, length in gaps if begin + length > since]
        return max([*lengths, 0.0 if open_gap is None else self.now - open_gap], default=0.0)

    def story(self) -> str:
        """The log, for a failing test."""
        return f"seed {self.seed}\n" + "\n".join(f"{at - 1000:9.2f}  {text}" for at, text in self.log[-60:])
