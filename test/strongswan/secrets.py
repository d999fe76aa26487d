"""Prints the load-shared messages that the real swanctl sends for the secrets in its directory.

Bytes that are not UTF-8 become lone surrogates: text that equals the key is the key byte for byte.
"""

from __future__ import annotations

import json
import pathlib
import sys

from agent.fake_charon import FakeCharon
from dual_tunnel_vpn.ipsec import vici

from . import swanctl


def main(packages: pathlib.Path, scratch: pathlib.Path) -> None:
    def loaded(_: vici.Message) -> tuple[list[tuple[str, vici.Message]], vici.Message]:
        return [], {"success": "yes"}

    def none_yet(_: vici.Message) -> tuple[list[tuple[str, vici.Message]], vici.Message]:
        return [], {"keys": []}

    with FakeCharon({"load-shared": loaded, "get-shared": none_yet, "get-keys": none_yet}) as charon:
        swanctl.run(packages, scratch, "--load-creds", charon.path)
        print(json.dumps([message for name, message in charon.asked if name == "load-shared"]))


if __name__ == "__main__":
    main(*map(pathlib.Path, sys.argv[1:]))
