"""What the lab's traffic counts as lost."""

from __future__ import annotations

import unittest

from flow import Direction

EACH_S = 0.1


def direction(seconds: float, lost: set[int]) -> Direction:
    """A packet each tenth of a second from second 0 on, which arrives at once unless it is lost."""
    made = Direction()
    made.sent = [number * EACH_S for number in range(round(seconds / EACH_S))]
    made.numbers = [number for number in range(len(made.sent)) if number not in lost]
    made.arrivals = [made.sent[number] for number in made.numbers]
    return made


class Lost(unittest.TestCase):
    def lost(self, seconds: float, lost: set[int], since: float = 0.0) -> tuple[int, int]:
        """Sent and lost, in a report at the end."""
        report = direction(seconds, lost).report(since, seconds)
        return report["sent"], report["lost"]

    def test_what_others_have_overtaken_is_lost_but_for_the_last_second(self) -> None:
        self.assertEqual(self.lost(10, {3, 50, 88}), (90, 3))
        self.assertEqual(self.lost(10, {3, 50, 95}), (90, 2))
        self.assertEqual(self.lost(10, {3, 50}, since=2), (70, 1))

    def test_what_nothing_has_overtaken_may_be_under_way_on_a_machine_that_stands_still(self) -> None:
        self.assertEqual(self.lost(10, set(range(80, 100))), (80, 0))
        self.assertEqual(self.lost(10, {3, *range(60, 100)}), (60, 1))

    def test_what_was_silent_for_long_is_lost(self) -> None:
        self.assertEqual(self.lost(10, set(range(30, 100))), (50, 20))
        self.assertEqual(self.lost(10, set(range(100))), (50, 50))
        self.assertEqual(self.lost(3, set(range(30))), (0, 0))


if __name__ == "__main__":
    unittest.main()
