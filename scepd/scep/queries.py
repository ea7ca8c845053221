"""
What CertPoll, GetCert and GetCRL ask for (RFC 8894 sections 3.3.3 and 3.3.4).
"""

from __future__ import annotations

from dataclasses import dataclass

from scepd.errors import DecryptionFailed, EncodingError, LimitExceeded
from scepd.pki import der
from scepd.pki.ber import to_der
from scepd.pki.ciphers import UNOPENED
from scepd.pki.decoding import reading
from scepd.pki.der_reader import SEQUENCE, split
from scepd.pki.identity import read_issuer_and_serial


@dataclass(frozen=True, slots=True)
class IssuerAndSubject:
    """
    The content of a CertPoll.

    :param issuer: the DER of the authority's name.
    :param subject: the DER of the name that was asked for.
    """

    issuer: bytes
    subject: bytes

    def encode(self) -> bytes:
        """
        Encode it as RFC 8894 section 3.3.3 says.
        """
        return der.sequence(self.issuer, self.subject)


@dataclass(frozen=True, slots=True)
class IssuerAndSerial:
    """
    The content of a GetCert or GetCRL.

    :param issuer: the DER of the authority's name.
    :param serial_number: of the certificate asked for, or of the client's own.
    """

    issuer: bytes
    serial_number: int

    def encode(self) -> bytes:
        """
        Encode it as RFC 8894 section 3.3.4 says.
        """
        return der.sequence(self.issuer, der.integer(self.serial_number))


def parse_issuer_and_subject(content: bytes) -> IssuerAndSubject:
    """
    Read what was in a CertPoll's envelope.

    :param content: decrypted.
    :returns: the names.
    :raises DecryptionFailed: anything else, as if the envelope had not opened.
    """
    try:
        encoded = to_der(content)
        with reading("the IssuerAndSubject"):
            parts = split(encoded, SEQUENCE)
    except (EncodingError, LimitExceeded):
        raise DecryptionFailed(UNOPENED) from None
    if len(parts) != 2:
        raise DecryptionFailed(UNOPENED)
    return IssuerAndSubject(parts[0], parts[1])


def parse_issuer_and_serial(content: bytes) -> IssuerAndSerial:
    """
    Read what was in a GetCert's or GetCRL's envelope.

    :param content: decrypted.
    :returns: the name and number.
    :raises DecryptionFailed: anything else, as if the envelope had not opened.
    """
    try:
        encoded = to_der(content)
        with reading("the IssuerAndSerialNumber"):
            return IssuerAndSerial(*read_issuer_and_serial(encoded))
    except (EncodingError, LimitExceeded):
        raise DecryptionFailed(UNOPENED) from None
