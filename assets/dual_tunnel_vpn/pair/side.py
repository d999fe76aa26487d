"""This box's side of the two: what its machine is told of other box, LAN and VRRP, and what it has them told."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from .. import paths
from ..agent.pair import PairMachine
from ..net import wanted
from ..net.netlink import Counters
from ..net.network import Network
from ..site import Pair, Site
from . import lan
from .keepalived import ALIVE_SECONDS
from .talk import Talk


def stands_aside(name: str) -> bool:
    """Whether VRRP has been told that this box stands aside; as long as it was told nothing it does."""
    try:
        return paths.vrrp_aside(name).read_text(encoding="ascii", errors="replace").strip() != "0"
    except OSError:
        return True


def stand_aside(name: str, aside: bool) -> str:
    """Tells VRRP; what failed, in words."""
    target = paths.vrrp_aside(name)
    fresh = target.with_suffix(".new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(f"{int(aside)}\n", encoding="ascii")
        os.replace(fresh, target)
    except OSError as error:
        return f"{target} cannot be written: {error.strerror}"
    return ""


def vouch(name: str) -> None:
    """Has VRRP count on the agent for a while more."""
    until = time.time() + ALIVE_SECONDS
    target = paths.agent_alive(name)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
        os.utime(target, (until, until))
    except OSError:
        # A full disk: the priority says what it cannot.
        return


class Side:
    """Between the machine and the world."""

    def __init__(
        self, site: Site, pair: Pair, machine: PairMachine, received: Callable[[int], Counters | None]
    ) -> None:
        """received: what an interface has carried, by its number; None when that cannot be told."""
        self.talk = Talk(site.name, pair)
        self.questions = lan.Questions()
        self._name = site.name
        self._site = site
        self._pair = pair
        self._machine = machine
        self._received = received
        self._device: str | None = None
        self._ifindex = 0
        self._count: int | None = None
        """What the LAN had brought when it was last looked, since the other box is silent."""
        self._ask_at = 0.0
        self._vouch_at = 0.0

    def refresh(self, network: Network) -> None:
        """The box's network is as it is given."""
        trouble, pair = wanted.lan_trouble(self._site, network), self._pair
        device = None if trouble else wanted.lan_device(self._site, network)
        ifindex = network.links[device].ifindex if device is not None else 0
        changed = (device, ifindex) != (self._device, self._ifindex)
        self._device, self._ifindex = device, ifindex
        for end in (self.talk, self.questions):
            if changed or not end.is_open:
                end.reopen(device)
        self._machine.observe_lan(trouble)
        self._machine.observe_talk("; ".join(end.trouble for end in (self.talk, self.questions) if end.trouble))
        self._machine.observe_master(any(found.address == pair.virtual_gateway for found in network.addresses))

    def hear(self, now: float) -> None:
        """Takes what the other box has said, or asks the LAN while it says nothing."""
        machine = self._machine
        word = self.talk.hear()
        if word is not None:
            machine.observe_word(now, word)
        if not machine.is_quiet(now):
            self._count = None
            return
        if self._device is not None and now >= self._ask_at:
            self._ask_at = now + lan.EVERY
            pair = self._pair
            nobody = (pair.lan.address, pair.other_lan_address, pair.virtual_gateway)
            machine.observe_witnesses(self.questions.ask(pair.lan.address, nobody))
        found = self._received(self._ifindex) if self._ifindex else None
        if found is not None:
            if self._count is not None and found.received > self._count:
                machine.observe_received(now)
            self._count = found.received

    def say(self, now: float) -> float:
        """Says what is new, and that the agent lives; when there is something to be said at the latest."""
        if now >= self._vouch_at:
            self._vouch_at = now + 1.0
            vouch(self._name)
            if stands_aside(self._name) != self._machine.aside:
                # Somebody else has been at it.
                stand_aside(self._name, self._machine.aside)
        if not self._machine.informed:
            return self._vouch_at
        return min(self._vouch_at, self.talk.say(now, self._machine.word()))

    def state(self) -> dict[str, object]:
        """What the state file says of the two boxes."""
        machine, other = self._machine, self._machine.other
        return {
            "master": machine.master,
            "aside": machine.aside,
            "lan": machine.lan_trouble,
            "talk": machine.talk_trouble,
            "routesByOther": machine.inner == machine.beyond,
            "serves": machine.grants != 0,
            "heard": machine.heard,
            "other": {"able": other.able, "master": other.master, "aside": other.aside, "prepared": other.prepared},
        }

    def close(self) -> None:
        """Ends talk and questions."""
        self.talk.close()
        self.questions.close()
