"""nftables' rules as `nft -j list ruleset` tells them, and changes to them in one transaction."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ...commands import Refusal, run


def entries(listed: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The objects of one kind in nft's JSON."""
    return [entry[kind] for entry in listed.get("nftables", []) if kind in entry]


@dataclass(frozen=True)
class Ruleset:
    """All tables, chains and rules of the box."""

    tables: frozenset[tuple[str, str]]
    """(family, name) of each."""
    chains: tuple[dict[str, Any], ...]
    rules: tuple[dict[str, Any], ...]

    @classmethod
    def of(cls, listed: dict[str, Any]) -> Ruleset:
        """What nft's JSON says."""
        tables = frozenset((table["family"], table["name"]) for table in entries(listed, "table"))
        return cls(tables, tuple(entries(listed, "chain")), tuple(entries(listed, "rule")))

    @classmethod
    def read(cls) -> Ruleset:
        """The ruleset now; empty where nft cannot tell."""
        result = run("nft", "-j", "list", "ruleset")
        return cls.of(json.loads(result.output) if result.ok and result.output.strip() else {})


def load_script(script: str) -> None:
    """Has nft take a script, unless it is empty; Refusal in its words when it does not."""
    if script:
        result = run("nft", "-f", "-", stdin=script)
        if not result.ok:
            raise Refusal(f"nft could not change our rules: {(result.errors.strip().splitlines() or ['no reason'])[0]}")
