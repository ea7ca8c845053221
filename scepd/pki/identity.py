"""
What tells certificates apart: issuer and serial number, key identifier, public key.
"""

from __future__ import annotations

from dataclasses import dataclass

from asn1crypto import core, x509

from scepd.errors import EncodingError
from scepd.pki.ber import to_der
from scepd.pki.decoding import reading
from scepd.pki.keys import public_key_sha256
from scepd.pki.structures import Certificate, raw

_SUBJECT_KEY_IDENTIFIER = "2.5.29.14"


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
    der = to_der(der)
    with reading("the certificate"):
        certificate = Certificate.load(der, strict=True)["tbs_certificate"]
        return CertificateIdentity(
            der,
            raw(certificate["issuer"]),
            certificate["serial_number"].native,
            raw(certificate["subject"]),
            raw(certificate["subject_public_key_info"]),
            _key_identifier(certificate["extensions"]),
        )


def reference_of(chosen: core.Asn1Value) -> CertificateReference:
    """
    Read a SignerIdentifier or RecipientIdentifier; call it inside ``reading``.

    :param chosen: what was chosen of a ``CertificateIdentifier``.
    :returns: the reference.
    """
    if isinstance(chosen, core.OctetString):
        return CertificateReference(None, None, chosen.native)
    return CertificateReference(raw(chosen["issuer"]), chosen["serial_number"].native, None)


def same_name(one: bytes, other: bytes) -> bool:
    """
    Compare two names as RFC 5280 section 7.1 says, as some clients re-encode the strings.

    :param one: a DER Name.
    :param other: a DER Name.
    :returns: whether they are the same, but for case, blanks and string types.
    :raises EncodingError: bytes that differ and are not both names.
    """
    if one == other:
        return True
    with reading("a name"):
        return bool(x509.Name.load(one, strict=True) == x509.Name.load(other, strict=True))


def _key_identifier(extensions: core.Asn1Value) -> bytes | None:
    # An optional field that is absent is a Void, which has no items to loop over.
    if isinstance(extensions, core.Void):
        return None
    for extension in extensions:
        if extension["extn_id"].native == _SUBJECT_KEY_IDENTIFIER:
            value = core.OctetString.load(extension["extn_value"].native, strict=True).native
            if not isinstance(value, bytes):
                raise EncodingError("the certificate is not well-formed")
            return value
    return None
