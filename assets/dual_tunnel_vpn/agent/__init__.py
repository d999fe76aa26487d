"""The failover agent: one process per connection that owns the routes to the VPC.

main.py starts it, loop.py runs it, machine.py decides (rescue.py what is left to do for a tunnel whose uplink is dead),
health.py judges probes, cadence.py sends them, the rest sees and acts.
"""
