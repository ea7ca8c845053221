"""
Tests of scepd; the folders mirror the package.
"""
