"""BGP on the box: what BIRD is told, what is refused, the unit's life, and the sessions' way through the filter."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from dual_tunnel_vpn import failover, files, links, packaged, paths, status, verdict
from dual_tunnel_vpn.bgp import service
from dual_tunnel_vpn.bgp.speaker import halves, render, told
from dual_tunnel_vpn.commands import Refusal, Result
from dual_tunnel_vpn.ipsec import strongswan
from dual_tunnel_vpn.net import wanted
from dual_tunnel_vpn.net.firewall import firewalld, openings, own
from dual_tunnel_vpn.net.netlink import Address
from dual_tunnel_vpn.net.network import Network, Put, Remove, XfrmLink
from dual_tunnel_vpn.site import SiteError, TunnelBgp, parse

from . import samples

ASSETS = Path(__file__).resolve().parent.parent.parent / "assets"
INSIDE = Address(4, "172.16.3.1", 24)


def network() -> Network:
    """A box with an address of the data center's on an interface of its own."""
    found = samples.network()
    found.links["lan"] = samples.link(4, "lan")
    found.addresses.append(INSIDE)
    return found


class Reads(unittest.TestCase):
    def test_both_ends_of_each_session(self) -> None:
        site = samples.bgp_site()
        self.assertEqual(dataclasses.astuple(site.bgp), (45104, 65010, 3))  # type: ignore[arg-type]
        blocks = [tunnel.bgp and tunnel.bgp.block for tunnel in site.tunnels]
        self.assertEqual(blocks, ["169.254.11.0/30", "169.254.12.0/30"])
        self.assertEqual([tunnel.bgp for tunnel in samples.site().tunnels], [None, None])

    def test_refuses_ends_that_do_not_fit(self) -> None:
        def end(**fields: Any) -> Any:
            return lambda document: document["tunnels"][0]["bgp"].update(fields)

        wrong = {
            r"tunnels\[0\].bgp.cloudAddress must be one host address of the block": end(cloudAddress="169.254.11.6"),
            r"tunnels\[0\].bgp.cloudAddress must be one": end(cloudAddress="169.254.11.2"),
            r"tunnels\[0\].bgp.boxAddress must be an IPv4": end(boxAddress="x"),
            r"tunnels\[0\].bgp.prefixLength must be a whole number from 30 to 30": end(prefixLength=31),
            "tunnels must be tunnels that differ in the block": end(
                cloudAddress="169.254.12.1", boxAddress="169.254.12.2"
            ),
            "tunnels must be tunnels that each have bgp": lambda document: document["tunnels"][1].pop("bgp"),
            "bgp where the connection has it, and else none": lambda document: document.pop("bgp"),
            "bgp.holdSeconds must be a whole number from 3": lambda document: document["bgp"].update(holdSeconds=2),
            "bgp.asn must be a whole number from 1": lambda document: document["bgp"].update(asn=0),
        }
        for words, change in wrong.items():
            document = samples.bgp_document()
            change(document)
            with self.subTest(words), self.assertRaisesRegex(SiteError, words):
                parse(json.dumps(document))


class Tells(unittest.TestCase):
    def test_halves_of_each_block_and_none_of_a_single_address(self) -> None:
        self.assertEqual(halves("10.0.0.0/8"), ["10.0.0.0/9", "10.128.0.0/9"])
        self.assertEqual(halves("10.0.0.0/31"), ["10.0.0.0/32", "10.0.0.1/32"])
        self.assertEqual(halves("10.0.0.1/32"), [])

    def test_no_prefix_twice(self) -> None:
        usual, more = told(["10.0.0.0/8", "10.0.0.0/9", "10.0.0.0/8"])
        self.assertEqual(usual, ["10.0.0.0/8", "10.0.0.0/9"])
        self.assertEqual(more, ["10.0.0.0/10", "10.128.0.0/9", "10.64.0.0/10"])

    def test_nothing_that_installs_routes_and_nothing_that_outlives_a_session(self) -> None:
        text = render(samples.bgp_site(), "172.16.3.1")
        self.assertNotIn("kernel", text)
        self.assertNotIn("pipe", text)
        self.assertEqual(text.count("graceful restart off;\n    long lived graceful restart off;"), 2)
        self.assertEqual(text.count("connect retry time 1;"), 2)
        self.assertIn("router id 172.16.3.1;", text)

    def test_the_hold_time_that_the_site_says(self) -> None:
        text = render(samples.bgp_site(bgp={"cloudAsn": 45104, "asn": 65010, "holdSeconds": 30}), "172.16.3.1")
        self.assertEqual(text.count("hold time 30;\n    keepalive time 10;"), 2)

    def test_what_is_special_only_when_it_is_told_to(self) -> None:
        text = render(samples.bgp_site(), "172.16.3.1")
        for number in (1, 2):
            self.assertIn(f"protocol static takeover_{number} {{\n    disabled;\n", text)


class Refuses(unittest.TestCase):
    def refusal(self, found: Network, **fields: Any) -> str:
        """Why that box is not taken; empty when it is."""
        return "; ".join(service.problems(samples.bgp_site(**fields), found))

    def test_takes_a_box_with_an_address_of_the_data_centers(self) -> None:
        self.assertEqual(self.refusal(network()), "")

    def test_a_box_without_one(self) -> None:
        self.assertRegex(
            self.refusal(network(), dataCenterCidrs=["10.0.0.0/8"]),
            r"^BGP needs an address of this box in the data center's blocks \(10.0.0.0/8\)",
        )

    def test_more_prefixes_than_the_gateway_takes(self) -> None:
        blocks = [f"10.{number}.0.0/16" for number in range(16)]
        self.assertEqual(self.refusal(network(), dataCenterCidrs=["172.16.3.1/32", *blocks]), "")
        more = self.refusal(network(), dataCenterCidrs=["172.16.0.0/16", *blocks])
        self.assertRegex(more, "are 51 prefixes, and the VPN gateway takes 50: give fewer, larger blocks$")

    def test_another_interface_in_a_sessions_block(self) -> None:
        found = network()
        found.addresses.append(Address(4, "169.254.12.2", 30))
        self.assertRegex(self.refusal(found), "^interface lan of this box has the address 169.254.12.2, which lies in")

    def test_nothing_of_its_own_at_the_next_apply(self) -> None:
        found = network()
        found.links["singapore-2"] = samples.link(9, "singapore-2", "xfrm", 20482, 1400)
        found.addresses.append(Address(9, "169.254.12.2", 30))
        self.assertEqual(self.refusal(found), "")

    def test_nothing_where_there_is_no_bgp(self) -> None:
        found = service.problems(samples.site(dataCenterCidrs=["10.0.0.0/8"]), samples.network())
        self.assertEqual(list(found), [])


class Addresses(unittest.TestCase):
    def box(self, *addresses: str) -> Network:
        """A box on which all is right but the addresses on tunnel 1's interface, which are these."""
        found = network()
        for number, tunnel in enumerate(samples.bgp_site().tunnels):
            found.links[tunnel.interface] = samples.link(9 + number, tunnel.interface, "xfrm", tunnel.if_id, tunnel.mtu)
        found.addresses += [Address(9, *_parts(address)) for address in addresses]
        return found

    def changes(self, site: Any, found: Network) -> list[Any]:
        return links._interface(site.tunnels[0], found)

    def test_come_with_the_interface(self) -> None:
        link = XfrmLink("singapore-1", 20481, 1400, "169.254.11.2/30")
        self.assertEqual(self.changes(samples.bgp_site(), network()), [Put(link)])

    def test_come_alone_where_the_interface_is_there(self) -> None:
        # Made anew, it would be down for a moment, and every route into it gone.
        self.assertEqual(self.changes(samples.bgp_site(), self.box()), [Put(Address(9, "169.254.11.2", 30))])

    def test_that_are_right_are_left_alone(self) -> None:
        self.assertEqual(self.changes(samples.bgp_site(), self.box("169.254.11.2/30", "10.9.9.9/32")), [])

    def test_of_a_former_session_go_last_and_those_of_others_stay(self) -> None:
        box = self.box("169.254.99.2/30", "169.254.98.2/30")
        former = samples.bgp_site()
        one = dataclasses.replace(former.tunnels[0], bgp=TunnelBgp("169.254.99.1", "169.254.99.2", 30))
        former = dataclasses.replace(former, tunnels=(one, former.tunnels[1]))
        gone = Remove(Address(9, "169.254.99.2", 30))
        # Not while the new one is not there: with the last one all routes into the interface go.
        self.assertEqual(self.changes(samples.bgp_site(), box), [Put(Address(9, "169.254.11.2", 30))])
        for now in (samples.bgp_site(), samples.site()):
            self.assertEqual(links.stale(former, now, box), [gone])
        self.assertEqual(links.stale(former, former, box), [])

    def test_are_no_source_of_what_the_box_sends_to_the_vpc(self) -> None:
        self.assertEqual(wanted.source(samples.bgp_site(), self.box("169.254.11.2/30")), "172.16.3.1")


def _parts(text: str) -> tuple[str, int]:
    address, length = text.split("/")
    return address, int(length)


class Filter(unittest.TestCase):
    def test_without_bgp_says_nothing_of_it(self) -> None:
        site = samples.site()
        for text in (own.render(site), str(openings.openings(site)), str(firewalld.render(site))):
            self.assertNotRegex(text, "169.254|179")

    def test_passes_a_session_from_its_cloud_end_by_its_interface_alone(self) -> None:
        text = own.render(samples.bgp_site())
        between = 'iifname "singapore-1" ip saddr 169.254.11.1 ip daddr 169.254.11.2'
        for rule in (
            f"{between} tcp dport 179 accept",
            f"{between} tcp sport 179 tcp flags & (syn | ack) != syn accept",
            f"{between} tcp dport 179 redirect to :15179",
            'iifname != { "singapore-1", "singapore-2", "lo" } ip daddr { 169.254.11.2, 169.254.12.2 } drop',
        ):
            self.assertEqual(text.count(rule), 1, rule)
        # All of it before what drops the rest of a tunnel.
        self.assertLess(text.rindex("sport 179"), text.index("jump of_the_vpc"))

    def test_others_let_the_session_pass_and_translate_nothing_of_it(self) -> None:
        hooks = openings.openings(samples.bgp_site())
        rules = {hook: [opening.nft() for opening in found] for hook, found in hooks.items()}
        self.assertIn('iifname "singapore-1" ip saddr { 169.254.11.1 } ip protocol tcp accept', rules["input"])
        self.assertIn('oifname "singapore-2" ip daddr { 169.254.12.1 } ip protocol tcp accept', rules["output"])
        self.assertIn(
            'oifname "singapore-1" ip saddr { 172.16.0.0/16, 169.254.11.0/30 } accept', rules["postrouting"]
        )
        self.assertNotIn("169.254", "".join(rules["forward"]))
        policy = next(text for path, text in firewalld.render(samples.bgp_site()).items() if path.stem.endswith("-ike"))
        self.assertIn('<source address="169.254.12.1"/><protocol value="tcp"/><accept/>', policy)


class Unit(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        root = Path(directory.name)
        self.calls: list[str] = []
        self.running = False
        self.found = network()
        for target, name, value in (
            (paths, "STATE", root / "state"),
            (paths, "UNITS", root / "units"),
            (service, "run", self.run_),
            (packaged, "run", self.run_),
            (service, "must", self.must),
            (service, "start", samples.starter(self.must)),
            (service, "find", lambda program: f"/usr/sbin/{program}"),
            (service, "observe", lambda: self.found),
            (strongswan, "units", self.units),
        ):
            patch = mock.patch.object(target, name, value)
            patch.start()
            self.addCleanup(patch.stop)
        paths.connection("singapore").mkdir(mode=0o700, parents=True)

    def run_(self, *command: str, **_: Any) -> Result:
        words = [word for word in command[1:] if not word.startswith("-")]
        self.calls.append(" ".join(words).replace("dual-tunnel-vpn-", ""))
        return Result(0, "", "")

    def must(self, *command: str, **_: Any) -> str:
        if command[0] == "systemctl":
            self.run_(*command)
        return ""

    def units(self, name: str) -> dict[str, strongswan.Unit]:
        return {name: strongswan.Unit(True, self.running, self.running)}

    def did(self) -> list[str]:
        """What was done since it was last asked."""
        done, self.calls[:] = list(self.calls), []
        return done

    def mode(self) -> int:
        """Of the connection's directory."""
        return paths.connection("singapore").stat().st_mode & 0o777

    def test_begins_is_reloaded_for_a_change_alone_and_ends_with_bgp(self) -> None:
        site, unit = samples.bgp_site(), "bgp@singapore.service"
        service.follow(site)
        self.assertEqual(self.did(), ["daemon-reload", f"enable {unit}", f"restart {unit}"])
        self.assertEqual((self.mode(), paths.bird_conf("singapore").stat().st_mode & 0o777), (0o711, 0o644))
        self.running = True
        service.follow(site)
        self.assertEqual(self.did(), [])
        service.follow(site, anew=True)
        service.follow(samples.bgp_site(dataCenterCidrs=["172.16.0.0/12"]))
        self.assertEqual(self.did(), [f"reload-or-restart {unit}"] * 2)
        (paths.UNITS / service.UNIT_FILE).write_text("a former version's")
        service.follow(samples.bgp_site(dataCenterCidrs=["172.16.0.0/12"]))
        self.assertEqual(self.did(), ["daemon-reload", f"restart {unit}"])
        service.follow(samples.site())
        self.assertEqual(self.did(), [f"stop {unit}", f"disable {unit}", "daemon-reload"])
        self.assertEqual((self.mode(), list(paths.UNITS.iterdir())), (0o700, []))
        self.assertFalse(paths.bird_conf("singapore").exists())

    def test_is_nowhere_without_bgp(self) -> None:
        service.follow(samples.site(), anew=True)
        service.remove("singapore")
        self.assertEqual(service.await_sessions(samples.site()), [])
        self.assertEqual((self.did(), paths.UNITS.exists(), self.mode()), ([], False, 0o700))

    def test_stays_for_another_connection(self) -> None:
        other = json.dumps({**samples.bgp_document(), "name": "tokyo"}).replace("singapore-", "tokyo-")
        files.put(paths.site("tokyo"), other.encode())
        service.follow(samples.bgp_site())
        service.remove("singapore")
        self.assertEqual([path.name for path in paths.UNITS.iterdir()], [service.UNIT_FILE])
        service.remove("tokyo")
        self.assertEqual(list(paths.UNITS.iterdir()), [])

    def test_its_sessions_are_waited_for_and_what_is_amiss_is_told(self) -> None:
        site = samples.bgp_site()
        before = {"tunnels": [{"number": 1}, {"number": 2}]}
        answers = iter([None, before, said(DOWN, DOWN), said({}, DOWN), said({}, {})])
        with (
            mock.patch.object(failover, "agent_state", lambda _: next(answers)),
            mock.patch("time.sleep") as slept,
        ):
            self.assertEqual(service.await_sessions(site), [])
        self.assertEqual(slept.call_count, 4)
        with (
            mock.patch.object(failover, "agent_state", lambda _: said({}, DOWN)),
            mock.patch.object(service, "SESSION_SECONDS", 0),
        ):
            self.assertRegex(service.await_sessions(site)[0], "^tunnel 2's BGP session is not established")

    def test_what_bird_does_not_understand_is_not_put_in_place(self) -> None:
        def must(*command: str, **_: Any) -> str:
            raise Refusal("`bird -p` failed on this box: syntax error")

        with mock.patch.object(service, "must", must), self.assertRaisesRegex(Refusal, "syntax error"):
            service.follow(samples.bgp_site())
        self.assertFalse(paths.bird_conf("singapore").exists())

    def test_an_address_that_was_lost_since_the_check_is_said(self) -> None:
        self.found.addresses.remove(INSIDE)
        with self.assertRaisesRegex(Refusal, "^this box has no address in the data center's blocks any more"):
            service.follow(samples.bgp_site(dataCenterCidrs=["172.16.3.0/24"]))


def said(*sessions: dict[str, Any]) -> dict[str, Any]:
    """What the agent says whose tunnels have these sessions."""
    usual = {"known": True, "established": True, "state": "", "heard": ["192.168.10.0/24"], "takesOver": False}
    return {"paths": [], "tunnels": [{"number": n, "bgp": {**usual, **each}} for n, each in enumerate(sessions, 1)]}


DOWN = {"established": False, "state": "Active Socket: Connection refused", "heard": []}


class Status(unittest.TestCase):
    def test_a_session_that_is_not_there_is_named_with_its_cause(self) -> None:
        site = samples.bgp_site()
        self.assertEqual(verdict.sessions(site, said({}, {})), [])
        told = verdict.sessions(site, said(DOWN, {"heard": []}))
        self.assertRegex(told[0], r"^tunnel 1's BGP session is not established \(Active Socket: Connection refused\)$")
        self.assertRegex(told[1], "^tunnel 2's BGP session announces no block of the VPC: .*autoPropagate")
        self.assertEqual(verdict.sessions(samples.site(), {"paths": [], "tunnels": [{"number": 1}]}), [])

    def test_traffic_does_not_come_back_without_any_session_where_that_is_known(self) -> None:
        site, up = samples.bgp_site(), {1: True, 2: True}
        found = [mock.Mock(interface="singapore-1", source="")]

        def flows(agent: Any) -> tuple[bool, str]:
            answer = verdict.traffic(site, up, found, agent)
            return answer["flows"], answer["words"]

        self.assertTrue(flows(said({}, DOWN))[0])
        self.assertEqual(flows(said(DOWN, DOWN))[0], False)
        self.assertRegex(flows(said(DOWN, DOWN))[1], "^no answer from the VPC comes back: the cloud hears of the data")
        self.assertTrue(flows(said({**DOWN, "known": False}, {**DOWN, "known": False}))[0])
        self.assertTrue(flows(None)[0])

    def test_says_what_is_heard_and_told(self) -> None:
        lines = [status._session(each) for each in said({}, {"takesOver": True})["tunnels"]]
        self.assertEqual(lines[0], "  BGP of tunnel 1: established, hears 192.168.10.0/24")
        self.assertEqual(lines[1], f"{lines[0].replace('1:', '2:')}; the cloud is told to send everything by it")


class Needs(unittest.TestCase):
    """Which packages are missing on a box that has none."""

    def missing(self, manager: str, document: dict[str, Any]) -> list[str]:
        """Those that install.sh would add."""
        text = (ASSETS / "install.sh").read_text()
        functions = text[text.index("values() {") : text.index("# A box without Python is asked roughly")]
        functions += text[text.index('case $manager in\napt) needed="') : text.index("# Where packages come from")]
        with tempfile.TemporaryDirectory() as directory:
            (Path(directory) / "site.json").write_text(json.dumps(document, indent=2))
            script = f"set -u\ninstalled() {{ false; }}\nmanager={manager} staging=.\n{functions}\necho $missing\n"
            done = subprocess.run(["sh", "-c", script], cwd=directory, capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.split()

    def test_bgps_speaker_comes_where_the_connection_has_bgp_and_nowhere_else(self) -> None:
        for manager, speaker in (("apt", "bird2"), ("dnf", "bird")):
            without = self.missing(manager, samples.document())
            self.assertIn("nftables", without)
            self.assertNotRegex(" ".join(without), "bird")
            self.assertEqual(self.missing(manager, samples.bgp_document()), [*without, speaker])


if __name__ == "__main__":
    unittest.main()
