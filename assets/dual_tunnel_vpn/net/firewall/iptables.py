"""Openings in iptables' built-in chains."""

from __future__ import annotations

import re
import shlex

from ... import files, paths
from ...commands import find, must, run
from ...site import Site
from .openings import Step, is_ours, openings, signed
from .ruleset import tables

_HOOKS = {
    "filter": {"INPUT": "input", "OUTPUT": "output", "FORWARD": "forward"},
    "nat": {"POSTROUTING": "postrouting"},
}
"""The hook of each built-in chain that openings may be in, by table."""


def _translates(rule: str) -> bool:
    return bool(re.search(r" -j (MASQUERADE|SNAT)\b", rule)) and not re.search(r"(?<!! )-o \S", rule)


def in_the_way(table: str, listed: str) -> list[str]:
    """The built-in chains in `iptables -t TABLE -S` that could stop or translate our packets."""
    lines = listed.splitlines()
    if table == "nat":
        return ["POSTROUTING"] if any(map(_translates, lines)) else []
    stops = any(re.search(r" -j (DROP|REJECT)\b", line) for line in lines)
    return [
        chain
        for chain in _HOOKS[table]
        if f"-P {chain} DROP" in lines or (stops and any(line.startswith(f"-A {chain} ") for line in lines))
    ]


def _spares_nothing(table: str, rule: str) -> bool:
    """Whether a rule leaves nothing of ours to those behind it."""
    if table == "nat":
        return _translates(rule)
    return bool(re.fullmatch(r"-A \S+ -j (DROP|REJECT( --reject-with \S+)?)", rule))


def _comment(rule: str) -> str:
    words = shlex.split(rule)
    return words[words.index("--comment") + 1] if "--comment" in words else ""


def _ours(rule: str, name: str) -> bool:
    # Few rules are worth a closer look.
    return "dual-tunnel-vpn" in rule and is_ours(_comment(rule), name)


def changes(table: str, listed: str, site: Site) -> dict[str, list[str]]:
    """What leaves exactly our openings in the chains that need them: by chain, in the words of iptables-restore.

    listed: the table now, as `iptables -t TABLE -S` tells it.
    """
    found = {}
    needed = in_the_way(table, listed)
    for chain, hook in _HOOKS[table].items():
        rules = [line for line in listed.splitlines() if line.startswith(f"-A {chain} ")]
        there = [rule for rule in rules if _ours(rule, site.name)]
        wanted = [rule for opening in openings(site)[hook] for rule in opening.iptables()] if chain in needed else []
        comment = signed(site.name, wanted)
        before = rules[: rules.index(there[0])] if there else []
        covered = any(_spares_nothing(table, rule) for rule in before)
        if [_comment(rule) for rule in there] != [comment] * len(wanted) or covered:
            found[chain] = _deletions(there)
            found[chain] += [f'-I {chain} {rule} -m comment --comment "{comment}" -j ACCEPT' for rule in wanted]
    return found


def _deletions(rules: list[str]) -> list[str]:
    return [f"-D{rule[len('-A') :]}" for rule in rules]


def _tables() -> list[tuple[str, str]]:
    """(program, table) of each iptables table in use. Only these are listed: listing others would create them."""
    if find("iptables") is None:
        return []
    modern = "nf_tables" in run("iptables", "--version").output
    in_nft = {table for family, table in tables() if family == "ip"}
    in_legacy = set((files.content(paths.LEGACY_TABLES) or b"").decode().split())
    found: list[tuple[str, str]] = [
        ("iptables", table) for table in _HOOKS if table in (in_nft if modern else in_legacy)
    ]
    if modern and find("iptables-legacy"):
        found += [("iptables-legacy", table) for table in _HOOKS if table in in_legacy]
    return found


def _script(table: str, lines: list[str]) -> str:
    return "\n".join([f"*{table}", *lines, "COMMIT", ""])


def _step(program: str, table: str, chains: dict[str, list[str]]) -> Step:
    script = _script(table, [line for lines in chains.values() for line in lines])

    def load() -> None:
        # All at once: there is no moment in which the tunnels are stopped.
        must(f"{program}-restore", "-w", "--noflush", stdin=script)

    return Step(f"the openings of {program} in {table} {', '.join(chains)} were not as they should be", load)


class Iptables:
    """iptables, by nftables or by the kernel's older filter."""

    def available(self) -> bool:
        """Whether the box has it."""
        return find("iptables") is not None

    def plan(self, site: Site, leave_out: set[tuple[str, str]]) -> tuple[set[tuple[str, str]], list[Step]]:
        """What lets the tunnels pass."""
        looked_after, steps = set(), []
        for program, table in _tables():
            shown = run(program, "-w", "-t", table, "-S")
            if not shown.ok:
                # A table of nftables' that only has the name of one of iptables'.
                continue
            if program == "iptables":
                looked_after.add(("ip", table))
            chains = changes(table, shown.output, site)
            if chains:
                steps.append(_step(program, table, chains))
        return looked_after, steps

    def close(self, name: str) -> None:
        """Takes the openings back."""
        for program, table in _tables():
            listed = run(program, "-w", "-t", table, "-S").output.splitlines()
            ours = [rule for rule in listed if rule.startswith("-A ") and _ours(rule, name)]
            if ours:
                run(f"{program}-restore", "-w", "--noflush", stdin=_script(table, _deletions(ours)))
