"""
Tests of ``scepd.pki``.
"""
