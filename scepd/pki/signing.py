"""
Making SignedData: signed messages, and certs-only ones that carry certificates (RFC 5652).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric import padding, rsa

from scepd.pki import der
from scepd.pki.digests import RSA_ENCRYPTION, digest_of, digest_oid, hash_algorithm
from scepd.pki.identity import identify_der
from scepd.pki.structures import DATA, SIGNED_DATA
from scepd.pki.verifying import CONTENT_TYPE, MESSAGE_DIGEST

_VERSION_1 = der.integer(1)
_PKCS1 = padding.PKCS1v15()
_RSA_ALGORITHM = der.sequence(der.object_identifier(RSA_ENCRYPTION), der.NULL)


def build_signed_data(
    content: bytes | None,
    attributes: Sequence[tuple[str, bytes]],
    key: rsa.RSAPrivateKey,
    certificate: bytes,
    *,
    digest: str = "sha256",
) -> bytes:
    """
    Sign content and attributes with one key.

    The signatureAlgorithm is plain ``rsaEncryption``: strongSwan refuses ``sha1WithRSAEncryption``
    here, and others refuse ``sha256WithRSAEncryption``.

    :param content: the eContent; None for none, which is signed as if it were empty.
    :param attributes: more signed attributes: dotted type and the DER of its one value.
    :param key: the signer's.
    :param certificate: the signer's, DER; goes into the bag.
    :param digest: ``sha1``, ``sha256``, ``sha384`` or ``sha512``.
    :returns: the DER of a ContentInfo.
    :raises UnsupportedAlgorithm: another digest.
    :raises EncodingError: the certificate can't be read.
    """
    algorithm = _digest_algorithm(digest)
    signed = _attribute_encodings(content, attributes, digest)
    signature = key.sign(der.set_of(signed), _PKCS1, hash_algorithm(digest))
    identity = identify_der(certificate)
    signer = der.sequence(
        _VERSION_1,
        der.sequence(identity.issuer, der.integer(identity.serial_number)),
        algorithm,
        der.tagged(0, *sorted(signed)),
        _RSA_ALGORITHM,
        der.octet_string(signature),
    )
    return _content_info([algorithm], content, [certificate], [], [signer])


def build_certificates_only(certificates: Iterable[bytes], crls: Iterable[bytes] = ()) -> bytes:
    """
    Put certificates and revocation lists into a SignedData without content and signers.

    :param certificates: the DER of each.
    :param crls: the DER of each.
    :returns: the DER of a ContentInfo (RFC 8894 section 3.4, "degenerate").
    """
    return _content_info([], None, certificates, crls, [])


@lru_cache(maxsize=8)
def _digest_algorithm(digest: str) -> bytes:
    return der.sequence(der.object_identifier(digest_oid(digest)))


def _attribute_encodings(
    content: bytes | None, attributes: Sequence[tuple[str, bytes]], digest: str
) -> list[bytes]:
    standard = [
        (CONTENT_TYPE, der.object_identifier(DATA)),
        (MESSAGE_DIGEST, der.octet_string(digest_of(digest, content or b""))),
    ]
    return [
        der.sequence(der.object_identifier(oid), der.set_of([value]))
        for oid, value in [*standard, *attributes]
    ]


def _content_info(
    algorithms: Iterable[bytes],
    content: bytes | None,
    certificates: Iterable[bytes],
    crls: Iterable[bytes],
    signers: Iterable[bytes],
) -> bytes:
    encapsulated = [der.object_identifier(DATA)]
    if content is not None:
        encapsulated.append(der.tagged(0, der.octet_string(content)))
    parts = [_VERSION_1, der.set_of(algorithms), der.sequence(*encapsulated)]
    for number, bag in enumerate((certificates, crls)):
        if elements := sorted(bag):
            parts.append(der.tagged(number, *elements))
    parts.append(der.set_of(signers))
    return der.sequence(der.object_identifier(SIGNED_DATA), der.tagged(0, der.sequence(*parts)))
