"""The box's network: the kernel by netlink and /proc/sys, and the programs that manage or filter it."""
