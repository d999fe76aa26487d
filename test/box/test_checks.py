"""What is refused before anything on the box is changed."""

from __future__ import annotations

import itertools
import json
import socket
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from dual_tunnel_vpn import checks, links, manifest, owner, paths
from dual_tunnel_vpn.commands import Refusal
from dual_tunnel_vpn.ipsec import strongswan
from dual_tunnel_vpn.net import neighbours
from dual_tunnel_vpn.net.firewall import marks
from dual_tunnel_vpn.net.netlink import Address, Place, Rule

from . import samples

MINE = owner.Owner("prod/site/box", "id-1")
PRESENT = neighbours.Answer(gateway=True)


class RefusesBoxes(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name)
        self.network = samples.network()
        self.places: list[Place] = []
        self.units = {
            name: strongswan.Unit(False, False, False) for name in (strongswan.UNIT, *strongswan.LEGACY_UNITS)
        }
        self.way = "eth0"
        self.drops: dict[int, str] = {}
        self.listeners: dict[int, set[str]] = {}
        self.answers: dict[str, neighbours.Answer] = {}
        layout = strongswan.Layout(self.root / "swanctl/conf.d", self.root / "strongswan.d")
        layout.connections.mkdir(parents=True)
        for target, name, value in (
            (paths, "STATE", self.root / "state"),
            (strongswan, "layout", lambda: layout),
            (strongswan, "units", lambda *_: self.units),
            (checks, "observe", lambda: self.network),
            (checks, "places", lambda: self.places),
            (checks, "way_to", lambda *_: (self.way, "")),
            (checks, "_listeners", lambda port: self.listeners.get(port, set())),
            (neighbours, "ask", lambda asked: {each: self.answers.get(each.address, PRESENT) for each in asked}),
            (marks, "dropped_by", lambda mark: self.drops.get(mark, "")),
        ):
            patch = mock.patch.object(target, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def install(self, name: str, **changes: Any) -> None:
        document = {**samples.document(), "name": name, **changes}
        for tunnel in document["tunnels"]:
            for key in ("connection", "child", "interface"):
                tunnel[key] = f"{name}-{tunnel['number']}"
        path = paths.site(name)
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(document))

    def reinstall(self, name: str, **changes: Any) -> None:
        paths.site(name).unlink()
        paths.site(name).parent.rmdir()
        self.install(name, **changes)

    def refused(self, words: str, ssh: str = "", sent: float | None = None) -> None:
        with self.assertRaisesRegex(Refusal, words) as raised:
            checks.check(samples.site(), MINE, ssh, sent)
        self.assertNotIn("\n", str(raised.exception))
        self.assertEqual(len(raised.exception.sentences), 1)

    def test_accepts_a_box_that_suits(self) -> None:
        checks.check(samples.site(), MINE, "10.0.2.2 5000 10.0.2.15 22")

    def test_accepts_its_own_connection_again(self) -> None:
        self.install("singapore")
        self.network.links["singapore-1"] = samples.link(9, "singapore-1", "xfrm", 20481, 1400)
        self.network.rules.append(Rule(20481, 20481, 5157))
        self.places.append(Place(254, "192.0.2.152/32", 157))
        checks.check(samples.site(), MINE, "")

    def test_refuses_an_uplink_that_is_not_there(self) -> None:
        del self.network.addresses[2]
        self.refused(r"uplink 2 wants the address 172\.16\.2\.57, .*addresses: 172\.16\.1\.93")

    def test_refuses_two_uplinks_on_one_interface(self) -> None:
        self.network.addresses[2] = Address(2, "172.16.2.57", 24)
        self.refused("one interface")

    def test_refuses_a_device_without_the_address(self) -> None:
        uplinks = samples.document()["uplinks"]
        uplinks[0]["device"] = "eth1"
        with self.assertRaisesRegex(Refusal, "172.16.1.93 on eth1, which lacks it"):
            checks.check(samples.site(uplinks=uplinks), MINE, "")

    def test_accepts_a_device_with_the_address_whoever_else_has_it_too(self) -> None:
        # As where hosts behind the box are routed to by its one address (br0), or a loopback address is lent (lo).
        self.network.links["br0"] = samples.link(9, "br0", "bridge")
        for ifindex in (1, 9):
            self.network.addresses.insert(0, Address(ifindex, "172.16.1.93", 32))
        uplinks = samples.document()["uplinks"]
        uplinks[0]["device"] = "eth0"
        site = samples.site(uplinks=uplinks)
        checks.check(site, MINE, "")
        self.assertEqual(links.lacking(site, site.uplinks[0], self.network), "")

    def test_refuses_numbers_that_another_connection_has(self) -> None:
        self.install("london")
        self.refused("clash with those of connection london")

    def test_refuses_an_overlapping_vpc_a_shared_ipsec_address_and_shared_ids(self) -> None:
        document = samples.document()
        for tunnel, uplink in zip(document["tunnels"], document["uplinks"], strict=True):
            tunnel["ifId"] += 100
            uplink["table"] += 100
            uplink["mark"] += 100
        other = {"tunnels": document["tunnels"], "uplinks": document["uplinks"]}
        self.install("london", **other)
        self.refused("connection london of this box goes to 192.0.2")
        for tunnel, address in zip(document["tunnels"], ("192.0.2.153", "192.0.2.11"), strict=True):
            tunnel["ipsecAddress"] = address
        self.reinstall("london", **other)
        self.refused("connection london .* with the ids 198.51.100.198 and 192.0.2.152 already")
        for tunnel in document["tunnels"]:
            tunnel["remoteId"] = tunnel["ipsecAddress"]
        self.reinstall("london", **other, vpcCidrs=["192.168.128.0/17"])
        self.refused("192.168.0.0/16 overlaps 192.168.128.0/17 of connection london")

    def test_a_half_removed_connection_is_no_obstacle(self) -> None:
        (paths.STATE / "london").mkdir(parents=True)
        self.assertEqual(manifest.names(), ["london"])
        checks.check(samples.site(), MINE, "")

    def test_refuses_interfaces_numbers_and_routes_of_others(self) -> None:
        self.network.links["singapore-2"] = samples.link(9, "singapore-2", "dummy")
        self.refused("interface singapore-2 that is not ours")
        del self.network.links["singapore-2"]
        self.network.links["ipsec0"] = samples.link(9, "ipsec0", "xfrm", 20481, 1400)
        self.refused("ipsec0 of this box has the if_id 20481")
        del self.network.links["ipsec0"]
        self.network.rules = [Rule(20482, 7, 100)]
        self.refused("firewall mark 20482")
        self.network.rules = []
        self.places = [Place(20481, "0.0.0.0/0", 4)]
        self.refused("routing table 20481")
        self.places = [Place(254, "192.0.2.152/32", 4)]
        self.refused("route to 192.0.2.152 already")

    def test_refuses_what_would_keep_the_vpcs_traffic_out_of_the_tunnels(self) -> None:
        self.places = [Place(254, "192.168.0.0/16", 4, 100, oif=9)]
        self.refused(r"a route to 192\.168\.0\.0/16 .* with metric 100, which the connection's route would replace")

    def test_refuses_a_filter_that_drops_its_probes(self) -> None:
        self.drops[20482] = "chain x of nftables' table ip y"
        self.refused(
            r"^chain x of nftables' table ip y of this box drops packets by their firewall mark, and so those with "
            r"0x5002, which the name singapore gives its probes: give the connection another name, or change that rule$"
        )

    def test_refuses_what_keeps_it_from_bgp(self) -> None:
        checks.check(samples.bgp_site(), MINE, "")
        with self.assertRaisesRegex(Refusal, "^BGP needs an address of this box in the data center's blocks"):
            checks.check(samples.bgp_site(dataCenterCidrs=["10.0.0.0/8"]), MINE, "")

    def test_refuses_a_swanctl_connection_of_the_same_name(self) -> None:
        (self.root / "swanctl/conf.d/mine.conf").write_text("connections {\n  singapore-1 {\n  }\n}\n")
        self.refused("mine.conf has a connection singapore-1 already")

    def test_refuses_other_ike_daemons(self) -> None:
        self.units["ipsec.service"] = strongswan.Unit(True, False, True)
        self.refused("ipsec.service is in use")
        self.units["ipsec.service"] = strongswan.Unit(True, False, False)
        self.units["strongswan-starter.service"] = strongswan.Unit(True, True, False)
        self.refused("strongswan-starter.service is in use")
        self.units["strongswan-starter.service"] = strongswan.Unit(False, False, False)
        for port in (500, 4500):
            self.listeners = {port: {"pluto"}}
            self.refused(f"^pluto listens on UDP port {port} of this box, which strongSwan needs: stop it first$")
        self.units[strongswan.UNIT] = strongswan.Unit(True, True, True)
        checks.check(samples.site(), MINE, "")

    def test_tells_all_that_is_wrong_at_once_and_each_thing_once(self) -> None:
        del self.network.addresses[2]
        self.places = [Place(20481, "0.0.0.0/0", 4), Place(20481, "10.0.0.0/8", 4)]
        self.units["ipsec.service"] = strongswan.Unit(True, False, True)
        with self.assertRaises(Refusal) as raised:
            checks.check(samples.site(), MINE, "", time.time() + 7200)
        words = ("uplink 2 wants", "routing table 20481", "ipsec.service is in use", "the clock of this box")
        for sentence, word in itertools.zip_longest(raised.exception.sentences, words):
            self.assertIn(word, sentence)

    def test_refuses_a_gateway_that_is_not_there_and_an_address_that_is_anothers_too(self) -> None:
        self.answers = {"172.16.1.93": neighbours.Answer()}
        self.refused(r"^the gateway 172\.16\.1\.253 of uplink 1 does not answer on eth0 of this box: check")
        self.answers = {"172.16.2.57": neighbours.Answer(True, "52:54:00:00:00:01")}
        self.refused(r"^the address 172\.16\.2\.57 of uplink 2 is another machine's too, 52:54:00:00:00:01 on eth1")

    def test_refuses_a_clock_that_is_more_than_an_hour_wrong(self) -> None:
        for ahead, words in ((26 * 3600, "26 h ahead of"), (-7200, "2 h behind")):
            self.refused(f"^the clock of this box says .* UTC, {words} that of the machine that applies: set",
                         sent=time.time() - ahead)
        checks.check(samples.site(), MINE, "", time.time() + 3000)

    def test_changes_a_connection_that_is_there_whatever_the_clock_and_with_an_uplink_down(self) -> None:
        self.install("singapore")
        self.answers = {"172.16.1.93": neighbours.Answer()}
        checks.check(samples.site(), MINE, "", 0.0)

    def test_reads_when_the_upload_was_made(self) -> None:
        for told, sent in (("1970-01-02T00:00:00Z", 86400.0), ("", None), ("yesterday", None), ("\u00e4", None)):
            (self.root / "time").write_text(told)
            self.assertEqual(checks.sent(self.root), sent)
        (self.root / "time").unlink()
        self.assertIsNone(checks.sent(self.root))

    def test_refuses_to_cut_off_its_user(self) -> None:
        inside = "192.168.7.7 5000 172.16.1.93 22"
        self.refused("your SSH session comes from 192.168.7.7, inside the VPC's block", inside)
        self.way = "singapore-1"
        checks.check(samples.site(), MINE, inside)

    def test_refuses_a_connection_that_belongs_to_another_stack(self) -> None:
        self.install("singapore")
        owner.Owner("staging/site/box", "id-2").save("singapore")
        self.refused(
            r"^connection singapore on this box belongs to staging/site/box \(Terraform's id id-2\) and not to "
            r"prod/site/box: .* run `sudo /usr/local/sbin/dual-tunnel-vpn uninstall singapore` on the box "
            r"and deploy again$"
        )

    def test_takes_a_connection_whose_owner_is_not_known_or_has_moved_within_its_stack(self) -> None:
        self.install("singapore")
        owner.check("singapore", MINE)
        owner.Owner("prod/former/box", "id-1").save("singapore")
        owner.check("singapore", MINE)

    def test_refuses_a_read_only_directory(self) -> None:
        with mock.patch.object(checks.os, "access", lambda path, _: path != "/etc"):  # type: ignore[attr-defined]
            self.refused("^/etc is mounted read-only on this box: mount it writable and run this again$")

    def test_refuses_a_full_disk(self) -> None:
        with mock.patch("dual_tunnel_vpn.checks.shutil.disk_usage", return_value=mock.Mock(free=5 * 2**20)):
            self.refused("has 5 MiB free")

    def test_refuses_an_upload_that_is_not_whole(self) -> None:
        for name in ("owner.json", "tunnel-1.conf", "tunnel-2.conf", "secrets-1.conf"):
            (self.root / name).touch()
        with self.assertRaisesRegex(Refusal, "secrets-2.conf is missing"):
            checks.staged(self.root)


class FindsListeners(unittest.TestCase):
    def test_by_the_name_of_their_program(self) -> None:
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with self.subTest(address), socket.socket(family, socket.SOCK_DGRAM) as listener:
                try:
                    listener.bind((address, 0))
                except OSError:
                    self.skipTest(f"{address} is not there")
                mine = Path("/proc/self/comm").read_text().strip()
                self.assertEqual(checks._listeners(listener.getsockname()[1]), {mine})
        self.assertEqual(checks._listeners(0), set())


class FindsTheSession(unittest.TestCase):
    def test_reads_both_ends(self) -> None:
        self.assertEqual(checks.ssh_ends("203.0.113.9 5000 172.16.1.93 22"), ("203.0.113.9", "172.16.1.93"))
        for nothing in ("", "x", "203.0.113.9 5000", "2001:db8::1 5000 2001:db8::2 22"):
            self.assertIsNone(checks.ssh_ends(nothing))

    def test_believes_what_it_is_told(self) -> None:
        self.assertEqual(checks.ssh_session("a b c d"), "a b c d")
