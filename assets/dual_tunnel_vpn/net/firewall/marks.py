"""Rules of others' packet filters that drop packets by their mark: a probe that has such a mark is lost."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from ... import paths
from ...commands import find, run
from .ruleset import Ruleset

_WHOLE = 0xFFFFFFFF
_IPTABLES = re.compile(r"-A (\S+) .*?(! )?--mark (0x[0-9a-f]+|\d+)(?:/(0x[0-9a-f]+|\d+))? .*-j (?:DROP|REJECT)\b")


def dropped_by(mark: int) -> str:
    """Which rule drops packets with this mark, in words; empty when none does."""
    saved = (run(program).output for program in ("iptables-save", "iptables-legacy-save") if find(program))
    rules = [*_nftables(Ruleset.found()), *(rule for text in saved for rule in _iptables(text.splitlines()))]
    return next((where for where, value, mask, inverted in rules if (mark & mask == value) != inverted), "")


_Match = tuple[str, int, int, bool]
"""Where, the mark's bits, which of them count, and whether the rule is for all other marks."""


def _iptables(lines: Iterable[str]) -> Iterator[_Match]:
    table = ""
    for line in lines:
        if line.startswith("*"):
            table = line[1:]
        found = _IPTABLES.match(line)
        # What selects by something else too is seldom for a probe: only rules for marks alone count.
        if found and not re.search(r" (-s|-d|-i|-o|-p) ", line):
            chain, inverted, value, mask = found.groups()
            where = f"chain {chain} of iptables' table {table}"
            yield where, int(value, 0), int(mask or "-1", 0) & _WHOLE, bool(inverted)


def _nftables(ruleset: Ruleset) -> Iterator[_Match]:
    for rule in ruleset.rules:
        expressions: list[dict[str, Any]] = rule.get("expr", [])
        matches = [expression["match"] for expression in expressions if "match" in expression]
        drops = any(key in ("drop", "reject") for expression in expressions for key in expression)
        own = rule["table"].startswith(paths.SHARED_TABLE)
        if own or not drops or len(matches) != 1 or rule["family"] not in ("ip", "inet"):
            continue
        found = _mark(matches[0])
        if found is not None:
            where = f"chain {rule['chain']} of nftables' table {rule['family']} {rule['table']}"
            yield (where, *found)


def _mark(match: dict[str, Any]) -> tuple[int, int, bool] | None:
    left, right, mask = match.get("left"), match.get("right"), _WHOLE
    if isinstance(left, dict) and isinstance(left.get("&"), list):
        left, mask = left["&"]
    if left != {"meta": {"key": "mark"}} or not isinstance(right, int) or not isinstance(mask, int):
        return None
    return (right, mask, match.get("op") == "!=") if match.get("op") in ("==", "!=") else None
