"""The box's packet filter: our own nftables table, and openings in a filter that would drop the tunnels.

A verdict `accept` in our table cannot overrule a drop elsewhere, so openings go where the drop is.
"""

from __future__ import annotations

from . import paths
from .commands import must, run
from .site import Site


def render(site: Site) -> str:
    """nft's input that replaces our table in one transaction, whether or not it was there."""
    table = f"inet {paths.nft_table(site.name)}"
    interfaces = "{ " + ", ".join(f'"{name}"' for name in site.interfaces) + " }"
    clamp = f"tcp flags & (syn | rst) == syn tcp option maxseg size > {site.mss} tcp option maxseg size set {site.mss}"
    return f"""table {table} {{
}}
delete table {table}
table {table} {{
    chain forward {{
        type filter hook forward priority mangle; policy accept;
        iifname {interfaces} {clamp}
        oifname {interfaces} {clamp}
    }}
}}
"""


def bring(site: Site) -> None:
    """Puts our table and the openings in place."""
    must("nft", "-f", "-", stdin=render(site))


def there(name: str) -> bool:
    """Whether our table exists."""
    return run("nft", "list", "table", "inet", paths.nft_table(name)).ok


def take_down(name: str) -> None:
    """Removes our tables, the agent's included, and the openings."""
    from .agent.actions import rewriting_table

    run("nft", "delete", "table", "inet", paths.nft_table(name))
    run("nft", "delete", "table", "ip", rewriting_table(name))
