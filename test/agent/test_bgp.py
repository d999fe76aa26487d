"""The agent's rules with BGP, rule by rule and through hours of random faults."""

from __future__ import annotations

import random
import unittest
from dataclasses import replace

from dual_tunnel_vpn.agent.facts import SetInner, SetOuter, TakeOver, Terminate
from dual_tunnel_vpn.bgp.heard import Heard, Session

from .simulated_bgp import CloudBgp
from .simulation import SETTINGS, Faults, Site, uplink_faults
from .test_machine import settled

CLOUDS = (
    CloudBgp(),
    CloudBgp(keeps=30),
    CloudBgp(prefers=False),
    CloudBgp(prefers=False, taste=2),
    CloudBgp(hold=9, keeps=60, prefers=False),
    CloudBgp(drops_with_sa=True),
    CloudBgp(only_active=True),
    CloudBgp(announces=False),
)
"""What clouds may be like."""

DEAD = Faults(out_dead={1}, in_dead={1})


class Sample(unittest.TestCase):
    def whole(self, site: Site) -> None:
        """All is as it was before any fault."""
        self.assertEqual((site.inner, site.outer), (1, {1: 1, 2: 2}), site.story())
        self.assertEqual(site.bgp.told, frozenset(), site.story())
        self.assertIsNone(site.out_gap_from, site.story())
        self.assertIsNone(site.in_gap_from, site.story())


class Failover(Sample):
    def test_the_cloud_follows_within_a_second_whatever_it_compares_and_however_long_it_keeps_routes(self) -> None:
        for cloud in CLOUDS:
            if cloud.only_active:
                continue
            with self.subTest(cloud):
                site = settled(bgp=cloud)
                at = site.now
                site.faults = DEAD
                site.run(30)
                self.assertLessEqual(site.longest(site.out_gaps, at), 1.0, site.story())
                self.assertLessEqual(site.longest(site.in_gaps, at), 1.1, site.story())
                self.assertEqual((site.inner, site.bgp.told), (2, {2}), site.story())

    def test_the_routes_come_before_what_the_cloud_is_told_and_nothing_else_is_tried(self) -> None:
        site = settled(bgp=CloudBgp())
        site.actions.clear()
        site.faults = DEAD
        site.run(60)
        done = [a for _, a in site.actions if isinstance(a, (SetInner, SetOuter, TakeOver, Terminate))]
        self.assertEqual([type(action) for action in done], [SetInner, TakeOver], site.story())

    def test_without_the_standbys_session_the_tunnel_moves_as_with_static_routing(self) -> None:
        site = settled(bgp=CloudBgp(only_active=True))
        at = site.now
        site.faults = DEAD
        site.run(5)
        self.assertTrue(any(isinstance(action, SetOuter) for _, action in site.actions), site.story())
        self.assertLessEqual(site.longest(site.out_gaps, at), 1.0, site.story())
        self.assertLessEqual(site.longest(site.in_gaps, at), 1.0, site.story())

    def test_without_a_speaker_the_tunnel_moves_as_with_static_routing(self) -> None:
        site = settled(bgp=CloudBgp())
        site.bgp.kill_speaker()
        site.bgp.speaker_back_at = 1e9
        site.run(1.5)
        site.faults = DEAD
        site.run(3)
        self.assertTrue(any(isinstance(action, SetOuter) for _, action in site.actions), site.story())
        self.assertFalse(any(isinstance(action, TakeOver) for _, action in site.actions), site.story())


class Return(Sample):
    def test_nothing_is_lost_at_the_return_and_the_routes_come_first(self) -> None:
        for cloud in CLOUDS:
            with self.subTest(cloud):
                site = settled(bgp=cloud)
                site.faults = DEAD
                site.run(30)
                site.actions.clear()
                site.faults = Faults()
                at = site.now
                site.run(0.5)
                site.out_gaps.clear()
                site.in_gaps.clear()
                site.run(60)
                self.whole(site)
                if not cloud.only_active:
                    done = [type(a) for _, a in site.actions if isinstance(a, (SetInner, TakeOver))]
                    self.assertEqual(done, [SetInner, TakeOver], site.story())
                    self.assertEqual(site.longest(site.out_gaps, at), 0, site.story())
                    self.assertEqual(site.longest(site.in_gaps, at), 0, site.story())

    def test_traffic_stays_where_the_cloud_sends_until_the_active_tunnels_session_is_back(self) -> None:
        site = settled(bgp=CloudBgp())
        site.faults = DEAD
        site.run(30)
        passes_in = site.passes_in
        site.passes_in = lambda tunnel: tunnel != 1 and passes_in(tunnel)  # type: ignore[method-assign]
        site.faults = Faults()
        site.run(120)
        self.assertEqual(site.inner, 2, site.story())
        site.passes_in = passes_in  # type: ignore[method-assign]
        site.run(20)
        self.whole(site)

    def test_a_cloud_whose_sessions_never_come_back_holds_nothing_up(self) -> None:
        site = settled(bgp=CloudBgp())
        site.faults = DEAD
        site.run(30)
        site.bgp.cloud_speaker_dead = True
        site.faults = Faults()
        site.run(60)
        self.assertEqual((site.inner, site.outer), (1, {1: 1, 2: 2}), site.story())

    def test_what_a_dead_session_has_told_is_outbid(self) -> None:
        site = settled(bgp=CloudBgp(keeps=600))
        site.faults = DEAD
        site.run(10)
        site.faults = Faults()
        site.run(4)
        # The standby dies while the cloud sends everything by it, and keeps what it was told.
        at = site.now
        site.faults = Faults(out_dead={2}, in_dead={2})
        site.run(30)
        self.assertEqual((site.inner, site.bgp.told), (1, {1}), site.story())
        self.assertLessEqual(site.longest(site.in_gaps, at), 2.5, site.story())
        site.faults = Faults()
        site.run(30)
        self.whole(site)


    def test_what_a_dead_session_has_told_is_outbid_until_the_session_is_back_and_not_only_its_path(self) -> None:
        site = settled(bgp=CloudBgp(keeps=600))
        site.faults = Faults(out_dead={2}, in_dead={2})
        site.run(10)
        passes_in = site.passes_in
        site.passes_in = lambda tunnel: tunnel != 2 and passes_in(tunnel)  # type: ignore[method-assign]
        site.faults = Faults()
        site.run(30)
        self.assertEqual((site.inner, site.bgp.told), (1, {1}), site.story())
        site.passes_in = passes_in  # type: ignore[method-assign]
        site.run(10)
        self.whole(site)

    def test_the_cloud_leaves_a_dead_standby_that_it_had_chosen_for_itself(self) -> None:
        site = settled(bgp=CloudBgp(prefers=False, taste=2, keeps=600))
        at = site.now
        site.faults = Faults(out_dead={2}, in_dead={2})
        site.run(30)
        self.assertEqual((site.inner, site.bgp.told), (1, {1}), site.story())
        self.assertLessEqual(site.longest(site.in_gaps, at), 2.5, site.story())
        site.faults = Faults()
        site.run(30)
        self.whole(site)


class Signs(Sample):
    def test_a_session_that_ends_moves_nothing_while_probes_pass_and_something_comes_back(self) -> None:
        site = settled(bgp=CloudBgp())
        site.actions.clear()
        session = site.bgp.sessions[1]
        for _ in range(100):
            session.box = session.cloud = False
            session.passing_since = None
            site.run(0.3)
        self.assertFalse(any(isinstance(a, (SetInner, SetOuter, TakeOver)) for _, a in site.actions), site.story())

    def test_a_cloud_whose_speaker_is_restarted_moves_nothing(self) -> None:
        for idle in (False, True):
            with self.subTest(idle=idle):
                site = settled(bgp=CloudBgp(), idle=idle)
                site.actions.clear()
                site.bgp.cloud_speaker_dead = True
                site.run(60)
                site.bgp.cloud_speaker_dead = False
                site.run(10)
                self.assertFalse(any(isinstance(a, (SetInner, TakeOver)) for _, a in site.actions), site.story())
                self.whole(site)

    def test_a_tunnel_through_which_nothing_passes_is_left_though_its_probes_do(self) -> None:
        # No host in the VPC is known: without BGP nobody could tell.
        site = settled(bgp=CloudBgp(), vpc_host=False)
        at = site.now
        site.faults = Faults(esp_lost={1})
        site.run(20)
        self.assertEqual((site.inner, site.bgp.told), (2, {2}), site.story())
        self.assertLessEqual(site.longest(site.out_gaps, at), 8, site.story())
        # Nor does it return while that lasts, as its session does not.
        site.run(300)
        self.assertEqual(len(site.switches()), 1, site.story())
        site.faults = Faults()
        site.run(SETTINGS.hold_limit)
        self.whole(site)

    def test_a_tunnel_through_which_nothing_passes_is_left_though_nobody_saw_its_session_end(self) -> None:
        for what in ("boot", "agent", "speaker"):
            with self.subTest(what):
                lost = Faults(esp_lost={1})
                site = Site(1, vpc_host=False, bgp=CloudBgp(keeps=30), initial=lost if what == "boot" else None)
                site.run(20)
                site.faults = lost
                site.run(6)
                if what == "agent":
                    site.restart_agent()
                elif what == "speaker":
                    site.bgp.kill_speaker()
                site.run(60)
                self.assertEqual((site.inner, site.out_gap_from), (2, None), site.story())
                site.faults = Faults()
                site.run(SETTINGS.hold_limit + 60)
                self.whole(site)

    def test_a_session_that_is_about_to_begin_is_no_sign(self) -> None:
        """The first packet of tunnel 1's session has just been sent; that of tunnel 2 came up a moment before."""
        site = settled(bgp=CloudBgp(), vpc_host=False, idle=True)
        machine, up = site.machine, Session(True, "Established", ("192.168.10.0/24",))
        sent, received = site.packets[1]
        machine.observe_bgp(None)
        for _ in range(12):  # a speaker that is started anew: nothing passes, and nothing is sent
            site.now += 1
            machine.observe_traffic(site.now, 1, sent, received)
            machine.observe_sas(site.now, site._listed())
            machine.step(site.now)
        site.now += 1
        machine.observe_bgp(Heard({1: Session(False, "Connect"), 2: up}, frozenset()))
        machine.observe_traffic(site.now, 1, sent + 1, received)
        actions = machine.step(site.now)
        self.assertEqual([a for a in actions if isinstance(a, SetInner)], [], actions)

    def test_where_no_probe_is_answered_the_session_is_the_sign(self) -> None:
        site = settled(bgp=CloudBgp(), vpc_host=False, initial=Faults(probes_filtered=True))
        at = site.now
        site.faults = replace(DEAD, probes_filtered=True)
        site.run(10)
        self.assertEqual(site.inner, 2, site.story())
        self.assertLessEqual(site.longest(site.out_gaps, at), 6, site.story())


class Restarts(Sample):
    def test_a_speaker_that_is_killed_loses_nothing_towards_the_cloud_and_is_told_again(self) -> None:
        for faults, inner in ((Faults(), 1), (DEAD, 2)):
            with self.subTest(inner=inner):
                site = settled(bgp=CloudBgp())
                site.faults = faults
                site.run(10)
                site.out_gaps.clear()
                at = site.now
                site.bgp.kill_speaker()
                site.run(10)
                self.assertEqual(site.longest(site.out_gaps, at), 0, site.story())
                self.assertEqual(site.inner, inner, site.story())
                self.assertEqual(site.bgp.told, {2} if inner == 2 else set(), site.story())
                self.assertIsNone(site.in_gap_from, site.story())

    def test_a_restarted_agent_touches_nothing_in_either_state(self) -> None:
        for faults in (Faults(), DEAD):
            with self.subTest(faults):
                site = settled(bgp=CloudBgp())
                site.faults = faults
                site.run(30)
                site.actions.clear()
                told = site.bgp.told
                site.restart_agent()
                site.run(30)
                touched = [a for _, a in site.actions if isinstance(a, (SetInner, SetOuter, TakeOver, Terminate))]
                self.assertEqual(touched, [], site.story())
                self.assertEqual(site.bgp.told, told)

    def test_a_restarted_agent_that_hears_of_bgp_before_charon_touches_nothing(self) -> None:
        site = settled(bgp=CloudBgp())
        site.actions.clear()
        site.restart_agent()
        listed, site._listed = site._listed, dict  # type: ignore[method-assign]
        site.run(1.2)
        site._listed = listed  # type: ignore[method-assign]
        site.run(5)
        self.assertEqual([a for _, a in site.actions if isinstance(a, (SetInner, TakeOver))], [], site.story())

    def test_an_agent_that_finds_more_told_than_fits_has_it_withdrawn(self) -> None:
        site = settled(bgp=CloudBgp())
        site.bgp.told = frozenset({2})
        site.restart_agent()
        site.run(5)
        self.whole(site)


class Hours(Sample):
    def test_a_dead_uplink_costs_little_while_the_other_tunnel_is_whole_and_all_converges(self) -> None:
        base = random.randrange(2**32)
        for number in range(2 * len(CLOUDS)):
            seed = base + number
            rng = random.Random(seed)
            cloud = CLOUDS[number % len(CLOUDS)]
            policy = rng.choice(("cooperative", "ike-only", "pinned"))
            with self.subTest(seed=seed, cloud=cloud, policy=policy):
                site = settled(seed, policy=policy, bgp=cloud, vpc_host=rng.random() < 0.5)
                for _ in range(20):
                    self.disturb(site, rng)
                site.faults = Faults()
                site.bgp.cloud_speaker_dead = False
                site.run(SETTINGS.hold_limit + 60)
                self.whole(site)
                self.assertEqual(site.box_sa, {1: "up", 2: "up"}, site.story())
                self.assertEqual(site.bgp.doubly_told, [], site.story())

    def calm(self, site: Site) -> bool:
        """Whether both tunnels carry, with their sessions, and no fault is under way or just over."""
        sessions = site.bgp.sessions.values()
        known = site.machine.sessions.values()
        whole = all(session.box and session.cloud for session in sessions) and all(each.works for each in known)
        return whole and site.faults.none and site.inner == 1 and site.out_gap_from is site.in_gap_from is None

    def disturb(self, site: Site, rng: random.Random) -> None:
        """Some fault for a while, and perhaps a pause."""
        at, calm = site.now, self.calm(site)
        uplink = rng.choice((1, 2))
        of_uplink = [*uplink_faults(rng, uplink), Faults(esp_lost={uplink})]
        kind = rng.randrange(len(of_uplink) + 2)
        faults = of_uplink[kind] if kind < len(of_uplink) else Faults()
        if kind == len(of_uplink):
            site.bgp.kill_speaker()
        elif kind > len(of_uplink):
            site.bgp.cloud_speaker_dead = True
        site.faults = faults
        for _ in range(rng.choice((1, 5, 20, 80))):
            site.run(0.5)
            # The VPC has a route at every moment.
            self.assertIsNotNone(site.inner)
        if calm and {uplink} in (faults.carrier_lost, faults.out_dead & faults.in_dead):
            # One tunnel is whole, and the cloud can be told. What is not in use is probed once a second; a cloud with a
            # mind of its own may use it.
            self.assertLessEqual(site.longest(site.out_gaps, at), 1.5, site.story())
            self.assertLessEqual(site.longest(site.in_gaps, at), 1.5 if uplink == 1 else 2.5, site.story())
        if rng.random() < 0.2:
            site.restart_agent()
        if rng.random() < 0.6:
            site.faults = Faults()
            site.bgp.cloud_speaker_dead = False
            site.run(rng.choice((1, 5, 20, 60)))


if __name__ == "__main__":
    unittest.main()
