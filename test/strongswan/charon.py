"""Starts the real charon with the connections in swanctl's directory; prints what it says that it was configured with,
and the proposals that it then really sends.

To be run in user, mount, network and PID namespaces of its own, as their root: what it changes is theirs.
"""

from __future__ import annotations

import json
import pathlib
import re
import select
import socket
import struct
import subprocess
import sys
import threading
from typing import Any

from dual_tunnel_vpn.ipsec import vici

from . import swanctl

IKE_PORT = 500
PATIENCE = 60
"""Seconds that charon has for each thing that is awaited."""


def prepare(packages: pathlib.Path, addresses: list[str]) -> None:
    """Puts charon's plugins where it looks for them, an empty /run, and every address on the loopback interface."""
    lower = f"ro,lowerdir={packages}/usr/lib:/usr/lib"
    for command in (
        ["mount", "-t", "overlay", "-o", lower, "overlay", "/usr/lib"],
        ["mount", "-t", "tmpfs", "tmpfs", "/run"],
        ["ip", "link", "set", "lo", "up"],
        *(["ip", "address", "add", f"{address}/32", "dev", "lo"] for address in addresses),
    ):
        subprocess.run(command, check=True)


def strongswan_conf(packages: pathlib.Path, scratch: pathlib.Path) -> str:
    """strongswan.conf: the box's own two halves, then what the test needs."""
    ours = pathlib.Path(__file__).resolve().parents[2] / "assets/strongswan.d"
    return f"""
charon {{
  load_modular = yes
  plugins {{
    include {packages}/etc/strongswan.d/charon/*.conf
  }}
}}
include {ours}/*.conf
charon {{
  # The IKE port is the listener's, and one packet of each connection is enough.
  port = 0
  retransmit_timeout = {10 * PATIENCE}
  plugins {{
    vici {{
      socket = unix://{scratch}/charon.vici
    }}
  }}
  filelog {{
    log {{
      path = {scratch}/log
      flush_line = yes
      cfg = 2
    }}
  }}
}}
"""


def start(packages: pathlib.Path, scratch: pathlib.Path) -> subprocess.Popen[bytes]:
    """charon, once it says that it is ready."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
        ready.bind(str(scratch / "ready"))
        environment = {**swanctl.environment(packages, scratch), "NOTIFY_SOCKET": str(scratch / "ready")}
        charon = subprocess.Popen([packages / "usr/sbin/charon-systemd"], env=environment, stdout=sys.stderr)
        ready.settimeout(PATIENCE)
        while b"READY=1" not in ready.recv(4096).splitlines():
            pass
    return charon


class Listener:
    """Everything that arrives at the IKE port of some addresses, by the initiator's SPI."""

    def __init__(self, addresses: list[str]) -> None:
        self.packets: dict[str, bytes] = {}
        self._arrived = threading.Condition()
        self._sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in addresses]
        for sock, address in zip(self._sockets, addresses, strict=True):
            sock.bind((address, IKE_PORT))
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            for sock in select.select(self._sockets, [], [])[0]:
                packet = sock.recv(65536)
                with self._arrived:
                    self.packets[packet[:8].hex()] = packet
                    self._arrived.notify()

    def wait_for(self, count: int) -> None:
        """Until so many IKE_SAs have sent something."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.packets) >= count, PATIENCE):
                raise SystemExit(f"charon began to negotiate {len(self.packets)} of {count} connections.")


def configured(log: str) -> dict[str, dict[str, str]]:
    """The settings that charon logs for each connection that it loads, with `child.`, `local.`, `remote.` in front."""
    connections: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    section = ""
    for line in log.splitlines():
        match = re.match(r"\d+\[CFG\]( {2,5})(\S.*)$", line)
        if not match:
            continue
        depth, text = len(match[1]), match[2]
        if depth == 2 and text.startswith("conn "):
            current = connections[text[5:].rstrip(":")] = {}
        elif text.endswith(":"):
            section = text.rstrip(":").split(" ")[0] + "."
        elif " = " in text:
            name, _, value = text.partition(" = ")
            current[(section if depth == 4 else "") + name] = value
    return connections


def payload(packet: bytes) -> tuple[int, bytes]:
    """The major version of an IKE message and the content of its first payload, which is the SA payload."""
    version = packet[17] >> 4
    if packet[16] != {1: 1, 2: 33}[version]:
        raise SystemExit(f"charon sent a message that does not begin with an SA payload: {packet.hex()}")
    (length,) = struct.unpack_from("!H", packet, 30)
    return version, packet[32 : 28 + length]


def substructures(data: bytes) -> list[bytes]:
    """Proposals or transforms, which all begin with: is there another, reserved, length."""
    found = []
    while data:
        (length,) = struct.unpack_from("!H", data, 2)
        found.append(data[4:length])
        data = data[length:]
    return found


def attributes(data: bytes) -> dict[int, int]:
    """Data attributes (RFC 2408, 3.3) of at most eight bytes."""
    found: dict[int, int] = {}
    while data:
        kind, value = struct.unpack_from("!HH", data)
        if kind & 0x8000:
            found[kind & 0x7FFF] = value
            data = data[4:]
        else:
            found[kind] = int.from_bytes(data[4 : 4 + value], "big")
            data = data[4 + value :]
    return found


def sent(packet: bytes) -> list[Any]:
    """Each proposal of an SA payload: in IKEv2 (RFC 7296, 3.3) transforms of type, number and attributes; in IKEv1
    (RFC 2409, appendix A) the attributes of the one transform of each.
    """
    version, content = payload(packet)
    proposals: list[Any] = []
    for proposal in substructures(content if version == 2 else content[8:]):
        spi_size = proposal[2]
        transforms = substructures(proposal[4 + spi_size :])
        if version == 2:
            proposals.append([[t[0], struct.unpack_from("!H", t, 2)[0], attributes(t[4:])] for t in transforms])
        else:
            proposals.extend(attributes(t[4:]) for t in transforms)
    return proposals


def main(packages: pathlib.Path, scratch: pathlib.Path) -> None:
    texts = "".join(path.read_text() for path in (scratch / "swanctl/conf.d").iterdir())
    remote = sorted(set(re.findall(r"remote_addrs = (.*)", texts)))
    prepare(packages, remote + sorted(set(re.findall(r"local_addrs = (.*)", texts))))
    listener = Listener(remote)
    (scratch / "strongswan.conf").write_text(strongswan_conf(packages, scratch))
    charon = start(packages, scratch)
    try:
        swanctl.run(packages, scratch, "--load-conns", str(scratch / "charon.vici"))
        connections = configured((scratch / "log").read_text())
        listener.wait_for(len(connections))
        with vici.Client(str(scratch / "charon.vici"), PATIENCE) as client:
            # Not the client's own list, which leaves out the IKE_SAs that charon is busy with.
            sas = [item for entry in client.stream("list-sas", "list-sa") for item in entry.items()]
        spis = {name: vici.text(sa, "initiator-spi") for name, sa in sas if isinstance(sa, dict)}
        report = {
            name: {"configured": settings, "sent": sent(listener.packets[spis[name]])}
            for name, settings in connections.items()
        }
        print(json.dumps(report))
    finally:
        charon.kill()
        charon.wait()


if __name__ == "__main__":
    main(*map(pathlib.Path, sys.argv[1:]))
