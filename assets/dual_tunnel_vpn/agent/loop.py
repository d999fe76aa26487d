"""The agent's event loop: sees by probes, netlink and vici, asks the machine, acts.

One thread, no process started in the hot path. Answers to probes are read at the next tick, not when
they arrive: a miss is a matter of ticks anyway, and fewer wake-ups cost less.
"""

from __future__ import annotations

import json
import os
import random
import selectors
import socket
import time
from collections import deque
from functools import partial
from typing import Any, Callable

from .. import installed, planned
from .. import paths as places
from ..bgp.control import Control
from ..bgp.conversation import Speaker, kill
from ..ipsec import swanctl, vici
from ..ipsec.channel import Charon
from ..ipsec.sas import Sa
from ..ipsec.states import Orphans
from ..net.netlink import FILTER_GROUPS, NETLINK_NETFILTER, Ipsec, Monitor, NetlinkError, Nftables
from ..net.rewriting import Rewriting
from ..pair.side import Side, stand_aside, stands_aside
from ..site import Site
from .cadence import PathProbe, Prober, Round
from .facts import (
    Action,
    Initiate,
    KillCharon,
    Load,
    Say,
    SetInner,
    SetOuter,
    Settings,
    StandAside,
    TakeOver,
    Terminate,
    Trigger,
    TunnelShape,
)
from .health import Path
from .machine import Machine
from .moved import Moved
from .notify import Notifier, log
from .pair import REQUESTS, PairMachine
from .probes import Echo, IkeKnock, ThroughTunnel
from .repairs import Repairs
from .routes import RouteOwner, Routes

REFRESH = 5.0
"""Seconds between looks at routes and links without a notification."""

ORPHANS = 15.0
"""Seconds between looks for IPsec states that charon does not own."""

ECHO_PATIENCE = 3.0
"""Seconds for which an answer through a tunnel is waited for."""

NO_WATCHDOG = 3600.0
"""Seconds between signs of life that nobody waits for."""


class Agent:
    """Everything of one connection."""

    def __init__(self, site: Site, notifier: Notifier) -> None:
        self.site = site
        options = site.agent
        settings = Settings(
            interval=options.probe_interval_ms / 1000,
            misses=options.probe_misses,
            hold=options.hold_seconds,
            outer_move=options.outer_move,
            delete_by_other_uplink=options.delete_by_other_uplink,
        )
        shapes = tuple(
            TunnelShape(tunnel.number, tunnel.uplink, tunnel.role, tunnel.ipsec_address) for tunnel in site.tunnels
        )
        end_to_end = bool(options.vpc_probe_addresses)
        self._nftables = Nftables()
        self.routes = Routes(site, self._nftables)
        self.machine: Machine
        self.side: Side | None = None
        """Where the connection has two boxes: what this one hears and says of it."""
        if site.pair is None:
            self.machine = Machine(shapes, tuple(uplink.number for uplink in site.uplinks), settings, end_to_end)
        else:
            request = random.randrange(REQUESTS)
            self.machine = one = PairMachine(shapes[0], settings, end_to_end, site.bgp is not None, request)
            self.side = Side(site, site.pair, one, self.routes.carried)
        self.owner: RouteOwner = self.routes
        self._rewriting = Rewriting(site, self._nftables)
        self._orphans = Orphans(site, Ipsec())
        self.charon = Charon(site, self._on_sas, lambda text: self._say(text, 4))
        self.speaker: Speaker | None = None
        if site.bgp is not None:
            numbers = tuple(self.machine.tunnels)
            self.speaker = Speaker(
                places.bgp_socket(site.name),
                numbers,
                self.machine.observe_bgp,
                lambda text: self._say(text, 4),
                lambda process: kill(process, places.bgp_unit(site.name)),
            )
        self._notifier = notifier
        self._monitor = Monitor()
        self._filter_monitor = Monitor(NETLINK_NETFILTER, FILTER_GROUPS)
        self._repairs = Repairs(places.repair_unit(site.name))
        self._surroundings = self.routes.surroundings()
        self._tunnel_echo = ThroughTunnel(random.randrange(1, 1 << 16))
        self._echo_sequence = 0
        self._echoes: dict[int, tuple[int, float]] = {}
        self._watched: dict[int, tuple[vici.Channel | Control | socket.socket, bool]] = {}
        """The channels by descriptor, and whether each is watched for writing too."""
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._monitor, selectors.EVENT_READ, "monitor")
        self._selector.register(self._filter_monitor, selectors.EVENT_READ, "filter")
        self._stale = True
        self._refresh_at = 0.0
        self._state_at = 0.0
        self._watchdog_at = 0.0
        self._counters_at = 0.0
        self._orphans_at = time.monotonic() + ORPHANS
        self._files = installed.look()
        """Looks whether our files are as they were installed: one in each round, so that none is late for it."""
        self._wrong: list[str] = []
        """What goes another way than it is to, and cannot be put right."""
        self._changing: list[object] = []
        """What the state file is written anew for."""
        self._history: deque[dict[str, object]] = deque(maxlen=50)
        self._reason = "the agent has just started"
        self._probes = {key: self._probe(key, path) for key, path in self.machine.paths.items()}
        self._round = Round(self.machine, self._probes, Moved(self._rewriting.moved_packets), time.monotonic())

    def run(self, stopped: Callable[[], bool], wake: int) -> None:
        """Works until stopped; wake is a descriptor that becomes readable on a signal."""
        self._selector.register(wake, selectors.EVENT_READ, "wake")
        now = time.monotonic()
        self.routes.refresh()
        outer = {t.number: self.routes.outer(t.number) or t.uplink for t in self.site.tunnels}
        memory = read_memory(self.site.name)
        if isinstance(self.machine, PairMachine):
            self.machine.adopt(now, self.owner.inner(), outer, memory, stands_aside(self.site.name))
        else:
            self.machine.adopt(now, self.owner.inner(), outer, memory)
        self._round.resume()
        carrying = "nothing yet" if self.machine.inner is None else f"tunnel {self.machine.inner}"
        self._say(f"agent of {self.site.name} started; the VPC is reached by {carrying}", 5)
        self._look_for_change()
        self._guard()
        # What was changed while no agent looked is not notified any more.
        self._repairs.look(now)
        self._notifier.send("READY=1")
        while not stopped():
            due = self._tick()
            self._watch()
            for key, events in self._selector.select(max(0.0, due - time.monotonic())):
                self._ready(key.data, events, wake)
        self._say("agent stopped; routes and tunnels stay as they are", 5)
        write_state(self.site.name, self.state())
        moved = any(tunnel.outer != tunnel.shape.uplink for tunnel in self.machine.tunnels.values())
        self.routes.leave(moved)
        if not moved:
            self._rewriting.remove()

    def close(self) -> None:
        """Ends all sockets; nothing on the box changes."""
        for probe in self._probes.values():
            probe.close()
        self._tunnel_echo.close()
        self._monitor.close()
        self._filter_monitor.close()
        self.charon.close()
        if self.side is not None:
            self.side.close()
        if self.speaker is not None:
            self.speaker.close()
        self.routes.close()
        self._nftables.close()
        self._orphans.close()
        self._selector.close()

    def _ready(self, what: object, events: int, wake: int) -> None:
        if what == "wake":
            os.read(wake, 64)
        elif what == "monitor":
            notes = self._monitor.read()
            self.routes.note(notes)
            if notes is None or notes:
                self._stale = True
        elif what == "filter":
            if self._filter_monitor.drain():
                self._repairs.look(time.monotonic())
        else:
            for channel in self._channels():
                if channel is what:
                    if events & selectors.EVENT_WRITE:
                        channel.writable()
                    channel.readable()

    def _channels(self) -> list[vici.Channel | Control]:
        """charon's and the BGP speaker's."""
        return [*self.charon.channels, *(self.speaker.channels if self.speaker is not None else ())]

    def _watch(self) -> None:
        wanted: dict[int, tuple[vici.Channel | Control | socket.socket, bool]] = {
            channel.fileno(): (channel, channel.wants_write) for channel in self._channels()
        }
        talk = None if self.side is None else self.side.talk.opened
        if talk is not None:
            # What has come is heard at the next tick, which is at once.
            wanted[talk.fileno()] = talk, False
        if wanted == self._watched:
            return
        for descriptor in self._watched:
            self._selector.unregister(descriptor)
        for descriptor, (channel, wants_write) in wanted.items():
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if wants_write else 0)
            self._selector.register(descriptor, events, channel)
        self._watched = wanted

    def _tick(self) -> float:
        now = time.monotonic()
        machine = self.machine
        late = self._round.hear(now)
        if late:
            self.charon.excuse(late)
            if self.speaker is not None:
                self.speaker.excuse(late)
            if isinstance(machine, PairMachine):
                machine.excuse(late)
        if self.side is not None:
            self.side.hear(now)
        while self._echoes and now - next(iter(self._echoes.values()))[1] > ECHO_PATIENCE:
            del self._echoes[next(iter(self._echoes))]
        for sequence, _ in self._tunnel_echo.receive(len(self._echoes)):
            sent = self._echoes.pop(sequence, None)
            if sent is not None:
                machine.observe_proof(*sent)
        if self._stale or now >= self._refresh_at:
            self._refresh(now)
        self.charon.tick(now)
        machine.observe_charon(now, self.charon.reachable)
        machine.observe_charon_silent(self.charon.silent_since)
        if self.speaker is not None:
            self.speaker.tick(now)
        # First the deeds, then the words: a line in the journal costs as much as a route.
        done: list[tuple[Action, str]] = []
        due = self._round.step(now, lambda action: done.append((action, self._act(action, now))))
        if self.side is not None:
            due = min(due, self.side.say(now))
        self._tell(done)
        self._look_after(now)
        self._report(now)
        return max(due, now + 0.01)

    def _refresh(self, now: float) -> None:
        self._stale = False
        self._refresh_at = now + REFRESH
        before, indexes = dict(self.routes.devices), dict(self.routes.ifindexes)
        was_well = dict(self.machine.links)
        try:
            self.routes.refresh()
        except NetlinkError as error:
            # What was seen last still stands, and probes go on.
            self._say(str(error), 4)
            return
        if self.side is not None:
            self.side.refresh(self.routes.network)
        trouble = self._rewriting.prepare(self.routes.devices)
        if trouble:
            self._say(trouble, 4)
        for uplink in self.site.uplinks:
            why = self.routes.uplink_trouble(uplink)
            self.machine.observe_link(uplink.number, not why, why or "is back")
        for key, probe in self._probes.items():
            uplink_number = key[0]
            changed = before.get(uplink_number) != self.routes.devices.get(uplink_number)
            # A socket that is bound to an interface stays bound to that one, whatever gets its name.
            changed = changed or indexes.get(uplink_number) != self.routes.ifindexes.get(uplink_number)
            returned = self.machine.links[uplink_number] and not was_well[uplink_number]
            if changed or returned or (not probe.is_open and self.machine.links[uplink_number]):
                probe.reopen()
        for told in self.routes.restore_interfaces():
            self._say(told, 4)
        self._complain(self._put_back())
        self._repairs.amiss(now, "; ".join(self.routes.amiss()))
        surroundings = self.routes.surroundings()
        if surroundings != self._surroundings:
            self._surroundings = surroundings
            self._repairs.look(now)

    def _guard(self) -> None:
        for told in self.routes.guard():
            self._say(told, 4)

    def _put_back(self) -> list[str]:
        """Puts back what drifted; what is wrong all the same, as the kernel answers."""
        self._guard()
        for told in self.routes.set_rules():
            self._say(told, 4)
        wrong = []
        for number, tunnel in self.machine.tunnels.items():
            if not self.machine.links[tunnel.outer] or not self.routes.misled(number, tunnel.outer):
                continue
            failed = self.routes.set_outer(number, tunnel.outer) or self.routes.misled(number, tunnel.outer)
            if failed:
                wrong.append(failed)
            else:
                self._say(f"the way to {tunnel.shape.address} had drifted: uplink {tunnel.outer} again", 4)
        inner = self.machine.inner
        if inner is None:
            return wrong
        if not self.owner.settled(inner):
            failed = self.owner.set_inner(inner)
            if failed:
                wrong.append(failed)
            else:
                self._say(f"the routes to the VPC had drifted: tunnel {inner} again", 4)
        return wrong + self.routes.elsewhere()

    def _complain(self, wrong: list[str]) -> None:
        """Says what is wrong when it is new, and when nothing is any more."""
        for told in wrong:
            if told not in self._wrong:
                self._say(told, 4)
        if self._wrong and not wrong:
            self._say("everything goes its way again", 5)
        self._wrong = wrong

    def _on_sas(self, sas: dict[int, Sa]) -> None:
        now = time.monotonic()
        # First that charon is there: what it lacks right after a restart the kernel may still have.
        self.machine.observe_charon(now, True)
        self.machine.observe_sas(now, sas)

    def _look_after(self, now: float) -> None:
        """What is not urgent: traffic counters, remains of a killed charon, what others changed."""
        running = self._repairs.running
        for told in (self._repairs.tick(now), next(self._files, "")):
            if told:
                self._say(told, 4)
        # What a run has changed is seen at once, and our own rewriting table goes with the others'.
        self._stale = self._stale or running != self._repairs.running
        if now >= self._counters_at:
            self._counters_at = now + 1.0
            self._look_for_change()
            for tunnel, counters in self.routes.counters().items():
                self.machine.observe_traffic(now, tunnel, counters.sent, counters.received)
            machine = self.machine
            changing = [*(path.health for path in machine.paths.values()), *machine.sessions.values()]
            changing.append(None if self.side is None else self.side.state())
            if changing != self._changing:
                self._changing, self._state_at = changing, now
        if now >= self._orphans_at:
            self._orphans_at = now + ORPHANS
            self.charon.ask_spis(self._remove_orphans)

    def _look_for_change(self) -> None:
        name = self.site.name
        self.machine.observe_change(planned.hold_of(name), planned.stamps(name))

    def _remove_orphans(self, owned: set[int]) -> None:
        removed = self._orphans.sweep(owned, time.time() - ORPHANS)
        if removed:
            self._say(f"removed {removed} IPsec states that a former charon left in the kernel", 6)

    def _tell(self, done: list[tuple[Action, str]]) -> None:
        for action, failed in done:
            if not isinstance(action, Trigger):
                self._say(action.reason, 6 if isinstance(action, (Say, Initiate)) else 5)
            if failed:
                self._say(failed, 4)
                self._stale = True

    def _act(self, action: Action, now: float) -> str:
        failed = ""
        if isinstance(action, SetInner):
            failed = self.owner.set_inner(action.tunnel)
            self._reason = action.reason
        elif isinstance(action, SetOuter):
            failed = self.routes.set_outer(action.tunnel, action.uplink)
            failed = failed or self.routes.misled(action.tunnel, action.uplink)
        elif isinstance(action, TakeOver) and self.speaker is not None:
            failed = self.speaker.take_over(action.tunnels)
        elif isinstance(action, StandAside):
            failed = stand_aside(self.site.name, action.aside)
        elif isinstance(action, Initiate):
            self.charon.initiate(self.routes.tunnel(action.tunnel), now)
        elif isinstance(action, Load):
            failed = self._load(action.tunnel, action.next)
        elif isinstance(action, Terminate):
            self.charon.terminate(self.routes.tunnel(action.tunnel).connection, action.force, now)
        elif isinstance(action, Trigger):
            self._trigger(action.tunnel, now)
        elif isinstance(action, KillCharon):
            failed = self.charon.kill()
        return failed

    def _load(self, number: int, next_one: bool) -> str:
        # Read now: an apply may have put the next one in place of the installed one a moment ago.
        try:
            texts = planned.texts(self.site.name, number, next_one)
            parts = swanctl.parse(texts.connection), swanctl.parse(texts.secrets)
            # What charon cannot be told has to be found here, where it can be said.
            list(swanctl.messages(*parts))
        except (OSError, swanctl.SwanctlError) as error:
            return f"tunnel {number} cannot be given its configuration: {error}"
        if self.machine.tunnels[number].prepared:
            busy = partial(self.machine.observe_no_turn, number, next_one)
            self.charon.load_when_idle(self.routes.tunnel(number), *parts, busy)
        else:
            self.charon.load(*parts)
        return ""

    def _trigger(self, number: int, now: float) -> None:
        source = self.routes.source()
        if source is None:
            return
        interface = self.routes.tunnel(number).interface
        targets = self.site.agent.vpc_probe_addresses
        if not targets:
            first = self.site.vpc_cidrs[0].split("/")[0].rsplit(".", 1)
            self._tunnel_echo.knock(interface, source, f"{first[0]}.{int(first[1]) + 1}")
            return
        for target in targets[:2]:
            self._echo_sequence = (self._echo_sequence + 1) & 0xFFFF
            self._echoes[self._echo_sequence] = (number, now)
            self._tunnel_echo.send(interface, source, target, self._echo_sequence)

    def _say(self, text: str, level: int) -> None:
        log(text, level)
        self._history.append({"time": round(time.time(), 3), "text": text})
        self._state_at = min(self._state_at, time.monotonic() + 0.3)

    def _report(self, now: float) -> None:
        if now >= self._watchdog_at:
            self._watchdog_at = now + (self._notifier.watchdog / 4 or NO_WATCHDOG)
            self._notifier.send("WATCHDOG=1")
        if now < self._state_at:
            return
        self._state_at = now + 15.0
        self._notifier.send(f"STATUS={self._reason}")
        write_state(self.site.name, self.state())

    def state(self) -> dict[str, object]:
        """What the state file says: docs/architecture.md describes it."""
        machine = self.machine
        return {
            "version": 1,
            "pid": os.getpid(),
            "time": round(time.time(), 1),
            "traffic": machine.inner,
            "summary": self._reason,
            "switches": machine.switches,
            "holdSeconds": machine.hold,
            "held": machine.held,
            "charon": machine.charon,
            "uplinks": [{"number": n, "well": well} for n, well in machine.links.items()],
            "tunnels": [
                {
                    "number": number,
                    "role": tunnel.shape.role,
                    "installed": tunnel.sa.installed,
                    "established": tunnel.sa.established,
                    "uplink": tunnel.outer,
                    "phase": tunnel.phase.value,
                    "next": None if tunnel.waits else tunnel.next,
                    "usable": machine.usable(number),
                    **self._session(number),
                }
                for number, tunnel in machine.tunnels.items()
            ],
            "paths": [
                {
                    "uplink": key[0],
                    "tunnel": key[1],
                    "health": path.health.value,
                    "probe": "ike" if path.by_ike else "icmp",
                    "loss": round(path.loss, 3),
                    "roundTripMs": round(path.round_trip * 1000, 1),
                }
                for key, path in machine.paths.items()
            ],
            "history": list(self._history),
            "memory": machine.memory(),
            **({} if self.side is None else {"pair": self.side.state()}),
        }

    def _session(self, number: int) -> dict[str, object]:
        """What the state file says of a tunnel's BGP session, where there is BGP."""
        if self.speaker is None:
            return {}
        found, taking_over = self.machine.sessions[number], self.machine.taking_over
        return {
            "bgp": {
                "known": taking_over is not None,
                "established": found.established,
                "state": found.state if taking_over is not None else "the BGP speaker does not answer",
                "heard": list(found.heard),
                "takesOver": number in (taking_over or ()),
            }
        }

    def _probe(self, key: tuple[int, int], path: Path) -> PathProbe:
        uplink = self.site.uplink(key[0])
        tunnel = self.routes.tunnel(key[1])
        identifier = random.randrange(1, 1 << 16)

        def open_prober(by_ike: bool) -> Prober:
            device = self.routes.devices.get(uplink.number)
            if device is None:
                raise OSError(19, "no such device")
            if by_ike:
                return IkeKnock(device, uplink.mark, uplink.address, tunnel.ipsec_address)
            return Echo(device, uplink.mark, uplink.address, tunnel.ipsec_address, identifier)

        return PathProbe(path, open_prober)


def write_state(name: str, state: dict[str, object]) -> None:
    """Replaces the state file in one step; a full disk is no reason to stop."""
    target = places.agent_state(name)
    fresh = target.with_suffix(".new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps(state) + "\n", encoding="utf-8")
        os.replace(fresh, target)
    except OSError as error:
        log(f"{target} cannot be written: {error.strerror}", 4)


def read_memory(name: str) -> dict[str, Any]:
    """What a former agent on this boot remembered; empty when there was none or it cannot be read."""
    try:
        state = json.loads(places.agent_state(name).read_text(encoding="utf-8"))
        return dict(state["memory"])
    except (OSError, ValueError, LookupError, TypeError):
        return {}
