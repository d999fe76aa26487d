"""`python3 -m dual_tunnel_vpn`: the same as the command dual-tunnel-vpn."""

import sys

from .cli import main

sys.exit(main(sys.argv[1:]))
