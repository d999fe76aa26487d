"""The rescue's phases: the diagrams say what happens, and nothing else happens."""

from __future__ import annotations

import pathlib
import random
import re
import unittest
from dataclasses import replace
from unittest import mock

from dual_tunnel_vpn.agent import rescue
from dual_tunnel_vpn.agent.facts import Phase, TunnelState
from dual_tunnel_vpn.agent.situation import Situation

from .simulation import SETTINGS, Faults, Site

ARCHITECTURE = pathlib.Path(__file__).resolve().parents[2] / "docs/architecture.md"

Transition = tuple[str, str]


def in_source() -> set[Transition]:
    """The diagram of the module."""
    return set(re.findall(r"^    ([A-Z]+) -+ .* -+> ([A-Z]+)$", rescue.__doc__ or "", re.MULTILINE))


class Phases(unittest.TestCase):
    def test_each_has_a_handler(self) -> None:
        self.assertEqual(set(rescue.HANDLERS), set(Phase))

    def test_the_architecture_draws_what_the_source_draws(self) -> None:
        text = ARCHITECTURE.read_text(encoding="utf-8")
        self.assertEqual(set(re.findall(r"^    ([A-Z]+) --> ([A-Z]+): ", text, re.MULTILINE)), in_source())

    def test_follow_each_other_as_the_diagram_says_through_any_faults(self) -> None:
        seen: set[Transition] = set()
        enter = Situation.enter

        def noted(situation: Situation, tunnel: TunnelState, phase: Phase, now: float) -> None:
            seen.add((tunnel.phase.name, phase.name))
            enter(situation, tunnel, phase, now)

        seed = random.randrange(2**32)
        rng = random.Random(seed)
        with mock.patch.object(Situation, "enter", noted):
            for _ in range(12):
                moves = rng.random() < 0.8
                site = Site(
                    rng.randrange(1000),
                    rng.choice(("cooperative", "ike-only", "pinned")),
                    replace(SETTINGS, outer_move=moves),
                )
                site.run(10)
                for _ in range(6):
                    site.faults = rng.choice(
                        (Faults(), Faults(out_dead={1}), Faults(in_dead={2}), Faults(carrier_lost={1}))
                    )
                    site.run(rng.choice((1, 4, 15)))
        # An agent that has just started enters NONE, which is no step of the rescue.
        self.assertLessEqual(seen - {("NONE", "NONE")}, in_source(), f"seed {seed}")
        self.assertIn(("NONE", "PROVING"), seen, f"seed {seed}")


if __name__ == "__main__":
    unittest.main()
