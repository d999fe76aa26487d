"""Openings in tables of nftables that are somebody else's."""

from __future__ import annotations

from typing import Any, NamedTuple

from ... import paths
from ...commands import find
from ...site import Site
from .openings import Step, is_ours, openings, signed
from .ruleset import Ruleset, load_script


class Chain(NamedTuple):
    """A chain of somebody else's."""

    family: str
    table: str
    name: str

    def __str__(self) -> str:
        return " ".join(self)


def _verdicts(rule: dict[str, Any]) -> set[str]:
    return {key for expression in rule.get("expr", []) for key in expression}


def _bound_to_output(rule: dict[str, Any]) -> bool:
    for expression in rule.get("expr", []):
        match = expression.get("match", {})
        meta = match.get("left", {}).get("meta", {}) if isinstance(match.get("left"), dict) else {}
        if meta.get("key") in ("oif", "oifname") and match.get("op") in ("==", "in"):
            return True
    return False


def _translates(rule: dict[str, Any]) -> bool:
    return bool(_verdicts(rule) & {"masquerade", "snat"}) and not _bound_to_output(rule)


def _spares_nothing(rule: dict[str, Any], hook: str) -> bool:
    """Whether a rule leaves nothing of ours to those behind it."""
    if hook == "postrouting":
        return _translates(rule)
    return _verdicts(rule) - {"counter", "log"} in ({"drop"}, {"reject"})


def in_the_way(ruleset: Ruleset, leave_out: set[tuple[str, str]]) -> dict[Chain, str]:
    """The base chains of the ruleset that could stop or translate our packets, with their hooks."""
    found = {}
    for chain in ruleset.chains:
        family, table, hook = chain["family"], chain["table"], chain.get("hook")
        own = table.startswith(paths.SHARED_TABLE)
        if hook is None or family not in ("ip", "inet") or own or (family, table) in leave_out:
            continue
        here = [rule for rule in ruleset.rules if (rule["family"], rule["table"]) == (family, table)]
        if chain.get("type") == "filter" and hook in ("input", "output", "forward"):
            drops = chain.get("policy") == "drop" or any(_verdicts(rule) & {"drop", "reject"} for rule in here)
        elif chain.get("type") == "nat" and hook == "postrouting":
            drops = any(map(_translates, here))
        else:
            drops = False
        if drops:
            found[Chain(family, table, chain["name"])] = hook
    return found


def _chain(rule: dict[str, Any]) -> Chain:
    return Chain(rule["family"], rule["table"], rule["chain"])


def _ours(rule: dict[str, Any], name: str) -> bool:
    return is_ours(rule.get("comment") or "", name)


def changes(ruleset: Ruleset, site: Site, leave_out: set[tuple[str, str]]) -> dict[Chain, str]:
    """What leaves exactly our openings in the chains that need them: by chain, nft's input."""
    found = {}
    needed = in_the_way(ruleset, leave_out)
    holding = {_chain(rule) for rule in ruleset.rules if _ours(rule, site.name)}
    for chain in sorted({*needed, *holding}):
        if chain[:2] in leave_out:
            continue
        hook = needed.get(chain, "")
        wanted = [opening.nft() for opening in openings(site)[hook]] if hook else []
        comment = signed(site.name, wanted)
        rules = [rule for rule in ruleset.rules if _chain(rule) == chain]
        there = [rule for rule in rules if _ours(rule, site.name)]
        before = rules[: rules.index(there[0])] if there else []
        covered = any(_spares_nothing(rule, hook) for rule in before)
        if [rule["comment"] for rule in there] != [comment] * len(wanted) or covered:
            lines = [_deletion(rule) for rule in there]
            lines += [f'insert rule {chain} {rule} comment "{comment}"' for rule in wanted]
            found[chain] = "".join(f"{line}\n" for line in lines)
    return found


def _deletion(rule: dict[str, Any]) -> str:
    return f"delete rule {_chain(rule)} handle {rule['handle']}"


class Nftables:
    """Whoever writes nftables' rules, for all tables that no other filter looks after."""

    def available(self) -> bool:
        """Whether the box has it."""
        return find("nft") is not None

    def plan(self, site: Site, leave_out: set[tuple[str, str]]) -> tuple[set[tuple[str, str]], list[Step]]:
        """What lets the tunnels pass."""
        ruleset = Ruleset.read()
        chains = changes(ruleset, site, leave_out)
        if not chains:
            return set(ruleset.tables), []
        names, script = ", ".join(map(str, chains)), "".join(chains.values())
        step = Step(f"the openings of nftables in {names} were not as they should be", lambda: load_script(script))
        return set(ruleset.tables), [step]

    def close(self, name: str) -> None:
        """Takes the openings back."""
        load_script("".join(f"{_deletion(rule)}\n" for rule in Ruleset.found().rules if _ours(rule, name)))
