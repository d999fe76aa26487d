"""Rewriting of a moved outer path's addresses: the nftables table that the agent keeps and an uninstall removes."""

from __future__ import annotations

from collections.abc import Mapping

from .. import paths
from ..commands import run
from ..site import Site
from .netlink import NFT_IPV4, Nftables

IKE_PORTS = "udp sport { 500, 4500 } udp dport { 500, 4500 }"
"""What nft matches IKE by, and ESP in UDP."""


def table_name(name: str) -> str:
    """The table (family ip), beside the packet filter's of family inet."""
    return paths.nft_table(name) + "_outer"


def counter(tunnel: int) -> str:
    """The nft counter of what was decrypted of ESP that came by the uplink that is not the tunnel's own."""
    return f"moved_{tunnel}"


def render(site: Site, devices: Mapping[int, str]) -> str:
    """nft's script: packets of a tunnel that leave or come by the other uplink get that uplink's address.

    Stateless, because conntrack would have to be flushed at each move; and always there, because then a
    move is one route. They match nothing while every tunnel uses its own uplink. The IKE ports only: ESP is
    in UDP 4500 behind a NAT; bare ESP is included for uplinks with public addresses.

    What came by the other uplink carries that uplink's mark through decryption and is counted, and loses the mark,
    where it leaves the XFRM interface: anyone can send what looks like ESP, only the gateway what decrypts.
    """
    table = table_name(site.name)
    decrypted, inward, outward, chains = [], [], [], []
    for tunnel in site.tunnels:
        own, cloud = site.uplink_of(tunnel), tunnel.ipsec_address
        chains += [f"  counter {counter(tunnel.number)} {{", "  }"]
        for other in site.uplinks:
            if other.number == own.number or other.number not in devices:
                continue
            device, moved = devices[other.number], f"{tunnel.number}_by_{other.number}"
            # One comparison, of the device, is all that other packets pay for.
            inward.append(f'    iifname "{device}" ip saddr {cloud} ip daddr {other.address} jump inward_{moved}')
            outward.append(f'    oifname "{device}" ip saddr {own.address} ip daddr {cloud} jump outward_{moved}')
            # The mark is the connection's own; routes by mark are looked up after it is gone.
            count = f"counter name {counter(tunnel.number)} meta mark set 0"
            decrypted.append(f'    iifname "{tunnel.interface}" meta mark {other.mark} {count}')
            chains += [
                f"  chain inward_{moved} {{",
                f"    ip protocol esp meta mark set {other.mark} ip daddr set {own.address}",
                # In UDP 4500 four zero bytes mark IKE; anything else is an ESP SPI (RFC 3948). A keepalive is one byte.
                f"    udp sport 4500 udp length > 12 @th,64,32 != 0 meta mark set {other.mark}",
                f"    {IKE_PORTS} ip daddr set {own.address}",
                "  }",
                f"  chain outward_{moved} {{",
                f"    ip protocol esp ip saddr set {other.address}",
                f"    {IKE_PORTS} ip saddr set {other.address}",
                "  }",
            ]
    lines = [f"table ip {table} {{", "}", f"delete table ip {table}", f"table ip {table} {{", *chains]
    lines += ["  chain inward {", "    type filter hook prerouting priority -350", *decrypted, *inward, "  }"]
    lines += ["  chain outward {", "    type filter hook postrouting priority 300", *outward, "  }", "}"]
    return "\n".join(lines) + "\n"


class Rewriting:
    """Keeps the table of one connection."""

    def __init__(self, site: Site, nftables: Nftables) -> None:
        self._site = site
        self._nftables = nftables
        self._devices: dict[int, str] = {}
        """What the table was last made for."""
        self._rules: list[bytes] | None = None
        """What the kernel made of it."""

    def prepare(self, devices: Mapping[int, str]) -> str:
        """Puts the table in place if it is gone or another, or the uplinks' devices changed; what failed, in words."""
        name = table_name(self._site.name)
        if len(self._site.uplinks) < 2:
            return ""
        if self._devices == devices and self._nftables.rules(NFT_IPV4, name) in (self._rules, None):
            return ""
        failed = _nft(render(self._site, devices))
        if not failed:
            self._devices, self._rules = dict(devices), self._nftables.rules(NFT_IPV4, name)
        return failed

    def moved_packets(self, tunnel: int) -> int | None:
        """Packets that a tunnel brought by the uplink that is not its own, decrypted; None when not counted."""
        return self._nftables.packets(table_name(self._site.name), counter(tunnel))

    def remove(self) -> None:
        """Takes the table away."""
        if self._devices:
            _nft(f"delete table ip {table_name(self._site.name)}\n")


def _nft(script: str) -> str:
    result = run("nft", "-f", "-", stdin=script, timeout=10)
    if result.ok:
        return ""
    return f"nft refused the rewriting rules: {(result.errors.splitlines() or ['no reason given'])[0]}"
