"""
Outgoing connections: the SCEP upstream client and its TLS; what others answer comes in as events.
"""
