"""What of others' drops a connection's packets because conntrack saw the others of it nowhere, or elsewhere.

With two boxes what goes to the VPC and what comes back may pass by different ones: half of a TCP connection is invalid
to each. firewalld's own such rule nobody can take away: its tables are left out, and the guide tells of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ...commands import find, run
from .firewalld import TABLES
from .ruleset import Ruleset

_DROPS = ("drop", "reject")


def invalid_dropped_by() -> list[str]:
    """The chains for forwarded packets that drop what is invalid, as they are spoken of, each once."""
    found = [*_by_nft(Ruleset.found()), *_by_legacy()]
    return list(dict.fromkeys(found))


def _by_nft(ruleset: Ruleset) -> Iterator[str]:
    rules: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for rule in ruleset.rules:
        rules.setdefault((rule["family"], rule["table"], rule["chain"]), []).append(rule)
    for chain in ruleset.chains:
        family, table, name = chain["family"], chain["table"], chain["name"]
        if chain.get("hook") != "forward" or (family, table) in TABLES or family not in ("ip", "inet"):
            continue
        for place in _reached(rules, (family, table, name)):
            if any(_drops_invalid(rule.get("expr", [])) for rule in rules.get(place, [])):
                yield f"the packet filter's chain {' '.join(place)}"


def _reached(rules: dict[tuple[str, str, str], list[dict[str, Any]]], first: tuple[str, str, str]) -> list[Any]:
    """A chain and those that it jumps to."""
    found, todo = [], [first]
    while todo:
        place = todo.pop()
        if place in found:
            continue
        found.append(place)
        for rule in rules.get(place, []):
            for statement in rule.get("expr", []):
                for verb in ("jump", "goto"):
                    if isinstance(statement, dict) and isinstance(statement.get(verb), dict):
                        todo.append((*place[:2], statement[verb]["target"]))
    return found


def _drops_invalid(expr: list[Any]) -> bool:
    text = json.dumps(expr)
    ends = any(verb in statement for statement in expr if isinstance(statement, dict) for verb in _DROPS)
    # iptables' own matches nft tells by their name alone, or in iptables' words.
    return ends and (all(f'"{word}"' in text for word in ("ct", "state", "invalid")) or "INVALID" in text)


def _by_legacy() -> Iterator[str]:
    """The same of iptables, whichever kernel filter it goes by: nft does not tell all that it means."""
    if find("iptables-save") is None:
        return
    rules: dict[str, list[list[str]]] = {}
    for line in run("iptables-save", "-t", "filter").output.splitlines():
        words = line.split()
        if words[:1] == ["-A"] and len(words) > 1:
            rules.setdefault(words[1], []).append(words)
    reached = ["FORWARD"]
    for chain in reached:
        for words in rules.get(chain, []):
            targets = [target for verb, target in zip(words, words[1:]) if verb in ("-j", "-g")]
            reached += [target for target in targets if target in rules and target not in reached]
            states = [state for word, state in zip(words, words[1:]) if word in ("--ctstate", "--state")]
            invalid = any("INVALID" in state.split(",") for state in states)
            if invalid and any(target in ("DROP", "REJECT") for target in targets):
                yield f"iptables' chain {chain}"
