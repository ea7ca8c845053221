"""
Tests for scepd.osquery.
"""
