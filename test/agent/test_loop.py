"""The event loop: what it opens, watches and gives to charon, whatever becomes of interfaces and files."""

from __future__ import annotations

import selectors
import socket
import unittest
from types import SimpleNamespace
from typing import Any
from unittest import mock

from dual_tunnel_vpn import planned
from dual_tunnel_vpn.agent.facts import Settings, TunnelShape
from dual_tunnel_vpn.agent.loop import Agent
from dual_tunnel_vpn.agent.machine import Machine
from dual_tunnel_vpn.ipsec.channel import Charon
from dual_tunnel_vpn.pair.talk import Talk
from dual_tunnel_vpn.site import Lan, Pair

from .fake_charon import FakeCharon
from .test_channel import example
from .test_planned import CONNECTION, SECRETS
from .test_routes import box


def agent(**parts: Any) -> Agent:
    """An agent that has these parts and no other."""
    made = Agent.__new__(Agent)
    vars(made).update(site=example(), side=None, **parts)
    return made


def machine() -> Machine:
    """That of a box of two uplinks."""
    shapes = tuple(TunnelShape(n, n, role, f"192.0.2.{n}") for n, role in ((1, "active"), (2, "standby")))
    return Machine(shapes, (1, 2), Settings())


class Interfaces(unittest.TestCase):
    def test_one_that_was_made_anew_between_two_looks_is_probed_by_new_sockets(self) -> None:
        routes, netlink = box()
        probes = {(1, 1): mock.Mock(is_open=True), (2, 2): mock.Mock(is_open=True)}
        loop = agent(
            routes=routes,
            machine=machine(),
            _probes=probes,
            _rewriting=mock.Mock(**{"prepare.return_value": ""}),
            _repairs=mock.Mock(),
            _surroundings=None,
            _wrong=[],
        )
        links = netlink.links()
        anew = [link._replace(ifindex=9) if link.name == "eth0" else link for link in links]
        there = [found._replace(ifindex=9) if found.ifindex == 2 else found for found in netlink.there]
        with mock.patch.multiple(
            routes,
            restore_interfaces=list,
            amiss=list,
            surroundings=lambda: None,
        ), mock.patch.object(Agent, "_put_back", lambda _: []):
            loop._refresh(10.0)
            for probe in probes.values():
                probe.reopen.assert_not_called()
            netlink.there = there
            with mock.patch.object(netlink, "links", lambda: anew):
                loop._refresh(10.1)
        probes[(1, 1)].reopen.assert_called_once()
        probes[(2, 2)].reopen.assert_not_called()


class Configurations(unittest.TestCase):
    def test_one_that_charon_cannot_be_told_is_told_to_people_and_ends_nothing(self) -> None:
        texts = planned.Texts(CONNECTION, SECRETS.replace("0sAP8=", '"plain"'))
        with FakeCharon({}) as fake:
            charon = Charon(example(), lambda _: None, lambda _: None, path=fake.path)
            self.addCleanup(charon.close)
            charon.tick(10.0)
            loop = agent(charon=charon, machine=machine())
            with mock.patch.object(planned, "texts", lambda *_: texts):
                self.assertIn("no secret in base64", loop._load(1, False))


class Watching(unittest.TestCase):
    def test_a_talk_that_was_opened_anew_is_watched(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
            trial.bind(("127.0.0.2", 0))
            port = trial.getsockname()[1]
        pair = Pair(
            number=1,
            lan=Lan(address="127.0.0.2", prefix_length=8, device="lo"),
            other_lan_address="127.0.0.3",
            virtual_gateway="127.0.0.1",
            virtual_router_id=1,
            port=port,
        )
        talk = Talk("lab", pair)
        self.addCleanup(talk.close)
        loop = agent(
            charon=SimpleNamespace(channels=[]), speaker=None, _watched={}, _selector=selectors.DefaultSelector()
        )
        self.addCleanup(loop._selector.close)
        vars(loop)["side"] = SimpleNamespace(talk=talk)
        for _ in range(3):
            talk.reopen("lo")
            loop._watch()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"word", ("127.0.0.2", port))
            self.assertTrue(loop._selector.select(2.0))


if __name__ == "__main__":
    unittest.main()
