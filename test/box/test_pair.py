"""A box of two: what of routes, filter, kernel parameters, VRRP and status is another than on one box."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from dual_tunnel_vpn import (
    apply,
    checks,
    drift,
    failover,
    files,
    installed,
    links,
    manifest,
    packaged,
    paths,
    planned,
    status,
)
from dual_tunnel_vpn.agent import routes
from dual_tunnel_vpn.commands import Refusal, Result
from dual_tunnel_vpn.ipsec import strongswan
from dual_tunnel_vpn.ipsec.sas import Sa
from dual_tunnel_vpn.ipsec.strongswan import Unit
from dual_tunnel_vpn.net import neighbours, sysctl, wanted, ways
from dual_tunnel_vpn.net.firewall import firewalld, openings, own, stateful
from dual_tunnel_vpn.net.firewall.ruleset import Ruleset
from dual_tunnel_vpn.net.netlink import Address
from dual_tunnel_vpn.net.network import Network, Remove
from dual_tunnel_vpn.net.ways import Way
from dual_tunnel_vpn.pair import keepalived, lan, service, side
from dual_tunnel_vpn.site import load, parse

from . import samples
from .test_preparation import NAME, OnABox, connection, secrets

VIRTUAL = Address(4, "172.16.3.1", 32)
UP = Sa("1", "ESTABLISHED", "2", "INSTALLED")


def box(number: int = 1, *more: Address) -> Network:
    """One of the two, with these addresses too."""
    found = samples.pair_network(number)
    found.addresses += more
    return found


class Wants(unittest.TestCase):
    def test_its_own_address_on_the_lan_as_source_whoever_has_the_virtual_one(self) -> None:
        for network in (box(), box(1, VIRTUAL)):
            network.addresses.reverse()
            self.assertEqual(wanted.source(samples.pair_site(), network), "172.16.3.2")
        self.assertIsNone(wanted.source(samples.pair_site(), samples.network()))

    def test_the_lans_interface_by_its_address_and_says_what_it_lacks(self) -> None:
        site = samples.pair_site()
        self.assertEqual((wanted.lan_device(site, box()), wanted.lan_trouble(site, box())), ("lan", ""))
        unplugged = box()
        unplugged.links["lan"] = unplugged.links["lan"]._replace(carrier=False)
        self.assertEqual(wanted.lan_trouble(site, unplugged), "(lan) has lost its carrier")
        self.assertEqual(wanted.lan_trouble(site, samples.network()), "has no interface with the address 172.16.3.2")

    def test_a_way_by_the_other_box_from_its_own_address(self) -> None:
        route = wanted.beyond_route(samples.pair_site(2), "192.168.0.0/16", 4)
        self.assertEqual((route.oif, route.gateway, route.source, route.metric), (4, "172.16.3.2", "172.16.3.3", 100))

    def test_the_virtual_address_gone_with_the_connection_and_when_it_becomes_another(self) -> None:
        network, site = box(1, VIRTUAL, Address(4, "172.16.3.7", 32)), samples.pair_site()
        self.assertEqual(links.take_down(site, network), [Remove(VIRTUAL)])
        pair = {**samples.pair_document()["pair"], "virtualGateway": "172.16.3.7"}
        self.assertEqual(links.stale(site, samples.pair_site(pair=pair), network), [Remove(VIRTUAL)])
        self.assertEqual(links.stale(site, site, network), [])

    def test_no_redirects_on_the_lan_and_puts_back_what_was_before(self) -> None:
        with tempfile.TemporaryDirectory() as directory, mock.patch.object(sysctl, "_ROOT", Path(directory)):
            values = links.kernel_values(samples.pair_site(), box())
            for key in ("net/ipv4/conf/lan/send_redirects", "net/ipv4/conf/all/send_redirects"):
                self.assertEqual(values[key], "0")
                (Path(directory) / key).parent.mkdir(parents=True)
                (Path(directory) / key).write_text("0\n")
            self.assertEqual(sysctl.redirects_amiss("lan"), [])
            (Path(directory) / key).write_text("1\n")
            self.assertEqual(sysctl.redirects_amiss("lan"), ["ICMP redirects were switched on (lan)"])
        self.assertNotIn("send_redirects", str(links.kernel_values(samples.site(), samples.network())))


class Asks(unittest.TestCase):
    def test_the_kernel_for_a_host_and_not_for_the_other_box_or_the_virtual_gateway(self) -> None:
        for number in (1, 2):
            network = box(number)
            network.links["lan"] = network.links["lan"]._replace(carrier=True)
            senders = {question.source for question in ways.questions(samples.pair_site(number), network, [])}
            self.assertEqual(len(senders), 2)
            self.assertFalse(senders & {"172.16.3.1", "172.16.3.2", "172.16.3.3"}, senders)


class Filter(unittest.TestCase):
    def test_forwards_from_the_lan_to_the_lan_what_is_for_the_vpc_alone(self) -> None:
        with mock.patch.object(own, "observe", box):
            (match,) = own._around(samples.pair_site())
            self.assertEqual(own._around(samples.site()), [])
        ends = "ip saddr { 172.16.0.0/16 } ip daddr { 192.168.0.0/16 }"
        self.assertEqual(match, f'iifname "lan" oifname "lan" {ends}')
        text = own.render_shared(["singapore-1"], [], [], [match])
        self.assertLess(text.index(f"{match} accept"), text.index("drop"))

    def test_follows_the_lan_whose_address_comes_last(self) -> None:
        with mock.patch.object(routes, "Netlink"):
            agents = routes.Routes(samples.pair_site(), mock.Mock())
        agents.network = samples.network()
        before = agents.surroundings()
        agents.network = box()
        self.assertNotEqual(agents.surroundings(), before)

    def test_others_let_the_two_talk_and_send_by_each_other(self) -> None:
        rules = {
            hook: [each.nft() for each in found] for hook, found in openings.openings(samples.pair_site()).items()
        }
        for hook, end in (("input", "saddr"), ("output", "daddr")):
            self.assertIn(f"ip {end} {{ 172.16.3.3 }} udp dport {{ 4893 }} accept", rules[hook])
            self.assertIn(f"ip {end} {{ 172.16.3.3 }} ip protocol 112 accept", rules[hook])
        around = "ip saddr { 172.16.0.0/16 } ip daddr { 192.168.0.0/16 } accept"
        self.assertIn(around, rules["forward"])
        self.assertIn(around, rules["postrouting"])
        text = "".join(firewalld.render(samples.pair_site()).values())
        self.assertIn('<source address="172.16.3.3"/><protocol value="112"/><accept/>', text)
        self.assertIn('<source address="172.16.0.0/16"/><destination address="192.168.0.0/16"/><accept/>', text)
        self.assertNotRegex(str(openings.openings(samples.site())), "4893|112")

    def rule(self, *expr: Any, chain: str = "forward", table: str = "theirs") -> dict[str, Any]:
        return {"family": "inet", "table": table, "chain": chain, "expr": list(expr)}

    def dropped_by(self, *rules: dict[str, Any], table: str = "theirs", hook: str = "forward", saved: str = "") -> Any:
        chain = {"family": "inet", "table": table, "name": "forward", "hook": hook}
        found = Ruleset(frozenset(), (chain,), rules)
        with (
            mock.patch.object(Ruleset, "found", lambda: found),
            mock.patch.object(stateful, "find", lambda _: "/sbin/iptables-save" if saved else None),
            mock.patch.object(stateful, "run", lambda *_: Result(0, saved, "")),
        ):
            return stateful.invalid_dropped_by()

    def test_finds_who_drops_what_is_invalid_and_forwarded(self) -> None:
        invalid = {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": "invalid"}}
        new = {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}
        told = ["the packet filter's chain inet theirs forward"]
        self.assertEqual(self.dropped_by(self.rule(invalid, {"drop": None})), told)
        self.assertEqual(self.dropped_by(self.rule(new, {"drop": None})), [])
        self.assertEqual(self.dropped_by(self.rule(invalid, {"accept": None})), [])
        self.assertEqual(self.dropped_by(self.rule(invalid, {"drop": None}), hook="input"), [])
        elsewhere = self.rule(invalid, {"drop": None}, chain="check")
        self.assertEqual(self.dropped_by(elsewhere), [])
        jumps = self.rule({"jump": {"target": "check"}})
        self.assertEqual(self.dropped_by(jumps, elsewhere), ["the packet filter's chain inet theirs check"])
        # Nobody can take firewalld's away.
        self.assertEqual(self.dropped_by(self.rule(invalid, {"drop": None}, table="firewalld"), table="firewalld"), [])

    def test_finds_it_in_iptables_words(self) -> None:
        saved = "-A FORWARD -m conntrack --ctstate INVALID -j DROP\n"
        self.assertEqual(self.dropped_by(saved=saved), ["iptables' chain FORWARD"])
        for other in ("-A INPUT -m conntrack --ctstate INVALID -j DROP", "-A FORWARD -m state --state NEW -j DROP"):
            self.assertEqual(self.dropped_by(saved=f"{other}\n"), [])

    def test_finds_it_in_iptables_words_behind_a_jump_as_a_node_of_kubernetes_has_it(self) -> None:
        drops = "-A KUBE-FORWARD -m conntrack --ctstate INVALID -m nfacct --nfacct-name ct -j DROP\n"
        jumps = '-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD\n'
        self.assertEqual(self.dropped_by(saved=jumps + drops), ["iptables' chain KUBE-FORWARD"])
        self.assertEqual(self.dropped_by(saved=jumps.replace("FORWARD -m", "INPUT -m", 1) + drops), [])


class Refuses(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        for target, name, value in (
            (paths, "STATE", Path(directory.name)),
            (stateful, "invalid_dropped_by", lambda: self.dropping),
        ):
            patch = mock.patch.object(target, name, value)
            patch.start()
            self.addCleanup(patch.stop)
        self.dropping: list[str] = []

    def told(self, network: Network, **fields: Any) -> str:
        """Why that box is not taken; empty when it is."""
        return "; ".join(service.problems(samples.pair_site(**fields), network))

    def test_takes_a_box_that_suits_and_says_nothing_of_one_alone(self) -> None:
        self.assertEqual(self.told(box()), "")
        self.assertEqual(list(service.problems(samples.site(), samples.network())), [])

    def test_a_box_without_the_lans_address(self) -> None:
        self.assertRegex(self.told(samples.network()), "^the LAN wants the address 172.16.3.2, which this box does not")

    def test_a_lan_outside_of_the_data_centers_blocks_or_on_the_uplink(self) -> None:
        self.assertRegex(self.told(box(), dataCenterCidrs=["10.0.0.0/8"]), "is in none of the data center's blocks")
        shared = box()
        shared.addresses = [Address(2, found.address, found.prefix_length) for found in shared.addresses]
        self.assertRegex(self.told(shared), "^the LAN and the uplink are on one interface of this box, eth0")

    def test_the_virtual_address_for_good_and_not_what_vrrp_has_given_it(self) -> None:
        permanent = Address(4, "172.16.3.1", 24)
        self.assertRegex(self.told(box(1, permanent)), "the address 172.16.3.1 of the virtual gateway for good")
        self.assertRegex(self.told(box(1, VIRTUAL)), "for good")
        paths.keepalived_conf("singapore").parent.mkdir()
        paths.keepalived_conf("singapore").touch()
        self.assertEqual(self.told(box(1, VIRTUAL)), "")

    def test_a_port_that_another_program_has(self) -> None:
        with mock.patch.object(service, "port_is_taken", lambda *place: place == ("singapore", "172.16.3.2", 4893)):
            told = self.told(box())
        self.assertRegex(told, "^another program has UDP port 4893 on this box, by which the two boxes' agents")

    def test_no_port_that_its_own_agent_has(self) -> None:
        state = Path(self.directory) / "agent.json"
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened,
            mock.patch.object(paths, "agent_state", lambda _: state),
        ):
            opened.bind(("127.0.0.1", 0))
            place = ("singapore", *opened.getsockname())
            for agent, taken in ((None, True), ({"pid": os.getppid()}, True), ({"pid": os.getpid()}, False)):
                state.write_text(json.dumps(agent))
                self.assertEqual(service.port_is_taken(*place), taken)
        self.assertFalse(service.port_is_taken(*place))
        # That the box has not the address is told by itself.
        self.assertFalse(service.port_is_taken("singapore", "192.0.2.1", place[2]))

    def test_rules_that_drop_half_of_a_connection(self) -> None:
        self.dropping = ["iptables' chain FORWARD"]
        self.assertRegex(self.told(box()), "^iptables' chain FORWARD of this box drops what conntrack takes")

    def test_another_connection_that_could_not_be_told_apart(self) -> None:
        mine, other = samples.pair_site(), samples.pair_document()
        other.update(name="tokyo", vpcCidrs=["10.1.0.0/16"])
        other["uplinks"][0].update(table=1, mark=1)
        names = {"connection": "tokyo-1", "child": "tokyo-1", "interface": "tokyo-1"}
        other["tunnels"][0].update(names, ifId=1, ipsecAddress="192.0.2.9", localId="x")
        other["pair"]["port"] = 5000
        told = list(checks._clashes(mine, "tokyo", parse(json.dumps(other))))
        self.assertRegex(told[0], "^the numbers derived from the name singapore clash")
        other["pair"]["virtualRouterId"] = 38
        self.assertEqual(list(checks._clashes(mine, "tokyo", parse(json.dumps(other)))), [])


class Staged(unittest.TestCase):
    def test_the_files_of_its_own_tunnel_are_enough(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            root = Path(directory)
            (root / "site.json").write_text(json.dumps(samples.pair_document(2)))
            for name in ("owner.json", "tunnel-2.conf"):
                (root / name).touch()
            with self.assertRaisesRegex(Refusal, "secrets-2.conf is missing"):
                checks.staged(root)
            (root / "secrets-2.conf").touch()
            self.assertEqual(checks.staged(root).interfaces, ("singapore-2",))


class Prepares(OnABox):
    """The first of two boxes; the other takes what it is given, where it is able."""

    def setUp(self) -> None:
        super().setUp()
        self.able = True
        files.put(paths.site(NAME), json.dumps(samples.pair_document()).encode())
        self.up = {1: UP}
        for part in ("tunnel", "secrets"):
            del self.upload[f"{part}-2.conf"]
        own, beyond = Way("192.168.0.1", "", f"{NAME}-1", ""), Way("192.168.0.1", "", "lan", "", "172.16.3.3")
        patch = mock.patch.object(ways, "look", lambda *_: [beyond if self.able and planned.held(NAME) else own])
        patch.start()
        self.addCleanup(patch.stop)

    def knock(self, _source: str | None, _destination: str) -> bool:
        self.sent[11] += self.still_sends
        return True

    def says(self, prepared: bool) -> None:
        pair = {"heard": True, "other": {"able": True, "master": False, "aside": False, "prepared": prepared}}
        files.put(paths.agent_state(NAME), json.dumps({"time": time.time(), "tunnels": [], "pair": pair}).encode())

    def test_a_new_key_moves_the_traffic_to_the_other_box(self) -> None:
        self.upload["secrets-1.conf"] = secrets(1, "new")
        self.says(prepared=False)
        self.assertEqual(self.prepare(), "tunnel 1 (active) is ready for its change, the other box carries the traffic")
        self.assertEqual((planned.held(NAME), planned.prepared(NAME)), (1, {1}))

    def test_is_refused_where_the_other_box_does_not_carry_or_is_about_to_change_too(self) -> None:
        self.upload["secrets-1.conf"] = secrets(1, "new")
        self.says(prepared=True)
        self.refused_here("^both boxes' tunnels would change at once.*one tunnel a deploy")
        self.says(prepared=False)
        self.still_sends = True
        self.refused_here("nothing carries the traffic meanwhile: tunnel 1 still sends")
        self.able = False
        self.refused_here("the agent did not lead it to the other box; see to it .*allowOutage: true")
        self.says(prepared=True)
        self.assertIn("is ready for its change, nothing else carries", self.prepare(allow_outage=True))

    def refused_here(self, words: str) -> None:
        with self.assertRaisesRegex(Refusal, words):
            self.prepare()
        self.assertEqual((planned.prepared(NAME), planned.held(NAME)), (set(), None))

    def test_what_may_differ_for_a_while_waits_for_its_turn_in_the_apply(self) -> None:
        self.upload["tunnel-1.conf"] = connection(1, rekey="3600s")
        self.assertEqual(self.prepare(), "tunnel 1 is ready for its change")
        self.assertEqual((planned.held(NAME), planned.prepared(NAME)), (None, set()))
        site, steps = load(paths.site(NAME)), mock.Mock()
        apply._lead_away(site, site.tunnels[0], steps)
        self.assertEqual(planned.held(NAME), 1)
        steps.say.assert_not_called()
        self.able = False
        apply._lead_away(site, site.tunnels[0], steps)
        self.assertIsNone(planned.held(NAME))
        steps.say.assert_called_once()


class Keepalived(unittest.TestCase):
    def test_is_told_of_vrrp_3_between_the_two_alone(self) -> None:
        texts = [keepalived.render(samples.pair_site(number), "lan") for number in (1, 2)]
        for text, mine, other in ((texts[0], "172.16.3.2", "172.16.3.3"), (texts[1], "172.16.3.3", "172.16.3.2")):
            for line in ("vrrp_version 3", "advert_int 0.2", "virtual_router_id 37", "state BACKUP", "interface lan"):
                self.assertIn(line, text)
            self.assertIn(f"unicast_src_ip {mine}\n", text)
            self.assertRegex(text, rf"unicast_peer {{\n        {other} [^\n]+\n    }}")
            self.assertIn("172.16.3.1/32 dev lan", text)
        self.assertIn("priority 200", texts[0])
        self.assertIn("priority 150", texts[1])

    def test_believes_the_other_box_alone_and_only_on_the_same_link(self) -> None:
        text = keepalived.render(samples.pair_site(), "lan")
        self.assertIn("\n    check_unicast_src\n", text)
        self.assertIn("\n        172.16.3.3 min_ttl 255 max_ttl 255\n", text)

    def test_a_box_that_starts_stands_aside_and_an_agent_that_is_gone_yields_to_one_that_is_there(self) -> None:
        text = keepalived.render(samples.pair_site(), "lan")
        self.assertIn('file "/run/dual-tunnel-vpn/singapore/vrrp"\n    weight 0\n    init_file 1\n', text)
        self.assertIn("weight -100", text)
        self.assertLess(200 - keepalived.AGENT_GONE, 150)


class Lan(unittest.TestCase):
    def test_asks_those_whom_the_kernel_knows_there_and_nobody_else(self) -> None:
        text = """IP address       HW type     Flags       HW address            Mask     Device
172.16.3.10      0x1         0x2         52:54:00:00:00:01     *        lan
172.16.3.11      0x1         0x0         00:00:00:00:00:00     *        lan
172.16.3.3       0x1         0x2         52:54:00:00:00:02     *        lan
172.16.1.253     0x1         0x2         52:54:00:00:00:03     *        eth0
broken
"""
        self.assertEqual(lan.hosts(text, "lan", ("172.16.3.3",)), ["172.16.3.10"])
        with tempfile.NamedTemporaryFile("w", encoding="ascii") as known, mock.patch.object(socket, "socket") as made:
            known.write(text)
            known.flush()
            made.return_value.getsockname.return_value = ("lan", 0, 0, 1, b"\x52\x54\0\0\0\x09")
            questions = lan.Questions()
            with mock.patch.object(lan, "KNOWN", Path(known.name)):
                self.assertEqual(questions.ask("172.16.3.2", ("172.16.3.3",)), 0)
                questions.reopen("lan")
                for _ in range(3):
                    self.assertEqual(questions.ask("172.16.3.2", ("172.16.3.3",)), 1)
        # The agent would wait for the kernel each time that it closes one; and nothing is to be received by it.
        self.assertEqual((made.call_count, made.return_value.close.call_count), (1, 0))
        made.return_value.bind.assert_called_once_with(("lan", 0))
        sent = [call.args for call in made.return_value.sendto.call_args_list]
        asked = neighbours.request(b"\x52\x54\0\0\0\x09", "172.16.3.2", "172.16.3.10")
        self.assertEqual(sent, [(asked, ("lan", 0x0806))] * 3)

    def test_says_why_nobody_can_be_asked(self) -> None:
        questions = lan.Questions()
        with mock.patch.object(socket, "socket", side_effect=OSError(97, "Address family not supported by protocol")):
            questions.reopen("lan")
        self.assertFalse(questions.is_open)
        self.assertIn("cannot be asked whether they are there: Address family not supported", questions.trouble)
        questions.reopen(None)
        self.assertEqual(questions.trouble, "")


class Unit_(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        root = Path(directory.name)
        self.calls: list[str] = []
        self.running = False
        for target, name, value in (
            (paths, "STATE", root / "state"),
            (paths, "RUN", root / "run"),
            (paths, "UNITS", root / "units"),
            (manifest, "_BOX", root / "state/box.json"),
            (service, "run", self.run_),
            (packaged, "run", self.run_),
            (service, "must", self.run_),
            (service, "start", samples.starter(self.run_)),
            (service, "find", lambda program: f"/usr/sbin/{program}"),
            (service, "observe", box),
            (strongswan, "units", lambda *names: {each: Unit(True, self.running, self.running) for each in names}),
        ):
            patch = mock.patch.object(target, name, value)
            patch.start()
            self.addCleanup(patch.stop)
        paths.connection("singapore").mkdir(parents=True)

    def run_(self, *command: str, **_: object) -> Result:
        self.calls.append(" ".join(command[1:]))
        return Result(0, "", "")

    def test_is_tested_started_and_enabled_once_and_then_left_alone(self) -> None:
        service.follow(samples.pair_site())
        unit = "dual-tunnel-vpn-vrrp@singapore.service"
        trial = paths.keepalived_conf("singapore").with_suffix(".trial")
        self.assertIn(f"--config-test --use-file={trial}", self.calls)
        self.assertEqual(self.calls[-2:], [f"enable --quiet --no-reload {unit}", f"restart {unit}"])
        self.calls, self.running = [], True
        service.follow(samples.pair_site())
        self.assertEqual(self.calls, [])
        pair = {**samples.pair_document()["pair"], "virtualGateway": "172.16.3.9"}
        service.follow(samples.pair_site(pair=pair))
        self.assertEqual(self.calls[-1], f"reload-or-restart {unit}")

    def test_what_keepalived_refuses_is_refused_by_each_apply_and_never_started(self) -> None:
        def refuses(*command: str, **_: object) -> Result:
            if "--config-test" in command:
                raise Refusal("keepalived: unknown keyword")
            return self.run_(*command)

        with mock.patch.object(service, "must", refuses):
            for _ in range(2):
                self.assertRaises(Refusal, service.follow, samples.pair_site())
        self.assertEqual((self.calls, list(paths.connection("singapore").iterdir())), ([], []))

    def test_goes_where_the_connection_has_one_box_again(self) -> None:
        service.follow(samples.pair_site())
        self.assertIn(paths.vrrp_unit("singapore"), drift.units_at_work("singapore"))
        self.assertIn(paths.vrrp_unit("singapore"), drift.units_at_boot("singapore"))
        service.follow(samples.site())
        self.assertFalse(paths.keepalived_conf("singapore").exists() or (paths.UNITS / service.UNIT_FILE).exists())
        self.assertNotIn(paths.vrrp_unit("singapore"), drift.units_at_work("singapore"))

    def test_a_box_that_is_one_of_two_again_begins_standing_aside_with_nobody_to_vouch_for_its_agent(self) -> None:
        service.follow(samples.pair_site())
        service.follow(samples.site())
        # As the agent from before leaves them, which ends after that.
        side.stand_aside("singapore", False)
        side.vouch("singapore")
        service.follow(samples.pair_site())
        self.assertTrue(side.stands_aside("singapore"))
        self.assertFalse(paths.agent_alive("singapore").exists())
        side.stand_aside("singapore", False)
        service.follow(samples.pair_site())
        self.assertFalse(side.stands_aside("singapore"))


class Status(unittest.TestCase):
    def described(self, found: list[Way], said: dict[str, Any] | None, tunnel: Sa = UP) -> dict[str, Any]:
        network = box(1, VIRTUAL)
        network.links["singapore-1"] = samples.link(9, "singapore-1", "xfrm", 20481, 1400)
        network.routes = [wanted.beyond_route(samples.pair_site(), "192.168.0.0/16", 4)]
        path = [{"uplink": 1, "tunnel": 1, "health": "up"}]
        agent = {"time": time.time(), "paths": path, "tunnels": [], "pair": said}
        with (
            mock.patch.object(status, "observe", lambda: network),
            mock.patch.object(strongswan, "tunnel_sas", lambda _: {1: tunnel}),
            mock.patch.object(strongswan, "units", lambda *names: {name: Unit(True, True, True) for name in names}),
            mock.patch.object(strongswan, "disabled", lambda *_: []),
            mock.patch.object(failover, "agent_state", lambda _: agent),
            mock.patch.object(status, "_misled", lambda *_: []),
            mock.patch.object(links, "amiss", lambda *_: []),
            mock.patch.object(installed, "amiss", list),
            mock.patch.object(ways, "look", lambda *_: found),
        ):
            return status.describe(samples.pair_site())

    OWN = (Way("192.168.0.1", "", "singapore-1", "the route"),)
    BEYOND = (Way("192.168.0.1", "", "lan", "the route", "172.16.3.3"),)

    def said(self, **changes: Any) -> dict[str, Any]:
        other = {"able": True, "master": False, "aside": False, "prepared": False}
        return {"master": True, "aside": False, "lan": "", "heard": True, "other": other, **changes}

    def test_all_well_is_healthy_and_says_where_the_virtual_gateway_is(self) -> None:
        found = self.described(list(self.OWN), self.said())
        self.assertEqual((found["health"], found["amiss"]), (status.HEALTHY, []))
        lines = status.text(found).splitlines()
        self.assertEqual(
            lines[1], "  traffic to the VPC flows by tunnel 1 (active); if that fails, by the other box"
        )
        self.assertEqual(
            lines[2], "  box 1 of two, the other one is 172.16.3.3; the virtual gateway 172.16.3.1 is at this box"
        )

    def test_what_goes_by_the_other_box_flows(self) -> None:
        found = self.described(list(self.BEYOND), self.said(), Sa())
        self.assertEqual((found["health"], found["amiss"]), (status.DEGRADED, ["tunnel 1 is down"]))
        words = "traffic to the VPC flows by the other box; if that fails, nothing is left: tunnel 1 (active) is down"
        self.assertEqual((found["traffic"]["words"], found["traffic"]["tunnel"]), (words, 2))

    def test_an_other_box_that_is_silent_or_unable_is_named(self) -> None:
        unable = {"able": False, "master": False, "aside": True, "prepared": False}
        for said, words in (
            (self.said(heard=False), "the other box is not heard"),
            (self.said(other=unable), "the other box's tunnel does not work, or is about to be changed"),
        ):
            found = self.described(list(self.OWN), said)
            self.assertEqual((found["health"], found["amiss"]), (status.DEGRADED, [words]))
            self.assertTrue(found["traffic"]["words"].endswith(f"if that fails, nothing is left: {words}"))
            found = self.described(list(self.BEYOND), said, Sa())
            self.assertEqual((found["health"], found["traffic"]["flows"]), (status.DOWN, False))

    def test_two_that_both_have_the_address_are_named(self) -> None:
        other = {"able": True, "master": True, "aside": False, "prepared": False}
        (told,) = self.described(list(self.OWN), self.said(other=other))["amiss"]
        self.assertRegex(told, "^both boxes have the virtual gateway's address 172.16.3.1: something between")


if __name__ == "__main__":
    unittest.main()
