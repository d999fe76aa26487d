"""Kernel states and policies of the tunnels that a killed charon left behind, told by the if_id."""

from __future__ import annotations

from contextlib import closing

from ..net.netlink import Ipsec, IpsecState
from ..site import Site


class Orphans:
    """Finds and removes the states that charon does not own."""

    def __init__(self, site: Site, ipsec: Ipsec) -> None:
        self._numbers = if_ids(site)
        self._ipsec = ipsec
        self._suspects: set[tuple[str, int]] = set()

    def sweep(self, owned: set[int], older_than: float) -> int:
        """Removes states whose SPI is not among those that charon owns; how many.

        Only what two sweeps in a row find, so that an SA between two lists is never taken for an orphan.
        """
        found = {(state.destination, state.spi): state for state in self._find(owned, older_than)}
        twice = [state for place, state in found.items() if place in self._suspects]
        for state in twice:
            self._ipsec.delete_state(state)
        self._suspects = set(found)
        return len(twice)

    def _find(self, owned: set[int], older_than: float) -> list[IpsecState]:
        return [
            state
            for state in self._ipsec.states()
            if state.if_id in self._numbers and state.spi not in owned and 0 < state.added < older_than
        ]

    def close(self) -> None:
        """Ends the socket."""
        self._ipsec.close()


def if_ids(site: Site) -> set[int]:
    """What tells the connection's states and policies from others."""
    return {tunnel.if_id for tunnel in site.tunnels}


def remove_all(site: Site) -> None:
    """Removes every state and policy of the connection."""
    numbers = if_ids(site)
    with closing(Ipsec()) as ipsec:
        for state in ipsec.states():
            if state.if_id in numbers:
                ipsec.delete_state(state)
        for policy in ipsec.policies():
            if policy.if_id in numbers:
                ipsec.delete_policy(policy)
