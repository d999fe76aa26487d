"""The gateway itself: brings charon and the kernel to the desired state, and keeps traffic on the right tunnel."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dual_tunnel_vpn.ipsec import vici

from . import bgp, dialect, plan
from .desired import NOTHING, Desired, Refused, parse
from .fences import PEERS, Peer
from .kernel import Kernel
from .speaker import Speaker

log = logging.getLogger("cloud-end")

SAFETY_POLL = 2.0
"""Seconds between looks at the SAs when no event tells to look."""

GOODBYE = 1.0
"""Seconds that a peer has to acknowledge the deletion of a tunnel before it is dropped."""

CHARON = 30.0
"""Seconds that charon may take to answer: an emulated machine with much else to do is slow."""

RETURN = 60.0
"""Seconds that charon may take to come back after a restart."""

CHARON_UNIT = "cloud-end-charon.service"

Sas = list[tuple[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class Options:
    """How the gateway behaves where Alibaba's real behaviour is unknown or a test needs another."""

    public_address: str
    vpc_address: str
    cloud_network: str
    uplinks: tuple[str, ...] = ()
    dpd_delay: int = 10
    retransmit_timeout: float = 4.0
    retransmit_base: float = 1.8
    retransmit_tries: int = 5
    peer: Peer = "cooperative"
    restart: plan.Restart = "changed"
    bgp_keepalive: int = bgp.Timers.keepalive
    bgp_hold: int = bgp.Timers.hold
    ignore_med: bool = False
    graceful_restart: bool = False
    active_session_only: bool = False
    also_announced: tuple[str, ...] = ()

    @staticmethod
    def parse(raw: Mapping[str, Any], before: Options | None = None) -> Options:
        """Options from their JSON names, over those before; Refused where one is unknown."""
        names = {_camel(name): name for name in Options.__dataclass_fields__}
        unknown = sorted(set(raw) - set(names))
        if unknown:
            raise Refused(f"The cloud end has no option {unknown[0]}; it has {', '.join(sorted(names))}.")
        values: dict[str, Any] = {
            names[key]: tuple(value) if isinstance(value, list) else value for key, value in raw.items()
        }
        options = Options(**values) if before is None else replace(before, **values)
        if options.peer not in PEERS:
            raise Refused(f"The option peer is {options.peer}; it must be one of {', '.join(PEERS)}.")
        if options.restart not in ("changed", "both"):
            raise Refused(f"The option restart is {options.restart}; it must be changed or both.")
        if not 3 <= options.bgp_hold <= 65535 or not 1 <= options.bgp_keepalive <= options.bgp_hold:
            raise Refused(
                f"The options bgpKeepalive and bgpHold are {options.bgp_keepalive} and {options.bgp_hold}; "
                "they must be seconds, the hold time from 3 to 65535 and the keepalive time from 1 to the hold time."
            )
        return options

    def strongswan_conf(self, directory: Path) -> str:
        """charon's settings; retransmission is strongSwan's default unless a test says otherwise."""
        return "\n".join(
            [
                "charon {",
                # Not what the distribution would load: bypass-lan would exempt the public network from IPsec.
                "  load = random nonce aes sha1 sha2 md5 des gcm hmac kdf gmp openssl"
                " kernel-netlink socket-default vici",
                "  install_routes = no",
                "  install_virtual_ip = no",
                "  routing_table = 0",
                # Alibaba allows IKEv1 aggressive mode with a pre-shared key.
                "  i_dont_care_about_security_and_use_aggressive_mode_psk = yes",
                f"  retransmit_timeout = {self.retransmit_timeout}",
                f"  retransmit_base = {self.retransmit_base}",
                f"  retransmit_tries = {self.retransmit_tries}",
                "  plugins {",
                "    vici {",
                f"      socket = unix://{directory}/charon.vici",
                "    }",
                "  }",
                "}",
                "",
            ]
        )


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def list_sas(client: vici.Client) -> Sas:
    """All IKE_SAs. Waits for SAs that are in use: one that is skipped would look lost."""
    return [
        (name, sa)
        for entry in client.stream("list-sas", "list-sa", {})
        for name, sa in entry.items()
        if isinstance(sa, dict)
    ]


class Gateway:
    """One daemon's state. Requests come one at a time; the watch runs beside them."""

    def __init__(self, directory: Path, options: Options) -> None:
        self._directory = directory
        self._options = options
        self._desired: Desired = NOTHING
        self._tables: dict[str, int] = {}
        self._lost: set[str] = set()
        self._first_routes = plan.FIRST_ROUTES
        self._kernel = Kernel(options.public_address, options.vpc_address)
        # Held while the desired state or the kernel is changed, never while charon is awaited.
        self._lock = threading.RLock()
        self._connected = threading.Condition()
        self._connections = 0
        self._carrying: dict[str, str | None] = {}
        self._heard: dict[str, bgp.Heard] = {}
        self._speaker = Speaker(directory, self._hear)

    def start(self) -> None:
        """Prepares the namespace, writes charon's settings and takes up the state of an earlier run."""
        self._kernel.start(self._options.uplinks, self._options.cloud_network)
        self._write("strongswan.conf", self._options.strongswan_conf(self._directory))
        subprocess.run(["systemctl", "start", CHARON_UNIT], check=True)
        threading.Thread(target=self._speaker.run, daemon=True).start()
        saved = self._directory / "state.json"
        if saved.exists():
            self.apply(json.loads(saved.read_text(encoding="utf-8")))

    def _write(self, name: str, text: str) -> None:
        path = self._directory / f".{name}.new"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        path.replace(self._directory / name)

    def _client(self) -> vici.Client:
        return vici.Client(str(self._directory / "charon.vici"), timeout=CHARON)

    # Requests

    def apply(self, state: Any) -> dict[str, Any]:
        """Makes a CloudState real; only tunnels that differ are touched."""
        after = parse(state)
        messages = {t.id: self._message(t.id, after) for t in after.tunnels.values()}
        changes = plan.changes(self._desired, after, self._options.restart)
        with self._lock:
            before = self._desired
            both = replace(
                after, tunnels={**before.tunnels, **after.tunnels}, addresses=(*before.addresses, *after.addresses)
            )
            self._kernel.set_addresses(both.addresses)
            self._kernel.set_interfaces(both.tunnels)
            self._kernel.set_fences(after, self._options.peer, self._lost)
        with self._client() as client:
            stale = self._sas_of(client, (*changes.removed, *changes.restarted))
            for tunnel in changes.removed:
                client.unload_conn(tunnel)
                client.unload_shared(tunnel)
            for tunnel in (*changes.added, *changes.restarted, *changes.reloaded):
                self._load(client, after, tunnel, messages[tunnel])
            for unique_id in stale:
                self._end(client, unique_id)
            if stale:
                # At once: the watch would have to wait for all that follows.
                alive = plan.alive(list_sas(client))
                with self._lock:
                    self._carry(alive)
            self._commit(after)
            self._speaker.settle()
            immediate = {t.id for t in after.tunnels.values() if t.immediate}
            up = plan.alive(list_sas(client))
            for tunnel in (*changes.added, *changes.restarted, *changes.reloaded):
                if tunnel in immediate - up:
                    client.initiate(tunnel, tunnel)
        self._write("state.json", json.dumps(state))
        log.info("in force: %s", changes)
        return {"removed": changes.removed, "added": changes.added, "restarted": changes.restarted}

    def _message(self, tunnel: str, desired: Desired) -> dict[str, Any]:
        return dialect.connection(desired.tunnels[tunnel], plan.if_id(tunnel), self._options.dpd_delay)

    def _load(self, client: vici.Client, desired: Desired, tunnel: str, message: Mapping[str, Any]) -> None:
        wanted = desired.tunnels[tunnel]
        client.load_psk(tunnel, wanted.psk.encode(), dialect.owners(wanted))
        client.load_conn(tunnel, message)

    def _sas_of(self, client: vici.Client, tunnels: tuple[str, ...]) -> list[int]:
        return [int(sa["uniqueid"]) for name, sa in list_sas(client) if name in tunnels]

    def _end(self, client: vici.Client, unique_id: int) -> None:
        try:
            client.terminate(ike_id=unique_id, force=True, wait=GOODBYE)
        except vici.ViciRefused as error:
            # It may have ended by itself meanwhile, which is what was wanted.
            log.info("SA %d: %s", unique_id, error)

    def _commit(self, after: Desired) -> None:
        with self._lock:
            self._desired = after
            self._tables = plan.allocate(after.connections, self._tables, plan.FIRST_TABLE)
            self._route(after)
            self._kernel.set_inner_addresses(
                {t.id: f"{t.bgp.cloud_address}/{t.bgp.prefix_length}" for t in after.tunnels.values() if t.bgp}
            )
            self._carry({name for name in self._carrying.values() if name is not None})
            self._send()
            self._kernel.set_interfaces(after.tunnels)
            self._kernel.set_addresses(after.addresses)

    def _route(self, after: Desired) -> None:
        here, there = (plan.rules(after, self._tables, self._kernel.vpc_device, f) for f in self._first_routes)
        if here != self._kernel.rules:
            self._kernel.set_rules(there)
            self._first_routes = self._first_routes[::-1]

    def options(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Changes options. A new DPD delay and new retransmission hold for SAs negotiated from now on."""
        options = Options.parse(raw, self._options)
        with self._lock:
            self._options = options
            self._kernel.set_fences(self._desired, options.peer, self._lost)
            self._write("strongswan.conf", options.strongswan_conf(self._directory))
            self._write("options.json", json.dumps({_camel(k): v for k, v in vars(options).items()}))
            self._speak()
            self._send()
        self._speaker.settle()
        with self._client() as client:
            client.request("reload-settings")
            for tunnel in self._desired.tunnels:
                client.load_conn(tunnel, self._message(tunnel, self._desired))
        return {}

    def report(self) -> dict[str, Any]:
        """What is true now: SAs, statuses, the carrying tunnels and the ESP counters."""
        with self._client() as client:
            sas = list_sas(client)
        with self._lock:
            return {
                "tunnels": {
                    t.id: {
                        "connection": t.connection,
                        "role": t.role,
                        "status": plan.status(t.id, sas),
                        "sas": _describe(t.id, sas),
                    }
                    for t in self._desired.tunnels.values()
                },
                "carrying": {**self._carrying, **bgp.carrying(self._desired, self._chosen())},
                "counters": self._kernel.counters(self._options.uplinks),
            }

    def status(self) -> dict[str, str]:
        """Alibaba's word for each tunnel."""
        with self._client() as client:
            sas = list_sas(client)
        return {t: plan.status(t, sas) for t in self._desired.tunnels}

    def sessions(self) -> dict[str, Any]:
        """Each session, and the routes that the gateway has taken by it."""
        self._speaker.settle()
        with self._lock:
            return {
                tunnel: {
                    "established": self._heard.get(tunnel, bgp.Heard()).established,
                    "routes": [
                        {"destination": block, "asPath": path.as_path, "med": path.med} for block, path in paths.items()
                    ],
                }
                for tunnel, paths in bgp.taken(self._desired, self._heard).items()
            }

    def terminate(self, tunnel: str) -> dict[str, Any]:
        """Deletes a tunnel's SAs, as a gateway may at any time; its configuration stays."""
        with self._client() as client:
            for unique_id in self._sas_of(client, (self._known(tunnel),)):
                self._end(client, unique_id)
        return {}

    def settle(self) -> bool:
        """Whether each tunnel has one established IKE_SA; ends one of two that were established at the same moment."""
        with self._client() as client:
            sas = list_sas(client)
            found = [plan.superfluous(tunnel, sas) for tunnel in self._desired.tunnels]
            for unique_id in [each for ids in found for each in ids or ()]:
                self._end(client, unique_id)
        return all(ids == [] for ids in found)

    def initiate(self, tunnel: str) -> dict[str, Any]:
        """Negotiates a tunnel from the cloud's side; does not wait for the outcome."""
        with self._client() as client:
            client.initiate(self._known(tunnel), tunnel)
        return {}

    def rekey(self, tunnel: str, what: str) -> dict[str, Any]:
        """Rekeys a tunnel's CHILD_SA (`child`) or IKE_SA (`ike`) from the cloud's side."""
        with self._client() as client:
            name = self._known(tunnel)
            client.rekey(child=name if what == "child" else None, ike=name if what == "ike" else None)
        return {}

    def restart(self, crash: bool) -> dict[str, Any]:
        """Restarts charon: politely, with a DELETE for each SA, or by SIGKILL."""
        with self._connected:
            before = self._connections
            how = ["kill", "--signal=SIGKILL"] if crash else ["restart"]
            subprocess.run(["systemctl", *how, CHARON_UNIT], check=True)
            if not self._connected.wait_for(lambda: self._connections > before, RETURN):
                raise Refused(f"charon did not take its configuration again within {RETURN:.0f} s of its restart.")
        return {}

    def lose(self, address: str, lost: bool) -> dict[str, Any]:
        """Makes an IPsec address answer nothing at all, or answer again."""
        if address not in self._desired.addresses:
            raise Refused(f"{address} is none of the IPsec addresses {', '.join(self._desired.addresses)}.")
        with self._lock:
            self._lost = self._lost | {address} if lost else self._lost - {address}
            self._kernel.set_fences(self._desired, self._options.peer, self._lost)
        return {}

    def _known(self, tunnel: str) -> str:
        if tunnel not in self._desired.tunnels:
            raise Refused(f"There is no tunnel {tunnel}; there are {', '.join(self._desired.tunnels) or 'none'}.")
        return tunnel

    # The watch

    def watch(self, stopping: Callable[[], bool]) -> None:
        """Follows charon's events until told to stop; a charon that came back gets its configuration again."""
        while not stopping():
            try:
                with self._client() as events, self._client() as client:
                    events.register("child-updown")
                    events.register("ike-updown")
                    self._reload(client)
                    with self._connected:
                        self._connections += 1
                        self._connected.notify_all()
                    while not stopping():
                        alive = plan.alive(list_sas(client))
                        with self._lock:
                            self._carry(alive)
                        events.next_event(SAFETY_POLL)
            except vici.ViciError as error:
                log.info("%s", error)
                time.sleep(0.1)

    def _reload(self, client: vici.Client) -> None:
        desired = self._desired
        loaded = client.request("get-conns").get("conns", [])
        if not set(desired.tunnels) - set(loaded):
            return
        for tunnel in desired.tunnels.values():
            self._load(client, desired, tunnel.id, self._message(tunnel.id, desired))
        for tunnel in desired.tunnels.values():
            if tunnel.immediate:
                client.initiate(tunnel.id, tunnel.id)

    def _carry(self, alive: set[str]) -> None:
        self._carrying = plan.carrying(self._desired, alive)
        changed = self._kernel.set_carrying({self._tables[name]: t for name, t in self._carrying.items()})
        for table, tunnel in changed.items():
            log.info("%s sends by %s", next((n for n, t in self._tables.items() if t == table), table), tunnel)
        self._speak()

    def _speak(self) -> None:
        options = self._options
        self._speaker.want(
            bgp.sessions(
                self._desired,
                bgp.Timers(options.bgp_keepalive, options.bgp_hold),
                options.graceful_restart,
                self._carrying if options.active_session_only else None,
                options.also_announced,
            )
        )

    def _hear(self, every: dict[str, bgp.Heard]) -> None:
        with self._lock:
            for tunnel in every:
                if every[tunnel].established != self._heard.get(tunnel, bgp.Heard()).established:
                    log.info("BGP by %s: %s", tunnel, "established" if every[tunnel].established else "not established")
            self._heard = every
            self._send()

    def _chosen(self) -> dict[str, str]:
        return bgp.choice(self._desired, self._heard, self._options.ignore_med)

    def _send(self) -> None:
        for block, tunnel in self._kernel.set_learnt(self._chosen()).items():
            log.info("%s goes by %s", block, tunnel)


def _describe(tunnel: str, sas: Sas) -> list[dict[str, Any]]:
    return [
        {
            "uniqueId": int(sa["uniqueid"]),
            "state": sa["state"],
            "initiator": sa.get("initiator") == "yes",
            "peer": f"{sa['remote-host']}:{sa['remote-port']}",
            "children": [
                {
                    "uniqueId": int(child["uniqueid"]),
                    "state": child["state"],
                    "bytesIn": int(child.get("bytes-in", 0)),
                    "bytesOut": int(child.get("bytes-out", 0)),
                    "encapsulated": child.get("encap") == "yes",
                }
                for child in plan.sections(sa, "child-sas")
            ],
        }
        for name, sa in sas
        if name == tunnel
    ]
