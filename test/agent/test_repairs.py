"""When the repair unit runs: soon, once at a time, not in a storm, never ended, and again only where that may help."""

from __future__ import annotations

import unittest
from itertools import pairwise

from dual_tunnel_vpn.agent.repairs import Repairs

UNIT = "dual-tunnel-vpn-repair@lab.service"


class Box:
    """A box on which each run takes some time; a clock that ticks as the agent's loop does."""

    def __init__(self, takes: float = 0.5, status: int = 0) -> None:
        self.takes, self.status = takes, status
        self.now = 100.0
        self.began: list[float] = []
        self.said: list[str] = []
        self.repairs = Repairs(UNIT, self.start)

    def start(self, unit: str) -> Box:
        """Starts a run, of which there must be no other."""
        assert unit == UNIT
        assert not self.began or self.poll() is not None
        self.began.append(self.now)
        return self

    def poll(self) -> int | None:
        """The run's end."""
        return self.status if self.now - self.began[-1] >= self.takes else None

    def passes(self, seconds: float, why: str = "", storm: bool = False) -> list[float]:
        """Lets time pass with something amiss, or changes all the time; when runs began, from now on."""
        start, before = self.now, len(self.began)
        while self.now < start + seconds - 1e-9:
            self.now = round(self.now + 0.1, 1)
            if storm:
                self.repairs.look(self.now)
            self.repairs.amiss(self.now, why)
            told = self.repairs.tick(self.now)
            self.said += [told] if told else []
        return [round(began - start, 1) for began in self.began[before:]]


class Runs(unittest.TestCase):
    def test_nothing_runs_where_nothing_happens(self) -> None:
        self.assertEqual(Box().passes(3600), [])

    def test_once_and_soon_after_a_change_of_the_packet_filter_and_nothing_is_said_of_it(self) -> None:
        box = Box()
        box.repairs.look(box.now)
        self.assertEqual(box.passes(60), [0.3])
        self.assertEqual(box.said, [])

    def test_at_once_for_what_is_amiss_and_it_is_said(self) -> None:
        box = Box()
        self.assertEqual(box.passes(0.5, "forwarding was switched off"), [0.1])
        self.assertEqual(box.said, [f"forwarding was switched off: {UNIT} runs"])

    def test_in_a_storm_of_changes_it_takes_half_of_the_time_at_most_and_the_last_change_is_seen(self) -> None:
        for takes in (0.2, 1.0, 4.0):
            box = Box(takes)
            runs = box.passes(60, storm=True)
            self.assertLessEqual(len(runs) * takes, 60 / 2 + takes, takes)
            self.assertGreaterEqual(min(late - early for early, late in pairwise(runs)), 0.9 + takes)
            self.assertEqual(len(box.passes(60)), 1)

    def test_a_change_during_a_run_is_looked_at_once_more(self) -> None:
        box = Box(takes=1.0)
        box.repairs.look(box.now)
        box.passes(0.5)
        box.repairs.look(box.now)
        self.assertEqual(len(box.passes(60)), 1)

    def test_one_that_takes_long_is_left_to_its_end_and_is_not_begun_anew(self) -> None:
        box = Box(takes=40)
        self.assertEqual(box.passes(40, "the packet filter's table had vanished"), [0.1])

    def test_what_is_seen_to_be_amiss_waits_only_a_moment_for_a_run_that_took_long(self) -> None:
        box = Box(takes=5)
        box.passes(5.1, "the rule of uplink 1 had vanished")
        self.assertEqual(box.passes(2, "forwarding was switched off"), [1.0])

    def test_what_a_run_does_not_help_is_tried_again_after_a_while(self) -> None:
        box = Box()
        runs = box.passes(35, "the rule of uplink 1 had vanished")
        self.assertEqual(len(runs), 4)
        self.assertGreaterEqual(min(late - early for early, late in pairwise(runs)), 10)

    def test_another_trouble_or_the_same_one_come_back_is_not_made_to_wait(self) -> None:
        for passed in ("forwarding was switched off", ""):
            box = Box()
            box.passes(2, "the rule of uplink 1 had vanished")
            box.passes(2, passed)
            self.assertEqual(box.passes(0.5, "the rule of uplink 1 had vanished"), [0.1])

    def test_one_that_fails_is_said_and_tried_again(self) -> None:
        box = Box(status=1)
        box.repairs.look(box.now)
        self.assertEqual(len(box.passes(25)), 3)
        self.assertEqual(box.said[0], f"{UNIT} failed: `journalctl -u {UNIT}` says why")
