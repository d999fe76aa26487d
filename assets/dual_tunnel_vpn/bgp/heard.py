"""What BIRD's replies say about a connection's two tunnels. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from .control import Reply
from .speaker import session, takeover

_PROTOCOL, _ROUTE = 1002, 1007
"""The codes of a protocol's line and of a route's."""

_PREFIX = re.compile(r"(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}/\d{1,2})\s")


@dataclass(frozen=True)
class Session:
    """One tunnel's BGP session."""

    established: bool = False
    state: str = ""
    """In BIRD's words, such as `Active` or why it ended."""
    heard: tuple[str, ...] = ()
    """The blocks within the VPC's that the cloud announces by it."""

    @property
    def works(self) -> bool:
        """Whether it proves that the tunnel works inside, in both directions."""
        return self.established and bool(self.heard)


@dataclass(frozen=True)
class Heard:
    """What the speaker knows."""

    sessions: dict[int, Session]
    taking_over: frozenset[int]
    """The tunnels by whose session the cloud is told to send everything."""


class State(NamedTuple):
    """A session as BIRD lists it."""

    established: bool
    words: str
    given_up: bool
    """BIRD has switched it off by itself for good, as where it could not listen at the session's address."""


def protocols(reply: Reply, numbers: Collection[int]) -> tuple[dict[int, State], frozenset[int]]:
    """Of `show protocols`: each tunnel's session, and which tunnels take over."""
    states, taking_over = {}, set()
    for line in reply.lines:
        # Name, protocol, table, state, since, and words that may be missing.
        fields = line.text.split(None, 5)
        if line.code != _PROTOCOL or len(fields) < 5:
            continue
        words = " ".join(fields[5].split()) if len(fields) > 5 else fields[3]
        for number in numbers:
            if fields[0] == session(number):
                established = fields[3] == "up" and words.startswith("Established")
                states[number] = State(established, words, given_up=fields[3] == "down")
            elif fields[0] == takeover(number) and fields[3] == "up":
                taking_over.add(number)
    return states, frozenset(taking_over)


def prefixes(reply: Reply) -> tuple[str, ...]:
    """Of `show route`: the prefixes, each once, in their order; BIRD's own is none."""
    found = (_PREFIX.match(line.text.lstrip()) for line in reply.lines if line.code == _ROUTE)
    return tuple(sorted({match.group(1) for match in found if match}, key=_numbers))


def _numbers(prefix: str) -> list[int]:
    return [int(number) for number in re.split("[./]", prefix)]
