"""Openings in tables of nftables that are somebody else's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ... import paths
from ...commands import find
from ...site import Site
from .openings import mark, openings
from .ruleset import Ruleset, load_script


@dataclass(frozen=True)
class Chain:
    """A base chain of somebody else's that may drop or rewrite what we need."""

    family: str
    table: str
    name: str
    hook: str


def _verdicts(rule: dict[str, Any]) -> set[str]:
    return {key for expression in rule.get("expr", []) for key in expression}


def _bound_to_output(rule: dict[str, Any]) -> bool:
    for expression in rule.get("expr", []):
        match = expression.get("match", {})
        meta = match.get("left", {}).get("meta", {}) if isinstance(match.get("left"), dict) else {}
        if meta.get("key") in ("oif", "oifname") and match.get("op") in ("==", "in"):
            return True
    return False


def in_the_way(ruleset: Ruleset, leave_out: set[tuple[str, str]]) -> list[Chain]:
    """The base chains of the ruleset that could stop or translate our packets."""
    found = []
    for chain in ruleset.chains:
        family, table, hook = chain["family"], chain["table"], chain.get("hook")
        own = table.startswith(paths.SHARED_TABLE)
        if hook is None or family not in ("ip", "inet") or own or (family, table) in leave_out:
            continue
        here = [rule for rule in ruleset.rules if (rule["family"], rule["table"]) == (family, table)]
        if chain.get("type") == "filter" and hook in ("input", "output", "forward"):
            drops = chain.get("policy") == "drop" or any(_verdicts(rule) & {"drop", "reject"} for rule in here)
        elif chain.get("type") == "nat" and hook == "postrouting":
            drops = any(_verdicts(rule) & {"masquerade", "snat"} and not _bound_to_output(rule) for rule in here)
        else:
            drops = False
        if drops:
            found.append(Chain(family, table, chain["name"], hook))
    return found


def _ours(ruleset: Ruleset, name: str) -> list[dict[str, Any]]:
    return [rule for rule in ruleset.rules if rule.get("comment") == mark(name)]


def changes(ruleset: Ruleset, site: Site, leave_out: set[tuple[str, str]]) -> str:
    """nft's input, one transaction, that leaves exactly our openings in the chains that need them."""
    chains = in_the_way(ruleset, leave_out)
    wanted = openings(site)
    there = [rule for rule in _ours(ruleset, site.name) if (rule["family"], rule["table"]) not in leave_out]
    counts = {(chain.family, chain.table, chain.name): len(wanted[chain.hook]) for chain in chains}
    found: dict[tuple[str, str, str], int] = {}
    for rule in there:
        key = (rule["family"], rule["table"], rule["chain"])
        found[key] = found.get(key, 0) + 1
    if found == counts:
        return ""
    lines = [_deletion(rule) for rule in there]
    for chain in chains:
        lines += [
            f'insert rule {chain.family} {chain.table} {chain.name} {opening.nft()} comment "{mark(site.name)}"'
            for opening in wanted[chain.hook]
        ]
    return "".join(f"{line}\n" for line in lines)


def _deletion(rule: dict[str, Any]) -> str:
    return f"delete rule {rule['family']} {rule['table']} {rule['chain']} handle {rule['handle']}"


class Nftables:
    """Whoever writes nftables' rules, for all tables that no other filter looks after."""

    def available(self) -> bool:
        """Whether the box has it."""
        return find("nft") is not None

    def open(self, site: Site, leave_out: set[tuple[str, str]]) -> set[tuple[str, str]]:
        """Lets the tunnels pass."""
        ruleset = Ruleset.read()
        load_script(changes(ruleset, site, leave_out))
        return set(ruleset.tables)

    def close(self, name: str) -> None:
        """Takes the openings back."""
        load_script("".join(f"{_deletion(rule)}\n" for rule in _ours(Ruleset.read(), name)))
