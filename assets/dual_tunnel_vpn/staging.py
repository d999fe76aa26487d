"""Uploads that wait for install.sh. A session that is cut in between leaves one behind, pre-shared keys and all."""

from __future__ import annotations

import fcntl
import os
import shutil
import time

from . import paths

YOUNG_SECONDS = 120
"""An upload that changed so short ago may be another apply's."""


def sweep() -> None:
    """Removes what was left behind, as begin.sh does: not what is young, nor what is being installed."""
    if not paths.STAGING.is_dir():
        return
    for entry in paths.STAGING.iterdir():
        try:
            descriptor = os.open(entry, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if time.time() - os.fstat(descriptor).st_mtime > YOUNG_SECONDS:
                shutil.rmtree(entry, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(descriptor)
