"""Runs the real BIRD without privileges, and asks it by its control socket."""

from __future__ import annotations

import os
import pathlib
import shutil
import socket
import subprocess
import time
from collections.abc import Callable

from dual_tunnel_vpn.bgp.control import Reader, Reply

WITHIN = 20.0
"""Seconds for which a condition is awaited."""

NOBODY = 65534


def await_that(condition: Callable[[], bool], what: Callable[[], str]) -> None:
    """Waits for a condition; what is said when it does not come true."""
    deadline = time.monotonic() + WITHIN
    while not condition():
        if time.monotonic() >= deadline:
            raise AssertionError(what())
        time.sleep(0.02)


class Bird:
    """One BIRD with its own configuration."""

    def __init__(self, packages: pathlib.Path, scratch: pathlib.Path, name: str, configuration: str) -> None:
        """packages: where BIRD is unpacked. scratch: a directory that everybody may write."""
        self.name = name
        file, self._place = scratch / f"{name}.conf", scratch / f"{name}.ctl"
        file.write_text(configuration)
        self._place.unlink(missing_ok=True)
        # It needs none of root's rights, here as on the box: root's cache is nothing that it could read.
        own = scratch / "bird2"
        if not own.exists():
            shutil.copytree(packages, own)
        libraries = ":".join(map(str, own.glob("usr/lib/*-linux-gnu")))
        nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all"]
        command = [*(nobody if os.geteuid() == 0 else []), str(own / "usr/sbin/bird")]
        self._log_file = scratch / f"{name}.log"
        with self._log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "-f", "-c", str(file), "-s", str(self._place)],
                env={**os.environ, "LD_LIBRARY_PATH": libraries},
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._reader = Reader()
        await_that(self._reached, self.log)
        self._reply()

    def _reached(self) -> bool:
        try:
            self._socket.connect(str(self._place))
        except OSError:
            return False
        return True

    def _reply(self) -> Reply:
        while True:
            data = self._socket.recv(1 << 16)
            if not data:
                raise AssertionError(self.log())
            replies = self._reader.feed(data)
            if replies:
                return replies[0]

    def ask(self, command: str) -> Reply:
        """The reply to a command."""
        self._socket.sendall(command.encode() + b"\n")
        reply = self._reply()
        if reply.failed:
            raise AssertionError(f"{self.name}: {command}: {reply.failed}")
        return reply

    def text(self, command: str) -> str:
        """The same as one text."""
        return "\n".join(line.text for line in self.ask(command).lines)

    def log(self) -> str:
        """What it said."""
        return f"{self.name}: {self._log_file.read_text()}"

    def close(self) -> None:
        """Ends it."""
        self._socket.close()
        self._process.terminate()
        self._process.wait(10)
