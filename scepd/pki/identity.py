"""
What tells certificates apart: issuer and serial number, key identifier, public key.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from asn1crypto import x509

from scepd.pki.ber import to_der
from scepd.pki.decoding import reading
from scepd.pki.der_reader import (
    BIT_STRING,
    BOOLEAN,
    SEQUENCE,
    identifier_of,
    integer_of,
    octets_of,
    split,
)
from scepd.pki.keys import public_key_sha256

_SUBJECT_KEY_IDENTIFIER = "2.5.29.14"
_VERSION, _ISSUER_ID, _SUBJECT_ID, _EXTENSIONS = 0xA0, 0x81, 0x82, 0xA3
_KEY_IDENTIFIER_CHOICE = 0x80
# The same few certificates come again and again: authorities' own, and a device's in an exchange.
_REMEMBERED = 64
_LARGEST_REMEMBERED = 8192
# Each character of a name takes a microsecond; foreign messages have room for many.
_LONGEST_COMPARED = 1024


@dataclass(frozen=True, slots=True)
class CertificateIdentity:
    """
    The parts of one certificate by which others refer to it.

    :param der: the certificate.
    :param issuer: the DER of the issuer's name.
    :param serial_number: as in the certificate, of any sign.
    :param subject: the DER of the subject's name.
    :param public_key_info: the DER SubjectPublicKeyInfo.
    :param key_identifier: the extension's value (RFC 5280 section 4.2.1.2), if there is one.
    """

    der: bytes
    issuer: bytes
    serial_number: int
    subject: bytes
    public_key_info: bytes
    key_identifier: bytes | None

    @property
    def public_key_sha256(self) -> str:
        """
        SHA-256 of the SubjectPublicKeyInfo as 64 lower-case hexadecimal digits.
        """
        return public_key_sha256(self.public_key_info)


@dataclass(frozen=True, slots=True)
class CertificateReference:
    """
    How a SignerInfo or a RecipientInfo names a certificate: one of the two ways is None.

    :param issuer: the DER of the issuer's name.
    :param serial_number: the serial number.
    :param key_identifier: the subjectKeyIdentifier.
    """

    issuer: bytes | None
    serial_number: int | None
    key_identifier: bytes | None

    def names(self, identity: CertificateIdentity) -> bool:
        """
        Tell whether this is the certificate that is meant.

        :param identity: a certificate.
        :returns: whether the key identifier, or issuer and serial number, are the same.
        :raises EncodingError: a name that can't be read.
        """
        if self.issuer is None:
            return self.key_identifier == identity.key_identifier is not None
        if self.serial_number != identity.serial_number:
            return False
        return same_name(self.issuer, identity.issuer)


def identify(der: bytes) -> CertificateIdentity:
    """
    Read what identifies a certificate, and nothing else of it.

    :param der: one certificate.
    :returns: its identity.
    :raises EncodingError: not a certificate.
    :raises LimitExceeded: too deep or too many elements.
    """
    return identify_der(to_der(der))


def identify_der(der: bytes) -> CertificateIdentity:
    """
    Read what identifies a certificate that is known to be in DER, as ``to_der`` leaves it.

    :param der: one certificate: our own, or one out of a message that was read.
    :returns: its identity.
    :raises EncodingError: not a certificate.
    """
    # What is large does not stay in memory.
    return _remembered(der) if len(der) <= _LARGEST_REMEMBERED else _identify(der)


def read_reference(element: bytes) -> CertificateReference:
    """
    Read a SignerIdentifier or RecipientIdentifier (RFC 5652 sections 5.3 and 6.2.1).

    :param element: its DER; call it inside ``reading``.
    :returns: the reference.
    :raises ValueError: anything else.
    """
    if element[0] == _KEY_IDENTIFIER_CHOICE:
        return CertificateReference(None, None, octets_of(element, _KEY_IDENTIFIER_CHOICE))
    return CertificateReference(*read_issuer_and_serial(element), None)


def read_issuer_and_serial(element: bytes) -> tuple[bytes, int]:
    """
    Read an IssuerAndSerialNumber (RFC 5652 section 10.2.4); call it inside ``reading``.

    :param element: its DER.
    :returns: the DER of the issuer's name, and the serial number.
    :raises ValueError: anything else.
    """
    issuer, serial_number = split(element, SEQUENCE)
    return issuer, integer_of(serial_number)


def same_name(one: bytes, other: bytes) -> bool:
    """
    Compare two names as RFC 5280 section 7.1 says, as some clients re-encode the strings.

    :param one: a DER Name.
    :param other: a DER Name.
    :returns: whether they are the same, but for case, blanks and string types; those above 1 kB are
        compared octet by octet.
    :raises EncodingError: bytes that differ and are not both names.
    """
    if one == other:
        return True
    if max(len(one), len(other)) > _LONGEST_COMPARED:
        return False
    with reading("a name"):
        return bool(x509.Name.load(one, strict=True) == x509.Name.load(other, strict=True))


def _identify(der: bytes) -> CertificateIdentity:
    with reading("the certificate"):
        tbs, algorithm, signature = split(der, SEQUENCE)
        fields = split(tbs, SEQUENCE)
        if fields[0][0] == _VERSION:
            del fields[0]
        serial_number, signed_with, issuer, validity, subject, key_info, *others = fields
        sequences = (algorithm, signed_with, issuer, validity, subject, key_info)
        if signature[0] != BIT_STRING or [each[0] for each in sequences] != [SEQUENCE] * 6:
            raise ValueError("a field of the certificate has another type")
        return CertificateIdentity(
            der, issuer, integer_of(serial_number), subject, key_info, _key_identifier(others)
        )


_remembered = lru_cache(_REMEMBERED)(_identify)


def _key_identifier(fields: list[bytes]) -> bytes | None:
    """
    Find the identifier among the fields that not every certificate has.
    """
    for tag in (_ISSUER_ID, _SUBJECT_ID):
        if fields and fields[0][0] == tag:
            del fields[0]
    if not fields:
        return None
    (explicit,) = fields
    (extensions,) = split(explicit, _EXTENSIONS)
    return _key_identifier_among(split(extensions, SEQUENCE))


def _key_identifier_among(extensions: list[bytes]) -> bytes | None:
    for extension in extensions:
        oid, *critical, value = split(extension, SEQUENCE)
        if identifier_of(oid) == _SUBJECT_KEY_IDENTIFIER:
            if len(critical) > 1 or (critical and critical[0][0] != BOOLEAN):
                raise ValueError("an extension is not well-formed")
            return octets_of(to_der(octets_of(value)))
    return None
