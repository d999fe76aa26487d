"""The failover agent: one process per connection that owns the routes to the VPC.

main.py starts it, loop.py runs it, machine.py decides, paths.py judges probes, the rest sees and acts.
"""
