"""The agent's line to the BGP speaker: asks once a second what it hears, tells it what to tell, and never waits."""

from __future__ import annotations

import os
import signal
from collections.abc import Collection
from pathlib import Path
from typing import Callable

from .control import Control, ControlError, Reply
from .heard import Heard, Session, State, prefixes, protocols
from .speaker import session, table, takeover

POLL = 1.0
"""Seconds between questions."""

RECONNECT = 0.5
"""Seconds between attempts to reach it."""

PATIENCE = 3.0
"""Seconds after which one that does not answer is hung, and killed: the cloud has then given its sessions up."""


def kill(process: int, unit: str) -> str:
    """Kills a process if it is the unit's, which systemd starts anew; what failed, in words."""
    try:
        # Whoever may write where the socket lies could lead us to another process.
        with open(f"/proc/{process}/cgroup", encoding="ascii", errors="replace") as file:
            if not any(line.rstrip().endswith(f"/{unit}") for line in file):
                return f"process {process} is not {unit}'s: it is left alone"
        os.kill(process, signal.SIGKILL)
    except OSError as error:
        return f"the BGP speaker cannot be killed: {error.strerror}"
    return ""


class Speaker:
    """Keeps a connection to BIRD's control socket open."""

    def __init__(
        self,
        path: Path,
        numbers: Collection[int],
        on_heard: Callable[[Heard | None], None],
        on_trouble: Callable[[str], None],
        end: Callable[[int], str],
    ) -> None:
        """numbers: of the tunnels. on_heard: told what BIRD answers, None when it is not there any more.

        on_trouble: told in words what BIRD refuses, and that it hangs. end: ends its process; what failed, in words.
        """
        self._path = path
        self._numbers = tuple(numbers)
        self._on_heard = on_heard
        self._on_trouble = on_trouble
        self._end = end
        self._control: Control | None = None
        self._connect_at = 0.0
        self._poll_at = 0.0
        self._asked_at: float | None = None
        self._orders = 0
        """How many orders were given: what was asked before the last one tells nothing about it."""

    @property
    def channels(self) -> list[Control]:
        """The open connection, for the event loop to watch."""
        return [] if self._control is None or self._control.closed else [self._control]

    def excuse(self, seconds: float) -> None:
        """We ourselves did not run for that long: give BIRD as much more time."""
        if self._asked_at is not None:
            self._asked_at += seconds

    def tick(self, now: float) -> None:
        """Connects, asks, and gives up what does not answer."""
        control = self._control
        silent = self._asked_at is not None and now - self._asked_at > PATIENCE
        if control is not None and not control.closed and silent:
            self._on_trouble(f"the BGP speaker has not answered for {PATIENCE:g} s: it is killed to start anew")
            failed = self._end(control.peer())
            if failed:
                self._on_trouble(failed)
            control.close()
        if control is None or control.closed:
            self._connect(now)
        elif self._asked_at is None and now >= self._poll_at:
            self._ask(now, control)

    def _connect(self, now: float) -> None:
        if self._control is not None:
            self._control, self._asked_at = None, None
            self._on_heard(None)
        if now < self._connect_at:
            return
        self._connect_at, self._poll_at = now + RECONNECT, now
        try:
            self._control = Control(self._path)
        except ControlError:
            # It is started anew, or will be: `status` says so by its unit.
            return
        self._ask(now, self._control)

    def _ask(self, now: float, control: Control) -> None:
        self._asked_at, self._poll_at = now, now + POLL
        orders = self._orders
        replies: list[Reply] = []

        def done(reply: Reply) -> None:
            replies.append(reply)
            if len(replies) <= len(self._numbers):
                return
            self._asked_at = None
            if orders == self._orders:
                self._on_heard(self._understood(replies))
                self._begin_anew(control, replies[0])

        control.ask("show protocols", done)
        for number in self._numbers:
            control.ask(f"show route table {table(number)} protocol {session(number)}", done)

    def _understood(self, replies: list[Reply]) -> Heard:
        states, taking_over = protocols(replies[0], self._numbers)
        sessions = {}
        for number, reply in zip(self._numbers, replies[1:]):
            state = states.get(number, State(False, "unknown to BIRD", given_up=False))
            sessions[number] = Session(state.established, state.words, prefixes(reply))
        return Heard(sessions, taking_over)

    def _begin_anew(self, control: Control, listed: Reply) -> None:
        """Switches sessions on that BIRD has given up, again and again: their address was away, or is."""
        states, _ = protocols(listed, self._numbers)
        for number, state in states.items():
            if state.given_up:
                control.ask(f"enable {session(number)}", self._ordered)

    def take_over(self, numbers: Collection[int]) -> str:
        """Has the cloud told to send everything by these tunnels, and by no other; what failed, in words."""
        control = self._control
        if control is None or control.closed:
            return "the BGP speaker is not there to be told"
        self._orders += 1
        self._poll_at = 0.0
        # First what is to come, so that there is no moment in which the cloud has neither.
        for number in sorted(self._numbers, key=lambda number: number not in numbers):
            control.ask(f"{'enable' if number in numbers else 'disable'} {takeover(number)}", self._ordered)
        return ""

    def _ordered(self, reply: Reply) -> None:
        # The next answer shows that it was not done, and it is ordered again.
        if reply.failed:
            self._on_trouble(f"BIRD refuses what it is told: {reply.failed}")

    def close(self) -> None:
        """Ends the connection."""
        for control in self.channels:
            control.close()
