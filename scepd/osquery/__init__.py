"""
The messages of osquery's TLS API: enrollment and distributed queries; pure.
"""
