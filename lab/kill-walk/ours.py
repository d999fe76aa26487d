"""Prints, as JSON, every file of the product on the box by path: mode and digest, or where a link leads.

Byte code is told as whole or broken, since it is not the same each time; `by itself` tells what no comparison is needed
for: files of notes that are no JSON, byte code that Python would fail at. `left` are the beginnings of files that a cut
left behind, `network` rules, routes and interfaces of ours, `behind` what runs from before its files were changed.

Programs that were cut off before they were noted are put a second time, beside the first: where they lie is not told.
Nor is installed.json, which has a salt; `dual-tunnel-vpn status` compares it with the files.
"""

from __future__ import annotations

import hashlib
import json
import marshal
import os
import stat
import subprocess
import time

PLACES = (
    "/etc/dual-tunnel-vpn",
    "/etc/modules-load.d",
    "/etc/strongswan.d",
    "/etc/swanctl/conf.d",
    "/etc/sysctl.d",
    "/etc/systemd/networkd.conf.d",
    "/etc/systemd/system",
    "/usr/local/lib",
    "/usr/local/sbin",
)
AGAIN = ".again"
NOTED = "/etc/dual-tunnel-vpn/installed.json"
OURS = ("dual-tunnel-vpn", "singapore", "strongswan.service")


def told(path: str) -> tuple[str, str]:
    """How the file is, and what is wrong with it by itself."""
    if os.path.islink(path):
        return f"-> {os.readlink(path).removesuffix(AGAIN)}", ""
    with open(path, "rb") as file:
        data = file.read()
    mode = f"{stat.S_IMODE(os.stat(path).st_mode):o}"
    if path.endswith(".pyc"):
        try:
            marshal.loads(data[16:])
        except (ValueError, EOFError, TypeError):
            return "broken", "is no byte code"
        return f"{mode} byte code", ""
    trouble = ""
    if path.endswith(".json"):
        try:
            json.loads(data)
        except ValueError:
            trouble = "is no JSON"
    return f"{mode} {hashlib.sha256(data).hexdigest()[:16]}", trouble


def found() -> list[str]:
    """Everything of ours that is no directory."""
    paths = []
    for place in PLACES:
        for directory, names, files in os.walk(place):
            links = [name for name in names if os.path.islink(os.path.join(directory, name))]
            paths += [os.path.join(directory, name) for name in (*links, *files)]
    return [path for path in paths if path != NOTED and any(name in path for name in OURS)]


def output(*command: str) -> list[str]:
    """What a program prints, line by line."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def network() -> list[str]:
    """All rules; of routes and interfaces those that are ours, with the ids of the latter."""
    links = [line.split()[1] for line in output("ip", "-o", "link", "show", "type", "xfrm")]
    ids = [word for line in output("ip", "-d", "link", "show", "type", "xfrm") for word in line.split() if "0x" in word]
    routes = [" ".join(line.split()) for line in output("ip", "-4", "route", "show", "table", "all", "proto", "157")]
    return sorted([*output("ip", "rule"), *routes, *links, *ids])


def behind() -> list[str]:
    """Services that do not run what their files say: not told to systemd, or started before the files came."""
    told = []
    units = [os.path.basename(path) for path in found() if path.endswith(".service") and os.path.islink(path)]
    booted = time.time() - time.monotonic()
    for unit in sorted(set(units)):
        shown = output("systemctl", "show", "-p", "NeedDaemonReload,ExecMainStartTimestampMonotonic,ActiveState", unit)
        fields = dict(line.split("=", 1) for line in shown)
        if fields["NeedDaemonReload"] == "yes":
            told.append(f"systemd was not told of the files of {unit}")
        if not unit.startswith("dual-tunnel-vpn-agent@") or fields["ActiveState"] != "active":
            continue
        for path in ("/usr/local/lib/dual-tunnel-vpn/current", "/etc/dual-tunnel-vpn/singapore/site.json"):
            if os.lstat(path).st_mtime > booted + int(fields["ExecMainStartTimestampMonotonic"]) / 1e6:
                told.append(f"{unit} runs from before {path} was changed")
    return told


def main() -> None:
    """Prints it all."""
    files, troubles, left = {}, {}, []
    for path in found():
        if "/." in path:
            left.append(path)
            continue
        name = path.replace(f"{AGAIN}/", "/")
        files[name], trouble = told(path)
        if trouble:
            troubles[name] = trouble
    all_of_it = {"files": files, "by itself": troubles, "left": sorted(left), "network": network(), "behind": behind()}
    print(json.dumps(all_of_it, sort_keys=True))


if __name__ == "__main__":
    main()
