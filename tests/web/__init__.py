"""
Tests of incoming HTTP.
"""
