"""
Which certificates were issued by the holders of which others.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.exceptions import UnsupportedAlgorithm as UnknownAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from scepd.pki.certificates import load_certificate, possible_recipients, summarize
from scepd.pki.decoding import reading


def has_issued(issuer: bytes, issued: bytes) -> bool:
    """
    Whether a certificate names another one as its issuer and is signed with that one's key; how
    long they are valid and what the issuer may do are not looked at.

    :param issuer: DER.
    :param issued: DER.
    :raises EncodingError: one is not a certificate.
    """
    certificate, by = load_certificate(issued), load_certificate(issuer)
    with reading("the certificate"):
        if certificate.issuer != by.subject:
            return False
    try:
        _verify(certificate, by)
    except (InvalidSignature, ValueError, TypeError, UnknownAlgorithm):
        return False
    return True


def _verify(certificate: x509.Certificate, by: x509.Certificate) -> None:
    key = by.public_key()
    # Old authorities sign so, and cryptography refuses it.
    by_sha1 = certificate.signature_algorithm_oid == x509.SignatureAlgorithmOID.RSA_WITH_SHA1
    if by_sha1 and isinstance(key, rsa.RSAPublicKey):
        signed = certificate.tbs_certificate_bytes
        key.verify(certificate.signature, signed, padding.PKCS1v15(), hashes.SHA1())
    else:
        certificate.verify_directly_issued_by(by)


def strange_recipients(ders: tuple[bytes, ...], authority: bytes) -> tuple[bytes, ...]:
    """
    Those that a client might encrypt to although nobody vouches for them: they are neither the
    authority's own certificate nor that of an authority above it, and none of these issued them.

    :param ders: of a GetCACert answer, in any order.
    :param authority: the one of them that is believed.
    :raises EncodingError: one is not a certificate.
    """
    believed = [authority]
    left = [der for der in ders if der != authority and summarize(der).is_ca]
    # What is appended has its turn, too.
    for below in believed:
        above = [der for der in left if has_issued(der, below)]
        believed += above
        left = [der for der in left if der not in above]
    return tuple(
        der
        for der in possible_recipients(ders)
        if der not in believed and not any(has_issued(one, der) for one in believed)
    )
