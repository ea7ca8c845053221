"""
Tests of the property-list reader.
"""
