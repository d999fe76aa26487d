"""What the agent knows of its site, what follows from it, and the steps that all rules share.

Pure: no clock is read and nothing is touched. Steps become actions, which count as done.
"""

from __future__ import annotations

from ..bgp.heard import Session
from .facts import Action, Phase, SetInner, SetOuter, Settings, Trigger, TunnelShape, TunnelState
from .health import Health, Path


class Situation:
    """The box's tunnels and uplinks. Times are seconds of a monotonic clock that never jumps."""

    def __init__(
        self,
        tunnels: tuple[TunnelShape, ...],
        uplinks: tuple[int, ...],
        settings: Settings,
        end_to_end: bool = False,
    ) -> None:
        """end_to_end: hosts in the VPC are known that answer what is sent through a tunnel."""
        self.settings = settings
        self.end_to_end = end_to_end
        self.tunnels = {shape.number: TunnelState(shape, shape.uplink) for shape in tunnels}
        self.preferred = tunnels[0].number
        self.uplinks = uplinks
        self.paths = {
            (uplink, shape.number): Path(settings.interval, settings.misses) for uplink in uplinks for shape in tunnels
        }
        self.links = dict.fromkeys(uplinks, True)
        self.link_reasons = dict.fromkeys(uplinks, "")
        self.inner: int | None = None
        """The tunnel that the routes to the VPC lead to, this box's or another's; None: they do not exist yet."""
        self.offered = False
        """Whether another box that has the other tunnel takes what this one sends it."""
        self.held: int | None = None
        """The tunnel that is to carry nothing while another can, because it is about to be changed."""
        self.hold = settings.hold
        self.preferred_since: float | None = None
        self.failed_back_at: float | None = None
        self.left_at: float | None = None
        """When traffic left the active tunnel."""
        self.switches = 0
        self.sessions = {number: Session() for number in self.tunnels}
        """The tunnels' BGP sessions; none is established where there is no BGP."""
        self.taking_over: frozenset[int] | None = None
        """By whose sessions the cloud is told to send everything; None: nobody is there who could tell it."""
        self.ended: set[int] = set()
        """The tunnels whose BGP session was established and is no more."""
        self.now = 0.0
        """When it was last decided what to do."""
        self.actions: list[Action] = []
        """What is to be done and was not yet handed out."""

    def do(self, action: Action) -> None:
        """Adds an action."""
        self.actions.append(action)

    def path(self, number: int, uplink: int | None = None) -> Path:
        """The path of a tunnel by an uplink (default: the one that it leaves by now)."""
        return self.paths[(self.tunnels[number].outer if uplink is None else uplink, number)]

    def passable(self, number: int, uplink: int) -> bool:
        """Whether nothing speaks against that way."""
        return self.links[uplink] and self.path(number, uplink).health is not Health.DOWN

    def inviting(self, number: int, uplink: int) -> bool:
        """Whether that way is worth moving to: nothing speaks against it, not even silence yet to be judged.

        One that is back is not at once: the way to be left may be back with it.
        """
        path = self.path(number, uplink)
        settled = self.now - path.heard_since >= self.settings.awake
        return self.passable(number, uplink) and settled and not path.silent

    def ready(self, number: int) -> bool:
        """Whether the tunnel is worth moving traffic to."""
        if number not in self.tunnels:
            return self.offered
        return self.usable(number) and self.inviting(number, self.tunnels[number].outer)

    def usable(self, number: int) -> bool:
        """Whether traffic put into the tunnel now should arrive."""
        if number not in self.tunnels:
            return self.offered
        tunnel = self.tunnels[number]
        doubtful = tunnel.outer != tunnel.shape.uplink and not tunnel.proved
        return tunnel.sa.installed and not doubtful and self.passable(number, tunnel.outer)

    def could_carry(self, number: int) -> bool:
        """Whether traffic could be moved to the tunnel."""
        return self.ready(number)

    def works(self, number: int) -> bool:
        """Whether the tunnel's BGP session proves that it works inside."""
        return number in self.sessions and self.sessions[number].works

    def steers(self, number: int) -> bool:
        """Whether the cloud can be told by BGP to send everything by this tunnel."""
        return self.taking_over is not None and number in self.tunnels and self.sessions[number].established

    def other_uplink(self, number: int) -> int | None:
        """The uplink that is not the tunnel's own, if there is one."""
        own = self.tunnels[number].shape.uplink
        return next((uplink for uplink in self.uplinks if uplink != own), None)

    def other_tunnel(self, number: int) -> int:
        """The other tunnel's number, whichever box has it."""
        return 3 - number

    def name(self, number: int) -> str:
        """A tunnel as it is spoken of."""
        if number not in self.tunnels:
            return f"the other box, by tunnel {number}"
        return f"tunnel {number} ({self.tunnels[number].shape.role})"

    def why_down(self, number: int, uplink: int) -> str:
        """Why a tunnel does not get through by an uplink, in words."""
        if not self.links[uplink]:
            return f"uplink {uplink} {self.link_reasons[uplink]}"
        return f"uplink {uplink} does not reach {self.tunnels[number].shape.address}"

    def enter(self, tunnel: TunnelState, phase: Phase, now: float) -> None:
        """The rescue of a tunnel comes to another phase."""
        tunnel.phase, tunnel.phase_since = phase, now

    def move_outer(self, now: float, tunnel: TunnelState, uplink: int, reason: str) -> None:
        """Has a tunnel leave by an uplink, unless it does."""
        if tunnel.outer != uplink:
            tunnel.outer, tunnel.proved, tunnel.moved_at = uplink, False, now
            self.do(SetOuter(tunnel.shape.number, uplink, reason))

    def trigger(self, now: float, tunnel: TunnelState, pause: float) -> None:
        """Sends something through a tunnel, unless that was done within the pause."""
        if now - tunnel.triggered_at >= pause - 0.01:
            tunnel.triggered_at = now
            self.do(Trigger(tunnel.shape.number))

    def doubt(self, now: float, path: Path) -> None:
        """A path that failed and that probes cannot judge is tried again rarely."""
        # A path that probes cannot judge is tried again rarely: without probes a try costs traffic.
        path.doubted_until = now + self.settings.blind_retry * max(1.0, self.hold / self.settings.hold)

    def set_inner(self, now: float, number: int, reason: str, planned: bool = False) -> None:
        """Leads the VPC's traffic into a tunnel, whichever it was before; planned: the one before did not fail."""
        if self.inner is not None:
            self.switches += 1
            if number == self.held:
                # The only one that works: the other may come and go, and traffic is not to follow each time.
                self.held = None
        if number == self.preferred:
            self.preferred_since = now
            if self.inner is not None:
                self.failed_back_at = now
        else:
            flapped = self.failed_back_at is not None and now - self.failed_back_at < self.settings.flap
            if flapped and not planned:
                self.hold = min(self.settings.hold_limit, self.hold * 2)
            self.preferred_since = None
            self.left_at = now
            self.tunnels[self.preferred].restoring = False
        self.inner = number
        self.do(SetInner(number, f"{reason}: the VPC is reached by {self.name(number)}"))
