"""Takes back what an unconfirmed change did to routes, rules and packet filter, so that the box is reached as before.

A first installation is removed. A connection that was there goes back to its former site.json; its tunnels stay as the
cloud has them by now, and programs stay new. The next apply does all of the change once more.
"""

from __future__ import annotations

from . import apply, confirmation, links, manifest, paths
from .bgp import service as bgp
from .commands import Refusal, start
from .net import network
from .pair import service as vrrp
from .site import Site, SiteError, parse
from .uninstall import uninstall


def roll_back(name: str, steps: apply.Reporter) -> None:
    """Does it; nothing to take back is a success. It may be cut off anywhere, and is then to be run again."""
    former = confirmation.claim(name)
    if former is None:
        return
    steps.say(f"no new SSH connection has confirmed the change of connection {name}: it is taken back")
    site = _parsed(former)
    if site is None:
        # Where the rollback stands goes with all that is the connection's.
        uninstall(name, "", steps)
        return
    box = manifest.load_box() or manifest.Box()
    box.unfinished = True
    box.save()
    record = manifest.load_connection(name)
    apply.put_site(name, former.encode(), record)
    apply.kernel_files(site, box)
    # The agent has what it takes from its links repaired: it is told last, and whatever became of them.
    for unit in (paths.links_unit(name), paths.agent_unit(name)):
        try:
            start(unit, timeout=150)
        except Refusal as refusal:
            steps.say(str(refusal))
    for whose, follow in (("the BGP speaker", bgp.follow), ("VRRP", vrrp.follow)):
        try:
            follow(site, anew=True)
        except Refusal as refusal:
            steps.say(f"{whose} was not told of it: {refusal}")
    # Not before: the agent from before would put them back.
    for other in apply.formers(record):
        network.apply(links.stale(other, site, network.observe()))
    record.former = []
    record.save(name)
    confirmation.rolled_back(name)
    steps.say(f"connection {name} is as it was before")


def _parsed(former: str) -> Site | None:
    try:
        return parse(former)
    except SiteError:
        return None
