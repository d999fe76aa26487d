"""When probes leave, and the agent's round: hear answers, decide, act, probe.

Nothing here knows what carries a probe or what an action does, so the simulation goes the same rounds as the loop.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Callable, Protocol

from .facts import Action, SetOuter
from .health import Health, Path
from .machine import Machine
from .moved import Moved
from .probes import Answer

SLOW = 1.0
"""Seconds between probes of a path that is not in use, and of one that is probed by IKE."""

IKE_BURST = 0.2
"""Seconds between IKE probes once one was missed."""


class Prober(Protocol):
    """Sends probes of one path and takes their answers."""

    def send(self, sequence: int) -> None:
        """Sends one."""

    def receive(self, at_most: int) -> list[Answer]:
        """What was answered since the last call."""

    def close(self) -> None:
        """Ends it."""


class PathProbe:
    """The probers and the cadence of one path."""

    def __init__(self, path: Path, open_prober: Callable[[bool], Prober]) -> None:
        """open_prober: makes a prober, by IKE or by echo; OSError when the uplink is not there."""
        self.path = path
        self._open = open_prober
        self._prober: Prober | None = None
        self._other: Prober | None = None
        self._next = 0.0
        self._paced = 0.0
        """The pause that `_next` was planned with."""
        self._other_next = 0.0
        self._sequence = random.randrange(1 << 16)

    @property
    def is_open(self) -> bool:
        """Whether the path can be probed."""
        return self._prober is not None

    def reopen(self) -> None:
        """Makes new sockets (the device or address may have changed)."""
        self.close()
        try:
            self._prober = self._open(self.path.by_ike)
            self._other = self._open(not self.path.by_ike)
        except OSError:
            self.close()

    def close(self) -> None:
        """Ends the sockets."""
        for prober in (self._prober, self._other):
            if prober is not None:
                prober.close()
        self._prober = self._other = None
        self.path.forget()

    def receive(self, now: float) -> None:
        """Takes the answers that have come."""
        path = self.path
        awaited = path.awaited
        while awaited and self._prober is not None:
            strangers = False
            for sequence, age in self._prober.receive(awaited):
                # An answer that nobody awaits took the place of one that somebody does: look again.
                strangers |= not path.answered(sequence, now - age)
            awaited = path.awaited if strangers else 0
        if self._tries_other and self._other is not None and self._other.receive(1):
            # Echoes are filtered and IKE passes, or no longer: go on by what is answered, echoes before IKE.
            self.path.by_ike = not self.path.by_ike
            self._prober, self._other = self._other, self._prober
            self._next = now

    def send(self, now: float, watched: bool, hurry: bool) -> float:
        """Sends when it is time; returns when the next is due. watched, hurry: what the machine says of the path."""
        if self._prober is None or self._other is None:
            return now + SLOW
        if self._tries_other and now >= self._other_next:
            self._other_next = now + (SLOW if self.path.health is not Health.UP else 10 * SLOW)
            self._other.send(self._sequence)
        pause = self._pause(watched, hurry)
        if pause < self._paced:
            self._next = min(self._next, now + pause)
        self._paced = pause
        if now < self.earliest:
            return self._next
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._prober.send(self._sequence)
        self.path.sent(self._sequence, now)
        self._next = max(self._next + pause, now + pause / 2)
        return self._next

    @property
    def earliest(self) -> float:
        """When the next may leave: a little early is on time, so that all paths' probes leave at one wake-up."""
        return self._next - 0.2 * self._paced

    @property
    def _tries_other(self) -> bool:
        return self.path.by_ike or (self.path.health is not Health.UP and self.path.answered_in_a_row == 0)

    def _pause(self, watched: bool, hurry: bool) -> float:
        missing = self.path.missed_in_a_row > 0 and self.path.health is Health.UP
        interval = self.path.interval
        if self.path.by_ike:
            return IKE_BURST if missing or hurry or self.path.health is Health.DOWN else SLOW
        if watched:
            return interval / 2 if missing else interval
        return interval if missing or hurry else max(SLOW, interval)


class Round:
    """The part of the agent's work that is the same whatever carries it."""

    def __init__(self, machine: Machine, probes: Mapping[tuple[int, int], PathProbe], moved: Moved, now: float) -> None:
        self._machine = machine
        self._probes = probes
        self._moved = moved
        self._last = now

    def resume(self) -> None:
        """Goes on with the tunnels that a former agent has moved and that have proved nothing yet."""
        for number, tunnel in self._machine.tunnels.items():
            if tunnel.outer != tunnel.shape.uplink and not tunnel.proved:
                self._moved.leaving(number)

    def hear(self, now: float) -> float:
        """Takes what has come since the last round; by how many seconds that was too long ago.

        Then it is we who did not run: what is outstanding gets as much more time.
        """
        interval = self._machine.settings.interval
        late = now - self._last - interval
        self._last = now
        if late > 2 * interval:
            for path in self._machine.paths.values():
                path.excuse(late)
        else:
            late = 0.0
        for probe in self._probes.values():
            probe.receive(now)
        for number in self._moved.proved():
            self._machine.observe_proof(number, now)
        return late

    def step(self, now: float, act: Callable[[Action], None]) -> float:
        """Decides, acts and probes; when the next round is due."""
        machine = self._machine
        actions = machine.step(now)
        for action in actions:
            if isinstance(action, SetOuter):
                if action.uplink == machine.tunnels[action.tunnel].shape.uplink:
                    self._moved.home(action.tunnel)
                else:
                    self._moved.leaving(action.tunnel)
            act(action)
        due = now + machine.settings.interval
        # While all is well no pause becomes shorter: a path whose turn has not come need not be asked about.
        calm = machine.calm and not actions
        for key, probe in self._probes.items():
            if not calm or now >= probe.earliest:
                due = min(due, probe.send(now, machine.watched(*key), machine.hurried(*key)))
        if not calm and any(path.missed_in_a_row and path.health is Health.UP for path in machine.paths.values()):
            due = min(due, now + machine.settings.interval / 2)
        return due
