"""
Tests of ``scepd.scep``.
"""
