"""What of a CloudState is taken, and what is refused."""

from __future__ import annotations

import unittest

from cloud_end.desired import Refused, parse
from states import connection, route, state, tunnel


class Parse(unittest.TestCase):
    def test_keeps_tunnels_connections_addresses_and_published_routes(self) -> None:
        found = parse(state(connection(1), connection(2), routes=[route(), route("10.0.0.0/8", published=False)]))
        self.assertEqual(list(found.tunnels), ["tun-1", "tun-2", "tun-3", "tun-4"])
        self.assertEqual(found.connections, {"vco-1": ("tun-1", "tun-2"), "vco-2": ("tun-3", "tun-4")})
        self.assertEqual(found.addresses, ("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"))
        self.assertEqual([r.destination for r in found.routes], ["172.16.0.0/16"])

    def test_keeps_the_addresses_of_a_gateway_without_connections(self) -> None:
        empty = {**state(), "connections": [], "routes": []}
        self.assertEqual(parse(empty).addresses, ("192.0.2.1", "192.0.2.2"))

    def test_refuses_two_active_tunnels(self) -> None:
        with self.assertRaisesRegex(Refused, "vco-1 needs exactly one master and one slave"):
            parse(state(connection(tunnels=[tunnel(1), tunnel(2, role="master")])))

    def test_refuses_a_tunnel_that_two_connections_have(self) -> None:
        with self.assertRaisesRegex(Refused, "Tunnel tun-1 appears twice"):
            parse(state(connection(1), connection(2, tunnels=[tunnel(1), tunnel(4)])))

    def test_refuses_a_route_into_a_connection_that_does_not_exist(self) -> None:
        with self.assertRaisesRegex(Refused, "172.16.0.0/16 leads to vco-2, which does not exist"):
            parse(state(routes=[route(connection=2)]))

    def test_names_what_is_missing(self) -> None:
        broken = tunnel(1)
        del broken["localId"]
        with self.assertRaisesRegex(Refused, "lacks localId"):
            parse(state(connection(tunnels=[broken, tunnel(2)])))

    def test_refuses_an_address_that_is_none_and_tells_no_secret(self) -> None:
        with self.assertRaises(Refused) as caught:
            parse(state(connection(tunnels=[tunnel(1, psk="hush", peerAddress="198.51.100"), tunnel(2)])))
        self.assertIn("198.51.100", str(caught.exception))
        self.assertNotIn("hush", str(caught.exception))

    def test_shows_no_secret_when_printed(self) -> None:
        self.assertNotIn("secret 1", repr(parse(state())))
