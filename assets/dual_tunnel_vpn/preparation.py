"""Makes a box ready for a change of its tunnels before the cloud's end changes; nothing differs: nothing is done.

One tunnel a deploy: the other one carries meanwhile. A change that would leave neither is refused while nothing has
changed, since the cloud changes both at once.
"""

from __future__ import annotations

import base64
import binascii
import socket
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from . import failover, files, owner, paths, planned
from .apply import Reporter
from .commands import Refusal
from .ipsec import sas, strongswan, swanctl, vici
from .net import wanted, ways
from .net.netlink import Netlink, NetlinkError
from .net.network import observe
from .site import Site, load

MOVED_SECONDS = 10
"""How long the agent may take to lead the traffic into the other tunnel."""

COUNTED_SECONDS = 0.5
"""For how long the tunnel that is to change must have sent nothing."""

SESSION_PACKETS = 4
"""What a BGP session sends in the tunnel all the same in that time, at most: keepalives, and what confirms others."""

_ADVICE = "or set allowOutage: true where the connection may be down meanwhile"


@dataclass(frozen=True)
class Change:
    """What an upload would make of one tunnel."""

    number: int
    now: planned.Texts
    then: planned.Texts

    @property
    def differs(self) -> bool:
        """Whether anything of the tunnel is new."""
        return self.now != self.then

    @property
    def breaks(self) -> bool:
        """Whether the two ends only find each other again once both have changed."""
        return self.differs and _agreed(self.now) != _agreed(self.then)


def prepare(name: str, directory: Path, allow_outage: bool, steps: Reporter) -> None:
    """Makes the box ready for what was uploaded; Refusal when the change would leave no tunnel."""
    if strongswan.layout() is None or not paths.site(name).exists():
        steps.say(f"connection {name} is not on this box yet: there is nothing to make ready")
        return
    upload = _unpacked(directory / "bundle")
    owner.check(name, owner.parse(upload["owner.json"], directory / "owner.json"))
    site = load(paths.site(name))
    try:
        planned.adopt(site)
        try:
            changes = _changes(site, upload)
        except FileNotFoundError:
            # A first installation that was cut off has no tunnels yet.
            return
        _prepare(site, changes, allow_outage, steps)
    except OSError as error:
        if not allow_outage:
            raise Refusal(f"the box cannot be made ready for the change: {error}; see to that, {_ADVICE}") from None
        steps.say(f"the box cannot be made ready for the change: {error}")


def _changes(site: Site, upload: dict[str, bytes]) -> list[Change]:
    return [
        Change(tunnel.number, planned.texts(site.name, tunnel.number, False), _texts(upload, tunnel.number))
        for tunnel in site.tunnels
        # One that goes to another box is not this one's any more.
        if f"tunnel-{tunnel.number}.conf" in upload
    ]


def _prepare(site: Site, changes: list[Change], allow_outage: bool, steps: Reporter) -> None:
    differ = [change for change in changes if change.differs]
    breaking = [change for change in differ if change.breaks]
    up = {number for number, state in _states(site).items() if state.installed}
    replaced = all(_address(change.now) != _address(change.then) for change in changes)
    # With both addresses new the former gateway is gone, and with no tunnel up there is nothing to lose.
    if len(breaking) == 2 and up and not replaced and not allow_outage:
        raise Refusal(
            "both tunnels would change at once, and the connection be down until the box has followed: change one "
            f"tunnel a deploy (docs/guides/rotation.md), {_ADVICE}"
        )
    if breaking and up and not replaced and not allow_outage and site.pair is not None and _other_prepared(site):
        raise Refusal(
            "both boxes' tunnels would change at once, and the connection be down until the boxes have followed: "
            f"change one tunnel a deploy (docs/guides/rotation.md), {_ADVICE}"
        )
    for change in changes:
        if change.breaks:
            planned.put(site.name, change.number, change.then)
        else:
            planned.drop(site.name, change.number)
    alone = breaking if len(breaking) == 1 else differ
    if site.pair is not None and not breaking:
        # The other box's tunnel may change as well: this one leaves its own when its turn comes.
        alone = []
    if len(alone) != 1:
        planned.release(site.name)
        if differ:
            what = "both tunnels are" if len(differ) > 1 else f"tunnel {differ[0].number} is"
            steps.say(f"{what} ready for {'their' if len(differ) > 1 else 'its'} change")
        return
    (change,) = alone
    try:
        _move_away(site, change.number, up, allow_outage, steps)
    except BaseException:
        planned.forget(site.name)
        raise


def _other_prepared(site: Site) -> bool:
    """Whether the other box of two has a change of its tunnel prepared, as it told the agent."""
    said = failover.agent_state(site.name)
    try:
        return failover.is_fresh(said) and said["pair"]["heard"] and said["pair"]["other"]["prepared"] is True
    except (LookupError, TypeError):
        return False


def _move_away(site: Site, number: int, up: set[int], allow_outage: bool, steps: Reporter) -> None:
    """Has the other tunnel carry the traffic, and sees that it does."""
    tunnel = site.tunnel(number)
    other = site.other(tunnel)
    carrier = "the other box" if other is None else f"tunnel {other.number}"
    trouble = ""
    if number in up if other is None else other.number in up:
        planned.hold(site.name, number)
        trouble = carried(site, number)
    elif number in up and other is not None:
        trouble = f"tunnel {other.number} ({other.role}) is down"
    if trouble and not allow_outage:
        raise Refusal(
            f"tunnel {number} ({tunnel.role}) would change, and nothing carries the traffic meanwhile: {trouble}; "
            f"see to it with `dual-tunnel-vpn status`, {_ADVICE}"
        )
    if trouble:
        planned.release(site.name)
    carries = f", nothing else carries ({trouble})" if trouble else f", {carrier} carries the traffic"
    steps.say(f"tunnel {number} ({tunnel.role}) is ready for its change{carries if up else ''}")


def carried(site: Site, number: int) -> str:
    """Waits until all for the VPC leaves by the other tunnel, or to the other box; why it does not, in words."""
    deadline = time.monotonic() + MOVED_SECONDS
    while True:
        trouble = _counted(site, number)
        if not trouble or time.monotonic() >= deadline:
            return trouble
        time.sleep(0.1)


def _counted(site: Site, number: int) -> str:
    other = site.other(site.tunnel(number))
    network = observe()
    carries = "" if other is None else other.interface
    # What takes another way altogether is no tunnel's.
    led = [way for way in ways.look(site, network) if way.interface in site.interfaces or ways.by_other_box(site, way)]
    if not led or any(way.interface != carries and not ways.by_other_box(site, way) for way in led):
        return f"the agent did not lead it {'to the other box' if other is None else f'into tunnel {other.number}'}"
    with closing(Netlink()) as netlink:
        links = {tunnel.number: network.links.get(tunnel.interface) for tunnel in site.tunnels}

        def sent() -> dict[int, int]:
            return {each: netlink.counters(link.ifindex).sent for each, link in links.items() if link is not None}

        try:
            before = sent()
            knocks = _knock(wanted.source(site, network), led[0].destination)
            time.sleep(COUNTED_SECONDS)
            after = sent()
        except NetlinkError as error:
            return str(error)
    if len(before) < len(site.tunnels) or before.keys() != after.keys():
        return "the interface of a tunnel is missing"
    if after[number] - before[number] > (0 if site.bgp is None else SESSION_PACKETS):
        return f"tunnel {number} still sends"
    if knocks and other is not None and after[other.number] == before[other.number]:
        return f"tunnel {other.number} does not send what it is given"
    return ""


def _knock(source: str | None, destination: str) -> bool:
    """Sends one packet to the VPC as the box's routes lead it, so that there is something to count; whether it left."""
    if source is None:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.bind((source, 0))
            sock.sendto(b"\0", (destination, 9))
        except OSError:
            return False
    return True


def _states(site: Site) -> dict[int, sas.Sa]:
    try:
        return strongswan.tunnel_sas(site)
    except vici.ViciError:
        # Without charon no tunnel is up.
        return {}


def _unpacked(bundle: Path) -> dict[str, bytes]:
    try:
        lines = (files.content(bundle) or b"").decode("ascii").splitlines()
        parts = dict(line.split(" ", 1) for line in lines if " " in line)
        numbers = [number for number in (1, 2) if f"tunnel-{number}.conf" in parts] or [1]
        of_tunnels = [f"{part}-{number}.conf" for part in ("tunnel", "secrets") for number in numbers]
        upload = {file: base64.b64decode(parts[file], validate=True) for file in ("owner.json", *of_tunnels)}
    except (ValueError, KeyError, binascii.Error):
        lines = []
    if lines[-1:] != ["end"]:
        raise Refusal("the upload of the configuration was incomplete: deploy again")
    return upload


def _texts(upload: dict[str, bytes], number: int) -> planned.Texts:
    parts = (upload[f"{part}-{number}.conf"].decode("utf-8", "replace") for part in ("tunnel", "secrets"))
    return planned.Texts(*parts)


_AGREED = ("version", "aggressive", "proposals", "remote_addrs")


def _agreed(texts: planned.Texts) -> object:
    """What both ends have to have alike, or a negotiation fails: key, ids, proposals, address.

    Lifetimes and selectors may differ for a while, and DPD is each end's own.
    """
    try:
        _, connection = swanctl.only(swanctl.section(swanctl.parse(texts.connection), "connections"))
        _, secret = swanctl.only(swanctl.section(swanctl.parse(texts.secrets), "secrets"))
        _, child = swanctl.only(swanctl.section(connection, "children"))
        sides = [swanctl.section(connection, side) for side in ("local", "remote")]
        return [connection.get(key) for key in _AGREED], child.get("esp_proposals"), sides, secret
    except swanctl.SwanctlError:
        # Of a version that writes otherwise, or of somebody's hand: every difference counts.
        return texts


def _address(texts: planned.Texts) -> object:
    with suppress(swanctl.SwanctlError):
        _, connection = swanctl.only(swanctl.section(swanctl.parse(texts.connection), "connections"))
        return connection.get("remote_addrs")
    return None
