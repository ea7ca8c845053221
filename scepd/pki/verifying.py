"""
Whether a SignedData's one signature is right (RFC 5652 sections 5.4 and 5.6).

Whether the signer is anybody is not asked here: in SCEP a request may be self-signed.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from scepd.errors import LimitExceeded, SignatureInvalid
from scepd.pki import der
from scepd.pki.digests import check_signature_algorithm, digest_for, digest_of, hash_algorithm
from scepd.pki.identity import CertificateIdentity, identify_der
from scepd.pki.keys import rsa_public_key
from scepd.pki.signed_data import SignedData, Signer, parse_signed_data, single_value

CONTENT_TYPE = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
_MAX_DETACHED_SIGNATURE = 65_536
_PKCS1 = padding.PKCS1v15()


@dataclass(frozen=True, slots=True)
class VerifiedSigner:
    """
    The holder of the key that made a signature.

    :param identity: of the certificate in the bag that the SignerInfo names.
    :param digest: ``sha1``, ``sha256``, ``sha384`` or ``sha512``.
    """

    identity: CertificateIdentity
    digest: str


@dataclass(frozen=True, slots=True)
class DetachedSignature:
    """
    A signature that came apart from what it signs, and is right.

    :param signer: who made it.
    :param octets: the signature itself.
    :param is_plain: whether it is over the content's octets and nothing else: there are no
        signedAttrs, and no content inside.
    """

    signer: VerifiedSigner
    octets: bytes
    is_plain: bool


def the_signer(signed: SignedData) -> Signer:
    """
    Return the only signer.

    :param signed: any SignedData.
    :returns: its SignerInfo.
    :raises SignatureInvalid: none, or more than one.
    """
    if len(signed.signers) != 1:
        raise SignatureInvalid("the message does not have exactly one signer")
    return signed.signers[0]


def signer_identity(signed: SignedData) -> CertificateIdentity:
    """
    Find the certificate of the only signer.

    :param signed: any SignedData.
    :returns: the identity of the certificate.
    :raises SignatureInvalid: not exactly one signer, or its certificate is not in the bag.
    :raises EncodingError: a certificate in the bag can't be read.
    """
    reference = the_signer(signed).reference
    for certificate in signed.certificates:
        identity = identify_der(certificate)
        if reference.names(identity):
            return identity
    raise SignatureInvalid("the signer's certificate is not in the message")


def verify_signed_data(
    signed: SignedData, *, allow_sha1: bool = True, minimum_key_bits: int = 1024
) -> VerifiedSigner:
    """
    Verify a SignedData with signedAttrs and content; absent content counts as empty.

    :param signed: the SignedData.
    :param allow_sha1: whether SHA-1 will do.
    :param minimum_key_bits: the smallest signer key.
    :returns: who signed, and with which digest.
    :raises SignatureInvalid: not exactly one signer, no certificate for it, no signedAttrs, a
        contentType, digest or signature that does not fit.
    :raises UnsupportedAlgorithm: a digest, signature algorithm or key that is not accepted.
    :raises EncodingError: doubled attributes, or a certificate that can't be read.
    """
    if the_signer(signed).signed_attributes is None:
        raise SignatureInvalid("the message has no signed attributes")
    return _verify(signed, signed.content or b"", allow_sha1, minimum_key_bits)


def examine_signed_data(signed: SignedData) -> VerifiedSigner:
    """
    Do all that ``verify_signed_data`` does with its defaults but the computation with the key.

    :param signed: the SignedData.
    :returns: who claims to have signed, and with which digest.
    :raises MessageError: as ``verify_signed_data``, but for a signature that is wrong.
    """
    signer = the_signer(signed)
    if signer.signed_attributes is None:
        raise SignatureInvalid("the message has no signed attributes")
    return _examine(signed, signer, signed.content or b"", allow_sha1=True)


def verify_detached(
    signature: bytes, content: bytes, *, allow_sha1: bool = True, minimum_key_bits: int = 1024
) -> bytes:
    """
    Verify a signature that came apart, as :func:`verify_detached_signature` does.

    :returns: the DER of the signer's certificate, which nobody has checked against anything.
    """
    found = verify_detached_signature(
        signature, content, allow_sha1=allow_sha1, minimum_key_bits=minimum_key_bits
    )
    return found.signer.identity.der


def verify_detached_signature(
    signature: bytes, content: bytes, *, allow_sha1: bool = True, minimum_key_bits: int = 1024
) -> DetachedSignature:
    """
    Verify a signature that came apart from what it signs, such as a device's ``Mdm-Signature``.

    Devices send no signedAttrs, so that the signature is over the content itself.

    :param signature: a ContentInfo with a SignedData, in DER or BER; at most 64 kB.
    :param content: the octets that were signed.
    :param allow_sha1: whether SHA-1 will do.
    :param minimum_key_bits: the smallest signer key.
    :returns: the signature, whose signer's certificate nobody has checked against anything.
    :raises SignatureInvalid: as for ``verify_signed_data``, or other content inside.
    :raises UnsupportedAlgorithm: a digest, signature algorithm or key that is not accepted.
    :raises EncodingError: not a SignedData.
    :raises LimitExceeded: too large.
    """
    if len(signature) > _MAX_DETACHED_SIGNATURE:
        raise LimitExceeded("the signature is too large")
    signed = parse_signed_data(signature)
    if signed.content is not None and signed.content != content:
        raise SignatureInvalid("the signature holds other content")
    verified = _verify(signed, content, allow_sha1, minimum_key_bits)
    signer = the_signer(signed)
    is_plain = signer.signed_attributes is None and signed.content is None
    return DetachedSignature(verified, signer.signature, is_plain)


def check_plain_signature(
    key: rsa.RSAPublicKey, octets: bytes, content: bytes, digest: str
) -> None:
    """
    Check a signature over the content's octets and nothing else.

    :param key: one that :func:`~scepd.pki.keys.rsa_public_key` gave.
    :param octets: the signature.
    :param content: what was signed.
    :param digest: the name of an accepted one.
    :raises SignatureInvalid: it is not right.
    """
    try:
        key.verify(octets, content, _PKCS1, hash_algorithm(digest))
    except InvalidSignature:
        raise SignatureInvalid("the signature is wrong") from None


def _verify(
    signed: SignedData, content: bytes, allow_sha1: bool, minimum_key_bits: int
) -> VerifiedSigner:
    signer = the_signer(signed)
    found = _examine(signed, signer, content, allow_sha1=allow_sha1)
    _check_signature(signer, found.identity, found.digest, content, minimum_key_bits)
    return found


def _examine(
    signed: SignedData, signer: Signer, content: bytes, *, allow_sha1: bool
) -> VerifiedSigner:
    digest = digest_for(signer.digest_oid, allow_sha1=allow_sha1)
    check_signature_algorithm(signer.signature_oid, digest)
    identity = signer_identity(signed)
    if signer.signed_attributes is not None:
        _check_attributes(signer, signed.content_type, digest_of(digest, content))
    return VerifiedSigner(identity, digest)


def _check_attributes(signer: Signer, content_type: str, digest: bytes) -> None:
    expected = der.object_identifier(content_type)
    if single_value(signer.attributes, CONTENT_TYPE) != expected:
        raise SignatureInvalid("the signed content type does not fit the content")
    found = single_value(signer.attributes, MESSAGE_DIGEST)
    if found is None or not hmac.compare_digest(found, der.octet_string(digest)):
        raise SignatureInvalid("the signed digest does not fit the content")


def _check_signature(
    signer: Signer,
    identity: CertificateIdentity,
    digest: str,
    content: bytes,
    minimum_key_bits: int,
) -> None:
    key = rsa_public_key(identity.public_key_info, minimum_bits=minimum_key_bits)
    for octets in _signed_octets(signer, content):
        try:
            key.verify(signer.signature, octets, _PKCS1, hash_algorithm(digest))
        except InvalidSignature:
            continue
        return
    raise SignatureInvalid("the signature is wrong")


def _signed_octets(signer: Signer, content: bytes) -> Iterator[bytes]:
    if signer.signed_attributes is None:
        yield content
        return
    # What was signed is the DER form (RFC 5652 section 5.4), but some sign what they send; mostly
    # these are the same, so that the second one is made only when it is needed.
    yield signer.signed_attributes
    ordered = signer.sorted_attributes
    if ordered is not None and ordered != signer.signed_attributes:
        yield ordered
