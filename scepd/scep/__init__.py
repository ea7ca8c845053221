"""
RFC 8894 messages: parse, build, capabilities, a bounded observer; pure.
"""
