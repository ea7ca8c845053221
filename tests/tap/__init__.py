"""
Tests of ``twistd scepd``: its options, its start, its reload, its stop.
"""
