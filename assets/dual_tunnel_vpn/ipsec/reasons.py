"""Why a tunnel did not come up or its key was not renewed, as charon's journal has it.

A cause is named only where a notify or charon itself told it; silence is told as silence, with how long it was.
"""

from __future__ import annotations

import re
import time

from ..commands import run
from ..site import Tunnel

_Reasons = tuple[tuple[str, str], ...]

_REFUSALS: _Reasons = (
    (r"AUTHENTICATION_FAILED|AUTH_FAILED", "the other end refused the authentication: pre-shared keys or ids differ"),
    (r"tried \d+ shared key|MAC mismatched|no shared key found", "the pre-shared keys or the ids differ"),
    (
        r"NO_PROPOSAL_CHOSEN notify, no CHILD_SA|(IKE_AUTH|CREATE_CHILD_SA) response \d+ \[.*NO_PROP",
        "the other end accepts none of the IPsec proposals: algorithms or DH groups differ",
    ),
    # strongSwan says the same to somebody whom none of its connections expects.
    (
        r"NO_PROPOSAL_CHOSEN notify error|IKE_SA_INIT response \d+ \[.*NO_PROP",
        "the other end accepts none of the IKE proposals (algorithms or DH groups differ), or it expects no tunnel "
        "from this egress IP",
    ),
    (r"NO_PROPOSAL_CHOSEN|NO_PROP", "the other end accepts none of the proposals: algorithms or DH groups differ"),
    (r"INVALID_KE_PAYLOAD|INVAL_KE", "the other end wants another DH group"),
    (r"TS_UNACCEPTABLE|TS_UNACCEPT", "the other end refused the traffic selectors"),
    (r"no IKE config found|peer config.*not found", "no connection matches what the other end asks for"),
)

_RENEWAL_REFUSALS: _Reasons = (
    # The first key of an IPsec SA comes from IKE's exchange: its own groups are spoken of from the second on.
    (
        r"NO_PROPOSAL_CHOSEN|NO_PROP",
        "the other end accepts none of the IPsec proposals for it, the DH groups (PFS) differ",
    ),
    (r"INVALID_KE_PAYLOAD|INVAL_KE", "the other end wants another DH group (PFS)"),
    (r"TS_UNACCEPTABLE|TS_UNACCEPT", "the other end refused the traffic selectors"),
)

_SILENCE = r"giving up after \d+ retransmits|retransmit \d+ of request"


def not_up(tunnel: Tunnel, since: float) -> str:
    """Why it did not come up since then (seconds since the epoch)."""
    lines = _journal(tunnel, since)
    # What the other end refused says more than its silence, which a busy box hears too.
    if refusal := _first(_REFUSALS, lines):
        return refusal
    if _silent(lines):
        return f"the other end did not answer within {_waited(since)}"
    return "charon's journal names no reason" if lines else "charon has not tried yet"


def not_renewed(tunnel: Tunnel, since: float) -> str:
    """What became of the renewal of its key that was begun then, as a clause."""
    lines = _journal(tunnel, since)
    if refusal := _first(_RENEWAL_REFUSALS, lines):
        return f"its key cannot be renewed: {refusal}"
    if _silent(lines):
        return f"the renewal of its key was not answered within {_waited(since)}"
    return f"its key was not renewed within {_waited(since)}, and charon's journal names no reason"


def _journal(tunnel: Tunnel, since: float) -> list[str]:
    """charon's words about the tunnel since then, the last first."""
    # charon-systemd puts the connection's name into a field of each entry; the text alone does not tell it.
    mine = f"IKE_SA_NAME={tunnel.connection}"
    shown = run("journalctl", mine, "--since", f"@{since:.6f}", "--output", "cat", "--no-pager", timeout=30)
    return shown.output.splitlines()[::-1]


def _first(reasons: _Reasons, lines: list[str]) -> str:
    return next((words for line in lines for pattern, words in reasons if re.search(pattern, line)), "")


def _silent(lines: list[str]) -> bool:
    return any(re.search(_SILENCE, line) for line in lines)


def _waited(since: float) -> str:
    return f"{time.time() - since:.0f} s"
