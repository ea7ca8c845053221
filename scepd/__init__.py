"""
scepd: certificates from any SCEP certificate authority onto Apple devices, and kept valid.
"""

__version__ = "0.1.0"
