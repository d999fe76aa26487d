"""What an agent decides where the connection has two boxes, one tunnel each. Pure.

VRRP keeps the virtual gateway, the address that the LAN's hosts send to, at one of the boxes (the master). It is told
one thing: whether this box stands aside (its FAULT). A box whose tunnel is lost and that is the master stays it, and
routes the VPC by the other box's LAN address. It stands aside where the LAN is lost to it, where it is not the master
and could not carry, and from its start until its tunnel is proved. So both stand aside only while neither can carry.

No packet is ever sent back to the box that it came from: a box asks before it routes by the other, each time with a
number of its own, and is granted that number only by a box that neither routes by it nor asks. A grant that comes late
answers a number that is asked for no more.

Who has the traffic, and has tunnel 2, tells the cloud by BGP to send everything by it; who has tunnel 1 does so while
the other box may have told the cloud something and cannot take it back. A box that does not hear the other has to have
received something from the LAN since: else it is the one that is cut off. Once it has, what the other said last counts
no more: it may be gone for good. Without BGP a box that has lost its LAN ends its tunnel, by which the cloud learns it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..ipsec.sas import Sa
from .facts import Action, Say, Settings, StandAside, Terminate, TunnelShape
from .health import Health
from .machine import Machine

UNHEARD = 0.5
"""Seconds of silence after which the other box counts as not heard; it says something every tenth of a second."""

PROOF = 0.2
"""Seconds after the other box's last word from which what the LAN brings proves that it is the other that is silent."""

MUTE = 0.3
"""Seconds for which the other box has to say that it does not hear this one."""

DEAF = 1.0
"""Seconds without anything from the LAN, whose hosts were asked, after which it counts as lost."""

WITHDRAWN = 0.2
"""Seconds between two requests to end a tunnel: one that the cloud has set up anew is ended once more, at once."""

BACK = 0.5
"""Seconds without anything wrong with the LAN after which a tunnel that was ended for it is set up again."""

FIRST = 1.0
"""Seconds for which an agent that has just started waits for charon's first list and the other box's first word."""

REQUESTS = 2**32
"""A request's number is less than this."""


@dataclass(frozen=True)
class Word:
    """What one box tells the other."""

    able: bool = False
    """Its tunnel works, and is not about to be changed."""
    steady: bool = False
    """Nor is anything missing on its path, which may be about to fail with the other's."""
    asks: int = 0
    """The number of its request to be routed by, until it routes by its own tunnel again; 0: none."""
    grants: int = 0
    """The other's request that it grants; 0: none."""
    master: bool = False
    """It has the virtual gateway's address."""
    aside: bool = False
    """It stands aside."""
    hears: bool = False
    """It hears the other."""
    lan: bool = False
    """The LAN has brought something since it last heard the other."""
    inside: bool = False
    """Its BGP session works."""
    prepared: bool = False
    """A change of its tunnel is prepared, which the cloud may have made by now."""


class PairMachine(Machine):
    """Observes and steps, as one of two."""

    def __init__(
        self,
        tunnel: TunnelShape,
        settings: Settings,
        end_to_end: bool = False,
        bgp: bool = False,
        request: int = 0,
    ) -> None:
        """tunnel: this box's. request: the number of the last request, of whichever process, as far as it is known."""
        super().__init__((tunnel,), (tunnel.uplink,), settings, end_to_end)
        self.own = tunnel.number
        self.beyond = self.other_tunnel(tunnel.number)
        """The other box's tunnel."""
        self.bgp = bgp
        self.other = Word()
        """What the other box said last."""
        self.heard = False
        """Whether the other box is heard."""
        self.heard_at = -1e9
        self.lan_trouble = ""
        """What is wrong with the LAN's interface, in words that go on from `the LAN`."""
        self.talk_trouble = ""
        """Why the other box cannot be talked with, or the LAN's hosts not be asked; a sentence."""
        self.received_at = -1e9
        """When the LAN last brought something, while the other box was not heard."""
        self.witnesses = 0
        """How many hosts on the LAN are asked while the other box is not heard."""
        self.master = False
        self.aside = True
        self.asks = 0
        self.grants = 0
        self.deaf = False
        """Whether the LAN has brought nothing though its hosts were asked; until it brings something."""
        self.withdrawn = False
        """Whether the tunnel is to be down because the LAN is lost."""
        self._request = request
        self._started = -1e9
        self._listed = False
        self._mute_since: float | None = None
        self._withdrew_at = -1e9
        self._lost_at = -1e9

    # What is seen

    def adopt(
        self, now: float, inner: int | None, outer: Mapping[int, int], memory: Mapping[str, Any], aside: bool = True
    ) -> None:
        """As of one box; aside: whether VRRP has been told that this box stands aside."""
        super().adopt(now, inner, outer, memory)
        self.aside = aside
        self.heard_at = self._started = self._lost_at = now
        # The kernel may know nobody on the LAN by now who could be asked, and the cloud takes a tunnel that is up.
        self.deaf = memory.get("deaf") is True
        self.withdrawn = not self.bgp and memory.get("withdrawn") is True
        asks = memory.get("asks")
        if inner == self.beyond:
            self.asks = asks if isinstance(asks, int) and 0 < asks < REQUESTS else self._next_request()

    def memory(self) -> dict[str, Any]:
        """As of one box, and the request that is open, and what is so until the LAN is back."""
        return {**super().memory(), "asks": self.asks, "deaf": self.deaf, "withdrawn": self.withdrawn}

    def observe_sas(self, now: float, sas: Mapping[int, Sa]) -> None:
        """As of one box."""
        super().observe_sas(now, sas)
        self._listed = True

    def observe_word(self, now: float, word: Word) -> None:
        """The other box has said something."""
        self.other, self.heard_at = word, now
        if not self.heard:
            self.heard = True
            self.do(Say("the other box is heard"))

    def excuse(self, seconds: float) -> None:
        """We ourselves did not run for that long: give the other box as much more time."""
        self.heard_at += seconds

    def observe_lan(self, trouble: str) -> None:
        """What is wrong with the LAN's interface, in words; empty when nothing is."""
        if bool(trouble) != bool(self.lan_trouble):
            self.do(Say(f"the LAN {trouble or 'is back'}"))
        self.lan_trouble = trouble

    def observe_talk(self, trouble: str) -> None:
        """Why the other box cannot be talked with, or the LAN's hosts not be asked; empty when both can be."""
        if trouble != self.talk_trouble:
            self.talk_trouble = trouble
            self.do(Say(trouble or "what the talk with the other box and the questions to the LAN need is there again"))

    def observe_received(self, now: float) -> None:
        """The LAN has brought something since this was asked last, while the other box was not heard."""
        self.received_at = now

    def observe_witnesses(self, number: int) -> None:
        """How many hosts on the LAN are asked whether they are there."""
        self.witnesses = number

    def observe_master(self, master: bool) -> None:
        """Whether this box has the virtual gateway's address."""
        if master != self.master:
            self.master = master
            self.do(Say(f"this box {'has the address of' if master else 'is no more'} the virtual gateway"))

    @property
    def informed(self) -> bool:
        """Whether it is known how this box's tunnel is: until then it says nothing, so that it is granted nothing."""
        return self._listed or not self._is_new

    @property
    def _is_new(self) -> bool:
        return self.now - self._started < FIRST

    def is_quiet(self, now: float) -> bool:
        """Whether the other box has been silent for so long that what the LAN brings would tell something."""
        return now - self.heard_at >= PROOF

    # What is decided

    def step(self, now: float) -> list[Action]:
        """The actions that what was seen calls for; they count as done."""
        self.now = now
        self._listen(now)
        actions = super().step(now)
        self._ask_and_grant()
        self._judge_aside(now)
        self._judge_withdrawal(now)
        rest, self.actions = self.actions, []
        return actions + rest

    def word(self) -> Word:
        """What the other box is to be told."""
        return Word(
            able=self.able,
            steady=self._steady,
            asks=self.asks,
            grants=self.grants,
            master=self.master,
            aside=self.aside,
            hears=self.heard,
            lan=self._proved,
            inside=self.works(self.own),
            prepared=self._waits() is not None,
        )

    def _implied_hold(self) -> tuple[int, object] | None:
        return None if self.heard and self.other.prepared else self._waits()

    @property
    def able(self) -> bool:
        """Whether this box's tunnel takes what it is given."""
        return self.usable(self.own) and self.own != self.held

    @property
    def _steady(self) -> bool:
        path = self.path(self.own)
        # Where no probe was ever answered, that none is tells nothing.
        return path.health is Health.UNPROVEN or path.missed_in_a_row < 2

    def usable(self, number: int) -> bool:
        """As of one box, and with its charon there: without it nothing comes in, and the other box has another."""
        return super().usable(number) and (number == self.beyond or self.charon is not False)

    def _why_left(self, number: int) -> str:
        return "has no charon" if number == self.own and self.charon is False else super()._why_left(number)

    def watched(self, uplink: int, number: int) -> bool:
        """The one path is always probed at the full rate: the other box relies on what it shows."""
        return True

    def works(self, number: int) -> bool:
        """Whether the tunnel's BGP session proves that it works inside."""
        return self.heard and self.other.inside if number == self.beyond else super().works(number)

    def could_carry(self, number: int) -> bool:
        """Whether traffic could be moved to the tunnel, by the other box once it has been asked."""
        if number == self.beyond:
            return self.heard and self.other.able and self.other.steady
        return super().could_carry(number)

    def _listen(self, now: float) -> None:
        if self.heard and now - self.heard_at > UNHEARD:
            self.heard = False
            self.do(Say(f"the other box has not been heard for {UNHEARD:g} s"))
        if self.heard or self._proved:
            self.deaf = False
            # It is the other one that is silent: whether it could take what this box leaves, nobody knows any more.
            self.other = self.other if self.heard else Word()
        elif self.other.able and self.witnesses and now - self.heard_at >= DEAF:
            self.deaf = True
        granted = self.asks != 0 and self.other.grants == self.asks and self.other.steady
        by_other = self.inner == self.beyond
        # One that the former agent routed by, and that has had no time yet to say anything, is not left for that.
        unasked = by_other and self._is_new and not self.heard
        self.offered = unasked or (self.heard and self.other.able and (by_other or granted))

    def _ask_and_grant(self) -> None:
        if self.inner != self.beyond:
            wanted = self.heard and self.other.able and not self.able
            self.asks = (self.asks or self._next_request()) if wanted else 0
        grants = self.heard and self.able and self.inner == self.own and not self.asks
        self.grants = self.other.asks if grants else 0

    def _next_request(self) -> int:
        self._request = self._request % (REQUESTS - 1) + 1
        return self._request

    @property
    def _proved(self) -> bool:
        """Whether the LAN has brought something since the other box was heard."""
        return self.received_at >= self.heard_at + PROOF

    def _carries(self) -> bool:
        """Whether traffic takes this box's tunnel now: that of the LAN's hosts, or what the other box sends."""
        serving = self.heard and self.grants != 0 and self.other.asks == self.grants
        return self.inner == self.own and self.usable(self.own) and not self.aside and (self.master or serving)

    def _takeover(self) -> frozenset[int]:
        if not self.informed or (self._is_new and not self.heard):
            # As the former agent had it.
            return self.taking_over or frozenset()
        alone = not (self.heard and self.other.able)
        known = self.heard or self._proved
        # Without a word, tunnel 1 is what the cloud takes.
        tells = self._carries() and known and (alone or self.own != 1)
        return frozenset({self.own}) if tells else frozenset()

    # Whether it stands aside

    def _judge_aside(self, now: float) -> None:
        why = self._why_aside(now)
        if why and not self.aside:
            self.aside = True
            self.do(StandAside(True, f"{why}: this box stands aside"))
        elif self.aside and not why and self._may_serve(now):
            self.aside = False
            self.do(StandAside(False, f"{self.name(self.own)} works: this box may have the virtual gateway"))

    def _why_aside(self, now: float) -> str:
        if self._lan_lost(now):
            return self._lan_lost(now)
        lost = self.informed and not self.usable(self.own)
        if lost and not self.master and self.heard and self.other.able:
            return f"{self.name(self.own)} does not work, and the other box's does"
        return ""

    def _lan_lost(self, now: float) -> str:
        """Why nothing can pass between this box and the LAN; empty when it can, or nobody can tell."""
        if self.lan_trouble:
            return f"the LAN {self.lan_trouble}"
        # As the other box has it, which then is the one that the LAN's hosts hear.
        # One that says nothing yet cannot be heard.
        mute = self.informed and self.heard and self.other.able and self.other.lan and not self.other.hears
        self._mute_since = (now if self._mute_since is None else self._mute_since) if mute else None
        if self._mute_since is not None and now - self._mute_since >= MUTE:
            return "the other box does not hear this one, but the LAN"
        if self.deaf:
            return f"nothing has come from the LAN for {DEAF:g} s, nor an answer to what its hosts were asked"
        return ""

    def _may_serve(self, now: float) -> bool:
        if not (self.heard and self.other.able):
            # A tunnel that is about to be changed serves as long as there is no other.
            return self.usable(self.own)
        # Where somebody carries there is no need to hurry.
        return self.able and (self.other.aside or self._may_fail_back(now))

    # Without BGP

    def _judge_withdrawal(self, now: float) -> None:
        """The cloud sends by tunnel 1 while that is up: its end is all that can be told without BGP."""
        lost = "" if self.bgp else self._lan_lost(now)
        tunnel = self.tunnels[self.own]
        if lost:
            self._lost_at = now
            self.withdrawn = self.withdrawn or self.other.able
        elif self.withdrawn and now - self._lost_at >= BACK:
            self.withdrawn, tunnel.initiate_at = False, now
        up = tunnel.sa.installed and not tunnel.sa.deleting
        if self.withdrawn and up and now - self._withdrew_at >= WITHDRAWN:
            self._withdrew_at = now
            why = lost or "the LAN was lost a moment ago"
            self.do(Terminate(self.own, False, f"{why}: {self.name(self.own)} is ended, so that the cloud learns it"))

    def _bring_up(self, now: float, number: int) -> None:
        if not self.withdrawn:
            super()._bring_up(now, number)
