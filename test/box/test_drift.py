"""Drift: what somebody changed by hand is told, what an apply cannot put right is not, and nothing is changed."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from dual_tunnel_vpn import apply, cli, drift, installed, links, manifest, paths, status
from dual_tunnel_vpn.bgp import service as bgp
from dual_tunnel_vpn.commands import Refusal
from dual_tunnel_vpn.ipsec import strongswan
from dual_tunnel_vpn.ipsec.strongswan import Layout, Unit
from dual_tunnel_vpn.net import wanted
from dual_tunnel_vpn.net.network import Network

from . import samples

NAME = "singapore"
AGENT = f"dual-tunnel-vpn-agent@{NAME}.service"
LINKS = f"dual-tunnel-vpn-links@{NAME}.service"


def as_wanted() -> Network:
    """A box's network that has all that the sample connection wants."""
    site, network = samples.site(), samples.network()
    for number, tunnel in enumerate(site.tunnels):
        network.links[tunnel.interface] = samples.link(8 + number, tunnel.interface, "xfrm", tunnel.if_id, tunnel.mtu)
    for tunnel in site.tunnels:
        uplink = site.uplink_of(tunnel)
        ifindex = network.links[str(wanted.device_of(uplink, network))].ifindex
        network.routes += [wanted.default_route(uplink, ifindex), wanted.outer_route(tunnel, uplink, ifindex)]
    network.routes += wanted.guards(site)
    network.rules += wanted.rules(site, network)
    return network


class OnBox(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name)
        self.units = {unit: Unit(True, True, True) for unit in drift.units_at_work(NAME)}
        self.disabled: list[str] = []
        self.network = as_wanted()
        self.amiss: list[list[str]] = [[]]
        self.places = (self.root / "etc", self.root / "run")
        connections = self.root / "swanctl"
        for target, attribute, value in (
            (paths, "STATE", self.root / "state"),
            (paths, "LIBRARY", self.root / "library"),
            (paths, "sysctl_file", lambda name: self.root / f"sysctl/{name}.conf"),
            (drift, "_PLACES", self.places),
            (drift, "observe", lambda: self.network),
            (drift, "SETTLE_SECONDS", 0.4),
            (links, "amiss", lambda *_: self.amiss.pop(0) if len(self.amiss) > 1 else self.amiss[0]),
            (strongswan, "units", lambda *names: {name: self.units[name] for name in names}),
            (strongswan, "disabled", lambda *names: [name for name in names if name in self.disabled]),
            (strongswan, "layout", lambda: Layout(connections, self.root / "strongswan.d")),
        ):
            patch = mock.patch.object(target, attribute, value)
            patch.start()
            self.addCleanup(patch.stop)
        paths.STATE.mkdir()
        self.files = [paths.sysctl_file(NAME), *strongswan.Layout(connections, self.root).tunnel_files(NAME, 1)]
        installed.put(paths.site(NAME), json.dumps(samples.document()).encode())
        for file in self.files:
            installed.put(file, b"ours\n")

    def told(self) -> list[str]:
        found = drift.look(NAME)["differences"]
        assert isinstance(found, list)
        return found


class Looking(OnBox):
    def test_nothing_differs_on_a_box_that_nobody_touched(self) -> None:
        nothing = {"installed": True, "mark": "", "differences": [], "added": []}
        self.assertEqual(drift.look(NAME), nothing)

    def test_a_connection_that_is_not_there_is_not_installed(self) -> None:
        self.assertEqual(drift.look("tokyo"), {"installed": False, "mark": "", "differences": [], "added": []})

    def test_files_of_ours_are_told_and_those_of_another_connection_are_not(self) -> None:
        others = [
            paths.site("tokyo"),
            paths.sysctl_file("tokyo"),
            *Layout(self.root / "swanctl", self.root).tunnel_files("tokyo", 2),
        ]
        for file in others:
            installed.put(file, b"theirs\n")
            file.write_bytes(b"changed\n")
        self.assertEqual(len(installed.amiss()), len(others))
        self.assertEqual(self.told(), [])
        for file in self.files:
            file.write_bytes(b"changed\n")
        self.assertEqual(self.told(), [f"{file} was changed since we installed it" for file in sorted(self.files)])

    def test_a_site_json_that_says_nothing_any_more_is_told_and_ends_nothing(self) -> None:
        paths.site(NAME).write_bytes(b"{")
        told = self.told()
        self.assertEqual(told[0], f"{paths.site(NAME)} was changed since we installed it")
        self.assertEqual(len(told), 2)

    def test_each_unit_that_somebody_disabled_is_told(self) -> None:
        for unit in drift.units_at_boot(NAME):
            self.disabled = [unit]
            with self.subTest(unit):
                self.assertEqual(self.told(), [f"{unit} does not start at boot: somebody disabled it"])

    def test_a_unit_that_was_stopped_is_told_and_one_that_is_just_starting_is_not(self) -> None:
        for unit in drift.units_at_work(NAME):
            stopped = {unit: Unit(True, True, False, trouble="is not active")}
            with self.subTest(unit), mock.patch.dict(self.units, stopped):
                self.assertEqual(self.told(), [f"{unit} is not active"])
        self.units[AGENT] = Unit(True, True, True, trouble="is starting")
        self.assertEqual(self.told(), [])

    def test_a_mask_or_a_copy_in_the_place_of_a_unit_is_told_once(self) -> None:
        for place in self.places:
            place.mkdir()
            mask = place / AGENT
            mask.symlink_to("/dev/null")
            self.disabled = [AGENT]
            self.assertEqual(self.told(), [f"{mask} was put in the place of our unit"])
            mask.unlink()

    def test_a_drop_in_of_others_is_told_apart_and_is_no_difference(self) -> None:
        mine = self.places[0] / f"{AGENT}.d/override.conf"
        for_all = self.places[1] / "dual-tunnel-vpn-links@.service.d/more.conf"
        for path in (mine, for_all, self.places[0] / "dual-tunnel-vpn-agent@tokyo.service.d/theirs.conf"):
            path.parent.mkdir(parents=True)
            path.touch()
        found = drift.look(NAME)
        self.assertEqual(found["differences"], [])
        self.assertEqual(found["added"], [f"{path} changes a unit of ours and is not ours" for path in (mine, for_all)])

    def test_what_the_kernel_lacks_is_told_thing_by_thing(self) -> None:
        everything = as_wanted()
        for thing, words in (
            ("singapore-2", ["the interface singapore-2 is missing, down or another"]),
            (everything.routes[0], ["the route for 0.0.0.0/0 in table 20481 is missing"]),
            (everything.routes[-1], ["the guard for 192.168.0.0/16 in table 254 is missing"]),
            (everything.rules[0], ["a routing rule of ours at priority 5157 is missing"]),
        ):
            self.network = as_wanted()
            if isinstance(thing, str):
                del self.network.links[thing]
            else:
                self.network.routes = [route for route in self.network.routes if route != thing]
                self.network.rules = [rule for rule in self.network.rules if rule != thing]
            self.assertEqual(self.told(), words)

    def test_of_a_connection_with_bgp_its_speaker_and_its_addresses_too(self) -> None:
        speaker = paths.bgp_unit(NAME)
        with mock.patch.object(paths, "UNITS", self.root / "units"):
            installed.put(paths.site(NAME), json.dumps(samples.bgp_document()).encode())
            installed.put(paths.bird_conf(NAME), b"ours")
            installed.put(paths.UNITS / bgp.UNIT_FILE, b"ours")
            self.units[speaker] = Unit(True, False, False)
            self.disabled = [speaker]
            self.assertEqual(self.told(), [
                f"{speaker} does not start at boot: somebody disabled it",
                f"{speaker} is not active",
                *(f"the address 169.254.1{number}.2 of a BGP session is missing" for number in (1, 2)),
            ])  # fmt: skip

    def test_the_packet_filter_and_kernel_parameters_are_told_as_status_does(self) -> None:
        self.amiss = [["forwarding was switched off (eth0)"]]
        self.assertEqual(self.told(), ["forwarding was switched off (eth0)"])

    def test_an_uplink_that_is_down_or_gone_is_no_difference(self) -> None:
        down = samples.link(2, "eth0", up=False)
        self.network.links["eth0"] = down
        self.network.routes = [route for route in self.network.routes if route.oif != down.ifindex]
        self.assertEqual(self.told(), [])
        del self.network.links["eth0"]
        self.network.addresses = [address for address in self.network.addresses if address.ifindex != down.ifindex]
        self.assertEqual(self.told(), [])

    def test_what_a_running_agent_puts_right_is_no_difference_and_what_nobody_does_is_one(self) -> None:
        self.amiss = [["an opening is missing"], []]
        self.assertEqual(self.told(), [])
        self.units[AGENT] = Unit(True, True, False)
        self.amiss = [["an opening is missing"], []]
        self.assertEqual(self.told(), [f"{AGENT} is not active", "an opening is missing"])

    def test_an_interface_of_others_with_our_name_is_told(self) -> None:
        with mock.patch.object(links, "plan", side_effect=Refusal("singapore-1 is not ours")):
            self.assertEqual(self.told(), ["singapore-1 is not ours"])


class Asked(OnBox):
    def asked(self, name: str) -> tuple[int, Any]:
        with (
            contextlib.redirect_stdout(io.StringIO()) as printed,
            mock.patch.object(cli, "_become_root", lambda arguments: None),
        ):
            status = cli.main(["drift", name])
        self.assertEqual(printed.getvalue().count("\n"), 1)
        return status, json.loads(printed.getvalue())

    def test_it_answers_on_one_line_and_its_exit_status_says_that_it_answered(self) -> None:
        self.files[0].unlink()
        manifest.Connection(mark="2026-01-02T03:04:05.006Z").save(NAME)
        before = sorted((path, path.stat().st_mtime_ns) for path in self.root.rglob("*"))
        missing = f"{self.files[0]}, which we installed, is missing or cannot be read"
        answer = {"installed": True, "mark": "2026-01-02T03:04:05.006Z", "differences": [missing], "added": []}
        self.assertEqual(self.asked(NAME), (0, answer))
        self.assertEqual(sorted((path, path.stat().st_mtime_ns) for path in self.root.rglob("*")), before)
        self.assertEqual(self.asked("tokyo")[1]["installed"], False)


class Applied(OnBox):
    def test_the_mark_that_came_with_an_upload_is_noted_and_another_one_takes_its_place(self) -> None:
        manifest.Connection(pending=[1]).save(NAME)
        for told, noted in ((b"2026-01-02T03:04:05.006Z", "2026-01-02T03:04:05.006Z"), (b"", ""), (None, "")):
            upload = self.root / "upload"
            upload.mkdir(exist_ok=True)
            (upload / "drift").unlink(missing_ok=True)
            if told is not None:
                (upload / "drift").write_bytes(told)
            apply._mark(NAME, upload)
            self.assertEqual(manifest.load_connection(NAME), manifest.Connection(pending=[1], mark=noted))

    def enable(self) -> tuple[bool, mock.Mock | None]:
        with mock.patch.object(apply, "must") as must:
            return apply._enable(NAME, anew=False), must if must.called else None

    def test_a_mask_goes_and_what_was_disabled_is_enabled(self) -> None:
        self.assertEqual(self.enable(), (False, None))
        self.places[0].mkdir()
        (self.places[0] / LINKS).symlink_to("/dev/null")
        self.assertEqual(self.enable(), (True, None))
        self.assertEqual(drift.replaced(NAME), [])
        self.disabled = [AGENT]
        changed, must = self.enable()
        assert must is not None
        self.assertTrue(changed)
        must.assert_called_once_with("systemctl", "enable", "--quiet", "--no-reload", AGENT)


class Status(OnBox):
    def test_a_note_of_a_drop_in_is_the_last_line_and_is_nothing_amiss(self) -> None:
        description = {
            "name": NAME,
            "health": status.HEALTHY,
            "traffic": None,
            "amiss": [],
            "added": ["x.conf changes a unit of ours and is not ours"],
            "tunnels": [],
            "uplinks": [],
            "routes": [],
            "dropped": {},
            "held": None,
            "agent": None,
        }
        lines = ["singapore: healthy", "  x.conf changes a unit of ours and is not ours"]
        self.assertEqual(status.text(description).splitlines(), lines)


if __name__ == "__main__":
    unittest.main()
