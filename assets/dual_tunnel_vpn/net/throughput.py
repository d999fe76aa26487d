"""Whether this box keeps up with the VPN gateway: the kernel's own crypto measured, and packets merged (GRO).

What is measured is the most that can be: encryption alone, without routing and interfaces. So a box of which it is
said that it will not suffice never does, and one of which nothing is said may still be too slow.
"""

from __future__ import annotations

import array
import fcntl
import os
import platform
import re
import socket
import struct
import time
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from ..commands import find, run
from ..site import Site
from .netlink import Algorithms, Ipsec
from .network import Network
from .wanted import device_of, inside_addresses

SECONDS = 0.2
"""How long is measured, for all algorithms together."""

GRO_MBPS = 200
"""From which bandwidth on GRO matters: 18,000 full packets a second, a fifth of a core at 10 µs each."""

_SMALL, _LARGE = 16, 1424
"""Bytes that are encrypted: with what is between the two, the cost of the system calls drops out."""

_BATCH = 8
"""Packets between two looks at the clock."""

_ESP_HEADER = 8

_SIOCETHTOOL, _ETHTOOL_GGRO = 0x8946, 0x2B

_AES_MODULES = {"x86_64": "aesni_intel", "aarch64": "aes_ce_blk"}
"""The kernel's module for a processor's AES instructions, by the machine."""

_CRYPTO, _CPUINFO = Path("/proc/crypto"), Path("/proc/cpuinfo")


class Speed(NamedTuple):
    """What one core encrypts at most."""

    mbps: float
    algorithms: Algorithms
    driver: str
    """The implementation that the kernel chose, by its own name."""


class Driver(NamedTuple):
    """An implementation of an algorithm in the kernel."""

    name: str
    iv_bytes: int


def falls_short(site: Site, network: Network) -> str:
    """One line for people on what will not suffice for the gateway's bandwidth; empty where nothing is known of any."""
    bandwidth = site.bandwidth_mbps
    if bandwidth is None:
        return ""
    speeds: list[Speed] = []
    # A kernel or a Python without this interface, an algorithm that it does not offer: then nothing is known.
    with suppress(OSError, AttributeError):
        chosen = in_use(site)
        speeds = [speed for each in chosen if (speed := measure(each, SECONDS / len(chosen)))]
    return told(bandwidth, speeds, [device for device in devices(site, network) if gro(device) is False])


def told(bandwidth: int, speeds: Iterable[Speed], without_gro: list[str]) -> str:
    """The line, from the gateway's Mbit/s, what was measured, and the interfaces on which GRO is off."""
    parts = []
    slowest = min(speeds, default=None, key=lambda speed: speed.mbps)
    if slowest is not None and slowest.mbps < bandwidth:
        parts.append(
            f"one core of this box encrypts at most {_rounded(slowest.mbps)} Mbit/s with {_words(slowest.algorithms)} "
            f"(driver {slowest.driver})" + _remedy(slowest)
        )
    if without_gro and bandwidth >= GRO_MBPS:
        commands = " && ".join(f"ethtool -K {device} gro on" for device in without_gro)
        package = "" if find("ethtool") else " (package ethtool)"
        parts.append(f"GRO is off on {', '.join(without_gro)}, each packet is handled alone: `{commands}`{package}")
    return f"this box may not keep up with the VPN gateway's {bandwidth} Mbit/s: {'; '.join(parts)}" if parts else ""


def _rounded(mbps: float) -> str:
    """Two digits: measured again it is a little different."""
    return f"{float(f'{mbps:.2g}'):g}"


def _words(algorithms: Algorithms) -> str:
    return " and ".join(filter(None, (f"{algorithms.cipher} of {algorithms.cipher_bits} bits", algorithms.integrity)))


def _remedy(speed: Speed) -> str:
    """What would be faster, where it is seen."""
    if "des" in speed.algorithms.cipher:
        return ", AES is faster: choose Encryption.AES_128"
    module = _AES_MODULES.get(platform.machine())
    if module is None or not re.search(r"aes-(generic|fixed-time)", speed.driver):
        return ""
    if not re.search(r"^(flags|Features)\s*:.* aes\b", _CPUINFO.read_text(errors="replace"), re.MULTILINE):
        return ", this processor shows no AES instructions (a virtual machine may hide them)"
    # Not every kernel has it as a module.
    there = run("modprobe", "--dry-run", "--quiet", module).ok
    return ", this processor has AES instructions" + (
        f": `modprobe {module}`" if there else " that its kernel does not use"
    )


def in_use(site: Site) -> list[Algorithms]:
    """What the tunnels' SAs use now, each once; OSError where the kernel does not tell."""
    numbers = {tunnel.if_id for tunnel in site.tunnels}
    with closing(Ipsec()) as ipsec:
        found = {state.algorithms for state in ipsec.states() if state.if_id in numbers}
    return sorted(each for each in found if each is not None)


def measure(algorithms: Algorithms, seconds: float) -> Speed | None:
    """What one core encrypts with them, by this thread's processor time; OSError where the kernel offers no such thing.

    So neither what else runs counts, nor the time in which a device encrypts. None where the clock shows no difference.
    """
    until = time.monotonic() + seconds
    with closing(socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC, 0)) as bound:
        name = kernel_name(algorithms)
        bound.bind(("aead", name))
        bound.setsockopt(socket.SOL_ALG, socket.ALG_SET_KEY, key(algorithms))
        bound.setsockopt(socket.SOL_ALG, socket.ALG_SET_AEAD_AUTHSIZE, None, algorithms.icv_bits // 8)
        # Made by binding: only now the kernel lists what it put together.
        driver = chosen(_CRYPTO.read_text(errors="replace"), name)
        if driver is None:
            return None
        best = {_SMALL: float("inf"), _LARGE: float("inf")}
        operation, _ = bound.accept()
        with closing(operation):
            while time.monotonic() < until:
                for size in best:
                    best[size] = min(best[size], _seconds(operation, algorithms, driver, size))
    more = best[_LARGE] - best[_SMALL]
    return Speed((_LARGE - _SMALL) * 8 / more / 1e6, algorithms, driver.name) if 0 < more < float("inf") else None


def _seconds(operation: socket.socket, algorithms: Algorithms, driver: Driver, size: int) -> float:
    """Processor time for a packet of so many bytes."""
    # As ESP has it: the header and the IV are authenticated too.
    beside = _ESP_HEADER + driver.iv_bytes
    packet, iv = bytes(beside + size), bytes(driver.iv_bytes)
    answer = bytearray(len(packet) + algorithms.icv_bits // 8)
    began = time.thread_time()
    for _ in range(_BATCH):
        operation.sendmsg_afalg([packet], op=socket.ALG_OP_ENCRYPT, iv=iv, assoclen=beside)
        operation.recv_into(answer)
    return (time.thread_time() - began) / _BATCH


def kernel_name(algorithms: Algorithms) -> str:
    """Cipher and integrity as one algorithm."""
    return f"authenc({algorithms.integrity},{algorithms.cipher})" if algorithms.integrity else algorithms.cipher


def key(algorithms: Algorithms) -> bytes:
    """A random key in the kernel's form: the length of the cipher's, the integrity's, the cipher's."""
    cipher = os.urandom(algorithms.cipher_bits // 8)
    if not algorithms.integrity:
        return cipher
    # struct rtattr of the type CRYPTO_AUTHENC_KEYA_PARAM, in the machine's byte order; what it holds, in the network's.
    lengths = struct.pack("=HH", 8, 1) + struct.pack("!I", len(cipher))
    return lengths + os.urandom(algorithms.integrity_bits // 8) + cipher


def chosen(listed: str, name: str) -> Driver | None:
    """The implementation that the kernel takes for the name, from the text of /proc/crypto."""
    best: dict[str, str] = {}
    for entry in listed.split("\n\n"):
        fields = dict(re.findall(r"^(\w+)\s*: (.*)$", entry, re.MULTILINE))
        usable = fields.get("name") == name and fields.get("internal") != "yes" and "ivsize" in fields
        if usable and int(fields["priority"]) > int(best.get("priority", -1)):
            best = fields
    return Driver(best["driver"], int(best["ivsize"])) if best else None


def devices(site: Site, network: Network) -> list[str]:
    """The interfaces that packets come in by, of uplinks and LAN: in place of a bridge or a bond its ports."""
    inside = {network.device_with(address) for address in inside_addresses(site, network)}
    own = inside | {device_of(uplink, network) for uplink in site.uplinks}
    found = set()
    for link in network.links.values():
        if link.name in own:
            ports = {port.name for port in network.links.values() if port.master == link.ifindex}
            found |= ports or {link.name}
    return sorted(found)


def gro(device: str) -> bool | None:
    """Whether the interface merges packets that come in; None where the kernel does not tell."""
    value = array.array("I", (_ETHTOOL_GGRO, 0))
    request = struct.pack("@16sP16x", device.encode(), value.buffer_info()[0])
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as opened:
        fcntl.ioctl(opened, _SIOCETHTOOL, request)
        return bool(value[1])
    return None
