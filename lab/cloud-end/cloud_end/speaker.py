"""Keeps FRR's bgpd as the gateway wants it, and tells the gateway what its sessions hear.

bgpd runs without zebra: it puts no route into the kernel. It rings by BMP when anything has changed, and what is true
is then read by its own `show` commands: BMP's messages are not looked into.
"""

from __future__ import annotations

import json
import logging
import select
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .bgp import Heard, Session, commands, heard
from .desired import Refused

log = logging.getLogger("cloud-end")

UNIT = "cloud-end-bgpd.service"
BELL_PORT = 11019
"""BMP's, on the namespace's loopback."""

SAFETY_LOOK = 2.0
"""Seconds between looks when nothing rang."""

PATIENCE = 60.0
"""Seconds that bgpd may take to be as it is wanted: an emulated machine starts it in seconds."""


class VtyError(Exception):
    """bgpd did not take a command, or went away."""


class Vty:
    """A conversation with bgpd as vtysh has it: a command ends with NUL, its answer with three NULs and a status."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE)
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise

    def __enter__(self) -> Vty:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def run(self, command: str) -> str:
        """A command's answer."""
        self._socket.sendall(command.encode() + b"\0")
        answer = b""
        while answer[-4:-1] != b"\0\0\0":
            more = self._socket.recv(65536)
            if not more:
                raise VtyError(f"bgpd ended at {command!r}.")
            answer += more
        text = answer[:-4].decode()
        if answer[-1] != 0:
            raise VtyError(f"bgpd refused {command!r}: {text.strip() or answer[-1]}")
        return text

    def ask(self, command: str) -> Any:
        """A command's answer in JSON."""
        return json.loads(self.run(command) or "{}")


class Speaker:
    """One bgpd for all tunnels, there only while one has a session. Whoever calls does so from another thread."""

    def __init__(self, directory: Path, tell: Callable[[dict[str, Heard]], None]) -> None:
        self._directory = directory
        self._tell = tell
        self._wanted: dict[str, Session] = {}
        self._turn = threading.Condition()
        self._asked = 0
        self._answered = 0
        self._trouble = ""
        self._wake, self._woken = socket.socketpair()
        self._woken.setblocking(False)

    def want(self, sessions: Mapping[str, Session]) -> None:
        """The sessions that are to be, by tunnel; does not wait."""
        with self._turn:
            if sessions == self._wanted:
                return
            self._wanted = dict(sessions)
        self._wake.send(b"!")

    def settle(self) -> None:
        """Returns when bgpd was as wanted and the gateway was told what it heard."""
        with self._turn:
            self._asked += 1
            number = self._asked
            self._wake.send(b"!")
            if not self._turn.wait_for(lambda: self._answered >= number, PATIENCE):
                raise Refused(f"bgpd was not as wanted within {PATIENCE:.0f} s. {self._trouble}".strip())

    def run(self) -> None:
        """Follows what is wanted and what bgpd says, for ever."""
        with socket.create_server(("127.0.0.1", BELL_PORT)) as bell:
            bell.setblocking(False)
            while True:
                try:
                    if self._idle():
                        self._await([self._woken], None)
                    else:
                        self._speak(bell)
                except (OSError, VtyError, ValueError, subprocess.CalledProcessError) as error:
                    log.info("%s", error)
                    self._trouble = str(error)
                    self._tell({})
                    time.sleep(0.1)

    def _idle(self) -> bool:
        with self._turn:
            number = self._asked
            idle = not self._wanted
        if idle:
            self._done(number, {})
        return idle

    def _speak(self, bell: socket.socket) -> None:
        subprocess.run(["systemctl", "restart", UNIT], check=True)
        rings: list[socket.socket] = []
        try:
            with Vty(self._directory / "bgpd.vty") as vty:
                vty.run("enable")
                vty.run("configure terminal")
                present: dict[str, Session] = {}
                while True:
                    with self._turn:
                        number, wanted = self._asked, self._wanted
                    if wanted != present:
                        for line in commands(present, wanted, BELL_PORT):
                            vty.run(line)
                        present = wanted
                    if not present:
                        break
                    self._done(number, {tunnel: _look(vty, tunnel, session) for tunnel, session in present.items()})
                    ready = self._await([self._woken, bell, *rings], SAFETY_LOOK)
                    rings = [ring for ring in rings if ring not in ready or _rings_on(ring)]
                    if bell in ready:
                        ring, _ = bell.accept()
                        ring.setblocking(False)
                        rings.append(ring)
        finally:
            for ring in rings:
                ring.close()
        subprocess.run(["systemctl", "stop", UNIT], check=True)

    def _done(self, number: int, every: dict[str, Heard]) -> None:
        self._tell(every)
        with self._turn:
            self._answered = number
            self._turn.notify_all()

    def _await(self, sources: list[socket.socket], seconds: float | None) -> list[socket.socket]:
        """Which of the sources has something to say; none when the seconds are over."""
        ready, _, _ = select.select(sources, [], [], seconds)
        if self._woken in ready:
            self._woken.recv(4096)
        return ready


def _look(vty: Vty, tunnel: str, session: Session) -> Heard:
    view = f"do show bgp view {tunnel}"
    return heard(session, vty.ask(f"{view} ipv4 unicast json"), vty.ask(f"{view} summary json"))


def _rings_on(ring: socket.socket) -> bool:
    """Empties a connection; False, and it is closed, where the other end has gone."""
    try:
        while True:
            if not ring.recv(65536):
                ring.close()
                return False
    except BlockingIOError:
        return True
    except OSError:
        ring.close()
        return False
