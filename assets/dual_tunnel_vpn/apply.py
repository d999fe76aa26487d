"""Installs or changes a connection: idempotent, one tunnel at a time, resumable wherever it was cut off."""

from __future__ import annotations

import contextlib
import json
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Callable, Protocol

from . import (
    checks,
    confirmation,
    drift,
    failover,
    files,
    installed,
    library,
    links,
    manifest,
    owner,
    paths,
    planned,
)
from .bgp import service as bgp
from .commands import Refusal, find, must, run, start
from .ipsec import reasons, strongswan
from .net import managers, network, sysctl, throughput, wanted, ways
from .net.netlink import Netlink
from .pair import service as vrrp
from .site import Site, SiteError, Tunnel, load, parse

UP_SECONDS = 60
"""How long both tunnels may take to come up after a first installation."""

CHANGE_SECONDS = 30
"""How long one tunnel may take to come up again after its change, and the other to take over before it."""

COMING_SECONDS = 10
"""How long the agent may take to bring a tunnel up with what was made ready: the cloud has changed a moment ago."""

UNCHANGED_SECONDS = 10
"""How long a tunnel that is not changed is waited for; its being down is no failure of this change."""

FAILOVER_SECONDS = 60
"""How long a tunnel that lives by the other uplink is given to return to its own before it is changed."""

ROUTE_SECONDS = 10
"""How long the agent may take until the kernel leads what is for the VPC into a tunnel."""

_RESTARTS = paths.UNITS / f"{strongswan.UNIT}.d" / "dual-tunnel-vpn.conf"
_CONFINED = _RESTARTS.with_name("dual-tunnel-vpn-confined.conf")
DROP_INS = (_RESTARTS, _CONFINED)

UNIT_FILES = (
    "dual-tunnel-vpn-guard@.service",
    "dual-tunnel-vpn-links@.service",
    "dual-tunnel-vpn-repair@.service",
    "dual-tunnel-vpn-agent@.service",
    "dual-tunnel-vpn-rollback@.service",
    "dual-tunnel-vpn-rollback@.timer",
)


class Reporter(Protocol):
    """Takes the lines that tell what is being done."""

    def say(self, text: str) -> None:
        """Prints a line."""


def check(directory: Path, ssh_connection: str) -> tuple[Site, owner.Owner]:
    """What was staged and for whom; Refusal with all that keeps it from this box. Nothing is changed."""
    site, mine = checks.staged(directory), owner.staged(directory)
    checks.check(site, mine, ssh_connection, checks.sent(directory))
    return site, mine


def prepare(directory: Path, ssh_connection: str, packages: list[str]) -> Site:
    """Checks everything, then notes the box's state and installs the command, so that uninstall works from here on."""
    site, mine = check(directory, ssh_connection)
    box = manifest.load_box()
    if box is None:
        unit = strongswan.units(strongswan.UNIT)[strongswan.UNIT]
        box = manifest.Box(service_enabled=unit.known and unit.enabled, service_active=unit.active)
        layout = strongswan.layout()
        box.others = [] if layout is None else strongswan.others(layout)
        sysctl.remember(box, [sysctl.ACQUIRE])
        box.save()
    if not set(packages) <= set(box.packages):
        box.packages = sorted({*box.packages, *packages})
        box.save()
    bgp.PACKAGED.hold(box, site)
    vrrp.PACKAGED.hold(box, site)
    paths.connection(site.name).mkdir(mode=0o700, parents=True, exist_ok=True)
    mine.save(site.name)
    if not box.unfinished and not library.stands():
        box.unfinished = True
        box.save()
    library.install()
    return site


class _Access:
    """The way by which the box answers whoever runs this, looked at after each step that may change it."""

    def __init__(self, ssh_connection: str) -> None:
        self._ends = checks.ssh_ends(ssh_connection)
        self._way = self._now()

    def _now(self) -> tuple[str, str] | None:
        return network.way_to(*self._ends) if self._ends else None

    @property
    def moved(self) -> str:
        """How it is another than before, empty when it is not."""
        if self._ends is None or self._now() == self._way:
            return ""
        return f"after the change this box answers {self._ends[0]}, where you are, by another way than before"


def apply(directory: Path, ssh_connection: str, steps: Reporter, confirmed: bool = False) -> None:
    """Makes the box as the staged files say; Refusal with the reason when it cannot.

    confirmed: a change of routes, rules or packet filter is taken back unless a new SSH connection confirms it.
    """
    try:
        site = prepare(directory, ssh_connection, [])
        access = _Access(ssh_connection)
        try:
            _apply(site, directory, access, steps, confirmed)
            if access.moved:
                raise Refusal(f"{access.moved}: check its routes before you close this session")
            _mark(site.name, directory)
        finally:
            confirmation.extend(site.name)
            planned.release(site.name)
    finally:
        for number in (1, 2):
            (directory / f"secrets-{number}.conf").unlink(missing_ok=True)


def _apply(site: Site, directory: Path, access: _Access, steps: Reporter, confirmed: bool) -> None:
    layout = checks.strongswan_expected()
    box = manifest.load_box() or manifest.Box()
    record = manifest.load_connection(site.name)
    # Where it is not known who has taken what, all take it anew.
    anew = box.unfinished or record.unfinished
    if not box.unfinished:
        box.unfinished = True
        box.save()
    if not record.unfinished:
        record.unfinished = True
        record.save(site.name)

    units_changed = _shared_files(layout, box, anew, steps)
    if _enable(site.name, anew) or units_changed or anew:
        must("systemctl", "daemon-reload")
    data = (directory / "site.json").read_bytes()
    new_site = _is_new(site)
    changes_links = new_site or anew or not _links_are_right(site)
    if confirmed and (changes_links or confirmation.waits(site.name)):
        confirmation.begin(site.name, directory)
    put_site(site.name, data, record)
    kernel_files(site, box)
    if changes_links:
        start(paths.links_unit(site.name), timeout=150)
        if confirmed and access.moved:
            confirmation.give_up(site.name, directory)
            raise Refusal(f"{access.moved}: the change is taken back, check the routes that the connection makes")
        steps.say("interfaces, routes and packet filter are in place")
    bgp.follow(site, anew)
    if site.bgp is None:
        bgp.PACKAGED.let_go(box, site.name)
    vrrp.follow(site, anew)
    if site.pair is None:
        vrrp.PACKAGED.let_go(box, site.name)

    def start_agent() -> None:
        _agent(site.name, new_site, anew)
        # Not before: the agent from before would put them back.
        for old in formers(record):
            network.apply(links.stale(old, site, network.observe()))
        record.former, record.unfinished = [], False
        record.save(site.name)
        box.unfinished = False
        box.save()

    _leave_to_the_other_box(site, layout, anew)
    _tunnels(site, directory, layout, box, record, steps, start_agent)
    library.prune()
    wrong = ways.await_tunnels(site, ROUTE_SECONDS)
    if wrong:
        raise Refusal(f"the tunnels are there, but {wrong[0]}")
    for told in bgp.await_sessions(site):
        # The tunnels are there, and the cloud may be the one that is late.
        steps.say(f"{told}: `dual-tunnel-vpn status` tells more")
    if falls_short := throughput.falls_short(site, network.observe()):
        steps.say(falls_short)
    up = [str(number) for number, state in strongswan.tunnel_sas(site).items() if state.installed]
    both = "both tunnels are up" if len(up) == 2 else f"tunnels up: {', '.join(up) or 'none'}"
    steps.say(f"connection {site.name}: {both}")


def _is_new(site: Site) -> bool:
    """Whether the agent and the interfaces have anything to do with what differs from the site in place."""
    try:
        there = load(paths.site(site.name))
    except SiteError:
        return True
    return replace(there, bandwidth_mbps=None) != replace(site, bandwidth_mbps=None)


def _mark(name: str, directory: Path) -> None:
    """Notes what the stack will compare with what its state says."""
    mark = (files.content(directory / "drift") or b"").decode("ascii", "replace")
    record = manifest.load_connection(name)
    if record.mark != mark:
        record.mark = mark
        record.save(name)


def put_site(name: str, data: bytes, record: manifest.Connection) -> None:
    """Puts site.json in place and notes the former one, whose things in the network are to go."""
    former = files.content(paths.site(name))
    if former is not None and former != data:
        with contextlib.suppress(ValueError):
            document = json.loads(former)
            if document not in record.former:
                record.former.append(document)
                record.save(name)
    installed.put(paths.site(name), data, 0o600)


def formers(record: manifest.Connection) -> list[Site]:
    """What the connection was before this site.json, where something of it may still be in the box's network."""
    sites = []
    for former in record.former:
        with contextlib.suppress(SiteError):
            sites.append(parse(json.dumps(former)))
    return sites


def _shared_files(layout: strongswan.Layout, box: manifest.Box, anew: bool, steps: Reporter) -> bool:
    drop_in = library.asset("systemd/strongswan.service.conf").replace(
        b"/usr/sbin/swanctl", str(find("swanctl")).encode()
    )
    changed = installed.put(_RESTARTS, drop_in)
    changed = _confine(layout, steps) or changed
    for name in UNIT_FILES:
        changed = installed.put(paths.UNITS / name, library.asset(f"systemd/{name}")) or changed
    _modules()
    _settings(layout, box, anew)
    return changed


def _settings(layout: strongswan.Layout, box: manifest.Box, anew: bool) -> None:
    """Gives charon its settings: by a restart the first time, unless that would cut connections of others."""
    if files.content(layout.settings_file) is None and not strongswan.serves_others(layout):
        box.restart_pending = True
        box.save()
    changed = installed.put(layout.settings_file, library.asset("strongswan.d/zz-dual-tunnel-vpn.conf"))
    if strongswan.others(layout):
        changed = installed.remove(layout.routes_file) or changed
    else:
        routes = library.asset("strongswan.d/zz-dual-tunnel-vpn-routes.conf")
        changed = installed.put(layout.routes_file, routes) or changed
    if (changed or anew) and not box.restart_pending:
        # A restart would cut all tunnels at once: what charon reads only then waits for the next one.
        run("swanctl", "--reload-settings")


def _confine(layout: strongswan.Layout, steps: Reporter) -> bool:
    """Confines charon to what our connections need, from its next start on; whether anything had to change."""
    others = strongswan.others(layout)
    if not others:
        return installed.put(_CONFINED, library.asset("systemd/strongswan-confined.conf"))
    # What theirs need, such as scripts of theirs, nobody knows.
    steps.say(f"strongSwan has connections of others too ({', '.join(others)}): {strongswan.UNIT} is not confined")
    return installed.remove(_CONFINED)


def _modules() -> None:
    """Has the kernel load its modules, now and at boot."""
    # Not every kernel has the second: without it many corrupt large IKE packets once an uplink merges UDP packets.
    there = [name for name in ("xfrm_interface", "esp4_offload") if run("modprobe", name).ok]
    installed.put(paths.MODULES, "\n".join(["# Made by dual-tunnel-vpn.", *there, ""]).encode())


def kernel_files(site: Site, box: manifest.Box) -> None:
    """What has kernel parameters set and network managers leave ours alone, at boot too."""
    values = links.kernel_values(site, network.observe())
    if sysctl.remember(box, [key for key in values if key not in map(sysctl.loose, site.interfaces)]):
        box.save()
    installed.put(paths.sysctl_file(site.name), sysctl.render(site.name, values))
    managers.tell_all(site)


def _enable(name: str, anew: bool) -> bool:
    """Has all services be ours and start at boot; whether systemd has to be told (it is slow: once is enough)."""
    replaced = [files.remove(path) for path in drift.replaced(name)]
    if strongswan.units(strongswan.UNIT)[strongswan.UNIT].masked:
        # By install.sh, so that the package's own script did not start it too early.
        must("systemctl", "unmask", "--runtime", "--quiet", "--no-reload", strongswan.UNIT)
    units = drift.units_at_boot(name)
    missing = units if anew else strongswan.disabled(*units)
    if missing:
        must("systemctl", "enable", "--quiet", "--no-reload", *missing)
    return bool(missing or replaced)


def _links_are_right(site: Site) -> bool:
    state = strongswan.units(paths.links_unit(site.name))[paths.links_unit(site.name)]
    found = network.observe()
    return state.active and not links.plan(site, found) and not links.amiss(site, found)


def _agent(name: str, new_site: bool, anew: bool) -> None:
    verb = "restart" if new_site or anew else "start"
    start(paths.agent_unit(name), verb)
    others = [paths.agent_unit(other) for other in manifest.names() if other != name]
    if anew and others:
        must("systemctl", "try-restart", *others, timeout=60)


class _Change:
    """The files of one tunnel, staged against installed."""

    def __init__(self, site: Site, tunnel: Tunnel, directory: Path, layout: strongswan.Layout) -> None:
        self.tunnel = tunnel
        connection, secrets = layout.tunnel_files(site.name, tunnel.number)
        self._targets = {
            connection: ((directory / f"tunnel-{tunnel.number}.conf").read_bytes(), 0o644),
            secrets: ((directory / f"secrets-{tunnel.number}.conf").read_bytes(), 0o600),
        }
        self.former = {path: files.content(path) for path in self._targets}
        self.since = time.time()
        """From when on charon's words about the tunnel are about these files, in seconds since the epoch."""

    @property
    def differs(self) -> bool:
        """Whether anything of the tunnel is new."""
        return any(self.former[path] != data for path, (data, _) in self._targets.items())

    @property
    def texts(self) -> planned.Texts:
        """What is staged."""
        connection, secrets = (data.decode("utf-8", "replace") for data, _ in self._targets.values())
        return planned.Texts(connection, secrets)

    def install(self) -> None:
        """Puts the staged files in place."""
        for path, (data, mode) in self._targets.items():
            installed.put(path, data, mode)

    def roll_back(self) -> None:
        """Puts the former files back."""
        for path, (_, mode) in self._targets.items():
            former = self.former[path]
            if former is None:
                installed.remove(path)
            else:
                installed.put(path, former, mode)


def _tunnels(
    site: Site,
    directory: Path,
    layout: strongswan.Layout,
    box: manifest.Box,
    record: manifest.Connection,
    steps: Reporter,
    start_agent: Callable[[], None],
) -> None:
    changes = {tunnel.number: _Change(site, tunnel, directory, layout) for tunnel in site.tunnels}
    changed = {number for number, change in changes.items() if change.differs or number in record.pending}
    if changed:
        record.pending = sorted(changed)
        record.save(site.name)
    # What was made ready, and is in force since the cloud's end has changed, is not negotiated again.
    ready = _await_ready(site, {number for number in changed if _next_is(site, changes[number])})
    numbers = set(changes)
    for number in (numbers - changed) | ready:
        # Their modes, and that they are known to be as they were put.
        changes[number].install()
    # Not only what is whole: making ready may have been cut off.
    for number in numbers - ready:
        if number not in changed or not _next_is(site, changes[number]):
            # The agent would take turns with what is wanted no more.
            planned.drop(site.name, number)
    running = strongswan.units(strongswan.UNIT)[strongswan.UNIT].active
    if box.restart_pending or not running:
        # charon starts with everything in place: nothing runs that a change could spare.
        for number in changed:
            changes[number].install()
        must("systemctl", "restart", strongswan.UNIT, timeout=100)
        strongswan.wait_for_charon()
        box.restart_pending = False
        box.save()
        steps.say("strongSwan is running")
    else:
        strongswan.wait_for_charon()
    down: set[int] = set()
    kept: dict[int, str] = {}
    states = strongswan.tunnel_sas(site)
    if not any(state.installed for state in states.values()):
        for number in changed:
            changes[number].install()
        _load(site, list(changes.values()), record)
        start_agent()
        down = strongswan.await_up(site, numbers, UP_SECONDS)
    else:
        if ready:
            _load(site, [changes[number] for number in ready], record)
        start_agent()
        for number in sorted(ready):
            steps.say(f"tunnel {number} ({changes[number].tunnel.role}) runs with its new configuration already")
        down = strongswan.await_up(site, ready, CHANGE_SECONDS)
        for number in _idle_first(site, changed - ready):
            if why := _lives_elsewhere(site, changes[number].tunnel, steps):
                kept[number] = why
            else:
                _lead_away(site, changes[number].tunnel, steps)
                down |= _change(site, changes[number], record, steps)
        for number in strongswan.await_up(site, numbers - changed, UNCHANGED_SECONDS):
            steps.say(f"tunnel {number}, which was not changed, is not up: `dual-tunnel-vpn status` tells more")
    for number in numbers - set(kept):
        planned.drop(site.name, number)
    for number in sorted(changed - down - set(kept)):
        tunnel = site.tunnel(number)
        began = time.time()
        if not strongswan.prove_rekey(tunnel):
            raise Refusal(f"tunnel {number} ({tunnel.role}) came up, but {reasons.not_renewed(tunnel, began)}")
        steps.say(f"tunnel {number} ({tunnel.role}) is up and its key was renewed once")
    record.pending = sorted((down & changed) | set(kept))
    record.save(site.name)
    problems = {number: f"did not come up: {_reason(site, changes[number])}" for number in down} | kept
    if problems:
        raise Refusal(_told(site, problems))


def _leave_to_the_other_box(site: Site, layout: strongswan.Layout, anew: bool) -> None:
    """Removes a tunnel that was this box's, where the connection has two boxes by now."""
    away = {1, 2} - {tunnel.number for tunnel in site.tunnels}
    removed = [installed.remove(path) for number in away for path in layout.tunnel_files(site.name, number)]
    for number in away:
        planned.drop(site.name, number)
    # Where an apply was cut off, charon may still have what its files have no more.
    gone = any(removed) or (anew and away)
    if gone and strongswan.units(strongswan.UNIT)[strongswan.UNIT].active:
        planned.adopt_others(site.name)
        strongswan.load(())
        for number in away:
            strongswan.terminate(f"{site.name}-{number}")


def _await_ready(site: Site, numbers: set[int]) -> set[int]:
    """Those of the tunnels that run with what was made ready for them.

    Where the agent is just about to, cutting in would end what comes up, and at a cloud that routes statically lose
    what it sends into the active tunnel a second time.
    """
    agent = paths.agent_unit(site.name)
    deadline = time.monotonic() + (COMING_SECONDS if numbers and strongswan.units(agent)[agent].active else 0)
    while True:
        found = numbers & planned.running(site.name)
        if found == numbers or time.monotonic() >= deadline:
            return found
        time.sleep(0.25)


def _next_is(site: Site, change: _Change) -> bool:
    number = change.tunnel.number
    return number in planned.prepared(site.name) and planned.texts(site.name, number, True) == change.texts


def _idle_first(site: Site, numbers: set[int]) -> list[int]:
    """The order in which tunnels are changed: first the one that the traffic does not take now."""
    carrying = failover.carrying(site, network.observe()) or site.tunnels[0].number
    return sorted(numbers, key=lambda number: number == carrying)


def _lives_elsewhere(site: Site, tunnel: Tunnel, steps: Reporter) -> str:
    """Why the tunnel must not be changed now; empty when it leaves by its own uplink, which is waited for.

    By the other uplink a tunnel lives on, but a new one cannot be made: the other end does not expect it from there.
    """
    deadline = time.monotonic() + FAILOVER_SECONDS
    told = False
    while (uplink := failover.moved_to(site, tunnel, network.observe())) is not None:
        if time.monotonic() >= deadline:
            return (
                f"was not changed: it goes on by uplink {uplink.number} in a failover that did not end within "
                f"{FAILOVER_SECONDS} s, deploy again when uplink {tunnel.uplink} is well"
            )
        if not told:
            steps.say(
                f"tunnel {tunnel.number} goes on by uplink {uplink.number} in a failover: waiting for up to "
                f"{FAILOVER_SECONDS} s for its end"
            )
        told = True
        time.sleep(0.25)
    return ""


def _lead_away(site: Site, tunnel: Tunnel, steps: Reporter) -> None:
    """Has the other tunnel, or the other box of two, carry what this tunnel does, until the apply has ended."""
    # It reports as an apply does.
    from . import preparation

    if not strongswan.tunnel_sas(site)[tunnel.number].installed:
        return
    other = site.other(tunnel)
    if other is not None and strongswan.await_up(site, {other.number}, CHANGE_SECONDS):
        trouble = f"tunnel {other.number} is not up to take over"
    else:
        planned.hold(site.name, tunnel.number)
        trouble = preparation.carried(site, tunnel.number)
    if trouble:
        planned.release(site.name)
        steps.say(f"traffic will pause while tunnel {tunnel.number} is changed: {trouble}")


def _load(site: Site, changes: list[_Change], record: manifest.Connection) -> None:
    planned.adopt_others(site.name)
    problems = strongswan.load(tuple(change.tunnel.connection for change in changes))
    if not problems:
        for change in changes:
            change.since = time.time()
        return
    for change in changes:
        change.roll_back()
    strongswan.load(tuple(change.tunnel.connection for change in changes))
    numbers = {change.tunnel.number for change in changes}
    record.pending = sorted(set(record.pending) - numbers)
    record.save(site.name)
    raise Refusal(f"strongSwan refused the configuration, the former one is back in place: {problems[0]}")


def _change(site: Site, change: _Change, record: manifest.Connection, steps: Reporter) -> set[int]:
    change.install()
    _load(site, [change], record)
    strongswan.terminate(change.tunnel.connection)
    change.since = time.time()
    down = strongswan.await_up(site, {change.tunnel.number}, CHANGE_SECONDS)
    if not down:
        steps.say(f"tunnel {change.tunnel.number} ({change.tunnel.role}) runs with its new configuration")
    return down


def _told(site: Site, problems: dict[int, str]) -> str:
    parts = [
        f"tunnel {number} ({tunnel.role}, to {tunnel.ipsec_address}) {problems[number]}"
        for number in sorted(problems)
        for tunnel in (site.tunnel(number),)
    ]
    return "; ".join(parts) + f" (`journalctl -u {strongswan.UNIT}` on the box tells more)"


def _reason(site: Site, change: _Change) -> str:
    tunnel = change.tunnel
    if unreached := failover.unreached(site, tunnel):
        return unreached
    uplink = site.uplink_of(tunnel)
    observed = network.observe()
    if failover.moved_to(site, tunnel, observed) is None:
        with closing(Netlink()) as netlink:
            misled = ways.misled(tunnel, uplink, uplink, wanted.device_of(uplink, observed), netlink)
        if misled:
            return misled
    return reasons.not_up(tunnel, change.since)
