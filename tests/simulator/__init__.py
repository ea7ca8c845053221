"""
Tests for scepd.simulator.
"""
