"""The box's packet filter: our own nftables tables, and openings in a filter that would drop the tunnels.

By a tunnel's interface passes what goes between the VPC's blocks and the data center's, seen as it is on the wire,
so that an address translation of the box's own stays possible; beside that the box's own packets. Where nobody but
us wants the box to forward, one table that all connections share drops what it forwards beside the tunnels.

A verdict `accept` in our table cannot overrule a drop elsewhere, so an opening is a rule at the head of
the very chain that drops, marked with a comment of ours by which it is found again. firewalld gets
a zone and policies of its own instead, since it rewrites its chains.
"""

from __future__ import annotations

import ipaddress
import json
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from . import files, manifest, paths
from .commands import Refusal, find, must, run
from .net import rewriting, sysctl
from .site import Site, SiteError, load

_FIREWALLD = Path("/etc/firewalld")


FROM_CLOUD, TO_CLOUD, BESIDE = "from_cloud", "to_cloud", "beside_the_tunnels"
"""The counters of what is dropped: of a connection, and in the shared table."""


def _anew(table: str) -> str:
    return f"table {table} {{\n}}\ndelete table {table}\n"


def _blocks(name: str, blocks: Iterable[str]) -> str:
    merged = map(str, ipaddress.collapse_addresses(map(ipaddress.IPv4Network, blocks)))
    return f"    set {name} {{ type ipv4_addr; flags interval; elements = {_set(merged)}; }}"


def render(site: Site) -> str:
    """nft's input that replaces the connection's table in one transaction, whether or not it was there."""
    table = f"inet {paths.nft_table(site.name)}"
    clamps = "\n".join(
        f'        {way} "{tunnel.interface}" tcp option maxseg size > {tunnel.mss} '
        f"tcp option maxseg size set {tunnel.mss}"
        for tunnel in site.tunnels
        for way in ("iifname", "oifname")
    )
    interfaces = _names(site.interfaces)
    # Errors may come from a router between the blocks; path MTU discovery needs them.
    errors = "icmp type { destination-unreachable, time-exceeded }"
    return f"""{_anew(table)}table {table} {{
{_blocks("vpc", site.vpc_cidrs)}
{_blocks("data_center", site.data_center_cidrs)}
    counter {FROM_CLOUD} {{
    }}
    counter {TO_CLOUD} {{
    }}
    chain clamp {{
{clamps}
    }}
    chain forward {{
        type filter hook forward priority mangle; policy accept;
        tcp flags & (syn | rst) == syn jump clamp
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
        iifname {interfaces} jump of_the_vpc
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
}}
"""


def render_shared(interfaces: Iterable[str], before: Iterable[str], bridges: Iterable[str]) -> str:
    """nft's input that replaces the shared table, which drops what the box forwards beside the tunnels.

    interfaces: all connections'. before: those from which the box forwarded already. bridges: what they carry
    from port to port passes here too (br_netfilter), and is not forwarded by us.
    """
    table = f"ip {paths.SHARED_TABLE}"
    tunnels, before, pairs = _names(interfaces), tuple(before), [f'"{name}" . "{name}"' for name in bridges]
    exempt = [f"        iifname {_names(before)} accept"] if before else []
    exempt += [f"        iifname . oifname {_set(pairs)} accept"] if pairs else []
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
    for name in manifest.names():
        try:
            interfaces += load(paths.site(name)).interfaces if name != without else ()
        except SiteError:
            continue
    if not interfaces or sysctl.forwarded_by_others():
        return _anew(f"ip {paths.SHARED_TABLE}")
    bridges = sorted(path.parent.name for path in Path("/sys/class/net").glob("*/bridge"))
    return render_shared(interfaces, sysctl.forwarded_before(manifest.load_box()), bridges)


def _names(interfaces: Iterable[str]) -> str:
    return _set(f'"{name}"' for name in interfaces)


def mark(name: str) -> str:
    """The comment on every rule that we put into somebody else's chain."""
    return f"dual-tunnel-vpn {name}"


def _set(items: Iterable[str]) -> str:
    return "{ " + ", ".join(items) + " }"


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
        parts += [f"ip saddr {_set(self.sources)}"] if self.sources else []
        parts += [f"ip daddr {_set(self.destinations)}"] if self.destinations else []
        if self.ports:
            parts.append(f"{self.protocol} dport {_set(map(str, self.ports))}")
        elif self.protocol:
            parts.append(f"ip protocol {self.protocol}")
        return " ".join([*parts, "accept"])

    def iptables(self) -> list[list[str]]:
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
                rules.append(rule)
        return rules


def openings(site: Site) -> dict[str, tuple[Opening, ...]]:
    """What must pass, by hook. `postrouting` is the exemption from address translation."""
    cloud = tuple(tunnel.ipsec_address for tunnel in site.tunnels)
    inside = site.data_center_cidrs
    return {
        "input": (
            Opening(sources=cloud, protocol="udp", ports=(500, 4500)),
            Opening(sources=cloud, protocol="esp"),
            Opening(sources=cloud, protocol="icmp"),
        ),
        "output": (
            Opening(destinations=cloud, protocol="udp", ports=(500, 4500)),
            Opening(destinations=cloud, protocol="esp"),
            Opening(destinations=cloud, protocol="icmp"),
        ),
        "forward": tuple(
            opening
            for name in site.interfaces
            for opening in (Opening(iif=name, destinations=inside), Opening(oif=name, sources=inside))
        ),
        "postrouting": tuple(Opening(oif=name, sources=inside) for name in site.interfaces),
    }


@dataclass(frozen=True)
class Chain:
    """A base chain of somebody else's that may drop or rewrite what we need."""

    family: str
    table: str
    name: str
    hook: str


def _entries(ruleset: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [entry for entry in ruleset.get("nftables", []) if kind in entry]


def _verdicts(rule: dict[str, Any]) -> set[str]:
    return {key for expression in rule.get("expr", []) for key in expression}


def _bound_to_output(rule: dict[str, Any]) -> bool:
    for expression in rule.get("expr", []):
        match = expression.get("match", {})
        meta = match.get("left", {}).get("meta", {}) if isinstance(match.get("left"), dict) else {}
        if meta.get("key") in ("oif", "oifname") and match.get("op") in ("==", "in"):
            return True
    return False


def in_the_way(ruleset: dict[str, Any], leave_out: set[tuple[str, str]]) -> list[Chain]:
    """The base chains of `nft -j list ruleset` that could stop or translate our packets."""
    rules = [entry["rule"] for entry in _entries(ruleset, "rule")]
    found = []
    for chain in (entry["chain"] for entry in _entries(ruleset, "chain")):
        family, table, hook = chain["family"], chain["table"], chain.get("hook")
        own = table.startswith(paths.SHARED_TABLE)
        if hook is None or family not in ("ip", "inet") or own or (family, table) in leave_out:
            continue
        here = [rule for rule in rules if (rule["family"], rule["table"]) == (family, table)]
        if chain.get("type") == "filter" and hook in ("input", "output", "forward"):
            drops = chain.get("policy") == "drop" or any(_verdicts(rule) & {"drop", "reject"} for rule in here)
        elif chain.get("type") == "nat" and hook == "postrouting":
            drops = any(_verdicts(rule) & {"masquerade", "snat"} and not _bound_to_output(rule) for rule in here)
        else:
            drops = False
        if drops:
            found.append(Chain(family, table, chain["name"], hook))
    return found


def _ruleset() -> dict[str, Any]:
    result = run("nft", "-j", "list", "ruleset")
    return dict(json.loads(result.output)) if result.ok and result.output.strip() else {}


def _ours(ruleset: dict[str, Any], name: str) -> list[dict[str, Any]]:
    rules = [entry["rule"] for entry in _entries(ruleset, "rule")]
    return [rule for rule in rules if rule.get("comment") == mark(name)]


def nft_changes(ruleset: dict[str, Any], site: Site, leave_out: set[tuple[str, str]]) -> str:
    """nft's input, one transaction, that leaves exactly our openings in the chains that need them."""
    chains = in_the_way(ruleset, leave_out)
    wanted = openings(site)
    there = _ours(ruleset, site.name)
    counts = {(chain.family, chain.table, chain.name): len(wanted[chain.hook]) for chain in chains}
    found: dict[tuple[str, str, str], int] = {}
    for rule in there:
        key = (rule["family"], rule["table"], rule["chain"])
        found[key] = found.get(key, 0) + 1
    if found == counts:
        return ""
    lines = [f"delete rule {rule['family']} {rule['table']} {rule['chain']} handle {rule['handle']}" for rule in there]
    for chain in chains:
        lines += [
            f'insert rule {chain.family} {chain.table} {chain.name} {opening.nft()} comment "{mark(site.name)}"'
            for opening in wanted[chain.hook]
        ]
    return "".join(f"{line}\n" for line in lines)


_IPTABLES_HOOKS = (("INPUT", "input"), ("OUTPUT", "output"), ("FORWARD", "forward"))


def iptables_in_the_way(table: str, rules: str) -> list[tuple[str, str]]:
    """(chain, hook) of the built-in chains in `iptables -t TABLE -S` that could stop or translate our packets."""
    lines = rules.splitlines()
    if table == "nat":
        translates = any(
            re.search(r" -j (MASQUERADE|SNAT)\b", line) and not re.search(r"(?<!! )-o \S", line) for line in lines
        )
        return [("POSTROUTING", "postrouting")] if translates else []
    stops = any(re.search(r" -j (DROP|REJECT)\b", line) for line in lines)
    return [
        (chain, hook)
        for chain, hook in _IPTABLES_HOOKS
        if f"-P {chain} DROP" in lines or (stops and any(line.startswith(f"-A {chain} ") for line in lines))
    ]


def _iptables_tables(ruleset: dict[str, Any]) -> list[tuple[str, str]]:
    """(program, table) of each iptables table in use. Only these are listed: listing others would create them."""
    if find("iptables") is None:
        return []
    modern = "nf_tables" in run("iptables", "--version").output
    in_nft = {entry["table"]["name"] for entry in _entries(ruleset, "table") if entry["table"]["family"] == "ip"}
    in_legacy = set((files.content(Path("/proc/net/ip_tables_names")) or b"").decode().split())
    found = [("iptables", table) for table in ("filter", "nat") if table in (in_nft if modern else in_legacy)]
    if modern and find("iptables-legacy"):
        found += [("iptables-legacy", table) for table in ("filter", "nat") if table in in_legacy]
    return found


def _iptables_ours(program: str, table: str, name: str) -> list[list[str]]:
    shown = run(program, "-w", "-t", table, "-S").output.splitlines()
    rules = [shlex.split(line) for line in shown]
    return [rule for rule in rules if mark(name) in rule and rule[0] == "-A"]


def _iptables_bring(program: str, table: str, site: Site) -> bool:
    """Puts the openings into one table; False when it is not iptables' own after all."""
    shown = run(program, "-w", "-t", table, "-S")
    if not shown.ok:
        return False
    wanted = openings(site)
    ours = _iptables_ours(program, table, site.name)
    for chain, hook in iptables_in_the_way(table, shown.output):
        rules = [rule for opening in wanted[hook] for rule in opening.iptables()]
        there = [rule for rule in ours if rule[1] == chain]
        if len(there) == len(rules):
            continue
        for rule in there:
            run(program, "-w", "-t", table, "-D", *rule[1:])
        for rule in rules:
            must(program, "-w", "-t", table, "-I", chain, *rule, *_comment(site.name), "-j", "ACCEPT")
    return True


def _comment(name: str) -> list[str]:
    return ["-m", "comment", "--comment", mark(name)]


def firewalld_files(site: Site) -> dict[Path, str]:
    """A zone of the XFRM interfaces and three policies, in firewalld's own format."""
    zone = f"{site.name}-vpn"
    head = f'<?xml version="1.0" encoding="utf-8"?>\n<!-- {mark(site.name)} -->\n'
    interfaces = "".join(f"  <interface name={quoteattr(name)}/>\n" for name in site.interfaces)

    def policy(ingress: str, egress: str, rules: list[str]) -> str:
        body = "".join(f'  <rule family="ipv4">{rule}<accept/></rule>\n' for rule in rules)
        ends = f'  <ingress-zone name="{ingress}"/>\n  <egress-zone name="{egress}"/>\n'
        return f'{head}<policy target="CONTINUE">\n{ends}{body}</policy>\n'

    allowed = ('<port port="500" protocol="udp"/>', '<port port="4500" protocol="udp"/>', '<protocol value="esp"/>')
    ike = [f'<source address="{tunnel.ipsec_address}"/>{what}' for tunnel in site.tunnels for what in allowed]
    inside = site.data_center_cidrs
    policies = {
        f"{site.name}-ike": policy("ANY", "HOST", ike),
        f"{site.name}-in": policy(zone, "ANY", [f'<destination address="{block}"/>' for block in inside]),
        f"{site.name}-out": policy("ANY", zone, [f'<source address="{block}"/>' for block in inside]),
    }
    texts = {_FIREWALLD / "zones" / f"{zone}.xml": f"{head}<zone>\n{interfaces}</zone>\n"}
    texts.update({_FIREWALLD / "policies" / f"{name}.xml": text for name, text in policies.items()})
    return texts


def _firewalld_runs() -> bool:
    return find("firewall-cmd") is not None and run("firewall-cmd", "--state").ok


def guard(site: Site) -> None:
    """Puts our tables in place, in one transaction; needs no interface."""
    must("nft", "-f", "-", stdin=render(site) + _shared())


def bring(site: Site) -> None:
    """Puts openings wherever the box's own filter could stop the tunnels."""
    leave_out = {("inet", "firewalld"), ("ip", "firewalld")}
    if _firewalld_runs():
        if any([files.put(path, text.encode()) for path, text in firewalld_files(site).items()]):
            must("firewall-cmd", "--reload", timeout=120)
    ruleset = _ruleset()
    for program, table in _iptables_tables(ruleset):
        if _iptables_bring(program, table, site) and program == "iptables":
            leave_out.add(("ip", table))
    changes = nft_changes(ruleset, site, leave_out)
    if changes:
        must("nft", "-f", "-", stdin=changes)


def there(name: str) -> bool:
    """Whether our tables are there, the shared one where it has to be."""
    shared = run("nft", "list", "table", "ip", paths.SHARED_TABLE).ok
    own = run("nft", "list", "table", "inet", paths.nft_table(name)).ok
    return own and shared != sysctl.forwarded_by_others()


def dropped(name: str) -> dict[str, int]:
    """Packets that our tables dropped since they were last loaded, by counter."""
    tables = {("inet", paths.nft_table(name)), ("ip", paths.SHARED_TABLE)}
    result = run("nft", "-j", "list", "counters")
    found = [entry["counter"] for entry in _entries(json.loads(result.output), "counter")] if result.ok else []
    return {entry["name"]: int(entry["packets"]) for entry in found if (entry["family"], entry["table"]) in tables}


def take_down(name: str) -> None:
    """Removes our tables, the agent's included, and the openings."""
    for program, table in _iptables_tables(_ruleset()):
        for rule in _iptables_ours(program, table, name):
            run(program, "-w", "-t", table, "-D", *rule[1:])
    ruleset = _ruleset()
    tables = {(entry["table"]["family"], entry["table"]["name"]) for entry in _entries(ruleset, "table")}
    lines = [
        f"delete rule {rule['family']} {rule['table']} {rule['chain']} handle {rule['handle']}"
        for rule in _ours(ruleset, name)
    ]
    for own in (("inet", paths.nft_table(name)), ("ip", rewriting.table_name(name))):
        if own in tables:
            lines.append(f"delete table {own[0]} {own[1]}")
    text = "".join(f"{line}\n" for line in lines)
    if ("ip", paths.SHARED_TABLE) in tables:
        text += _shared(without=name)
    if text:
        result = run("nft", "-f", "-", stdin=text)
        if not result.ok:
            raise Refusal(f"nft could not remove our rules: {result.errors.strip().splitlines()[0]}")
    removed = [files.remove(path) for folder in ("zones", "policies") for path in _firewalld_ours(folder, name)]
    if removed and _firewalld_runs():
        run("firewall-cmd", "--reload", timeout=120)


def _firewalld_ours(folder: str, name: str) -> list[Path]:
    found = (_FIREWALLD / folder).glob(f"{name}-*.xml")
    return [path for path in found if f"<!-- {mark(name)} -->".encode() in (files.content(path) or b"")]
