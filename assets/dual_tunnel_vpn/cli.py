"""The command line: apply DIR, uninstall NAME, status [NAME], and what units and Terraform's last script run."""

from __future__ import annotations

import argparse
import fcntl
import io
import json
import math
import os
import pwd
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO

from . import paths, site
from .commands import Refusal, run
from .ipsec import vici


class Steps:
    """Prints one line a step with the seconds since the start, for whoever reads Terraform's log."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def say(self, text: str) -> None:
        """Prints a line."""
        try:
            print(f"dual-tunnel-vpn: {text} ({time.monotonic() - self._start:.1f} s)", flush=True)
        except BrokenPipeError:
            # Whoever read it has gone: what was begun is still brought to its end.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)


@contextmanager
def lock(wait: float = 300) -> Iterator[None]:
    """Keeps two of us from interleaving on one box; Refusal after waiting that many seconds."""
    deadline = time.monotonic() + wait
    while True:
        handle = _open_lock()
        if handle is not None:
            if _locked(handle):
                break
            handle.close()
        if time.monotonic() >= deadline:
            raise Refusal(
                f"another apply or uninstall has held {paths.LOCK} for {wait:g} s: "
                "wait for it to end and run this again"
            )
        time.sleep(0.5)
    with handle:
        yield


def _open_lock() -> IO[str] | None:
    paths.PRIVATE.mkdir(mode=0o700, exist_ok=True)
    try:
        return open(paths.LOCK, "w", encoding="ascii")
    except FileNotFoundError:
        # The last uninstall has just removed the directory.
        return None


def _locked(handle: IO[str]) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The last uninstall removes the file: a lock on the removed one keeps nobody out.
        return os.path.samestat(os.fstat(handle.fileno()), os.stat(paths.LOCK))
    except (BlockingIOError, FileNotFoundError):
        return False


def _become_root(arguments: Sequence[str]) -> None:
    if os.geteuid() == 0:
        return
    if not run("sudo", "-n", "sh", "-c", ":").ok:
        user = pwd.getpwuid(os.geteuid()).pw_name
        raise Refusal(
            f"the SSH user {user} cannot run sudo without a password on this box; "
            "allow it in /etc/sudoers.d or connect as root"
        )
    os.execvp("sudo", ["sudo", "-n", sys.executable, "-IB", os.path.abspath(sys.argv[0]), *arguments])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dual-tunnel-vpn", description="Dual-tunnel IPsec-VPN connections to Alibaba Cloud on this box."
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, words in (
        ("check", "tell all that keeps a staged connection from this box"),
        ("prepare", "check the box against a staged connection and note its state; used by install.sh"),
        ("apply", "install or change the staged connection"),
    ):
        staged = verbs.add_parser(verb, help=words)
        staged.add_argument("directory", type=Path, help="staging directory with site.json and the tunnels' files")
        staged.add_argument("--ssh", default="", help="SSH_CONNECTION of the caller, whose access must not be lost")
        staged.add_argument("--packages", default="", help="packages that install.sh is going to add")
        staged.add_argument(
            "--confirmed", action="store_true", help="take the change back unless `confirm` comes; note the outcome"
        )
    confirmation = verbs.add_parser("confirm", help="keep a change that would be taken back; by a new SSH connection")
    confirmation.add_argument("name")
    rollback = verbs.add_parser("roll-back", help="take an unconfirmed change back; used by its timer")
    rollback.add_argument("name")
    removal = verbs.add_parser("uninstall", help="remove a connection and restore what it changed")
    removal.add_argument("name")
    removal.add_argument(
        "--owner",
        default=os.environ.get("DUAL_TUNNEL_VPN_OWNER", ""),
        help="leave the connection alone when it belongs to another Terraform id than this",
    )
    status = verbs.add_parser("status", help="show the connections; exit status 0 healthy, 1 degraded, 2 down")
    status.add_argument("name", nargs="?")
    status.add_argument("--json", action="store_true", help="print JSON")
    drift = verbs.add_parser("drift", help="tell what is not as the last apply left it, as JSON on one line")
    drift.add_argument("name")
    guard = verbs.add_parser("guard", help="put a connection's packet filter and guards in place, before the network")
    guard.add_argument("name")
    links = verbs.add_parser("links", help="bring up a connection's interfaces, routes, rules and filter")
    links.add_argument("name")
    repair = verbs.add_parser("repair", help="put right what others changed of all that, waiting for nothing")
    repair.add_argument("name")
    agent = verbs.add_parser("agent", help="run the failover agent of a connection")
    agent.add_argument("name")
    return parser


def _name(text: str) -> str:
    if not site.is_name(text):
        raise Refusal(f"{text!r} is not a connection's name: a lower-case letter and up to 10 letters, digits, hyphens")
    return text


_ERRORS = (Refusal, site.SiteError, vici.ViciError, OSError)


def _told(error: BaseException) -> str:
    """What went wrong, each thing in one sentence on a line."""
    sentences: Sequence[str] = (str(error),)
    if isinstance(error, Refusal):
        sentences = error.sentences
    elif isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        sentences = (f"this box does not allow it: {where}{error.strerror or error}",)
    return "".join(f"dual-tunnel-vpn: {sentence}\n" for sentence in sentences)


@contextmanager
def _outcome(directory: Path) -> Iterator[None]:
    """Leaves word beside the upload of why it failed, for confirm.sh."""
    try:
        yield
    except _ERRORS as error:
        with suppress(OSError):
            (directory / "outcome").write_text(_told(error), encoding="utf-8")
        raise


def _tell_of_files() -> None:
    from . import installed
    from .agent.notify import log

    for told in installed.amiss():
        log(f"dual-tunnel-vpn: {told}", 4)


def _run(arguments: Sequence[str]) -> int:
    # Each verb imports what it needs: a started process costs time on a slow box.
    options = _parser().parse_args(arguments)
    if options.verb == "uninstall":
        # sudo drops the environment.
        arguments = ["uninstall", f"--owner={options.owner}", options.name]
    _become_root(arguments)
    os.umask(0o022)
    if options.verb == "agent":
        from .agent.main import main as agent_main

        return agent_main(_name(options.name))
    if options.verb == "guard":
        from .links import guard

        guard(site.load(paths.site(_name(options.name))))
        return 0
    if options.verb in ("links", "repair"):
        from .links import bring

        repair = options.verb == "repair"
        try:
            brought = bring(site.load(paths.site(_name(options.name))), wait=0 if repair else 10)
        finally:
            if not repair:
                _tell_of_files()
        for line in (*(f"{done}: put right" for done in brought.done if repair), *brought.amiss):
            print(f"dual-tunnel-vpn: {line}", flush=True)
        return 0
    if options.verb == "status":
        from .status import show

        return show(None if options.name is None else _name(options.name), options.json)
    if options.verb == "drift":
        from .drift import look

        print(json.dumps(look(_name(options.name))), flush=True)
        return 0
    if options.verb == "confirm":
        from .confirmation import confirm

        confirm(_name(options.name))
        return 0
    if options.verb == "roll-back":
        # Before its turn comes: what is uninstalled by then cannot be imported.
        from .rollback import roll_back

        with lock(math.inf):
            roll_back(_name(options.name), Steps())
        return 0
    staged = options.verb in ("prepare", "apply") and options.confirmed
    with _outcome(options.directory) if staged else nullcontext(), lock():
        if options.verb == "uninstall":
            from .uninstall import uninstall

            uninstall(_name(options.name), options.owner, Steps())
            return 0
        from .apply import apply, check, prepare
        from .checks import ssh_session

        session, directory = ssh_session(options.ssh), options.directory.resolve()
        if options.verb == "check":
            check(directory, session)
        elif options.verb == "prepare":
            prepare(directory, session, options.packages.split())
        else:
            apply(directory, session, Steps(), options.confirmed)
            if options.confirmed:
                (directory / "outcome").write_text("done\n", encoding="ascii")
    return 0


def main(arguments: Sequence[str]) -> int:
    """Runs one verb; its exit status. What went wrong comes last, each thing in one sentence on a line."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What charon or a program said may be no text.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return _run(arguments)
    except _ERRORS as error:
        if isinstance(error, OSError) and arguments[:1] == ["agent"]:
            # Nobody waits for its last words: the journal is told where it happened.
            raise
        print(_told(error), end="", flush=True)
        return 1
    except KeyboardInterrupt:
        return 130
