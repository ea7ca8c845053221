"""
Tests of scepctl, against a pretend server.
"""
