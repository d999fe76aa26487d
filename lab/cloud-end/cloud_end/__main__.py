"""Runs the gateway: `python3 -m cloud_end DIR`.

It answers on the socket DIR/control: a line of JSON is a request, a line of JSON its answer, which is {"result": ...}
or {"error": "one sentence"}.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dual_tunnel_vpn.ipsec import vici

from .desired import Refused
from .gateway import Gateway, Options
from .kernel import KernelError

log = logging.getLogger("cloud-end")


def answer(gateway: Gateway, request: Mapping[str, Any]) -> Any:
    """What the gateway says to a request."""
    verbs: dict[str, Callable[[], Any]] = {
        "apply": lambda: gateway.apply(request["state"]),
        "options": lambda: gateway.options(request["options"]),
        "report": gateway.report,
        "status": gateway.status,
        "bgp": gateway.sessions,
        "terminate": lambda: gateway.terminate(request["tunnel"]),
        "settle": gateway.settle,
        "initiate": lambda: gateway.initiate(request["tunnel"]),
        "rekey": lambda: gateway.rekey(request["tunnel"], request["what"]),
        "restart": lambda: gateway.restart(request["crash"]),
        "lose": lambda: gateway.lose(request["address"], request["lost"]),
    }
    if request.get("verb") not in verbs:
        raise Refused(f"The cloud end has no verb {request.get('verb')}; it has {', '.join(verbs)}.")
    return verbs[request["verb"]]()


def serve(directory: Path) -> int:
    """Runs until SIGTERM."""
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    options = Options.parse(json.loads((directory / "options.json").read_text(encoding="utf-8")))
    try:
        gateway = Gateway(directory, options)
        gateway.start()
    except (Refused, KernelError, vici.ViciError) as error:
        log.error("%s", error)
        return 1
    one_at_a_time = threading.Lock()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                with one_at_a_time:
                    reply = _reply(gateway, line)
                self.wfile.write(json.dumps(reply).encode() + b"\n")

    path = directory / "control"
    path.unlink(missing_ok=True)
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    with socketserver.ThreadingUnixStreamServer(str(path), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        _ready()
        gateway.watch(stopping.is_set)
        server.shutdown()
    return 0


def _reply(gateway: Gateway, line: bytes) -> dict[str, Any]:
    try:
        return {"result": answer(gateway, json.loads(line))}
    except (Refused, KernelError, vici.ViciError) as error:
        return {"error": str(error)}
    except Exception as error:  # noqa: BLE001
        # A traceback could show a secret: the journal gets the place, the caller the kind.
        log.error("%s at %s", type(error).__name__, _place(error))
        return {"error": f"The cloud end failed with {type(error).__name__}; its journal says where."}


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "nowhere" if trace is None else f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


def _ready() -> None:
    where = os.environ.get("NOTIFY_SOCKET")
    if where:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"READY=1", where.replace("@", "\0", 1) if where.startswith("@") else where)


if __name__ == "__main__":
    sys.exit(serve(Path(sys.argv[1])))
