"""The box's packet filter: our own tables, and openings in a filter that would drop the tunnels.

A verdict `accept` in our table cannot overrule a drop elsewhere, so an opening is a rule at the head of
the very chain that drops, marked with a comment of ours by which it is found again. What somebody puts before it later
and that names something stays there; what would stop or translate everything does not.
"""

from __future__ import annotations

from typing import Protocol

from ...commands import Refusal
from ...site import Site
from . import own
from .firewalld import TABLES, Firewalld
from .iptables import Iptables
from .nftables import Nftables
from .openings import Step


class Filter(Protocol):
    """Software that may have a packet filter of its own on the box."""

    def available(self) -> bool:
        """Whether it is at work here, and can be told."""

    def plan(self, site: Site, leave_out: set[tuple[str, str]]) -> tuple[set[tuple[str, str]], list[Step]]:
        """The nftables tables (family, name) that it looks after, and what has it let the tunnels pass.

        leave_out: those that others look after. No step is left once all have been done.
        """

    def close(self, name: str) -> None:
        """Takes back what the steps did; nothing to do is a success."""


FILTERS: tuple[Filter, ...] = (Firewalld(), Iptables(), Nftables())
"""Those that keep tables of nftables for themselves come before nftables."""


def plan(site: Site) -> list[Step]:
    """What puts openings exactly where the box's own filter could stop the tunnels; nothing where they are."""
    looked_after = set(TABLES)
    steps: list[Step] = []
    for each in FILTERS:
        if each.available():
            tables, more = each.plan(site, looked_after)
            looked_after |= tables
            steps += more
    return steps


def open_all(site: Site) -> list[str]:
    """Does it, each step whatever becomes of the others; what was done, in words. Refusal says what failed."""
    done, failed = [], []
    for step in plan(site):
        try:
            step.do()
            done.append(step.what)
        except Refusal as refusal:
            failed.append(str(refusal))
    if failed:
        raise Refusal("; ".join(failed))
    return done


def take_down(name: str) -> None:
    """Removes the openings, then our tables."""
    for each in FILTERS:
        each.close(name)
    own.take_down(name)
