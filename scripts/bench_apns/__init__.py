"""
The bench of pushes: clients of the push service, one after the other, against a server in C.

Each ``client_*`` is a program of its own, which makes one connection and one measurement.
"""
