"""
``scripts/simulate``: simulated devices against a real daemon, with all going wrong.

The devices are scepd/simulator's own; here are the processes around them, the order of what happens
to them, and the tables. Nothing here is installed.
"""
