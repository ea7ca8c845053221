"""
Tests of configuration profiles: reading, variables, validation, rendering, the lifecycle.
"""
