"""
``scripts/bench mdm``: what polls cost, what a tick costs, and a day of a simulated fleet.
"""
