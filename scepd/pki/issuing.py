"""
Making certificates: the embedded certificate authority's own, and those that it issues.

What a certificate is good for follows from its purpose, never from the request (RFC 8894 section
2.5 leaves it to the authority).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, SignatureAlgorithmOID

from scepd.errors import MessageError
from scepd.pki import der
from scepd.pki.ber import encode_length
from scepd.pki.certificates import load_certificate, summarize
from scepd.pki.decoding import reading
from scepd.pki.issuing_extensions import check_extensions
from scepd.pki.issuing_names import check_subject, checked_alternative_names
from scepd.pki.requests import CertificationRequest, load_checked_request

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
    RENEW = "renew"
    """
    The MDM identity that takes the place of another one.
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
class IssuerDescription:
    """
    What the authority's certificate says of it.

    :param name: the DER of its subject.
    :param serial: of the certificate, hex.
    :param key_identifier: of its key.
    :param not_after: aware, UTC.
    """

    name: bytes
    serial: str
    key_identifier: bytes
    not_after: datetime


@dataclass(frozen=True, slots=True)
class NewCertificate:
    """
    A certificate that was made, and what one would else read from it.

    :param der: the certificate.
    :param serial: as ``summarize`` writes it.
    :param sha256: fingerprint, hex.
    :param not_after: aware, UTC.
    """

    der: bytes
    serial: str
    sha256: str
    not_after: datetime


@lru_cache(maxsize=16)
def describe_issuer(certificate: bytes) -> IssuerDescription:
    """
    Read the certificate of an authority.

    :param certificate: DER, as :func:`build_ca_certificate` made it.
    :returns: what it says; the same object for the same certificate.
    :raises EncodingError: it is not such a one.
    """
    loaded = load_certificate(certificate)
    with reading("the authority's certificate"):
        found = loaded.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        return IssuerDescription(
            loaded.subject.public_bytes(),
            summarize(certificate).serial,
            found.digest,
            loaded.not_valid_after_utc,
        )


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
    crl_url: str | None = None,
) -> NewCertificate:
    """
    Make a certificate for TLS clients; only subject, alternative names and key are the request's.

    It is put together here, and not by a builder, as that would take as long as all else that a
    request needs but the signatures.

    :param request: as ``parse_request`` checked it.
    :param purpose: a profile's may have alternative names, an MDM identity may not.
    :param issuer: whose name and key it gets.
    :param now: aware; it is valid from 5 minutes before.
    :param lifetime: from now on; cut to the issuer's.
    :param random: makes the serial number, of 16 octets.
    :param crl_url: where the revocation list of this issuer is; None: the certificate does not say.
    :returns: the certificate.
    :raises EncodingError: a name that is no text or holds control characters, or alternative names
        where there may be none, or it asks to be an authority, for more than clientAuth, or for a
        critical extension that is not issued.
    :raises LimitExceeded: too many names, or too long ones.
    :raises MessageError: the authority's own certificate has expired.
    """
    asked, names = _checked(request, purpose)
    with reading("the certification request"):
        key_identifier = x509.SubjectKeyIdentifier.from_public_key(asked.public_key())
    authority = describe_issuer(issuer.certificate)
    if now >= authority.not_after:
        raise MessageError("the authority's own certificate has expired")
    not_after = min(now + lifetime, authority.not_after).replace(microsecond=0)
    number = _serial_number(random)
    wanted = [
        *_SAME_EXTENSIONS,
        _extension(key_identifier),
        _authority_key_identifier(authority.key_identifier),
    ]
    if names:
        # RFC 5280 section 4.2.1.6: the only name of a certificate must be understood.
        only_name = not list(asked.subject)
        wanted.append(_extension(x509.SubjectAlternativeName(names), critical=only_name))
    if crl_url is not None:
        wanted.append(_distribution_point(crl_url))
    encoded = _signed(
        issuer.key,
        der.tagged(0, der.integer(2)),
        der.integer(number),
        _SHA256_WITH_RSA,
        authority.name,
        der.sequence(_time(now - _BACKDATED), _time(not_after)),
        request.subject_der,
        request.public_key_info,
        der.tagged(3, der.sequence(*wanted)),
    )
    sha256 = hashlib.sha256(encoded).hexdigest()
    return NewCertificate(encoded, _serial_text(number), sha256, not_after)


def check_issuable(request: CertificationRequest, purpose: Purpose) -> None:
    """
    Check that a certificate can be issued for a request, as :func:`issue_certificate` does.

    :param request: as ``parse_request`` checked it.
    :param purpose: of the certificate.
    :raises EncodingError: as there.
    :raises LimitExceeded: as there.
    """
    _checked(request, purpose)


def _checked(
    request: CertificationRequest, purpose: Purpose
) -> tuple[x509.CertificateSigningRequest, list[x509.GeneralName]]:
    asked = load_checked_request(request.der)
    with reading("the certification request"):
        check_extensions(asked.extensions)
        check_subject(asked.subject)
        allowed = purpose is Purpose.PROFILE
        return asked, checked_alternative_names(asked.extensions, allowed=allowed)


def _signed(key: rsa.RSAPrivateKey, *parts: bytes) -> bytes:
    to_be_signed = der.sequence(*parts)
    signature = key.sign(to_be_signed, padding.PKCS1v15(), hashes.SHA256())
    # A BIT STRING begins with the number of bits that are not used.
    bits = b"\x03" + encode_length(len(signature) + 1) + b"\x00" + signature
    return der.sequence(to_be_signed, _SHA256_WITH_RSA, bits)


def _time(moment: datetime) -> bytes:
    # RFC 5280 section 4.1.2.5: UTCTime until 2049.
    if moment.year < 2050:
        return b"\x17\x0d" + moment.strftime("%y%m%d%H%M%SZ").encode("ascii")
    return b"\x18\x0f" + moment.strftime("%Y%m%d%H%M%SZ").encode("ascii")


def _serial_text(number: int) -> str:
    digits = f"{number:X}"
    return "0" * (len(digits) % 2) + digits


def _extension(value: x509.ExtensionType, *, critical: bool = False) -> bytes:
    marked = (b"\x01\x01\xff",) if critical else ()
    encoded = der.octet_string(value.public_bytes())
    return der.sequence(der.object_identifier(value.oid.dotted_string), *marked, encoded)


@lru_cache(maxsize=16)
def _authority_key_identifier(key_identifier: bytes) -> bytes:
    return _extension(x509.AuthorityKeyIdentifier(key_identifier, None, None))


@lru_cache(maxsize=16)
def _distribution_point(url: str) -> bytes:
    name = x509.UniformResourceIdentifier(url)
    point = x509.DistributionPoint([name], None, None, None)
    return _extension(x509.CRLDistributionPoints([point]))


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


_SHA256_WITH_RSA = der.sequence(
    der.object_identifier(SignatureAlgorithmOID.RSA_WITH_SHA256.dotted_string), der.NULL
)
_SAME_EXTENSIONS = (
    _extension(x509.BasicConstraints(ca=False, path_length=None), critical=True),
    _extension(_key_usage(ca=False), critical=True),
    _extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])),
)
