"""The rescue of a tunnel whose own uplink is dead: it keeps the cloud's direction alive. One handler for each phase.

Where the other tunnel has a BGP session, the cloud is told by that (steering.py), and nothing here begins. Else
the tunnel first goes on by the other uplink; where the cloud does not follow, the cloud is told to use the other
tunnel, and where it takes not even that, it must notice by itself.

    NONE ------ own path dead -------------------------------------> PROVING
    NONE ------ own path dead, moving is switched off -------------> DELETING
    PROVING --- something came back, or nothing else can be tried -> MOVED
    PROVING --- nothing came back in time, other tunnel is ready --> DELETING
    PROVING --- the SA is gone, or other tunnel is up anyway ------> WAITING
    PROVING --- the other uplink is dead too ----------------------> NONE
    MOVED ----- own path has been well for the hold ---------------> RETURNING
    MOVED ----- the cloud's way back is broken (machine) ----------> DELETING
    MOVED ----- the SA is gone, or nothing ever came back ---------> WAITING
    MOVED ----- unproved, and the other uplink is dead too --------> NONE
    RETURNING - something came back, or nobody can tell -----------> NONE
    RETURNING - a host in the VPC stayed silent -------------------> PROVING
    DELETING -- acknowledged, or no answer in time ----------------> WAITING
    WAITING --- own path is well (for the hold after a DELETE) ----> NONE
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Callable

from .facts import Phase, Say, Terminate, TunnelState
from .situation import Situation


def rescue(situation: Situation, now: float, tunnel: TunnelState) -> None:
    """Takes the next step, if one is due."""
    phase = tunnel.phase
    HANDLERS[phase](situation, now, tunnel)
    if phase is Phase.NONE and tunnel.phase is not Phase.NONE:
        # What has just begun takes its first step at once.
        HANDLERS[tunnel.phase](situation, now, tunnel)


def _begin(situation: Situation, now: float, tunnel: TunnelState) -> None:
    number, own = tunnel.shape.number, tunnel.shape.uplink
    other, name = situation.other_uplink(number), situation.name(tunnel.shape.number)
    if (
        situation.passable(number, own)
        or other is None
        or not tunnel.sa.installed
        or not situation.inviting(number, other)
    ):
        return
    if number not in (situation.inner, situation.preferred):
        return
    if situation.steers(situation.other_tunnel(number)):
        # The cloud moves by what it is told there, and need neither roam nor be made to forget the tunnel.
        _flip_before_move(situation, now, number)
        return
    if situation.settings.outer_move:
        _flip_before_move(situation, now, number)
        situation.enter(tunnel, Phase.PROVING, now)
        tunnel.triggered_at = -1.0
        why = situation.why_down(number, own)
        situation.move_outer(now, tunnel, other, f"{why}: {name} goes on by uplink {other}, if the cloud follows")
    elif situation.settings.delete_by_other_uplink and situation.ready(situation.other_tunnel(number)):
        _flip_before_move(situation, now, number)
        start_delete(situation, now, tunnel, other)


def _wait(situation: Situation, now: float, tunnel: TunnelState) -> None:
    number, own = tunnel.shape.number, tunnel.shape.uplink
    if not situation.passable(number, own):
        return
    urgent = not situation.usable(situation.other_tunnel(number))
    held = now - situation.path(number, own).up_since >= situation.hold
    if held or urgent or not tunnel.acknowledged:
        tunnel.restoring = held
        tunnel.acknowledged = False
        tunnel.initiate_at = now
        situation.enter(tunnel, Phase.NONE, now)


def _flip_before_move(situation: Situation, now: float, number: int) -> None:
    # Inner first: that direction is then healed whatever the cloud does.
    other = situation.other_tunnel(number)
    if situation.inner == number and situation.ready(other):
        situation.set_inner(now, other, situation.why_down(number, situation.tunnels[number].outer))


def start_delete(situation: Situation, now: float, tunnel: TunnelState, uplink: int, why: str = "") -> None:
    """Has the cloud told by an uplink that it is to use the other tunnel."""
    situation.move_outer(
        now, tunnel, uplink, f"the DELETE for {situation.name(tunnel.shape.number)} leaves by uplink {uplink}"
    )
    situation.enter(tunnel, Phase.DELETING, now)
    tunnel.acknowledged = False
    situation.do(
        Terminate(
            tunnel.shape.number,
            False,
            f"{why}{': ' if why else ''}the cloud is told by uplink {uplink} to use the other tunnel",
        )
    )


def _prove(situation: Situation, now: float, tunnel: TunnelState) -> None:
    number, name = tunnel.shape.number, situation.name(tunnel.shape.number)
    if _proof_came(situation, tunnel):
        situation.enter(tunnel, Phase.MOVED, now)
    elif not tunnel.sa.installed:
        _give_up(situation, now, tunnel, f"{name} is gone")
    elif not situation.passable(number, tunnel.outer):
        _call_back(situation, now, tunnel)
    elif now - tunnel.phase_since >= _proof_time(situation, tunnel) and _led_there(situation, tunnel):
        if situation.settings.delete_by_other_uplink and situation.ready(situation.other_tunnel(number)):
            waited = f"{now - tunnel.phase_since:.2f} s"
            situation.do(Say(f"nothing came back through {name} in {waited}: the cloud does not follow"))
            start_delete(situation, now, tunnel, tunnel.outer)
        elif situation.usable(situation.other_tunnel(number)):
            _give_up(situation, now, tunnel, f"nothing came back through {name}")
        else:
            situation.enter(tunnel, Phase.MOVED, now)
    else:
        situation.trigger(now, tunnel, 0.05)


def _proof_time(situation: Situation, tunnel: TunnelState) -> float:
    return max(situation.settings.proof_within, 2 * situation.path(tunnel.shape.number).round_trip + 0.1)


def _led_there(situation: Situation, tunnel: TunnelState) -> bool:
    """Whether the moved tunnel's way was seen to be well since: only then does silence speak against the cloud."""
    path = situation.path(tunnel.shape.number)
    return not path.ever_answered or path.last_answered_sent_at >= tunnel.moved_at


def _proof_came(situation: Situation, tunnel: TunnelState) -> bool:
    if not tunnel.proved and tunnel.proved_at >= tunnel.moved_at:
        tunnel.proved = True
        situation.do(
            Say(f"the cloud follows: {situation.name(tunnel.shape.number)} carries both ways by uplink {tunnel.outer}")
        )
    return tunnel.proved


def _await_delete(situation: Situation, now: float, tunnel: TunnelState) -> None:
    number, name = tunnel.shape.number, situation.name(tunnel.shape.number)
    waited = now - tunnel.phase_since
    if not tunnel.sa.installed and not tunnel.sa.deleting:
        tunnel.acknowledged = True
        _give_up(situation, now, tunnel, f"the cloud acknowledged after {waited:.2f} s: it uses the other tunnel")
    elif waited >= situation.settings.delete_within:
        situation.do(Terminate(number, True, f"no answer to the DELETE of {name} in {waited:.0f} s"))
        _give_up(situation, now, tunnel, "the cloud takes nothing from the other uplink and must notice by itself")
    elif situation.passable(number, tunnel.shape.uplink) and not situation.passable(number, tunnel.outer):
        situation.move_outer(
            now, tunnel, tunnel.shape.uplink, f"{situation.why_down(number, tunnel.outer)}: the DELETE goes home"
        )


def _stay_moved(situation: Situation, now: float, tunnel: TunnelState) -> None:
    number, name, own = tunnel.shape.number, situation.name(tunnel.shape.number), tunnel.shape.uplink
    if not tunnel.sa.installed and not tunnel.sa.deleting:
        _give_up(situation, now, tunnel, f"{name} is gone")
        return
    if not _proof_came(situation, tunnel):
        if now - tunnel.phase_since > situation.settings.unproved:
            if situation.passable(number, tunnel.outer) and _led_there(situation, tunnel):
                _give_up(situation, now, tunnel, f"nothing ever came back through {name}")
            else:
                _call_back(situation, now, tunnel)
            return
        situation.trigger(now, tunnel, 0.5)
    if not situation.passable(number, own):
        return
    if now < tunnel.home_at and situation.passable(number, tunnel.outer):
        return
    held = now - situation.path(number, own).up_since >= situation.hold
    if held or not tunnel.proved or not situation.passable(number, tunnel.outer):
        tunnel.restoring = held
        tunnel.triggered_at = -1.0
        well = f"uplink {own} has been well for {situation.hold:g} s" if held else f"uplink {own} is back"
        situation.enter(tunnel, Phase.RETURNING, now)
        situation.move_outer(now, tunnel, own, f"{well}: {name} returns to it")
        tunnel.installed_since = max(tunnel.installed_since, now)
        _return_home(situation, now, tunnel)


def _return_home(situation: Situation, now: float, tunnel: TunnelState) -> None:
    """Until something came back, the tunnel may be sent to the other uplink again."""
    number, name = tunnel.shape.number, situation.name(tunnel.shape.number)
    other = situation.other_uplink(number)
    if tunnel.proved_at >= tunnel.moved_at or not tunnel.sa.installed or other is None:
        situation.enter(tunnel, Phase.NONE, now)
    elif now - tunnel.phase_since < _proof_time(situation, tunnel):
        situation.trigger(now, tunnel, 0.05)
    elif situation.end_to_end and situation.passable(number, other):
        path = situation.path(number, tunnel.shape.uplink)
        path.mark_down()
        situation.doubt(now, path)
        situation.hold = min(situation.settings.hold_limit, situation.hold * 2)
        tunnel.home_at = now + situation.hold
        situation.enter(tunnel, Phase.PROVING, now)
        situation.move_outer(now, tunnel, other, f"nothing came back through {name} by its own uplink: away again")
    else:
        situation.enter(tunnel, Phase.NONE, now)


def _give_up(situation: Situation, now: float, tunnel: TunnelState, reason: str) -> None:
    situation.enter(tunnel, Phase.WAITING, now)
    situation.move_outer(now, tunnel, tunnel.shape.uplink, reason)


def _call_back(situation: Situation, now: float, tunnel: TunnelState) -> None:
    """The other uplink is dead too, which says nothing about the cloud: tried again once it is back."""
    reason = situation.why_down(tunnel.shape.number, tunnel.outer)
    situation.enter(tunnel, Phase.NONE, now)
    situation.move_outer(now, tunnel, tunnel.shape.uplink, reason)


HANDLERS: Mapping[Phase, Callable[[Situation, float, TunnelState], None]] = {
    Phase.NONE: _begin,
    Phase.PROVING: _prove,
    Phase.MOVED: _stay_moved,
    Phase.RETURNING: _return_home,
    Phase.DELETING: _await_delete,
    Phase.WAITING: _wait,
}
