"""
Making certificates: the embedded certificate authority's own, and those that it issues.

What a certificate is good for follows from its purpose, never from the request (RFC 8894 section
2.5 leaves it to the authority).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from scepd.errors import EncodingError, MessageError
from scepd.pki.certificates import load_certificate
from scepd.pki.decoding import reading
from scepd.pki.issuing_names import check_subject, checked_alternative_names
from scepd.pki.requests import CertificationRequest

_CA_LIFETIME = timedelta(days=3652)
# Devices' clocks differ; the authority is older than all that it issues.
_CA_BACKDATED = timedelta(days=1)
_BACKDATED = timedelta(minutes=5)

Random = Callable[[int], bytes]
"""
Gives that many unpredictable octets.
"""


class Purpose(StrEnum):
    """
    What a certificate is issued for.
    """

    ENROLL = "enroll"
    """
    The MDM identity of a device.
    """
    PROFILE = "profile"
    """
    Whatever the holder of the static challenge wants to prove its name for.
    """


@dataclass(frozen=True, slots=True)
class Issuer:
    """
    A certificate authority's key and certificate.

    :param certificate: DER.
    """

    key: rsa.RSAPrivateKey = field(repr=False)
    certificate: bytes


@dataclass(frozen=True, slots=True)
class _Authority:
    """
    What of an authority's certificate is in all that it issues.
    """

    subject: x509.Name
    not_after: datetime
    key_identifier: x509.AuthorityKeyIdentifier


def generate_ca_key(bits: int = 3072) -> rsa.RSAPrivateKey:
    """
    Make the key of a certificate authority; takes up to some seconds.

    :param bits: of the modulus.
    :returns: the key.
    """
    return rsa.generate_private_key(65537, bits)


def build_ca_certificate(key: rsa.RSAPrivateKey, now: datetime, random: Random) -> bytes:
    """
    Certify the key of a certificate authority with itself, for 10 years.

    :param key: to be certified.
    :param now: aware.
    :param random: makes the serial number, and the name that tells it from others.
    :returns: the DER of the certificate.
    """
    common_name = f"scepd {random(4).hex()}"
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    public_key = key.public_key()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public_key)
        .serial_number(_serial_number(random))
        .not_valid_before(now - _CA_BACKDATED)
        .not_valid_after(now + _CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(ca=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.DER)


def issue_certificate(
    request: CertificationRequest,
    purpose: Purpose,
    issuer: Issuer,
    now: datetime,
    lifetime: timedelta,
    random: Random,
) -> bytes:
    """
    Certify the key of a request under the name that it asks for.

    :param request: checked by ``parse_request``.
    :param purpose: alternative names are for ``PROFILE`` only.
    :param issuer: the authority; its own end is the certificate's at the latest.
    :param now: aware.
    :param lifetime: from ``now`` on.
    :param random: makes the serial number.
    :returns: the DER of the certificate.
    :raises EncodingError: a name that can't be read, or with characters that a name may not hold,
        alternative names where there may be none, or it asks to be an authority or for more than
        clientAuth.
    :raises LimitExceeded: too many names, or too long ones.
    :raises MessageError: the authority's own certificate has expired.
    """
    with reading("the certification request"):
        # That it is in DER is known of every request that was parsed.
        asked = x509.load_der_x509_csr(request.der)
        _check_extensions(asked.extensions)
        check_subject(asked.subject)
        names = checked_alternative_names(asked.extensions, allowed=purpose is Purpose.PROFILE)
        public_key = asked.public_key()
        assert isinstance(public_key, rsa.RSAPublicKey), "parse_request takes no other"
    authority = _authority(issuer.certificate)
    if now >= authority.not_after:
        raise MessageError("the authority's own certificate has expired")
    builder = (
        x509.CertificateBuilder()
        .subject_name(asked.subject)
        .issuer_name(authority.subject)
        .public_key(public_key)
        .serial_number(_serial_number(random))
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(min(now + lifetime, authority.not_after))
    )
    for extension, critical in _extensions(public_key, authority.key_identifier):
        builder = builder.add_extension(extension, critical)
    if names:
        # RFC 5280 section 4.2.1.6: the only name of a certificate must be understood.
        only_name = not list(asked.subject)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=only_name)
    certificate = builder.sign(issuer.key, hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.DER)


def _extensions(
    public_key: rsa.RSAPublicKey, authority: x509.AuthorityKeyIdentifier
) -> list[tuple[x509.ExtensionType, bool]]:
    return [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_key_usage(ca=False), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False),
        (x509.SubjectKeyIdentifier.from_public_key(public_key), False),
        (authority, False),
    ]


@lru_cache(maxsize=4)
def _authority(certificate: bytes) -> _Authority:
    # Of a few certificates in all, which stay the same for years.
    loaded = load_certificate(certificate)
    found = loaded.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return _Authority(
        loaded.subject,
        loaded.not_valid_after_utc,
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(found),
    )


def _check_extensions(extensions: x509.Extensions) -> None:
    # Left out silently, they would be missed only when the certificate is used.
    for extension in extensions:
        match extension.value:
            case x509.BasicConstraints(ca=True):
                raise EncodingError("the request asks for a certificate authority's")
            case x509.ExtendedKeyUsage() as usages:
                if set(usages) - {ExtendedKeyUsageOID.CLIENT_AUTH}:
                    raise EncodingError("the request asks for more than clientAuth")


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _serial_number(random: Random) -> int:
    # RFC 5280 section 4.1.2.2: positive, at most 20 octets.
    return int.from_bytes(random(16), "big") or 1
