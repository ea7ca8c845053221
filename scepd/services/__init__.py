"""
The use cases of scepd: what operators and devices ask for, in terms of the ports.

Here may be no SQL, no socket and no HTTP status: storage, network and web have them.
"""
