"""Two boxes for one connection: how their agents talk, what keepalived is told, and what the LAN says."""
