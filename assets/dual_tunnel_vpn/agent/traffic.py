"""What one tunnel carried, sampled: whether it sends and nothing comes back. Pure."""

from __future__ import annotations

from collections import deque


class Traffic:
    """What one tunnel carried, in samples of about a second."""

    def __init__(self) -> None:
        self._last: tuple[int, int] | None = None
        self._samples: deque[tuple[float, int, int]] = deque(maxlen=20)
        self._unanswered_since: float | None = None
        """When something was first seen to have been sent since anything came back."""

    def observe(self, now: float, sent: int, received: int) -> None:
        """Takes the interface's counters."""
        if self._last is not None and sent >= self._last[0] and received >= self._last[1]:
            self._samples.append((now, sent - self._last[0], received - self._last[1]))
            if received > self._last[1]:
                self._unanswered_since = None
            elif sent > self._last[0] and self._unanswered_since is None:
                self._unanswered_since = now
        else:
            self._unanswered_since = None
        self._last = (sent, received)

    def forget(self) -> None:
        """Starts anew."""
        self._samples.clear()

    def unanswered(self, now: float, seconds: float) -> bool:
        """Whether what was sent that long ago has had no answer to this day."""
        return self._unanswered_since is not None and now - self._unanswered_since >= seconds

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
