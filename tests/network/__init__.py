"""
Tests for outgoing connections, all of them in memory.
"""
