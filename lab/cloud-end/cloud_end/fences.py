"""The nftables text of the cloud end: what a gateway ignores, and what is counted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from .desired import Desired

Peer = Literal["cooperative", "ike-only", "pinned"]
"""How the gateway treats authenticated packets of a tunnel from an address that is not its customer gateway's:
follows them; takes IKE but no ESP; takes nothing."""

PEERS: tuple[Peer, ...] = ("cooperative", "ike-only", "pinned")

# ESP in UDP has a non-zero SPI where IKE on port 4500 has the zero non-ESP marker; a keepalive is too short to match.
_ESP_IN_UDP = "@th,64,32 != 0"


def _set(name: str, kind: str, elements: Iterable[str]) -> str:
    listed = ", ".join(sorted(set(elements)))
    return f"  set {name} {{ type {kind}; {f'elements = {{ {listed} }}; ' if listed else ''}}}"


def fences(desired: Desired, peer: Peer, lost: Iterable[str]) -> str:
    """The whole table, to be loaded in one transaction. lost: IPsec addresses that answer nothing."""
    pair = "ipv4_addr . ipv4_addr"
    tunnels = desired.tunnels.values()
    lines = [
        "table inet cloud_end",
        "delete table inet cloud_end",
        "table inet cloud_end {",
        _set("addresses", "ipv4_addr", desired.addresses),
        _set("peers", pair, (f"{t.ipsec_address} . {t.peer_address}" for t in tunnels)),
        _set(
            "no_nat_traversal", pair, (f"{t.ipsec_address} . {t.peer_address}" for t in tunnels if not t.nat_traversal)
        ),
        _set("lost", "ipv4_addr", lost),
    ]
    for hook, own, other, port in (("prerouting", "daddr", "saddr", "dport"), ("output", "saddr", "daddr", "sport")):
        stranger = f"ip {own} @addresses ip {own} . ip {other} != @peers"
        lines += [
            f"  chain {hook} {{",
            f"    type filter hook {hook} priority -310",
            f"    ip {own} @lost drop",
            # Without NAT traversal a gateway neither floats to 4500 nor encapsulates in UDP.
            f"    ip {own} . ip {other} @no_nat_traversal udp {port} 4500 drop",
        ]
        if peer == "pinned":
            lines += [f"    {stranger} udp {port} {{ 500, 4500 }} drop", f"    {stranger} ip protocol esp drop"]
        elif peer == "ike-only":
            lines += [f"    {stranger} udp {port} 4500 {_ESP_IN_UDP} drop", f"    {stranger} ip protocol esp drop"]
        lines.append("  }")
    return "\n".join([*lines, "}", ""])


def _esp_counter(name: str, key: str, condition: str, port: str) -> list[str]:
    return [
        f"    {condition}ip protocol esp update @{name} {{ {key} counter }}",
        f"    {condition}udp {port} 4500 {_ESP_IN_UDP} update @{name} {{ {key} counter }}",
    ]


def gateway_counters() -> str:
    """Counts the ESP that the gateway took and sent, by IPsec address and peer address."""
    key = "type ipv4_addr . ipv4_addr; size 4096; flags dynamic;"
    return "\n".join(
        [
            "table inet cloud_end_count",
            "delete table inet cloud_end_count",
            "table inet cloud_end_count {",
            f"  set received {{ {key} }}",
            f"  set sent {{ {key} }}",
            "  chain input {",
            "    type filter hook input priority 300",
            *_esp_counter("received", "ip daddr . ip saddr", "", "dport"),
            "  }",
            "  chain output {",
            "    type filter hook output priority 300",
            *_esp_counter("sent", "ip saddr . ip daddr", "", "sport"),
            "  }",
            "}",
            "",
        ]
    )


def uplink_table(cloud_network: str) -> str:
    """An uplink's NAT: counts the ESP that it lets through by IPsec address, after any fault that drops there,
    and ignores what the gateway sends unasked: answered or remembered, it would take the port that the box needs.
    """
    key = "type ipv4_addr; size 4096; flags dynamic;"
    return "\n".join(
        [
            "table inet cloud_end_count",
            "delete table inet cloud_end_count",
            "table inet cloud_end_count {",
            f"  set to_cloud {{ {key} }}",
            f"  set to_box {{ {key} }}",
            "  chain forward {",
            "    type filter hook forward priority 300",
            *_esp_counter("to_cloud", "ip daddr", f"ip daddr {cloud_network} ", "dport"),
            *_esp_counter("to_box", "ip saddr", f"ip saddr {cloud_network} ", "sport"),
            "  }",
            "  chain input {",
            "    type filter hook input priority 0",
            f"    ip saddr {cloud_network} udp dport {{ 500, 4500 }} drop",
            f"    ip saddr {cloud_network} ip protocol esp drop",
            "  }",
            "}",
            "",
        ]
    )
