"""Removes a connection and restores what it changed, however much of it is there.

What all connections share goes with the last one; packages stay. The command removes itself last.
"""

from __future__ import annotations

import contextlib
import shutil

from . import checks, installed, library, links, manifest, owner, paths, planned, staging
from .apply import DROP_INS, UNIT_FILES, Reporter, formers
from .bgp import service as bgp
from .commands import Refusal, run
from .ipsec import states, strongswan
from .net import firewall, managers, sysctl
from .net.network import apply, observe
from .pair import service as vrrp
from .site import Site, SiteError, load


def uninstall(name: str, by: str, steps: Reporter) -> None:
    """Leaves the box as it was before the connection; nothing to do is a success.

    `by` is the Terraform id of whoever asks: another's connection stays. Empty, it is removed whosever it is.
    """
    staging.sweep()
    theirs = owner.of(name) if by else None
    if theirs is not None and theirs.id != by:
        steps.say(f"connection {name} on this box belongs to {theirs.stack} and stays")
        return
    checks.writable()
    last = not [other for other in manifest.names() if other != name]
    box = manifest.load_box()
    all_anew = box is not None and box.unfinished
    anew = all_anew or _was_cut_off(name)
    if box is not None and not all_anew:
        # Cut off, systemd may not know what is enabled: an apply that comes then relies on nothing that it sees.
        box.unfinished = True
        box.save()
    ours = (paths.agent_unit(name), paths.links_unit(name), paths.guard_unit(name))
    # Not the rollback itself: it may be what runs this.
    run("systemctl", "stop", paths.rollback_timer(name))
    # The agent first: it has what is taken down here repaired.
    run("systemctl", "stop", paths.agent_unit(name), timeout=60)
    run("systemctl", "stop", *ours, paths.repair_unit(name), timeout=60)
    for unit in (*ours, paths.rollback_timer(name)):
        # One by one: a former version did not have all of them, and systemd stops at one that it does not find.
        run("systemctl", "disable", "--quiet", "--no-reload", unit)
    bgp.remove(name)
    vrrp.remove(name)
    sites = _sites(name)
    _tunnels(name, anew)
    if last:
        _shared(anew)
    # Forwarding goes first and the guards last, so that nothing for the VPC leaves in clear in between.
    installed.remove(paths.sysctl_file(name))
    if box is not None:
        bgp.PACKAGED.let_go(box, name)
        vrrp.PACKAGED.let_go(box, name)
        sysctl.restore(box, sysctl.others(name))
        if not last:
            # Of the last one all that is noted stays noted to the end: cut off, it is still what was there before us.
            box.save()
    _network(name, sites)
    managers.undo_all(name, last)
    shutil.rmtree(paths.RUN / name, ignore_errors=True)
    shutil.rmtree(paths.connection(name), ignore_errors=True)
    installed.forget(name)
    if not last:
        # A repair of another connection's, which the removal of our tables sets off, may still have counted this one.
        with contextlib.suppress(Refusal):
            links.share()
    steps.say(f"connection {name} is removed")
    if box is not None and not all_anew and not last:
        box.unfinished = False
        box.save()
    if last:
        manifest.remove_box()
        for directory in (paths.STATE, paths.RUN):
            shutil.rmtree(directory, ignore_errors=True)
        shutil.rmtree(paths.PRIVATE, ignore_errors=True)
        paths.FORMER_LOCK.unlink(missing_ok=True)
        library.remove()


def _was_cut_off(name: str) -> bool:
    """Whether an apply or a removal of the connection was, and notes that this one may be."""
    try:
        record = manifest.load_connection(name)
    except Refusal:
        return True
    cut_off = record.unfinished
    if not cut_off and paths.connection(name).is_dir():
        record.unfinished = True
        record.save(name)
    return cut_off


def _sites(name: str) -> list[Site]:
    """What the connection is, and what it was where something of that may still be in the box's network."""
    sites = []
    with contextlib.suppress(SiteError):
        sites.append(load(paths.site(name)))
    with contextlib.suppress(Refusal):
        sites += formers(manifest.load_connection(name))
    return sites


def _tunnels(name: str, anew: bool) -> None:
    layout = strongswan.layout()
    if layout is None:
        return
    removed = [installed.remove(path) for number in (1, 2) for path in layout.tunnel_files(name, number)]
    # Where another removal was cut off, charon may still have what its files have no more.
    if not (any(removed) or anew) or not strongswan.units(strongswan.UNIT)[strongswan.UNIT].active:
        return
    with contextlib.suppress(OSError):
        planned.adopt_others(name)
    strongswan.load(())
    for number in (1, 2):
        strongswan.terminate(f"{name}-{number}")


def _shared(anew: bool) -> None:
    """What all connections share: unit files, settings and the state of strongSwan's service."""
    box = manifest.load_box() or manifest.Box(service_enabled=True, service_active=True)
    layout = strongswan.layout()
    if layout is not None and not set(strongswan.others(layout)) <= set(box.others):
        # Somebody has come to rely on it since.
        box.service_active = box.service_enabled = True
    if not box.service_active:
        run("systemctl", "stop", strongswan.UNIT, timeout=100)
    if not box.service_enabled:
        run("systemctl", "disable", "--quiet", "--no-reload", strongswan.UNIT)
    run("systemctl", "unmask", "--runtime", "--quiet", "--no-reload", strongswan.UNIT)
    removed = [installed.remove(drop_in) for drop_in in DROP_INS]
    directory = DROP_INS[0].parent
    if directory.is_dir() and not any(directory.iterdir()):
        directory.rmdir()
    if layout is not None:
        removed += [installed.remove(path) for path in (layout.settings_file, layout.routes_file)]
    for name in UNIT_FILES:
        installed.remove(paths.UNITS / name)
    installed.remove(paths.MODULES)
    # Once for all: on a slow box it takes seconds.
    run("systemctl", "daemon-reload")
    run("systemctl", "reset-failed", strongswan.UNIT)
    if box.service_active and (any(removed) or anew):
        if layout is not None and strongswan.serves_others(layout):
            run("swanctl", "--reload-settings")
        else:
            run("systemctl", "restart", strongswan.UNIT, timeout=100)


def _network(name: str, sites: list[Site]) -> None:
    for site in sites:
        apply(links.take_down(site, observe()))
        with contextlib.suppress(OSError):
            # A kernel without IPsec has none of them, and the rest is to go all the same.
            states.remove_all(site)
    firewall.take_down(name)
