"""
Tests of the storage package: one contract for every database, and what is SQLite's own.
"""
