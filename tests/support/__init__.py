"""
Fakes of our ports, builders of bytes and runners of real programs.
"""
