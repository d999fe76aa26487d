"""Prints, for the tunnels in its directory, the messages by which the real swanctl gives them to charon, and the box's
own: what the agent loads has to be to charon what swanctl loads, or the next `swanctl --load-all` cuts the tunnel.
"""

from __future__ import annotations

import json
import pathlib
import sys

from agent.fake_charon import Answer, FakeCharon
from dual_tunnel_vpn.ipsec import swanctl as ours
from dual_tunnel_vpn.ipsec import vici

from . import swanctl

COMMANDS = ("load-shared", "load-conn")


def main(packages: pathlib.Path, scratch: pathlib.Path) -> None:
    def nothing(_: vici.Message) -> Answer:
        return [], {"success": "yes", "keys": [], "conns": []}

    names = (*COMMANDS, "get-shared", "get-keys", "get-conns", "unload-conn")
    with FakeCharon(dict.fromkeys(names, nothing)) as charon:
        for option in ("--load-creds", "--load-conns"):
            swanctl.run(packages, scratch, option, charon.path)
        theirs = [each for each in charon.asked if each[0] in COMMANDS]
    texts = [path.read_text() for path in sorted((scratch / "swanctl/conf.d").iterdir())]
    box = []
    for number in (0, 2):
        for name, arguments in ours.messages(ours.parse(texts[number]), ours.parse(texts[number + 1])):
            box.append([name, vici.decode_message(vici.encode_message(arguments))])
    print(json.dumps({"theirs": sorted(theirs, key=json.dumps), "ours": sorted(box, key=json.dumps)}))


if __name__ == "__main__":
    main(*map(pathlib.Path, sys.argv[1:]))
