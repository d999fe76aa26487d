"""Runs the box's own programs (ip, nft, systemctl, swanctl) with bounded time and readable failures."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass


class Refusal(Exception):
    """Why the work cannot be done; each reason is one sentence for the user, never a secret."""

    def __init__(self, *sentences: str) -> None:
        super().__init__("; ".join(sentences))
        self.sentences = sentences


@dataclass(frozen=True)
class Result:
    """How a program ended."""

    status: int
    output: str
    errors: str

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.status == 0


_SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ENVIRONMENT = {**os.environ, "PATH": _SEARCH, "LC_ALL": "C"}


def find(program: str) -> str | None:
    """The program's path, or None when the box does not have it."""
    return shutil.which(program, path=_SEARCH)


def run(*command: str, stdin: str = "", timeout: float = 60) -> Result:
    """Runs a program to its end; a missing program or one over its time (seconds) is a failed result."""
    try:
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env=_ENVIRONMENT,
            check=False,
        )
    except FileNotFoundError:
        return Result(127, "", f"{command[0]} is not installed")
    except subprocess.TimeoutExpired:
        return Result(124, "", f"{command[0]} did not end within {timeout:g} s")
    except OSError as error:
        return Result(126, "", f"{command[0]} cannot be run: {error.strerror}")
    return Result(done.returncode, done.stdout, done.stderr)


def must(*command: str, stdin: str = "", timeout: float = 60) -> str:
    """The output of a program that has to succeed; Refusal names it and its last words otherwise."""
    result = run(*command, stdin=stdin, timeout=timeout)
    if not result.ok:
        words = (result.errors.strip() or result.output.strip() or f"status {result.status}").splitlines()[-1]
        raise Refusal(f"`{' '.join(command)}` failed on this box: {words}")
    return result.output


def start(unit: str, verb: str = "restart", timeout: float = 60) -> None:
    """Has systemd start or restart one of our units; Refusal with its last words, to which systemctl only points."""
    since = time.time()
    result = run("systemctl", verb, unit, timeout=timeout)
    if result.ok:
        return
    its = ("journalctl", f"_SYSTEMD_UNIT={unit}", "--since", f"@{since:.6f}", "--output", "cat", "--no-pager")
    said = run(*its, timeout=30).output.strip() or result.errors.strip() or f"status {result.status}"
    raise Refusal(f"{unit} did not start on this box: {said.splitlines()[-1].removeprefix('dual-tunnel-vpn: ')}")
