"""
Tests for scepd.mdm.
"""
