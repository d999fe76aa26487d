"""The BGP speaker (BIRD) of a connection: what it is told, and the conversation with it."""
