"""The health of one path: an uplink towards an IPsec address, judged by its probes.

Pure: it is told what was sent and answered and when; it does not send or read a clock.
"""

from __future__ import annotations

from collections import deque
from enum import Enum


class Health(Enum):
    """UNPROVEN: no probe was ever answered, so that silence proves nothing."""

    UNPROVEN = "unproven"
    UP = "up"
    DOWN = "down"


RECOVER = 3
"""Answers in a row by which a path that was dead by itself is taken to be back."""


class Path:
    """Counts answered and missed probes of one path. Times are seconds of a monotonic clock."""

    def __init__(self, interval: float, misses: int, window: int = 50) -> None:
        """interval: between probes when nothing is missing. misses: in a row, for silence.

        window: probes over which loss is measured.
        """
        self.interval = interval
        self.misses = misses
        self.recover = RECOVER
        """Answers in a row that end a DOWN."""
        self.by_ike = False
        """Probed by IKE headers, because echoes are filtered."""
        self.health = Health.UNPROVEN
        self.up_since = 0.0
        self.doubted_until = 0.0
        """When a path that probes cannot judge, and that other evidence spoke against, gets another chance."""
        self.heard_since = 0.0
        """When the first answer after the last silence came."""
        self.missed_in_a_row = 0
        self.answered_in_a_row = 0
        self.first_missed_sent_at = 0.0
        self.alone_since: float | None = None
        """Since when another path has answered what was sent after the first of the misses in a row."""
        self.last_answered_sent_at = -1.0
        self._window: deque[bool] = deque()
        self._window_length = window
        self._window_misses = 0
        self.loss = 0.0
        """The share of the window's probes that were missed; 0 while the window is not full."""
        self._outstanding: dict[int, float] = {}
        self._late: dict[int, float] = {}
        self._round_trip = 0.0
        self._deviation = 0.0

    @property
    def timeout(self) -> float:
        """How long an answer is waited for, seconds: nearly the interval, longer on slow paths, within limits.

        Jitter alone may not stretch it much, or a busy box would notice nothing in time.
        """
        wanted = self._round_trip + 4 * self._deviation + 0.01
        return max(0.9 * self.interval, min(wanted, 3 * self.interval + 2 * self._round_trip))

    @property
    def round_trip(self) -> float:
        """The smoothed round-trip time, seconds; 0 when nothing was answered."""
        return self._round_trip

    @property
    def ever_answered(self) -> bool:
        """Whether any probe of ours was answered."""
        return self.last_answered_sent_at >= 0

    @property
    def awaited(self) -> int:
        """How many answers may still come."""
        return len(self._outstanding) + len(self._late)

    @property
    def has_window(self) -> bool:
        """Whether enough probes were judged for loss to mean something."""
        return len(self._window) == self._window_length

    @property
    def silent(self) -> bool:
        """Whether a proven path has now missed as many probes in a row as it may."""
        return self.health is not Health.UNPROVEN and self.missed_in_a_row >= self.misses

    def sent(self, sequence: int, now: float) -> None:
        """A probe left."""
        self._outstanding[sequence] = now

    def answered(self, sequence: int, now: float) -> bool:
        """A probe's answer came, perhaps too late to count as in time, but never too late to prove life.

        False: it was not awaited any more.
        """
        sent_at = self._outstanding.pop(sequence, None)
        if sent_at is None:
            sent_at = self._late.pop(sequence, None)
        else:
            self._judge(True)
        if sent_at is None:
            return False
        self._measure(max(0.0, now - sent_at))
        self.last_answered_sent_at = max(self.last_answered_sent_at, sent_at)
        if self.missed_in_a_row >= self.misses:
            self.heard_since = now
        self.missed_in_a_row = 0
        self.answered_in_a_row += 1
        if self.health is Health.UNPROVEN:
            self.health = Health.UP
            self.up_since = now
        return True

    def advance(self, now: float) -> None:
        """Counts as missed what should have been answered by now."""
        if not self._outstanding and not self._late:
            return
        timeout = self.timeout
        while self._outstanding:
            sequence = next(iter(self._outstanding))
            sent_at = self._outstanding[sequence]
            if now - sent_at < timeout:
                break
            del self._outstanding[sequence]
            self._late[sequence] = sent_at
            self._judge(False)
            self.answered_in_a_row = 0
            if self.missed_in_a_row == 0:
                self.first_missed_sent_at = sent_at
                self.alone_since = None
            self.missed_in_a_row += 1
        while self._late and now - next(iter(self._late.values())) > 3.0:
            del self._late[next(iter(self._late))]

    def excuse(self, seconds: float) -> None:
        """We ourselves did not run for that long: give every outstanding probe as much more time."""
        for sequence in self._outstanding:
            self._outstanding[sequence] += seconds

    def mark_down(self, recover: int = RECOVER) -> None:
        """The path counts as DOWN until that many answers in a row have come."""
        self.health = Health.DOWN
        self.recover = recover
        self.answered_in_a_row = 0
        self._forget_window()

    def mark_up(self, now: float) -> None:
        """The path counts as UP from now on."""
        self.health = Health.UP
        self.up_since = now
        self.missed_in_a_row = 0
        self._forget_window()

    def forget(self) -> None:
        """Probes in flight no longer count (their socket is gone)."""
        self._outstanding.clear()
        self._late.clear()

    def _judge(self, answered: bool) -> None:
        if self.has_window:
            self._window_misses -= not self._window.popleft()
        self._window.append(answered)
        self._window_misses += not answered
        if self.has_window:
            self.loss = self._window_misses / self._window_length

    def _forget_window(self) -> None:
        self._window.clear()
        self._window_misses = 0
        self.loss = 0.0

    def _measure(self, round_trip: float) -> None:
        if self._round_trip == 0.0:
            self._round_trip, self._deviation = round_trip, round_trip / 2
            return
        self._deviation += 0.25 * (abs(round_trip - self._round_trip) - self._deviation)
        self._round_trip += 0.125 * (round_trip - self._round_trip)
