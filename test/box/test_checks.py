"""What is refused before anything on the box is changed."""

from __future__ import annotations

import json
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from dual_tunnel_vpn import checks, manifest, owner, paths
from dual_tunnel_vpn.commands import Refusal
from dual_tunnel_vpn.ipsec import strongswan
from dual_tunnel_vpn.net.firewall import marks
from dual_tunnel_vpn.net.netlink import Address, Place, Rule

from . import samples

MINE = owner.Owner("prod/site/box", "id-1")


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
        layout = strongswan.Layout(self.root / "swanctl/conf.d", self.root / "strongswan.d")
        layout.connections.mkdir(parents=True)
        for target, name, value in (
            (paths, "STATE", self.root / "state"),
            (strongswan, "layout", lambda: layout),
            (strongswan, "units", lambda *_: self.units),
            (checks, "observe", lambda: self.network),
            (checks, "places", lambda: self.places),
            (checks, "way_to", lambda *_: (self.way, "")),
            (checks, "_listens", lambda _: False),
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

    def refused(self, words: str, ssh: str = "") -> None:
        with self.assertRaisesRegex(Refusal, words) as raised:
            checks.check(samples.site(), MINE, ssh)
        self.assertNotIn("\n", str(raised.exception))

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
        with mock.patch.object(checks, "_listens", lambda port: port == 500):
            self.refused("UDP port 500")
            self.units[strongswan.UNIT] = strongswan.Unit(True, True, True)
            checks.check(samples.site(), MINE, "")

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


class FindsTheSession(unittest.TestCase):
    def test_reads_both_ends(self) -> None:
        self.assertEqual(checks.ssh_ends("203.0.113.9 5000 172.16.1.93 22"), ("203.0.113.9", "172.16.1.93"))
        for nothing in ("", "x", "203.0.113.9 5000", "2001:db8::1 5000 2001:db8::2 22"):
            self.assertIsNone(checks.ssh_ends(nothing))

    def test_believes_what_it_is_told(self) -> None:
        self.assertEqual(checks.ssh_session("a b c d"), "a b c d")
