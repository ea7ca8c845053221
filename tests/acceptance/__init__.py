"""
Tests that start the real programs: the daemon, a CA, clients.
"""
