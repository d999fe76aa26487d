"""What the cloud is told by BGP, and what BGP says about a tunnel's inside. Pure.

The routes to the VPC come first; then the cloud is told to send everything by the tunnel that they lead into, where
that is not what it does anyway.
"""

from __future__ import annotations

from .facts import TakeOver
from .situation import Situation
from .traffic import Traffic


def steer(situation: Situation, wanted: frozenset[int]) -> None:
    """Has the cloud told to send everything by these tunnels, where it is told otherwise; none: as is usual."""
    if situation.taking_over is None or situation.inner is None:
        return
    if wanted != situation.taking_over:
        situation.taking_over = wanted
        names = ", ".join(map(situation.name, sorted(wanted)))
        said = f"the cloud is told by BGP to send everything by {names}" if wanted else "the cloud sends as is usual"
        situation.do(TakeOver(wanted, said))


def takeover(situation: Situation) -> frozenset[int]:
    """What fits where the routes lead, on a box that has both tunnels."""
    inner = situation.inner
    if inner is None:
        return frozenset()
    if inner != situation.preferred:
        return frozenset({inner})
    # The cloud may go by what the standby's session told it before it died, for as long as it keeps that.
    other = situation.other_tunnel(inner)
    doubtful = other in situation.ended or not situation.passable(other, situation.tunnels[other].outer)
    return frozenset({inner}) if doubtful and situation.steers(inner) else frozenset()


def may_return(situation: Situation) -> bool:
    """Whether BGP has nothing against the active tunnel: it works inside, or the standby is not seen to, either."""
    preferred = situation.preferred
    standby = situation.other_tunnel(preferred)
    return situation.works(preferred) or not situation.works(standby)


def silenced(traffic: Traffic, now: float, seconds: float) -> bool:
    """Whether a tunnel sends, if only to begin a session anew, and nothing has come back in the last seconds."""
    return traffic.sent_lately(now, seconds) > 0 and traffic.received_lately(now, seconds) == 0
