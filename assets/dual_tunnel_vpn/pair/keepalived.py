"""What keepalived is told: keepalived.conf of one connection, in words that keepalived 2.2 and later understand.

It keeps the virtual gateway's address at one of the two boxes by VRRPv3, unicast, and knows of tunnels nothing: the
agent's file says whether this box stands aside (VRRP's FAULT). An agent that is gone moves the address too, but only to
a box that is there and does not stand aside: by a lower priority, never by FAULT, which both could be in.
"""

from __future__ import annotations

from .. import paths
from ..site import Site

PRIORITIES = {1: 200, 2: 150}
"""By the box's number."""

ADVERT = 0.2
"""Seconds between advertisements: three and a little more without one, and the other box takes the address."""

PREEMPT_DELAY = 1
"""Seconds for which a box that may have the address again leaves it to the other."""

AGENT_GONE = 100
"""What an agent that is gone costs of the priority: more than lies between the two boxes'."""

ALIVE_SECONDS = 5
"""For how long an agent vouches for itself."""

_TTL = 255
"""What a router forwards has less. Unless it is told, a unicast keepalived believes adverts from anybody, anywhere."""


def instance(site: Site) -> str:
    """What keepalived calls the connection's VRRP."""
    return site.name


def render(site: Site, device: str) -> str:
    """The text of keepalived.conf. device: the LAN's interface."""
    assert site.pair is not None
    pair, name = site.pair, site.name
    # What is about the process is nobody's file: its time is the moment at which it is asked for.
    alive = f"/usr/bin/test {paths.agent_alive(name)} -nt /proc/self"
    return f"""# The virtual gateway of connection {name}. Made by dual-tunnel-vpn.
global_defs {{
    router_id {name}-{pair.number}
    vrrp_version 3
    vrrp_garp_master_delay 1
    vrrp_garp_master_repeat 3
    vrrp_garp_master_refresh 60
    vrrp_garp_lower_prio_delay 1
    vrrp_garp_lower_prio_repeat 3
    script_user root
    enable_script_security
}}

track_file aside {{
    file "{paths.vrrp_aside(name)}"
    weight 0
    init_file 1
}}

vrrp_script agent {{
    script "{alive}"
    interval 2
    timeout 2
    fall 2
    rise 1
    weight -{AGENT_GONE}
}}

vrrp_instance {instance(site)} {{
    state BACKUP
    interface {device}
    virtual_router_id {pair.virtual_router_id}
    priority {PRIORITIES[pair.number]}
    advert_int {ADVERT}
    preempt_delay {PREEMPT_DELAY}
    unicast_src_ip {pair.lan.address}
    check_unicast_src
    unicast_peer {{
        {pair.other_lan_address} min_ttl {_TTL} max_ttl {_TTL}
    }}
    virtual_ipaddress {{
        {pair.virtual_gateway}/32 dev {device}
    }}
    track_file {{
        aside
    }}
    track_script {{
        agent
    }}
}}
"""
