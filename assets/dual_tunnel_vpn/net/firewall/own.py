"""Our own tables of the packet filter.

By a tunnel's interface passes what goes between the VPC's blocks and the data center's, seen as it is on the wire,
so that an address translation of the box's own stays possible; beside that the box's own packets. What comes in by an
uplink has to come from the data center's blocks, as the kernel's routes have them behind an uplink (the reverse-path
filter is loose there), and is translated by nothing. Where nobody but us
wants the box to forward, one table that all connections share drops what it forwards beside the tunnels.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Collection, Iterable
from pathlib import Path

from ... import files, manifest, paths
from ...bgp.speaker import BGP_PORT, PORT
from ...commands import must, run
from ...site import Site, SiteError, load
from .. import rewriting, sysctl, wanted
from ..network import observe
from .openings import names, set_of
from .ruleset import entries, load_script, table_content, tables

FROM_CLOUD, TO_CLOUD, BESIDE = "from_cloud", "to_cloud", "beside_the_tunnels"
"""The counters of what is dropped: of a connection, and in the shared table."""


def _anew(table: str) -> str:
    return f"table {table} {{\n}}\ndelete table {table}\n"


def _blocks(name: str, blocks: Iterable[str]) -> str:
    merged = map(str, ipaddress.collapse_addresses(map(ipaddress.IPv4Network, blocks)))
    return f"    set {name} {{ type ipv4_addr; flags interval; elements = {set_of(merged)}; }}"


def render(site: Site, uplinks: Collection[str] = ()) -> str:
    """nft's input that replaces the connection's table in one transaction, whether or not it was there.

    uplinks: the uplinks' interfaces, as far as they are known.
    """
    table = f"inet {paths.nft_table(site.name)}"
    clamps = "\n".join(
        f'        {way} "{tunnel.interface}" tcp option maxseg size > {tunnel.mss} '
        f"tcp option maxseg size set {tunnel.mss}"
        for tunnel in site.tunnels
        for way in ("iifname", "oifname")
    )
    interfaces = names(site.interfaces)
    outside = names(sorted(uplinks))
    # Errors may come from a router between the blocks; path MTU discovery needs them.
    errors = "icmp type { destination-unreachable, time-exceeded }"
    sessions, of_sessions = _sessions(site)
    leads = chain = ""
    if uplinks:
        leads = f"\n        iifname {outside} oifname {interfaces} jump of_the_uplinks"
        # Here the source is as it came: a translation of the box's own that comes later makes nobody welcome.
        chain = f"""
    chain of_the_uplinks {{
        fib saddr oifname != {outside} counter name {TO_CLOUD} drop
        ip saddr @data_center ip daddr @vpc return
        {errors} ip daddr @vpc return
        counter name {TO_CLOUD} drop
    }}"""
    return f"""{_anew(table)}table {table} {{
{_blocks("vpc", site.vpc_cidrs)}
{_blocks("data_center", site.data_center_cidrs)}
    counter {FROM_CLOUD} {{
    }}
    counter {TO_CLOUD} {{
    }}
    chain clamp {{
{clamps}
    }}{chain}
    chain forward {{
        type filter hook forward priority mangle; policy accept;
        tcp flags & (syn | rst) == syn jump clamp{leads}
    }}
    chain of_the_vpc {{
        meta nfproto ipv6 drop
        ip saddr @vpc ip daddr @data_center accept
        ip saddr @vpc fib daddr type local accept
        {errors} ip daddr @data_center accept
        counter name {FROM_CLOUD} drop
    }}
    chain inward {{
        type filter hook prerouting priority raw; policy accept;
{sessions}        iifname {interfaces} jump of_the_vpc
    }}
    chain of_the_data_center {{
        meta nfproto ipv6 drop
        ip saddr @data_center ip daddr @vpc accept
        fib saddr type local accept
        {errors} ip daddr @vpc accept
        counter name {TO_CLOUD} drop
    }}
    chain outward {{
        type filter hook postrouting priority 300; policy accept;
        oifname {interfaces} jump of_the_data_center
    }}
{of_sessions}}}
"""


def _sessions(site: Site) -> tuple[str, str]:
    """What lets the cloud's end of each BGP session reach the box's, and a chain that leads it to the speaker's port.

    Nobody else reaches it, by whatever interface. Empty without BGP.
    """
    tunnels = [(tunnel.interface, tunnel.bgp) for tunnel in site.tunnels if tunnel.bgp is not None]
    if not tunnels:
        return "", ""
    rules, redirections = [], []
    for name, bgp in tunnels:
        between = f'iifname "{name}" ip saddr {bgp.cloud_address} ip daddr {bgp.box_address}'
        rules += [
            f"{between} tcp dport {BGP_PORT} accept",
            # Answers, and no beginning of anything.
            f"{between} tcp sport {BGP_PORT} tcp flags & (syn | ack) != syn accept",
        ]
        redirections.append(f"{between} tcp dport {BGP_PORT} redirect to :{PORT}")
    ends = set_of(bgp.box_address for _, bgp in tunnels)
    rules.append(f"iifname != {names([*site.interfaces, 'lo'])} ip daddr {ends} drop")
    lines = "".join(f"        {rule}\n" for rule in rules)
    chain = "\n".join(f"        {rule}" for rule in redirections)
    return lines, f"""    chain to_the_speaker {{
        type nat hook prerouting priority -101; policy accept;
{chain}
    }}
"""


def render_shared(
    interfaces: Iterable[str], before: Iterable[str], bridges: Iterable[str], around: Iterable[str] = ()
) -> str:
    """nft's input that replaces the shared table, which drops what the box forwards beside the tunnels.

    interfaces: all connections'. before: those from which the box forwarded already. bridges: what they carry
    from port to port passes here too (br_netfilter), and is not forwarded by us. around: nft's matches of what one of
    two boxes sends the VPC by way of the other.
    """
    table = f"ip {paths.SHARED_TABLE}"
    tunnels, before, pairs = names(interfaces), tuple(before), [f'"{name}" . "{name}"' for name in bridges]
    exempt = [f"        iifname {names(before)} accept"] if before else []
    exempt += [f"        {match} accept" for match in around]
    exempt += [f"        iifname . oifname {set_of(pairs)} accept"] if pairs else []
    lines = "\n".join([f"        iifname {tunnels} accept", f"        oifname {tunnels} accept", *exempt])
    return f"""{_anew(table)}table {table} {{
    counter {BESIDE} {{
    }}
    chain forward {{
        type filter hook forward priority mangle; policy accept;
{lines}
        counter name {BESIDE} drop
    }}
}}
"""


def _shared(without: str = "") -> str:
    interfaces: list[str] = []
    around: list[str] = []
    for name in manifest.names():
        try:
            if name != without:
                site = load(paths.site(name))
                interfaces += site.interfaces
                around += _around(site)
        except SiteError:
            continue
    if not interfaces or sysctl.forwarded_by_others():
        return _anew(f"ip {paths.SHARED_TABLE}")
    bridges = sorted(path.parent.name for path in Path("/sys/class/net").glob("*/bridge"))
    return render_shared(interfaces, sysctl.forwarded_before(manifest.load_box()), bridges, around)


def _around(site: Site) -> list[str]:
    """What a box of two forwards from its LAN to its LAN."""
    device = _lan(site)
    if not device:
        return []
    ends = f"ip saddr {set_of(site.data_center_cidrs)} ip daddr {set_of(site.vpc_cidrs)}"
    return [f'iifname "{device}" oifname "{device}" {ends}']


def _differing(site: Site, uplinks: Collection[str]) -> dict[tuple[str, str], str]:
    """nft's input by table (family, name), for those that are not as nft made them of it."""
    texts = {("inet", paths.nft_table(site.name)): render(site, uplinks), ("ip", paths.SHARED_TABLE): _shared()}
    return {table: text for table, text in texts.items() if files.content(_stamp(*table)) != _seal(text, *table)}


def _stamp(family: str, name: str) -> Path:
    return paths.PRIVATE / f"{family}-{name}"


def _seal(text: str, family: str, name: str) -> bytes:
    """What a table made of this text is known by: nft lists it in words of its own."""
    return hashlib.sha256(f"{text}\0{table_content(family, name)}".encode()).hexdigest().encode()


def _known(what: str, name: str) -> Path:
    """Where the interfaces are noted that our tables know: of uplinks or the LAN, for a connection."""
    return paths.PRIVATE / f"{what}-{name}"


def _known_devices(what: str, name: str) -> list[str]:
    return (files.content(_known(what, name)) or b"").decode().split()


def _uplinks(site: Site, devices: Iterable[str]) -> set[str]:
    """The uplinks' interfaces: those there are now, and those of before, whose address may be away for a moment."""
    return {*devices, *_known_devices("uplinks", site.name)}


def _lan(site: Site) -> str:
    """The LAN's interface of a box of two, or the one of before while its address is away; empty when there is none."""
    if site.pair is None:
        return ""
    return wanted.lan_device(site, observe()) or " ".join(_known_devices("lan", site.name))


def knows(site: Site, devices: Iterable[str]) -> bool:
    """Whether our tables know these interfaces of uplinks, and the LAN's as it is now."""
    uplinks = _uplinks(site, devices) == _uplinks(site, ())
    return uplinks and (site.pair is None or _lan(site).split() == _known_devices("lan", site.name))


def amiss(site: Site, devices: Iterable[str] = ()) -> list[str]:
    """Which of our tables are not as we made them, in words. devices: the uplinks' interfaces that are there now."""
    return [_not_right(table) for table in _differing(site, _uplinks(site, devices))]


def _not_right(table: tuple[str, str]) -> str:
    return f"the packet filter's table {' '.join(table)} was not as it should be"


def guard(site: Site, devices: Iterable[str] = ()) -> list[str]:
    """Puts our tables in place, in one transaction, where they are not; needs no interface. What was done, in words.

    devices: the uplinks' interfaces that are there now.
    """
    uplinks, lan = _uplinks(site, devices), _lan(site)
    differing = _differing(site, uplinks)
    paths.PRIVATE.mkdir(mode=0o700, exist_ok=True)
    if differing:
        must("nft", "-f", "-", stdin="".join(differing.values()))
    # Also where nothing differs: another connection's run may have put this one's LAN into the table that they share.
    files.put(_known("uplinks", site.name), " ".join(sorted(uplinks)).encode(), 0o600)
    if site.pair is not None:
        files.put(_known("lan", site.name), lan.encode(), 0o600)
    for table, text in differing.items():
        files.put(_stamp(*table), _seal(text, *table), 0o600)
    return [_not_right(table) for table in differing]


def share() -> None:
    """Puts the shared table in place as the connections that are there now want it, where it is not."""
    table, text = ("ip", paths.SHARED_TABLE), _shared()
    if files.content(_stamp(*table)) != _seal(text, *table):
        must("nft", "-f", "-", stdin=text)
        files.put(_stamp(*table), _seal(text, *table), 0o600)


def dropped(name: str) -> dict[str, int]:
    """Packets that our tables dropped since they were last loaded, by counter."""
    tables = {("inet", paths.nft_table(name)), ("ip", paths.SHARED_TABLE)}
    result = run("nft", "-j", "list", "counters")
    found = entries(json.loads(result.output), "counter") if result.ok else []
    return {entry["name"]: int(entry["packets"]) for entry in found if (entry["family"], entry["table"]) in tables}


def take_down(name: str) -> None:
    """Removes our tables, the agent's included; the shared one where no other connection needs it."""
    there = tables()
    own = ("inet", paths.nft_table(name))
    lines = [
        f"delete table {family} {table}\n"
        for family, table in (own, ("ip", rewriting.table_name(name)))
        if (family, table) in there
    ]
    if ("ip", paths.SHARED_TABLE) in there:
        lines.append(_shared(without=name))
    load_script("".join(lines))
    files.remove(_stamp(*own))
    for what in ("uplinks", "lan"):
        files.remove(_known(what, name))
