"""Openings in iptables' built-in chains."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from ... import files
from ...commands import find, must, run
from ...site import Site
from .openings import mark, openings
from .ruleset import Ruleset

_HOOKS = (("INPUT", "input"), ("OUTPUT", "output"), ("FORWARD", "forward"))


def in_the_way(table: str, rules: str) -> list[tuple[str, str]]:
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
        for chain, hook in _HOOKS
        if f"-P {chain} DROP" in lines or (stops and any(line.startswith(f"-A {chain} ") for line in lines))
    ]


def _tables() -> list[tuple[str, str]]:
    """(program, table) of each iptables table in use. Only these are listed: listing others would create them."""
    if find("iptables") is None:
        return []
    modern = "nf_tables" in run("iptables", "--version").output
    in_nft = {table for family, table in Ruleset.read().tables if family == "ip"}
    in_legacy = set((files.content(Path("/proc/net/ip_tables_names")) or b"").decode().split())
    found: list[tuple[str, str]] = [
        ("iptables", table) for table in ("filter", "nat") if table in (in_nft if modern else in_legacy)
    ]
    if modern and find("iptables-legacy"):
        found += [("iptables-legacy", table) for table in ("filter", "nat") if table in in_legacy]
    return found


def _ours(program: str, table: str, name: str) -> list[list[str]]:
    shown = run(program, "-w", "-t", table, "-S").output.splitlines()
    rules = [shlex.split(line) for line in shown]
    return [rule for rule in rules if mark(name) in rule and rule[0] == "-A"]


def _bring(program: str, table: str, site: Site) -> bool:
    """Puts the openings into one table; False when it is not iptables' own after all."""
    shown = run(program, "-w", "-t", table, "-S")
    if not shown.ok:
        return False
    wanted = openings(site)
    ours = _ours(program, table, site.name)
    for chain, hook in in_the_way(table, shown.output):
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


class Iptables:
    """iptables, by nftables or by the kernel's older filter."""

    def available(self) -> bool:
        """Whether the box has it."""
        return find("iptables") is not None

    def open(self, site: Site, leave_out: set[tuple[str, str]]) -> set[tuple[str, str]]:
        """Lets the tunnels pass."""
        done = [(program, table) for program, table in _tables() if _bring(program, table, site)]
        return {("ip", table) for program, table in done if program == "iptables"}

    def close(self, name: str) -> None:
        """Takes the openings back."""
        for program, table in _tables():
            for rule in _ours(program, table, name):
                run(program, "-w", "-t", table, "-D", *rule[1:])
