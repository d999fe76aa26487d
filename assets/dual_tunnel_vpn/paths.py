"""Every place on the box that a connection uses, derived from its name. docs/architecture.md has the table."""

from __future__ import annotations

from pathlib import Path

LIBRARY = Path("/usr/local/lib/dual-tunnel-vpn")
"""Holds one directory per installed version and the symlink `current`."""

COMMAND = Path("/usr/local/sbin/dual-tunnel-vpn")

STATE = Path("/etc/dual-tunnel-vpn")
"""Holds box.json (shared) and one directory per connection."""

RUN = Path("/run/dual-tunnel-vpn")

STAGING = Path("/run/dual-tunnel-vpn-staging")
"""Holds one directory per upload that waits for install.sh; begin.sh makes it."""

PRIVATE = Path("/run/dual-tunnel-vpn-private")
"""Only root enters it: a lock that others could open would be one that they could hold."""

LOCK = PRIVATE / "lock"

NETWORK_LOCK = PRIVATE / "network-lock"
"""Held by whoever brings interfaces, routes and packet filter of a connection into order."""

FORMER_LOCK = Path("/run/dual-tunnel-vpn.lock")
"""Where the version before had it."""

UNITS = Path("/etc/systemd/system")

MODULES = Path("/etc/modules-load.d/dual-tunnel-vpn.conf")

NETWORKD = Path("/etc/systemd/networkd.conf.d/90-dual-tunnel-vpn.conf")
"""Has systemd-networkd leave routes and rules alone that are not its own."""

LEGACY_TABLES = Path("/proc/net/ip_tables_names")
"""The tables in use of the kernel's older filter, which tells nobody of its changes."""

SHARED_TABLE = "dual_tunnel_vpn"
"""The nftables table of family ip that all connections share; the beginning of each connection's own."""

ROUTE_PROTOCOL = 157
"""The kernel's route protocol number of every route of ours (not in iproute2's rt_protos)."""


GUARD_METRIC = 2**32 - 1
"""Of the routes that are for when others have vanished: the least preferred, so that any other way comes first."""


def connection(name: str) -> Path:
    """site.json and the manifest of one connection."""
    return STATE / name


def site(name: str) -> Path:
    """The site.json of an installed connection."""
    return connection(name) / "site.json"


def owner(name: str) -> Path:
    """Whose an installed connection is."""
    return connection(name) / "owner.json"


def unconfirmed(name: str) -> Path:
    """There while a change waits for its confirmation: what the connection was before."""
    return connection(name) / "unconfirmed.json"


def rolling_back(name: str) -> Path:
    """The same while the change is being taken back."""
    return connection(name) / "rolling-back.json"


def agent_state(name: str) -> Path:
    """What the agent last wrote about itself, JSON."""
    return RUN / name / "agent.json"


def bird_conf(name: str) -> Path:
    """What a connection's BGP speaker is told."""
    return connection(name) / "bird.conf"


def bgp_socket(name: str) -> Path:
    """The control socket of a connection's BGP speaker, in a directory of its unit's."""
    return RUN / name / "bgp" / "control"


def keepalived_conf(name: str) -> Path:
    """What a connection's VRRP is told, where it has two boxes."""
    return connection(name) / "keepalived.conf"


def keepalived_pid(name: str) -> Path:
    """Where a connection's keepalived notes its process, apart from any other on the box."""
    return RUN / name / "keepalived.pid"


def vrrp_pid(name: str) -> Path:
    """And where it notes that of its child."""
    return RUN / name / "vrrp.pid"


def vrrp_aside(name: str) -> Path:
    """Whether this box of two stands aside, for VRRP to follow: 0 or 1."""
    return RUN / name / "vrrp"


def agent_alive(name: str) -> Path:
    """Its time of change is until when the agent vouches for itself, for VRRP to see."""
    return RUN / name / "alive"


def links_unit(name: str) -> str:
    """The unit that makes interfaces, routes, rules, sysctls and the firewall."""
    return f"dual-tunnel-vpn-links@{name}.service"


def guard_unit(name: str) -> str:
    """The unit that puts guards and packet filter in place before the network comes up."""
    return f"dual-tunnel-vpn-guard@{name}.service"


def repair_unit(name: str) -> str:
    """The unit that puts right what others changed in kernel parameters and packet filter."""
    return f"dual-tunnel-vpn-repair@{name}.service"


def agent_unit(name: str) -> str:
    """The failover agent's unit."""
    return f"dual-tunnel-vpn-agent@{name}.service"


def bgp_unit(name: str) -> str:
    """The BGP speaker's unit, where the connection has BGP."""
    return f"dual-tunnel-vpn-bgp@{name}.service"


def vrrp_unit(name: str) -> str:
    """The unit of VRRP, where the connection has two boxes."""
    return f"dual-tunnel-vpn-vrrp@{name}.service"


def rollback_unit(name: str) -> str:
    """The unit that takes an unconfirmed change back."""
    return f"dual-tunnel-vpn-rollback@{name}.service"


def rollback_timer(name: str) -> str:
    """What starts that, unless the change is confirmed before."""
    return f"dual-tunnel-vpn-rollback@{name}.timer"


def nft_table(name: str) -> str:
    """The connection's own nftables table of family inet (nft allows no hyphen in a name)."""
    return f"{SHARED_TABLE}_" + name.replace("-", "_")


def sysctl_file(name: str) -> Path:
    """The connection's kernel parameters, applied at boot and when an interface appears."""
    return Path("/etc/sysctl.d") / f"90-dual-tunnel-vpn-{name}.conf"


def network_manager_file(name: str) -> Path:
    """Tells NetworkManager, where it is installed, to leave the XFRM interfaces alone."""
    return Path("/etc/NetworkManager/conf.d") / f"90-dual-tunnel-vpn-{name}.conf"
