"""The box's packet filter: our own tables, and openings in a filter that would drop the tunnels.

A verdict `accept` in our table cannot overrule a drop elsewhere, so an opening is a rule at the head of
the very chain that drops, marked with a comment of ours by which it is found again.
"""

from __future__ import annotations

from typing import Protocol

from ...site import Site
from . import own
from .firewalld import TABLES, Firewalld
from .iptables import Iptables
from .nftables import Nftables


class Filter(Protocol):
    """Software that may have a packet filter of its own on the box."""

    def available(self) -> bool:
        """Whether it is at work here, and can be told."""

    def open(self, site: Site, leave_out: set[tuple[str, str]]) -> set[tuple[str, str]]:
        """Has it let the tunnels pass, once; the nftables tables (family, name) that it looks after.

        leave_out: those that others look after.
        """

    def close(self, name: str) -> None:
        """Takes back what `open` did; nothing to do is a success."""


FILTERS: tuple[Filter, ...] = (Firewalld(), Iptables(), Nftables())
"""Those that keep tables of nftables for themselves come before nftables."""


def open_all(site: Site) -> None:
    """Puts openings wherever the box's own filter could stop the tunnels."""
    looked_after = set(TABLES)
    for each in FILTERS:
        if each.available():
            looked_after |= each.open(site, looked_after)


def take_down(name: str) -> None:
    """Removes the openings, then our tables."""
    for each in FILTERS:
        each.close(name)
    own.take_down(name)
