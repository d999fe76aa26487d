"""strongSwan on the box: its protocol, its SAs, its files and its service."""
