"""nftables' rules as `nft -j list ruleset` tells them, and changes to them in one transaction."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ...commands import Refusal, Result, run


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
        """The ruleset now; Refusal where nft cannot tell."""
        # Without the elements of sets: a blocklist has many, and they decide nothing here.
        result = run("nft", "-t", "-j", "list", "ruleset")
        if not result.ok:
            raise Refusal(f"nft could not list the packet filter of this box: {_reason(result)}")
        return cls.of(json.loads(result.output) if result.output.strip() else {})

    @classmethod
    def found(cls) -> Ruleset:
        """The ruleset as far as nft can tell."""
        try:
            return cls.read()
        except Refusal:
            return cls(frozenset(), (), ())


def load_script(script: str) -> None:
    """Has nft take a script, unless it is empty; Refusal in its words when it does not."""
    if script:
        result = run("nft", "-f", "-", stdin=script)
        if not result.ok:
            raise Refusal(f"nft could not change our rules: {_reason(result)}")


def tables() -> set[tuple[str, str]]:
    """(family, name) of all tables, as far as nft can tell."""
    result = run("nft", "-j", "list", "tables")
    found = entries(json.loads(result.output), "table") if result.ok and result.output.strip() else []
    return {(table["family"], table["name"]) for table in found}


def table_content(family: str, name: str) -> str:
    """All of one table in a normal form, without what changes by itself; empty where it is not there."""
    result = run("nft", "-j", "list", "table", family, name)
    if not result.ok:
        return ""
    content = [entry for entry in json.loads(result.output).get("nftables", []) if "metainfo" not in entry]
    return json.dumps(_lasting(content), sort_keys=True)


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lasting(item) for key, item in value.items() if key not in ("handle", "packets", "bytes")}
    return [_lasting(item) for item in value] if isinstance(value, list) else value


def _reason(result: Result) -> str:
    return (result.errors.strip().splitlines() or ["no reason"])[0]
