"""
Tests of the admin API, in memory.
"""
