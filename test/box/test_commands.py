"""The box's own programs: what is said of one that failed."""

from __future__ import annotations

import unittest
from unittest import mock

from dual_tunnel_vpn import commands
from dual_tunnel_vpn.commands import Refusal, Result

UNIT = "dual-tunnel-vpn-links@singapore.service"
POINTS = f'Job for {UNIT} failed because the control process exited with error code.\nSee "systemctl status {UNIT}".\n'


class StartsUnits(unittest.TestCase):
    def said(self, journal: str, errors: str = POINTS, status: int = 1) -> str:
        """Why the unit did not start; empty when it did."""

        def run(*command: str, **_: object) -> Result:
            if command[0] == "journalctl":
                self.assertEqual(command[1], f"_SYSTEMD_UNIT={UNIT}")
                return Result(0, journal, "")
            self.assertEqual(command, ("systemctl", "restart", UNIT))
            return Result(status, "", errors)

        with mock.patch.object(commands, "run", run):
            try:
                commands.start(UNIT)
            except Refusal as refusal:
                return str(refusal)
        return ""

    def test_one_that_starts_is_not_spoken_of(self) -> None:
        self.assertEqual(self.said("dual-tunnel-vpn: all is well\n", status=0), "")

    def test_one_that_does_not_has_the_last_word_itself(self) -> None:
        journal = "dual-tunnel-vpn: first\ndual-tunnel-vpn: `firewall-cmd --reload` failed on this box: no reply\n"
        self.assertEqual(
            self.said(journal),
            f"{UNIT} did not start on this box: `firewall-cmd --reload` failed on this box: no reply",
        )

    def test_of_one_that_said_nothing_systemctl_tells(self) -> None:
        self.assertEqual(self.said(""), f'{UNIT} did not start on this box: See "systemctl status {UNIT}".')
        self.assertEqual(self.said("", ""), f"{UNIT} did not start on this box: status 1")


if __name__ == "__main__":
    unittest.main()
