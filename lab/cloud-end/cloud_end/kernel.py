"""What the cloud end changes in its network namespace: addresses, XFRM interfaces, rules, tables, fences.

Each call makes things as wanted and remembers them, so that only what differs is touched.
"""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dual_tunnel_vpn.net.netlink import Netlink, Route

from .desired import Desired
from .fences import Peer, fences, gateway_counters, uplink_table
from .plan import LEARNT_TABLE, Rule, if_id, interface

MTU = 1400
"""Of the XFRM interfaces: what is left of 1500 bytes with UDP encapsulation and the longest algorithms."""


STATIC = 4
"""The routing protocol number of routes that an administrator has set."""

BGP = 186
"""The routing protocol number of routes that came by BGP."""


class KernelError(Exception):
    """The kernel did not take a change; the text is one sentence with the tool's own reason."""


def run(command: list[str], text: str | None = None) -> str:
    """A tool's output; KernelError when it fails. text goes to its standard input."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise KernelError(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return done.stdout


def batch(lines: Iterable[str]) -> None:
    """Several `ip` commands in one process."""
    text = "".join(f"{line}\n" for line in lines)
    if text:
        run(["ip", "-batch", "-"], text)


def in_namespace(name: str, command: list[str], text: str | None = None) -> str:
    """A tool's output, run in another network namespace."""
    return run(["nsenter", f"--net=/run/netns/{name}", *command], text)


def sysctl(key: str, value: str) -> None:
    """Sets a sysctl of the process's own network namespace."""
    Path("/proc/sys", *key.split(".")).write_text(value, encoding="ascii")


def device_of(address: str) -> str:
    """The interface that has the address."""
    for link in json.loads(run(["ip", "-j", "address"])):
        if any(a.get("local") == address for a in link["addr_info"]):
            return str(link["ifname"])
    raise KernelError(f"No interface of the cloud end's namespace has the address {address}.")


class Kernel:
    """The cloud end's namespace. Start it once, then call the `set_` methods with the whole wish."""

    def __init__(self, public_address: str, vpc_address: str) -> None:
        self.public_device = device_of(public_address)
        self.vpc_device = device_of(vpc_address)
        self._public_address = public_address
        self._netlink = Netlink()
        self.rules: list[Rule] = []
        self._carrying: dict[int, str] = {}
        self._learnt: dict[str, str] = {}
        self._inner: dict[str, str] = {}

    def start(self, uplinks: Iterable[str], cloud_network: str) -> None:
        """Forwarding on, leftovers of an earlier daemon's rules away, counters at zero."""
        try:
            batch(["link add probe type xfrm if_id 1", "link del probe"])
        except KernelError as error:
            # The module needs the IPv6 stack: ipv6.disable_ipv6=1 leaves it in, ipv6.disable=1 does not.
            raise KernelError(f"The world machine's kernel has no XFRM interfaces ({error}).") from None
        batch(_warm_up())
        for key in ("all", "default", self.public_device, self.vpc_device):
            sysctl(f"net.ipv4.conf.{key}.rp_filter", "0")
        sysctl("net.ipv4.ip_forward", "1")
        leftovers = [r for r in json.loads(run(["ip", "-j", "rule"])) if 0 < r["priority"] < 32766]
        batch(f"rule del pref {rule['priority']}" for rule in leftovers)
        tables = {r["table"] for r in leftovers if str(r.get("table")).isdigit()}
        batch(f"route flush table {table}" for table in sorted(tables))
        run(["nft", "-f", "-"], gateway_counters())
        for name in uplinks:
            in_namespace(name, ["nft", "-f", "-"], uplink_table(cloud_network))

    def set_addresses(self, addresses: Iterable[str]) -> None:
        """The IPsec addresses on the public interface, each as a /32."""
        wanted = set(addresses)
        links = json.loads(run(["ip", "-j", "address", "show", "dev", self.public_device]))
        present = {a["local"] for link in links for a in link["addr_info"] if a["family"] == "inet"}
        present.discard(self._public_address)
        batch(
            [f"address add {a}/32 dev {self.public_device}" for a in sorted(wanted - present)]
            + [f"address del {a}/32 dev {self.public_device}" for a in sorted(present - wanted)]
        )

    def set_interfaces(self, tunnels: Iterable[str]) -> None:
        """An XFRM interface for each tunnel; others of ours go."""
        wanted = {interface(t): if_id(t) for t in tunnels}
        links = json.loads(run(["ip", "-j", "link", "show", "type", "xfrm"]))
        present = {link["ifname"] for link in links if "ifname" in link}
        lines = []
        for name in sorted(wanted.keys() - present):
            lines += [
                f"link add {name} type xfrm dev {self.public_device} if_id {wanted[name]}",
                f"link set {name} mtu {MTU} up",
            ]
        batch(lines)
        for name in wanted.keys() - present:
            sysctl(f"net.ipv4.conf.{name}.rp_filter", "0")
        batch(f"link del {name}" for name in sorted(present - wanted.keys()))

    def set_inner_addresses(self, addresses: Mapping[str, str]) -> None:
        """The address with its prefix length inside a tunnel, by tunnel; others on XFRM interfaces go."""
        if not addresses and not self._inner:
            return
        bare = self._inner.keys() - addresses.keys()
        self._inner = dict(addresses)
        wanted = {(interface(tunnel), address) for tunnel, address in addresses.items()}
        links = json.loads(run(["ip", "-j", "-4", "address", "show", "type", "xfrm"]))
        present = {
            (link["ifname"], f"{a['local']}/{a['prefixlen']}")
            for link in links
            for a in link.get("addr_info", [])
            if "local" in a
        }
        batch(
            [f"address add {address} dev {name}" for name, address in sorted(wanted - present)]
            + [f"address del {address} dev {name}" for name, address in sorted(present - wanted)]
        )
        # With an interface's last address the kernel takes all its routes, in whatever table.
        self._carrying = {table: tunnel for table, tunnel in self._carrying.items() if tunnel not in bare}
        self._learnt = {block: tunnel for block, tunnel in self._learnt.items() if tunnel not in bare}

    def set_rules(self, rules: Iterable[Rule]) -> None:
        """The routing rules: new ones are there before old ones go."""
        wanted = list(rules)
        batch(
            [f"rule add {' '.join(r.words())}" for r in wanted if r not in self.rules]
            + [f"rule del {' '.join(r.words())}" for r in self.rules if r not in wanted]
        )
        self.rules = wanted

    def set_carrying(self, tables: Mapping[int, str | None]) -> dict[int, str | None]:
        """Each table's default route into a tunnel's XFRM interface, or none. Returns what changed."""
        changed: dict[int, str | None] = {}
        for table in sorted({*tables, *self._carrying}):
            tunnel, before = tables.get(table), self._carrying.get(table)
            if tunnel == before:
                continue
            if tunnel is not None:
                self._netlink.replace_route(_default(table, tunnel))
                self._carrying[table] = tunnel
            elif before is not None:
                self._netlink.delete_route(_default(table, before))
                del self._carrying[table]
            changed[table] = tunnel
        return changed

    def set_learnt(self, routes: Mapping[str, str]) -> dict[str, str | None]:
        """The tunnel of each block that BGP has brought: new ones are there before old ones go. Returns changes."""
        changed: dict[str, str | None] = {}
        for block, tunnel in routes.items():
            if self._learnt.get(block) != tunnel:
                self._netlink.replace_route(_learnt(block, tunnel))
                changed[block] = tunnel
        for block in self._learnt.keys() - routes.keys():
            self._netlink.delete_route(_learnt(block, self._learnt[block]))
            changed[block] = None
        self._learnt = dict(routes)
        return changed

    def set_fences(self, desired: Desired, peer: Peer, lost: Iterable[str]) -> None:
        """What the gateway ignores, swapped as a whole."""
        run(["nft", "-f", "-"], fences(desired, peer, lost))

    def counters(self, uplinks: Iterable[str]) -> dict[str, Any]:
        """ESP so far: `gateway` by IPsec address and peer address, `uplinks` by NAT and IPsec address."""

        def read(name: str | None, which: str) -> list[tuple[list[str], dict[str, int]]]:
            command = ["nft", "-j", "list", "set", "inet", "cloud_end_count", which]
            listed = json.loads(run(command) if name is None else in_namespace(name, command))
            elements: list[Any] = next((o["set"].get("elem", []) for o in listed["nftables"] if "set" in o), [])
            return [(_key(e["elem"]["val"]), _count(e["elem"]["counter"])) for e in elements]

        return {
            "gateway": [
                {"direction": which, "ipsecAddress": key[0], "peerAddress": key[1], **count}
                for which in ("received", "sent")
                for key, count in read(None, which)
            ],
            "uplinks": [
                {"uplink": name, "direction": direction, "ipsecAddress": key[0], **count}
                for name in uplinks
                for which, direction in (("to_cloud", "toCloud"), ("to_box", "toBox"))
                for key, count in read(name, which)
            ],
        }


def _warm_up() -> list[str]:
    # The first SA loads the kernel's ciphers, which takes seconds when emulated and would hold up a negotiation.
    states = []
    for spi, (auth, length) in enumerate((("hmac(sha1)", 20), ("hmac(sha256)", 32)), 256):
        name = f"src 127.0.0.1 dst 127.0.0.1 proto esp spi {spi}"
        keys = f"enc cbc(aes) 0x{'00' * 32} auth-trunc {auth} 0x{'00' * length} 96"
        states += [f"xfrm state add {name} mode tunnel {keys}", f"xfrm state delete {name}"]
    return states


def _default(table: int, tunnel: str) -> Route:
    return Route("0.0.0.0/0", socket.if_nametoindex(interface(tunnel)), table=table, protocol=STATIC)


def _learnt(block: str, tunnel: str) -> Route:
    return Route(block, socket.if_nametoindex(interface(tunnel)), table=LEARNT_TABLE, protocol=BGP)


def _key(value: Any) -> list[str]:
    return list(value["concat"]) if isinstance(value, dict) else [value]


def _count(counter: Any) -> dict[str, int]:
    return {"packets": counter["packets"], "bytes": counter["bytes"]}
