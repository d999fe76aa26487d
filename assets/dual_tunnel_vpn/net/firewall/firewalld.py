"""A zone and policies of ours for firewalld, since it rewrites its chains."""

from __future__ import annotations

import time
from html import escape
from pathlib import Path

from ... import files, paths
from ...commands import find, must, run
from ...site import Site
from .openings import VRRP, Step, mark

START_SECONDS = 60
"""How long one that is being started is waited for."""

_FIREWALLD = Path("/etc/firewalld")
TABLES = frozenset({("inet", "firewalld"), ("ip", "firewalld")})
"""firewalld's own tables, which it rewrites."""


def render(site: Site) -> dict[Path, str]:
    """A zone of the XFRM interfaces and three policies, in firewalld's own format."""
    zone = f"{site.name}-vpn"
    head = f'<?xml version="1.0" encoding="utf-8"?>\n<!-- {mark(site.name)} -->\n'
    interfaces = "".join(f'  <interface name="{escape(name)}"/>\n' for name in site.interfaces)

    def policy(ingress: str, egress: str, rules: list[str]) -> str:
        body = "".join(f'  <rule family="ipv4">{rule}<accept/></rule>\n' for rule in rules)
        ends = f'  <ingress-zone name="{ingress}"/>\n  <egress-zone name="{egress}"/>\n'
        return f'{head}<policy target="CONTINUE">\n{ends}{body}</policy>\n'

    allowed = ('<port port="500" protocol="udp"/>', '<port port="4500" protocol="udp"/>', '<protocol value="esp"/>')
    ike = [f'<source address="{tunnel.ipsec_address}"/>{what}' for tunnel in site.tunnels for what in allowed]
    ike += [
        f'<source address="{tunnel.bgp.cloud_address}"/><protocol value="tcp"/>'
        for tunnel in site.tunnels
        if tunnel.bgp is not None
    ]
    if site.pair is not None:
        other = f'<source address="{site.pair.other_lan_address}"/>'
        ike += [f'{other}<port port="{site.pair.port}" protocol="udp"/>', f'{other}<protocol value="{VRRP}"/>']
    inside = site.data_center_cidrs
    policies = {
        f"{site.name}-ike": policy("ANY", "HOST", ike),
        f"{site.name}-in": policy(zone, "ANY", [f'<destination address="{block}"/>' for block in inside]),
        f"{site.name}-out": policy("ANY", zone, [f'<source address="{block}"/>' for block in inside]),
    }
    if site.pair is not None:
        ends = [(source, to) for source in inside for to in site.vpc_cidrs]
        around = [f'<source address="{source}"/><destination address="{to}"/>' for source, to in ends]
        policies[f"{site.name}-two"] = policy("ANY", "ANY", around)
    texts = {_FIREWALLD / "zones" / f"{zone}.xml": f"{head}<zone>\n{interfaces}</zone>\n"}
    texts.update({_FIREWALLD / "policies" / f"{name}.xml": text for name, text in policies.items()})
    return texts


class Firewalld:
    """firewalld and its own configuration."""

    def available(self) -> bool:
        """Whether it runs, or is about to."""
        # One that is being started has its tables already, and notifies nobody once it is there.
        return find("firewall-cmd") is not None and _state() in ("active", "activating", "reloading")

    def plan(self, site: Site, leave_out: set[tuple[str, str]]) -> tuple[set[tuple[str, str]], list[Step]]:
        """What lets the tunnels pass."""
        texts = {path: text.encode() for path, text in render(site).items()}

        surplus = [path for path in _all_of(site.name) if path not in texts]

        def load() -> None:
            _reload_is_due(site.name, True)
            for path, text in texts.items():
                files.put(path, text)
            for path in surplus:
                files.remove(path)
            _await_started()
            must("firewall-cmd", "--reload", timeout=120)
            _reload_is_due(site.name, False)

        right = not surplus and not _due(site.name).exists()
        right = right and all(files.content(path) == text for path, text in texts.items())
        return set(TABLES), [] if right else [Step("firewalld does not let the tunnels pass", load)]

    def close(self, name: str) -> None:
        """Takes zone and policies back."""
        there = _all_of(name)
        if there:
            _reload_is_due(name, True)
        for path in there:
            files.remove(path)
        if _due(name).exists():
            if self.available():
                run("firewall-cmd", "--reload", timeout=120)
            _reload_is_due(name, False)


def _due(name: str) -> Path:
    """There while firewalld may not have read what its files say of a connection; a boot, at which it does, ends it."""
    return paths.PRIVATE / f"firewalld-{name}"


def _reload_is_due(name: str, due: bool) -> None:
    if due:
        paths.PRIVATE.mkdir(mode=0o700, exist_ok=True)
        files.put(_due(name), b"", 0o600)
    else:
        files.remove(_due(name))


def _state() -> str:
    # firewall-cmd would tell too, a second later on a slow box.
    return run("systemctl", "is-active", "firewalld").output.strip()


def _await_started() -> None:
    # Until then firewall-cmd says that it does not run.
    deadline = time.monotonic() + START_SECONDS
    while _state() == "activating" and time.monotonic() < deadline:
        time.sleep(0.25)


def _all_of(name: str) -> list[Path]:
    return [path for folder in ("zones", "policies") for path in _ours(folder, name)]


def _ours(folder: str, name: str) -> list[Path]:
    found = (_FIREWALLD / folder).glob(f"{name}-*.xml")
    return [path for path in found if f"<!-- {mark(name)} -->".encode() in (files.content(path) or b"")]
