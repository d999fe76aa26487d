"""When the repair unit runs: for what is seen to be amiss, and to look once after somebody changed the packet filter.

It runs beside the agent, which waits for nothing. One run at a time, never ended from here: what is ended half-way and
begun anew never ends on a box that is slow enough.
"""

from __future__ import annotations

import math
import subprocess
from collections.abc import Callable
from typing import Protocol

SETTLE = 0.3
"""Seconds from a change of the packet filter to the look: who changes it seldom does so in one go."""

PAUSE = 1.0
"""Seconds from one run's end to the next one's beginning; to a mere look what the run took, where that is longer."""

RETRY = 10.0
"""Seconds until a run is tried again that did not help."""


class Process(Protocol):
    """A process that was started."""

    def poll(self) -> int | None:
        """Its exit status, None while it runs."""


def _start(unit: str) -> Process:
    # It ends when the run does. A run that is under way is joined, not replaced.
    nowhere = subprocess.DEVNULL
    return subprocess.Popen(["systemctl", "start", unit], stdin=nowhere, stdout=nowhere, stderr=nowhere)


class Repairs:
    """The runs of one connection's repair unit."""

    def __init__(self, unit: str, start: Callable[[str], Process] = _start) -> None:
        self._unit = unit
        self._start = start
        self._process: Process | None = None
        self._look_at = math.inf
        self._wanted = ""
        """What is amiss, where another run may help."""
        self._tried = ""
        """What was amiss when the last run began."""
        self._began = 0.0
        self._free_at = 0.0
        self._free_to_look_at = 0.0

    def look(self, now: float) -> None:
        """Somebody changed the packet filter: only a run can tell whether it matters."""
        self._look_at = min(self._look_at, now + SETTLE)

    def amiss(self, now: float, why: str) -> None:
        """What is seen to be amiss now, empty when nothing is."""
        again = why != self._tried or now >= self._began + RETRY
        self._wanted = why if again else ""
        self._tried = self._tried if why else ""

    def tick(self, now: float) -> str:
        """Begins a run when it is time; what there is to say."""
        if self._process is not None:
            status = self._process.poll()
            if status is None:
                return ""
            self._process = None
            self._free_at = now + PAUSE
            self._free_to_look_at = now + max(PAUSE, now - self._began)
            if status:
                self._look_at = min(self._look_at, now + RETRY)
                return f"{self._unit} failed: `journalctl -u {self._unit}` says why"
        if not (now >= self._free_at and self._wanted) and now < max(self._look_at, self._free_to_look_at):
            return ""
        self._tried, why = self._wanted, self._wanted
        self._wanted, self._look_at = "", math.inf
        self._began = now
        self._process = self._start(self._unit)
        return f"{why}: {self._unit} runs" if why else ""

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self._process is not None
