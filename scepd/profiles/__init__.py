"""
Configuration profiles: parsing, variables, validation, rendering, the lifecycle table; pure.
"""
