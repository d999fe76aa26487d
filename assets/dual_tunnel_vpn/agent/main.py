"""`dual-tunnel-vpn agent NAME`: reads site.json, runs the loop until systemd ends it."""

from __future__ import annotations

import os
import signal

from .. import paths, site
from .loop import Agent
from .notify import Notifier


def main(name: str) -> int:
    """Runs the agent of a connection; 0 when it was asked to stop. SiteError when site.json is not usable."""
    agent = Agent(site.load(paths.site(name)), Notifier())
    stop: list[int] = []
    wake, trigger = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(trigger)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _: stop.append(got))
    try:
        agent.run(lambda: bool(stop), wake)
    finally:
        agent.close()
    return 0
