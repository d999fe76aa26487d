"""The agent's line to charon (strongSwan's daemon): follows the tunnels' SAs by events and polls, and never waits.

A charon that hangs is noticed by a second, separate question before anything is said about it.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Callable

from ..site import Site, Tunnel
from . import sas, swanctl, vici
from .sas import Sa
from .strongswan import UNIT

EVENTS = ("ike-updown", "child-updown", "ike-rekey", "child-rekey", "list-sa")


def _read(process: int | str, name: str) -> str:
    with open(f"/proc/{process}/{name}", encoding="ascii", errors="replace") as file:
        return file.read()


def main_process() -> int:
    """charon's process by its name and unit, for when it takes no connection that would tell; 0 when there is none."""
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            name, groups = _read(process, "comm"), _read(process, "cgroup").splitlines()
        except OSError:
            continue
        if name.startswith("charon") and any(group.endswith(f"/{UNIT}") for group in groups):
            return int(process)
    return 0


class Charon:
    """Keeps a channel to charon open, and tells what it learns."""

    def __init__(
        self,
        site: Site,
        on_sas: Callable[[dict[int, Sa]], None],
        on_trouble: Callable[[str], None],
        poll: float = 10.0,
        ask: float = 2.0,
        confirm: float = 0.15,
        answer_within: float = 1.0,
        path: str | None = None,
    ) -> None:
        """Seconds. poll: between lists without events. ask: between questions that only show that charon lives.

        confirm: until a vanished SA is believed without an event. answer_within: until a second question is asked.
        """
        self._site = site
        self._on_sas = on_sas
        self._on_trouble = on_trouble
        self._poll, self._ask, self._confirm, self._answer_within = poll, ask, confirm, answer_within
        self._path = path
        self._channel: vici.Channel | None = None
        self._second: vici.Channel | None = None
        self._second_at: float | None = None
        """When the second question was asked, or charon first took no connection to ask it by."""
        self._waiting: vici.Channel | None = None
        """Where charon answers only once it is at work on no SA, of whichever connection."""
        self._refused: float | None = None
        """Since when charon has taken no connection: it listens, and its backlog is full. A hung one may look so."""
        self._asked: float | None = None
        self._poll_at = 0.0
        self._ask_at = 0.0
        self._connect_at = 0.0
        self._gone_since: float | None = None
        self._down_events: set[int] = set()
        self._last: dict[int, Sa] = {}
        self._was_listed = False
        """Whether charon has given a list since it was last reached."""
        self._doubt = False
        """Whether an SA is missing from the last list and no event told why."""
        self.listed_at: float | None = None
        """When charon last answered a list; None while it has not since it was last reached."""

    @property
    def channels(self) -> list[vici.Channel]:
        """The open channels, for the event loop to watch."""
        return [c for c in (self._channel, self._second, self._waiting) if c is not None and not c.closed]

    @property
    def reachable(self) -> bool:
        """Whether charon has answered since it was last connected to."""
        return self._channel is not None and not self._channel.closed and self.listed_at is not None

    @property
    def silent_since(self) -> float | None:
        """Since when charon has left two separate questions unanswered, or taken no connection; None while it answers.

        Counted so that the second question had its time too: after a pause of our own it was asked just now.
        """
        if self._channel is None:
            return self._refused
        if self._asked is None or self._second_at is None:
            return None
        return max(self._asked, self._second_at - self._answer_within)

    def excuse(self, seconds: float) -> None:
        """We ourselves did not run for that long: give charon as much more time."""
        if self._second_at is not None:
            self._second_at += seconds
        if self._refused is not None:
            self._refused += seconds
        if self._asked is not None:
            self._asked += seconds

    def tick(self, now: float) -> None:
        """Connects, polls and watches over answers."""
        if self._channel is None or self._channel.closed:
            self._connect(now)
        elif self._asked is None and now >= self._poll_at:
            # What is missing changes without events (an IKE_SA that begins to connect): look more often.
            whole = bool(self._last) and all(sa.installed for sa in self._last.values())
            self._list(now, self._poll if whole else 0.5)
        elif self._asked is None and now >= self._ask_at:
            self._asked, self._ask_at = now, now + self._ask
            self._channel.request("version", None, self._alive)
        self._watch(now)

    def initiate(self, tunnel: Tunnel, now: float) -> None:
        """Asks for a tunnel unless it is on its way by now; what charon says against it goes to on_trouble."""
        if self._channel is None or self._channel.closed:
            return

        def listed(answer: list[vici.Message] | None, _: vici.ViciError | None) -> None:
            if answer is None:
                return
            sa = sas.of_tunnels(self._site, answer)[tunnel.number]
            if not sa.connecting and not sa.installed:
                arguments = {"child": tunnel.child, "ike": tunnel.connection, "timeout": -1, "loglevel": -1}
                self._request("initiate", arguments)
                self._poll_at = now + 0.2

        self._channel.request("list-sas", {"ike": tunnel.connection}, listed)

    def load(self, connection: swanctl.Section, secrets: swanctl.Section) -> None:
        """Gives charon a tunnel's configuration in the place of the one that it has."""
        for command, arguments in swanctl.messages(connection, secrets):
            self._request(command, arguments)

    def load_when_idle(
        self,
        tunnel: Tunnel,
        connection: swanctl.Section,
        secrets: swanctl.Section,
        busy: Callable[[], None],
    ) -> None:
        """The same, but `busy` where a negotiation is under way that the polls passed over, or the tunnel is up."""

        def listed(answer: list[vici.Message] | None, _: vici.ViciError | None) -> None:
            if answer is None:
                return
            sa = sas.of_tunnels(self._site, answer)[tunnel.number]
            if sa.connecting or sa.installed:
                busy()
                self._poll_at = 0.0
            else:
                self.load(connection, secrets)

        if self._channel is not None and not self._channel.closed:
            self._channel.request("list-sas", {"ike": tunnel.connection}, listed)

    def terminate(self, connection: str, force: bool, now: float) -> None:
        """Asks to delete a tunnel's IKE_SA."""
        arguments = {"ike": connection, "force": True if force else None, "timeout": -1, "loglevel": -1}
        self._request("terminate", arguments)
        self._poll_at = now + 0.05

    def ask_spis(self, tell: Callable[[set[int]], None]) -> None:
        """Tells every SPI that charon owns, SAs that it is busy with included.

        It may be busy for long, as with a certificate of another connection: nothing else is to wait for that.
        """
        if not self.reachable or (self._waiting is not None and not self._waiting.closed):
            return
        try:
            waiting = self._waiting = vici.Channel(lambda *_: None, self._path)
        except vici.ViciError:
            return

        def listed(answer: list[vici.Message] | None, _: vici.ViciError | None) -> None:
            if answer is not None:
                tell(sas.spis(answer))
            waiting.close()

        waiting.register("list-sa")
        waiting.request("list-sas", None, listed)

    def kill(self) -> str:
        """Ends the process that listens on the vici socket, if it is charon; what was done, in words."""
        peer = main_process() if self._channel is None else self._channel.peer()
        if peer == 0:
            return "it is not there any more"
        try:
            name = _read(peer, "comm").strip()
            if not name.startswith("charon"):
                return f"process {peer} is {name}, not charon: left alone"
            os.kill(peer, signal.SIGKILL)
        except OSError as error:
            return f"process {peer}: {error.strerror}"
        return f"process {peer} ({name}) is ended"

    def close(self) -> None:
        """Ends the channels."""
        for channel in self.channels:
            channel.close()

    def _connect(self, now: float) -> None:
        if self._channel is not None:
            self._channel = None
            self._gone_since = now
            self._asked = None
            self.listed_at = None
            self._close_second()
            if self._waiting is not None:
                self._waiting.close()
        if now < self._connect_at:
            return
        recent = self._gone_since is not None and now - self._gone_since < 10
        self._connect_at = now + (0.1 if recent else 0.5)
        try:
            self._channel = vici.Channel(self._event, self._path)
        except vici.ViciError as error:
            if self._gone_since is None:
                self._gone_since = now
            if not isinstance(error, vici.ViciTimeout):
                self._refused = None
            elif self._refused is None:
                self._refused = now
            return
        self._refused = None
        for event in EVENTS:
            self._channel.register(event)
        self._last.clear()
        self._doubt = self._was_listed = False
        self._list(now)

    def _event(self, name: str, message: vici.Message) -> None:
        if name == "list-sa":
            return
        self._poll_at = 0.0
        if vici.text(message, "up") != "yes" and name.endswith("updown"):
            self._down_events.update(t.number for t in self._site.tunnels if t.connection in message)

    def _list(self, now: float, again: float = 0.0) -> None:
        if self._channel is not None:
            self._asked, self._poll_at, self._ask_at = now, now + (again or self._poll), now + self._ask
            # A list passes over SAs that charon is busy with, unless it is to confirm that one has vanished.
            # That it is given is what counts for charon, whatever it says.
            arguments = {"noblock": None if self._doubt else True}
            self._channel.request("list-sas", arguments, self._listed)

    def _alive(self, *_: object) -> None:
        self._asked = None
        self._close_second()

    def _listed(self, answer: list[vici.Message] | None, error: vici.ViciError | None) -> None:
        self._alive()
        if answer is None:
            if error is not None and self._channel is not None and not self._channel.closed:
                self._on_trouble(str(error))
            return
        self.listed_at = time.monotonic()
        found = sas.of_tunnels(self._site, answer)
        first, self._was_listed = not self._was_listed, True
        lacking = {number for number, sa in found.items() if not sa.installed and not sa.deleting}
        if first and lacking:
            # Nobody knows what was there before. It is asked again without waiting: what charon is busy with may be
            # somebody else's, and for long.
            self._poll_at = self.listed_at + self._confirm
            return
        doubtful = {number for number, sa in self._last.items() if sa.installed and number in lacking}
        # A list skips SAs that charon is busy with: an absence counts when an event told it, or a second list, which
        # waits, repeats it.
        unexplained = doubtful - self._down_events
        self._down_events.clear()
        self._last = found
        self._doubt = bool(unexplained)
        if unexplained:
            self._poll_at = self.listed_at + self._confirm
            return
        self._on_sas(found)

    def _watch(self, now: float) -> None:
        if self._asked is not None and self._second is None and now - self._asked >= self._answer_within:
            try:
                self._second = vici.Channel(lambda *_: None, self._path)
            except vici.ViciTimeout:
                # No connection taken is no answer either: it counts from the first try.
                pass
            except vici.ViciError:
                return
            if self._second_at is None:
                self._second_at = now
            if self._second is not None:
                self._second.request("version", None, lambda *_: self._second_answered())

    def _second_answered(self) -> None:
        # charon answers somebody: it is slow with us, not hung. Ask again on the same terms.
        self._close_second()
        if self._asked is not None:
            self._asked = time.monotonic()

    def _close_second(self) -> None:
        second, self._second, self._second_at = self._second, None, None
        if second is not None:
            second.close()

    def _request(self, command: str, arguments: vici.Arguments) -> None:
        if self._channel is None or self._channel.closed:
            return
        self._channel.request(command, arguments, self._answered)

    def _answered(self, _: list[vici.Message] | None, error: vici.ViciError | None) -> None:
        if isinstance(error, vici.ViciRefused):
            self._on_trouble(str(error))
