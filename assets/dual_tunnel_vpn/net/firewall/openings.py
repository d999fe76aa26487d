"""What a packet filter of somebody else's has to let pass, in the words of each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from ...site import Site

VRRP = "112"
"""The protocol's number: not every system has its name."""


@dataclass(frozen=True)
class Step:
    """One thing that is not as it should be in somebody else's filter, and what puts it right."""

    what: str
    do: Callable[[], None]


def mark(name: str) -> str:
    """How the comment begins on every rule that we put into somebody else's chain."""
    return f"dual-tunnel-vpn {name}"


def signed(name: str, rules: Iterable[str]) -> str:
    """The comment on each of a chain's rules of ours. It tells them from those that were wanted at another time."""
    return f"{mark(name)} {hashlib.sha256(chr(10).join(rules).encode()).hexdigest()[:8]}"


def is_ours(comment: str, name: str) -> bool:
    """Whether a rule with this comment is the connection's; a former version signed with the mark alone."""
    return comment == mark(name) or comment.startswith(f"{mark(name)} ")


def set_of(items: Iterable[str]) -> str:
    """nft's anonymous set."""
    return "{ " + ", ".join(items) + " }"


def names(interfaces: Iterable[str]) -> str:
    """nft's set of interfaces."""
    return set_of(f'"{name}"' for name in interfaces)


@dataclass(frozen=True)
class Opening:
    """What a chain of one hook has to let pass; empty fields match everything."""

    sources: tuple[str, ...] = ()
    destinations: tuple[str, ...] = ()
    protocol: str = ""
    ports: tuple[int, ...] = ()
    iif: str = ""
    oif: str = ""

    def nft(self) -> str:
        """The rule in nft's words, without its comment."""
        parts = [f'iifname "{self.iif}"'] if self.iif else []
        parts += [f'oifname "{self.oif}"'] if self.oif else []
        parts += [f"ip saddr {set_of(self.sources)}"] if self.sources else []
        parts += [f"ip daddr {set_of(self.destinations)}"] if self.destinations else []
        if self.ports:
            parts.append(f"{self.protocol} dport {set_of(map(str, self.ports))}")
        elif self.protocol:
            parts.append(f"ip protocol {self.protocol}")
        return " ".join([*parts, "accept"])

    def iptables(self) -> list[str]:
        """The same in iptables' words: one rule for each pair of addresses."""
        rules = []
        for source in self.sources or ("",):
            for destination in self.destinations or ("",):
                rule = ["-i", self.iif] if self.iif else []
                rule += ["-o", self.oif] if self.oif else []
                rule += ["-s", source] if source else []
                rule += ["-d", destination] if destination else []
                rule += ["-p", self.protocol] if self.protocol else []
                rule += ["-m", "multiport", "--dports", ",".join(map(str, self.ports))] if self.ports else []
                rules.append(" ".join(rule))
        return rules


def openings(site: Site) -> dict[str, tuple[Opening, ...]]:
    """What must pass, by hook. `postrouting` is the exemption from address translation."""
    cloud = tuple(tunnel.ipsec_address for tunnel in site.tunnels)
    inside = site.data_center_cidrs
    other, between, around = _of_two_boxes(site)
    # What else comes by the tunnels for the box's end of a session, our own table drops.
    sessions = [(tunnel.interface, tunnel.bgp) for tunnel in site.tunnels if tunnel.bgp is not None]
    ends = {name: (bgp.block,) for name, bgp in sessions}
    return {
        "input": (
            Opening(sources=cloud, protocol="udp", ports=(500, 4500)),
            Opening(sources=cloud, protocol="esp"),
            Opening(sources=cloud, protocol="icmp"),
            *(Opening(iif=name, sources=(bgp.cloud_address,), protocol="tcp") for name, bgp in sessions),
            *(replace(each, sources=other) for each in between),
        ),
        "output": (
            Opening(destinations=cloud, protocol="udp", ports=(500, 4500)),
            Opening(destinations=cloud, protocol="esp"),
            Opening(destinations=cloud, protocol="icmp"),
            *(Opening(oif=name, destinations=(bgp.cloud_address,), protocol="tcp") for name, bgp in sessions),
            *(replace(each, destinations=other) for each in between),
        ),
        "forward": (
            *(
                opening
                for name in site.interfaces
                for opening in (Opening(iif=name, destinations=inside), Opening(oif=name, sources=inside))
            ),
            *around,
        ),
        "postrouting": (
            *(Opening(oif=name, sources=(*inside, *ends.get(name, ()))) for name in site.interfaces),
            *around,
        ),
    }


def _of_two_boxes(site: Site) -> tuple[tuple[str, ...], tuple[Opening, ...], tuple[Opening, ...]]:
    """The other box's address, what the two send each other, and what one sends the VPC by way of the other."""
    if site.pair is None:
        return (), (), ()
    between = Opening(protocol="udp", ports=(site.pair.port,)), Opening(protocol=VRRP)
    around = Opening(sources=site.data_center_cidrs, destinations=site.vpc_cidrs)
    return (site.pair.other_lan_address,), between, (around,)
