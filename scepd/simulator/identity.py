"""
A device's key with the certificate for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from scepd.pki.certificates import load_certificate


@dataclass(frozen=True, slots=True)
class Identity:
    """
    A key and the certificate for it.

    :param key: the device's own.
    :param certificate: DER, readable in all its parts.
    """

    key: rsa.RSAPrivateKey = field(repr=False)
    certificate: bytes = field(repr=False)

    @property
    def summary(self) -> x509.Certificate:
        """
        The certificate, parsed.
        """
        return load_certificate(self.certificate)
