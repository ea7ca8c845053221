"""
The certificate that we show as a TLS client.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from OpenSSL.crypto import X509, PKey
from twisted.internet.ssl import Certificate, CertificateOptions, KeyPair, PrivateCertificate

from scepd.ports import ClientCredentials


def own_chain(credentials: ClientCredentials) -> tuple[PrivateCertificate, Sequence[X509]]:
    """
    Our certificate with its key, and the issuers behind it.

    :raises ValueError: one of them can't be read, or OpenSSL does not take them.
    """
    try:
        key = load_pem_private_key(credentials.private_key.encode(), None)
        chain = x509.load_pem_x509_certificates(credentials.certificate.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("its client certificate and key can't be read") from None
    if key.public_key() != chain[0].public_key():
        raise ValueError("its client certificate and key don't belong together")
    pair = PKey.from_cryptography_key(key)  # type: ignore[arg-type]
    own, *issuers = (X509.from_cryptography(each) for each in chain)
    try:
        # Twisted makes the context when a connection is there, which then knows nobody to tell.
        CertificateOptions(privateKey=pair, certificate=own, extraCertChain=issuers).getContext()
    except SSL.Error:
        raise ValueError("its client certificate is too weak for TLS") from None
    certificate = Certificate(own)
    return PrivateCertificate.fromCertificateAndKeyPair(certificate, KeyPair(pair)), issuers
