"""Kernel states that a killed charon left: which they are, and when they go."""

from __future__ import annotations

import unittest
from unittest import mock

from dual_tunnel_vpn.ipsec import states
from dual_tunnel_vpn.net.netlink import IpsecPolicy, IpsecState

from .test_channel import example

STATES = (
    IpsecState("172.16.1.9", 1, 20481, 100, 0),
    IpsecState("172.16.1.9", 2, 20481, 100, 0),
    IpsecState("172.16.1.9", 3, 20481, 990, 0),
    IpsecState("172.16.1.9", 4, 7, 100, 0),
)


class Orphans(unittest.TestCase):
    def setUp(self) -> None:
        self.ipsec = mock.Mock(states=lambda: list(STATES))
        self.orphans = states.Orphans(example(), self.ipsec)

    def removed(self) -> list[int]:
        """The SPIs that were removed."""
        return [call.args[0].spi for call in self.ipsec.delete_state.call_args_list]

    def test_are_old_states_of_our_tunnels_that_charon_does_not_own(self) -> None:
        for _ in range(2):
            self.orphans.sweep({1}, 985)
        self.assertEqual(self.removed(), [2])

    def test_are_removed_when_two_lists_agree(self) -> None:
        self.assertEqual(self.orphans.sweep({1}, 985), 0)
        self.assertEqual(self.removed(), [])
        self.assertEqual(self.orphans.sweep({1, 2}, 985), 0)
        self.assertEqual(self.orphans.sweep({1}, 985), 0)
        self.assertEqual(self.removed(), [])
        self.assertEqual(self.orphans.sweep({1}, 985), 1)


class Uninstall(unittest.TestCase):
    def test_removes_every_state_and_policy_of_the_connection_and_no_other(self) -> None:
        policies = [IpsecPolicy(b"ours", 1, 20482), IpsecPolicy(b"theirs", 1, 0)]
        ipsec = mock.Mock(states=lambda: list(STATES), policies=lambda: policies)
        with mock.patch.object(states, "Ipsec", lambda: ipsec):
            states.remove_all(example())
        self.assertEqual([call.args[0].spi for call in ipsec.delete_state.call_args_list], [1, 2, 3])
        ipsec.delete_policy.assert_called_once_with(policies[0])


if __name__ == "__main__":
    unittest.main()
