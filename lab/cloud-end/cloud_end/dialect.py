"""Alibaba's words for a tunnel as charon's vici messages.

Typed on its own, not from the library's tunnel model, so that each can be wrong without the other.
"""

from __future__ import annotations

from typing import Any

from .desired import Phase, Refused, Tunnel

# Alibaba's own tables: CreateVpnConnection in the VPC API; strongSwan's: "Cipher Suite Keywords" in its docs.
ENCRYPTION = {"aes": "aes128", "aes192": "aes192", "aes256": "aes256", "des": "des", "3des": "3des"}
INTEGRITY = {"md5": "md5", "sha1": "sha1", "sha256": "sha256", "sha384": "sha384", "sha512": "sha512"}
GROUP = {"group1": "modp768", "group2": "modp1024", "group5": "modp1536", "group14": "modp2048"}
VERSION = {"ikev1": 1, "ikev2": 2}
MODE = {"main": False, "aggressive": True}

REKEY_SHARE = 0.9
"""An SA is renewed after this part of its lifetime, and dead at its end."""


def _word(table: dict[str, Any], word: str, what: str, tunnel: Tunnel) -> Any:
    if word not in table:
        raise Refused(f"Tunnel {tunnel.id} has {what} {word}; the cloud end knows {', '.join(table)}.")
    return table[word]


def _proposal(phase: Phase, name: str, tunnel: Tunnel, group_optional: bool) -> str:
    parts = [
        _word(ENCRYPTION, phase.enc, f"the {name} encryption", tunnel),
        _word(INTEGRITY, phase.auth, f"the {name} authentication", tunnel),
    ]
    if not (group_optional and phase.group == "disabled"):
        parts.append(_word(GROUP, phase.group, f"the {name} DH group", tunnel))
    return "-".join(parts)


def connection(tunnel: Tunnel, if_id: int, dpd_delay: int) -> dict[str, Any]:
    """The load-conn section of a tunnel; connection and child bear the tunnel's id.

    Nothing starts by itself here (`start_action` is left out): the daemon initiates, so that
    loading a connection again never touches its SAs. dpd_delay: seconds.
    """
    ike_rekey, esp_rekey = int(tunnel.ike.lifetime * REKEY_SHARE), int(tunnel.esp.lifetime * REKEY_SHARE)
    child = {
        "local_ts": list(tunnel.local_subnets),
        "remote_ts": list(tunnel.remote_subnets),
        "esp_proposals": [_proposal(tunnel.esp, "ESP", tunnel, True)],
        "rekey_time": f"{esp_rekey}s",
        "life_time": f"{tunnel.esp.lifetime}s",
        "mode": "tunnel",
        # A gateway that starts at once starts again after a peer was found dead; one that waits, waits.
        "dpd_action": "restart" if tunnel.immediate else "clear",
        "close_action": "none",
        "if_id_in": str(if_id),
        "if_id_out": str(if_id),
    }
    return {
        "version": str(_word(VERSION, tunnel.version, "the IKE version", tunnel)),
        "aggressive": _word(MODE, tunnel.mode, "the IKE mode", tunnel),
        "local_addrs": [tunnel.ipsec_address],
        "remote_addrs": [tunnel.peer_address],
        "proposals": [_proposal(tunnel.ike, "IKE", tunnel, False)],
        "rekey_time": f"{ike_rekey}s",
        "over_time": f"{tunnel.ike.lifetime - ike_rekey}s",
        "dpd_delay": f"{dpd_delay}s" if tunnel.dpd else "0s",
        # The daemon's namespace holds every gateway's addresses: MOBIKE would offer them all to each peer.
        "mobike": False,
        "local": {"auth": "psk", "id": tunnel.local_id},
        "remote": {"auth": "psk", "id": tunnel.remote_id},
        "children": {tunnel.id: child},
    }


def owners(tunnel: Tunnel) -> list[str]:
    """The identities that a tunnel's pre-shared key belongs to."""
    return [tunnel.local_id, tunnel.remote_id]
