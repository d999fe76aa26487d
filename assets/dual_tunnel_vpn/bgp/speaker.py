"""What BIRD is told: bird.conf of one connection, in words that BIRD 2.0.12 and later, and BIRD 3, understand.

BIRD installs no routes (there is no `kernel` protocol): the routes to the VPC are the failover agent's. Each tunnel has
a table of its own, so that nothing heard by one session can be told by the other. A tunnel's `takeover` says that
everything of the data center's is to come by it: its blocks in halves, which win by the longest prefix whatever the
cloud compares otherwise. It is switched on and off by the control socket.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Callable

from ..site import Bgp, Site, Tunnel

MOST_PREFIXES = 50
"""What a VPN gateway's BGP table takes, and what we take from it."""

PORT = 15179
"""Where BIRD listens. On 179 it could not beside another speaker of the box's, nor without privileges: our packet
filter leads there what the cloud sends to 179."""

BGP_PORT = 179

_NEVER = ("0.0.0.0/0", "100.64.0.0/10+", "100.64.0.0/10-")
"""The cloud's own addresses, what lies in them and what contains them."""


def session(number: int) -> str:
    """The name of a tunnel's session in BIRD."""
    return f"tunnel_{number}"


def takeover(number: int) -> str:
    """The name of what BIRD tells by a tunnel's session while all traffic is to come by it."""
    return f"takeover_{number}"


def table(number: int) -> str:
    """The name of BIRD's table for a tunnel."""
    return f"routes_{number}"


def halves(block: str) -> list[str]:
    """The two halves of a block; nothing for a single address."""
    network = ipaddress.IPv4Network(block)
    return [] if network.prefixlen == network.max_prefixlen else [str(half) for half in network.subnets()]


def told(blocks: Iterable[str]) -> tuple[list[str], list[str]]:
    """What is told of these blocks: always, and more while a tunnel takes over."""
    usual = sorted(set(blocks))
    return usual, sorted({half for block in usual for half in halves(block)} - set(usual))


def ends(tunnel: Tunnel, bgp: Bgp) -> str:
    """A session's two ends."""
    assert tunnel.bgp is not None
    return f"""    local {tunnel.bgp.box_address} port {PORT} as {bgp.asn};
    neighbor {tunnel.bgp.cloud_address} port {BGP_PORT} as {bgp.cloud_asn};
    interface "{tunnel.interface}";
    direct;"""


def render(site: Site, router_id: str, ends_of: Callable[[Tunnel, Bgp], str] = ends) -> str:
    """The text of bird.conf for a site that has BGP. router_id: an address of the box's. ends_of: of a session."""
    assert site.bgp is not None
    usual, _ = told(site.data_center_cidrs)
    # Each block and its halves, and nothing else that lies in it.
    ours = [block if block.endswith("/32") else f"{block}{{{_length(block)},{_length(block) + 1}}}" for block in usual]
    theirs = [f"{block}+" for block in sorted(set(site.vpc_cidrs))]
    tunnels = "\n".join(_tunnel(site, site.bgp, tunnel, ends_of) for tunnel in site.tunnels)
    return f"""# BGP of connection {site.name}. Made by dual-tunnel-vpn.
log stderr {{ info, remote, warning, error, auth, fatal, bug }};
timeformat protocol iso short;
router id {router_id};

define NEVER = [ {", ".join(_NEVER)} ];
define DATA_CENTER = [ {", ".join(ours)} ];
define VPC = [ {", ".join(theirs)} ];

filter from_cloud {{
    if net ~ NEVER || net !~ VPC then reject;
    accept;
}}

protocol device {{
}}
{tunnels}"""


def _length(block: str) -> int:
    return ipaddress.IPv4Network(block).prefixlen


def _routes(blocks: Iterable[str]) -> str:
    return "\n".join(f"    route {block} unreachable;" for block in blocks)


def _tunnel(site: Site, bgp: Bgp, tunnel: Tunnel, ends_of: Callable[[Tunnel, Bgp], str]) -> str:
    number = tunnel.number
    usual, more = told(site.data_center_cidrs)
    # The less of either the better. A takeover is better than what is usual by either tunnel, and one by tunnel 1 than
    # one by tunnel 2, which the cloud may not have heard the end of.
    takeover_rank, usual_rank = number - 1, number + 1
    return f"""
ipv4 table {table(number)};

protocol static blocks_{number} {{
    ipv4 {{ table {table(number)}; preference 200; }};
{_routes(usual)}
}}

protocol static {takeover(number)} {{
    disabled;
    ipv4 {{ table {table(number)}; preference 210; }};
{_routes([*usual, *more])}
}}

filter to_cloud_{number} {{
    if source != RTS_STATIC || net ~ NEVER || net !~ DATA_CENTER then reject;
    if proto = "{takeover(number)}" then {{
{_rank(bgp, takeover_rank, " " * 8)}
        accept;
    }}
{_rank(bgp, usual_rank, " " * 4)}
    accept;
}}

protocol bgp {session(number)} {{
{ends_of(tunnel, bgp)}
    strict bind yes;
    hold time {bgp.hold_seconds};
    keepalive time {max(1, bgp.hold_seconds // 3)};
    startup hold time 10;
    connect delay time 0;
    connect retry time 1;
    error wait time 1, 2;
    error forget time 5;
    graceful restart off;
    long lived graceful restart off;
    ipv4 {{
        table {table(number)};
        import filter from_cloud;
        export filter to_cloud_{number};
        # One too many is left out; ending the session for it would take the way to steer the cloud away.
        import limit {MOST_PREFIXES} action block;
        export limit {MOST_PREFIXES} action block;
    }};
}}
"""


def _rank(bgp: Bgp, rank: int, indent: str) -> str:
    lines = [f"bgp_med = {100 * rank};", *[f"bgp_path.prepend({bgp.asn});"] * rank]
    return "\n".join(f"{indent}{line}" for line in lines)
