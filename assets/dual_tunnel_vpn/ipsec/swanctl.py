"""swanctl's files as we write them, and the vici messages that swanctl makes of them.

swanctl loads all files at once; this loads one tunnel's, without a process.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Union

from . import vici

Section = dict[str, Union[str, "Section"]]
"""Settings and sections by name."""

_LISTS = frozenset(("local_addrs", "remote_addrs", "proposals", "esp_proposals", "local_ts", "remote_ts"))
"""The settings of ours that hold a list, as swanctl knows them."""

_LINE = re.compile(r"(?P<close>\})|(?P<open>[\w.-]+) \{|(?P<key>[\w.-]+) = (?P<value>.*)")

_DEPTH = 8


class SwanctlError(Exception):
    """A text that is not as we write it; what is wrong, without any of its values."""


def parse(text: str) -> Section:
    """The sections of a text."""
    root: Section = {}
    stack = [root]
    # Not splitlines, which knows more ends of lines than swanctl.
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None or (match["close"] and len(stack) == 1) or len(stack) > _DEPTH:
            raise SwanctlError(f"line {number} of a tunnel's file is not as it was written")
        if match["close"]:
            stack.pop()
        elif match["open"]:
            inner: Section = {}
            stack[-1][match["open"]] = inner
            stack.append(inner)
        else:
            stack[-1][match["key"]] = match["value"].strip()
    if len(stack) > 1:
        raise SwanctlError("a tunnel's file is cut short")
    return root


def section(of: Section, *names: str) -> Section:
    """A section in a section, empty where there is none."""
    for name in names:
        inner = of.get(name, {})
        of = inner if isinstance(inner, dict) else {}
    return of


def only(of: Section) -> tuple[str, Section]:
    """The one section in a section, by its name."""
    if len(of) == 1:
        ((name, inner),) = of.items()
        if isinstance(inner, dict):
            return name, inner
    raise SwanctlError("a tunnel's file does not hold one tunnel")


def messages(connection: Section, secrets: Section) -> Iterator[tuple[str, vici.Arguments]]:
    """The commands, each with its arguments, by which charon is given a tunnel: its secret before what will use it."""
    name, secret = only(section(secrets, "secrets"))
    owners = [value for key, value in secret.items() if key.startswith("id")]
    yield "load-shared", {"id": name, "type": name.split("-")[0], "data": key_of(secret), "owners": owners}
    name, settings = only(section(connection, "connections"))
    yield "load-conn", {name: _arguments(settings)}


def key_of(secret: Section) -> bytes:
    """The key in a secret's section."""
    text = secret.get("secret")
    if isinstance(text, str) and text.startswith("0s"):
        try:
            return base64.b64decode(text[2:], validate=True)
        except (binascii.Error, ValueError):
            pass
    raise SwanctlError("a tunnel's file has no secret in base64")


def _arguments(of: Section) -> vici.Arguments:
    return {name: _argument(name, value) for name, value in of.items()}


def _argument(name: str, value: str | Section) -> object:
    if isinstance(value, dict):
        return _arguments(value)
    return [item.strip() for item in value.split(",") if item.strip()] if name in _LISTS else value
