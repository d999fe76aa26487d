"""Runs a command and can stop it at any step: before a system call, of any process below, that changes something.

Usage: stepper.py AT KIND COMMAND...   AT 0 runs it to its end. What the command prints goes to LOG.

Prints a line of JSON for each step that was made, when the command has ended; with AT, one for the step it has come to,
at once. KIND says what comes then: "kill" kills every process of the command; "hang-up" tells every one of them that
its session has gone, and lets them go on as they will; "hold" leaves them where they are until the power goes.

The kernel asks before each such call (seccomp's user notification), so nothing happens between a step and its number.
What services do that the command starts by systemd is theirs: they are not below it.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import re
import select
import signal
import socket
import struct
import sys
from pathlib import Path
from typing import NamedTuple, NoReturn

LOG = "/run/lab-stepper.log"
CGROUP = Path("/sys/fs/cgroup/lab-stepper")

# linux/seccomp.h, linux/filter.h, x86_64's unistd_64.h; seccomp(2), seccomp_unotify(2).
SECCOMP, PIDFD_GETFD = 317, 438
SET_MODE_FILTER, NEW_LISTENER = 1, 8
ALLOW, USER_NOTIF, FLAG_CONTINUE = 0x7FFF0000, 0x7FC00000, 1
RECEIVE, ANSWER = 0xC0502100, 0xC0182101
ARCH_X86_64 = 0xC000003E
LOAD, EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
AT_NR, AT_ARCH, AT_ARGUMENTS = 0, 4, 16
AT_FDCWD = -100

OPEN, OPENAT = 2, 257
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
SENDTO, SENDMSG, EXECVE = 44, 46, 59


MAKE = "make directory"

NOTHING = re.compile(r"/dev/|/proc/(?!sys/)|pipe:|socket:|/memfd:|/run/dual-tunnel-vpn-staging/[^/]*/assets/")
"""What does not last, or does not matter: the upload's own programs, which go one by one in the end."""


class Call(NamedTuple):
    """How a system call is told: its word, and which of its arguments are a directory, a path or an open file."""

    word: str
    places: tuple[tuple[int | None, int], ...] = ()
    descriptor: int | None = None


CALLS = {
    OPEN: Call("write", ((None, 0),)),
    OPENAT: Call("write", ((0, 1),)),
    85: Call("write", ((None, 0),)),
    76: Call("cut", ((None, 0),)),
    77: Call("cut", descriptor=0),
    82: Call("rename", ((None, 0), (None, 1))),
    264: Call("rename", ((0, 1), (2, 3))),
    316: Call("rename", ((0, 1), (2, 3))),
    83: Call(MAKE, ((None, 0),)),
    258: Call(MAKE, ((0, 1),)),
    84: Call("remove", ((None, 0),)),
    87: Call("remove", ((None, 0),)),
    263: Call("remove", ((0, 1),)),
    86: Call("link", ((None, 0), (None, 1))),
    265: Call("link", ((0, 1), (2, 3))),
    88: Call("link", ((None, 0), (None, 1))),
    266: Call("link", ((None, 0), (1, 2))),
    90: Call("change mode of", ((None, 0),)),
    268: Call("change mode of", ((0, 1),)),
    91: Call("change mode of", descriptor=0),
    74: Call("sync", descriptor=0),
    75: Call("sync", descriptor=0),
    165: Call("mount", ((None, 1),)),
    EXECVE: Call("run"),
    SENDTO: Call("ask"),
    SENDMSG: Call("ask"),
}

CHARON = re.compile(
    rb"(?:.{4}\x00.)?((?:un)?load-[a-z]+|terminate|initiate|rekey|reload-settings|clear-creds)", re.DOTALL
)
"""vici's commands that change something, at the beginning of what is sent, or after a packet's length and type."""


def program() -> bytes:
    """The filter: asks for CALLS, for those that open only when they may write."""
    out = [(LOAD, 0, 0, AT_ARCH), (EQUAL, 1, 0, ARCH_X86_64), (RETURN, 0, 0, ALLOW), (LOAD, 0, 0, AT_NR)]
    for number in CALLS:
        if number in (OPEN, OPENAT):
            flags = AT_ARGUMENTS + 8 * (1 if number == OPEN else 2)
            out += [(EQUAL, 0, 4, number), (LOAD, 0, 0, flags), (ANY_BIT, 0, 1, WRITING), (RETURN, 0, 0, USER_NOTIF)]
            out += [(RETURN, 0, 0, ALLOW)]
        else:
            out += [(EQUAL, 0, 1, number), (RETURN, 0, 0, USER_NOTIF)]
    out.append((RETURN, 0, 0, ALLOW))
    return b"".join(struct.pack("=HBBI", *line) for line in out)


def install() -> int:
    """Has the kernel ask before every such call of this process and those below; where it asks."""
    code = program()
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("@HxxxxxxQ", len(code) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    listener: int = libc.syscall(
        SECCOMP, SET_MODE_FILTER, NEW_LISTENER, ctypes.create_string_buffer(header, len(header))
    )
    if listener < 0:
        raise OSError(ctypes.get_errno(), "the kernel takes no filter of system calls")
    return listener


class Asked:
    """A call that waits for leave."""

    def __init__(self, notification: bytes) -> None:
        self.id, self.pid, _, self.number = struct.unpack_from("=QIIi", notification)
        self.arguments = struct.unpack_from("=6Q", notification, 32)

    def _read(self, address: int, count: int) -> bytes:
        with open(f"/proc/{self.pid}/mem", "rb", buffering=0) as memory:
            memory.seek(address)
            return memory.read(count)

    def _text(self, address: int, most: int = 4096) -> str:
        out = b""
        while b"\0" not in out and len(out) < most:
            # Not beyond the page: the next one may not be there.
            out += self._read(address + len(out), 4096 - (address + len(out)) % 4096)
        return out.split(b"\0")[0].decode(errors="replace")

    def _open_file(self, argument: int) -> str:
        return os.readlink(f"/proc/{self.pid}/fd/{self.arguments[argument] & 0x7FFFFFFF}")

    def _path(self, directory: int | None, argument: int) -> str:
        path = self._text(self.arguments[argument])
        if path.startswith("/"):
            return os.path.normpath(path)
        at = None if directory is None else ctypes.c_int(self.arguments[directory] & 0xFFFFFFFF).value
        where = os.readlink(f"/proc/{self.pid}/cwd") if at in (None, AT_FDCWD) else self._open_file(directory or 0)
        return os.path.normpath(os.path.join(where, path))

    def _command(self) -> str:
        words = []
        for index in range(12):
            (address,) = struct.unpack("=Q", self._read(self.arguments[1] + 8 * index, 8))
            if address == 0:
                break
            words.append(self._text(address, 256))
        told = " ".join(" ".join(words).split())
        return told if len(told) <= 120 else f"{told[:120]}…"

    def _sent(self) -> bytes:
        address, length = self.arguments[1], self.arguments[2]
        if self.number == SENDMSG:
            vector, count = struct.unpack("=QQ", self._read(address + 16, 16))
            if count == 0:
                return b""
            address, length = struct.unpack("=QQ", self._read(vector, 16))
        return self._read(address, min(length, 64))

    def _asked_of(self) -> str | None:
        """What is asked of the kernel's network or of charon; None for all else that is sent and for mere questions."""
        there = os.pidfd_open(self.pid)
        try:
            descriptor = ctypes.CDLL(None).syscall(PIDFD_GETFD, there, self.arguments[0], 0)
        finally:
            os.close(there)
        if descriptor < 0:
            return None
        with socket.socket(fileno=descriptor) as end:
            sent = self._sent()
            if end.family == socket.AF_UNIX:
                found = CHARON.match(sent) if "vici" in str(end.getpeername()) else None
                return f"charon to {found.group(1).decode()}" if found else None
            if end.family != socket.AF_NETLINK or end.proto not in (0, 6) or len(sent) < 16:
                return None
            kind, flags = struct.unpack_from("=HH", sent, 4)
            # Routes and links: NEW, DEL, GET, SET of each; IPsec: 18 and 21 get a state and a policy.
            question = (kind - 16) % 4 == 2 if end.proto == 0 else kind in (18, 21)
            if kind < 16 or question or flags & 0x300 == 0x300:
                return None
            return f"the kernel's {'network' if end.proto == 0 else 'IPsec'} (message {kind})"

    def told(self) -> str | None:
        """The step in words, None where it changes nothing that lasts."""
        call = CALLS[self.number]
        try:
            if self.number == EXECVE:
                # A shell, or Python, may try each directory of PATH.
                return f"run {self._command()}" if os.path.exists(self._path(None, 0)) else None
            if self.number in (SENDTO, SENDMSG):
                asked = self._asked_of()
                return None if asked is None else f"ask {asked}"
            places = [self._path(*place) for place in call.places]
            if call.descriptor is not None:
                places = [self._open_file(call.descriptor)]
        except OSError:
            # It was killed meanwhile.
            return None
        if all(NOTHING.match(place) for place in places) or (call.word == MAKE and os.path.isdir(places[0])):
            return None
        return f"{call.word} {' to '.join(places)}"

    def by(self) -> str:
        """Which program it is."""
        try:
            words = Path(f"/proc/{self.pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return ""
        return " ".join(
            os.path.basename(word.decode(errors="replace")) for word in words[:4] if word[:1] != b"-"
        ).strip()


def child(told: int, leave: int, command: list[str]) -> NoReturn:
    """Becomes the command, each of whose steps is asked for."""
    (CGROUP / "cgroup.procs").write_text("0")
    log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for there, here in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(there, here)
    os.setsid()
    listener = install()
    os.write(told, struct.pack("=i", listener))
    os.read(leave, 1)
    os.close(listener)
    os.execvp(command[0], command)


def hang_up() -> None:
    """Tells every process of the command that its session has gone."""
    for process in (CGROUP / "cgroup.procs").read_text().split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(process), signal.SIGHUP)


def main() -> int:
    """The command's exit status; 128 and the signal's number when it was killed."""
    at, kind, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    CGROUP.mkdir(exist_ok=True)
    told, leave = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        child(told[1], leave[0], command)
    os.close(told[1])
    (number,) = struct.unpack("=i", os.read(told[0], 4))
    there = os.pidfd_open(pid)
    listener: int = ctypes.CDLL(None).syscall(PIDFD_GETFD, there, number, 0)
    os.write(leave[1], b"x")
    steps: list[dict[str, object]] = []
    status = 0
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    poll.register(there, select.POLLIN)
    while True:
        events = dict(poll.poll())
        if there in events:
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            poll.unregister(there)
        if not events.get(listener, 0) & select.POLLIN:
            # It hangs up when nobody is left whom the filter holds for; the dead count until they are waited for.
            if events.get(listener, 0) & select.POLLHUP:
                break
            continue
        notification = bytearray(80)
        try:
            fcntl.ioctl(listener, RECEIVE, notification, True)
        except OSError:
            continue
        asked = Asked(bytes(notification))
        step = asked.told()
        if step is not None:
            steps.append({"number": len(steps) + 1, "what": step, "by": asked.by()})
            if len(steps) == at:
                print(json.dumps(steps[-1]), flush=True)
                if kind == "hold":
                    signal.pause()
                if kind == "kill":
                    (CGROUP / "cgroup.kill").write_text("1")
                    continue
                hang_up()
        try:
            fcntl.ioctl(listener, ANSWER, struct.pack("=QqiI", asked.id, 0, 0, FLAG_CONTINUE))
        except OSError:
            continue
    if at == 0:
        for made in steps:
            print(json.dumps(made))
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
