"""Runs the real swanctl."""

from __future__ import annotations

import os
import pathlib
import subprocess


def environment(packages: pathlib.Path, scratch: pathlib.Path) -> dict[str, str]:
    """What lets the unpacked programs find their libraries and the files of the test, none of the host's."""
    settings = scratch / "strongswan.conf"
    settings.touch()
    return {
        **os.environ,
        "LD_LIBRARY_PATH": str(packages / "usr/lib/ipsec"),
        "STRONGSWAN_CONF": str(settings),
        "SWANCTL_DIR": str(scratch / "swanctl"),
    }


def run(packages: pathlib.Path, scratch: pathlib.Path, command: str, socket: str) -> None:
    """Runs one command against a vici socket; what swanctl says is raised when it fails."""
    done = subprocess.run(
        [packages / "usr/sbin/swanctl", command, "--uri", f"unix://{socket}"],
        env=environment(packages, scratch),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"swanctl {command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
