"""
CertReps, as a client reads them (RFC 8894 sections 3.3.2 and 3.4).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from cryptography.hazmat.primitives.asymmetric import rsa

from scepd.errors import EncodingError, SignatureInvalid
from scepd.pki.certificates import load_certificate, summarize
from scepd.pki.certificates_only import CertificatesOnly, parse_certificates_only
from scepd.pki.decoding import reading
from scepd.pki.identity import identify, same_name
from scepd.scep.attributes import PKIStatus
from scepd.scep.messages import MAX_MESSAGE_SIZE, PKIMessage, parse_pki_message, read_envelope
from scepd.scep.queries import IssuerAndSerial
from scepd.scep.requesting import SentRequest, check_answer

MAX_CRL_MESSAGE_SIZE = 4 * 1024 * 1024
"""
Octets of an answer to GetCRL: some 100,000 revoked certificates.
"""
# An entry of a list takes at least 20 octets and has three elements or more.
_OCTETS_PER_ELEMENT = 4


def read_cert_rep(
    body: bytes,
    sent: SentRequest,
    signers: Collection[bytes],
    *,
    max_size: int = MAX_MESSAGE_SIZE,
) -> PKIMessage:
    """
    Read the answer to a request, whatever its pkiStatus, and check that it is the answer.

    :param body: the answer.
    :param sent: the request.
    :param signers: the DER of the certificates of those that may answer: of GetCACert.
    :param max_size: octets.
    :returns: the verified CertRep.
    :raises EncodingError: not a pkiMessage, or not a CertRep.
    :raises LimitExceeded: too large, too deep, too many of something.
    :raises SignatureInvalid: the signature is wrong or somebody else's, or another request is
        answered.
    :raises UnsupportedAlgorithm: a digest, signature algorithm or key that is not accepted.
    """
    answer = parse_pki_message(body, max_size=max_size)
    if answer.signer_certificate not in signers:
        raise SignatureInvalid("the answer was signed by somebody else than the CA")
    check_answer(answer, sent)
    return answer


def open_answer(
    answer: PKIMessage,
    key: rsa.RSAPrivateKey,
    certificate: bytes,
    random: Callable[[int], bytes],
    *,
    allow_des: bool = False,
) -> CertificatesOnly:
    """
    Take certificates and revocation lists out of a CertRep SUCCESS.

    :param answer: verified.
    :param key: the one that signed the request.
    :param certificate: the one that signed the request, DER.
    :param random: gives that many unpredictable octets.
    :param allow_des: whether single DES will do.
    :returns: what the answer carries; may be nothing.
    :raises EncodingError: not a CertRep SUCCESS, without an envelope, or with other content.
    :raises LimitExceeded: too much of something.
    :raises UnsupportedAlgorithm: a cipher or key transport that is not accepted.
    :raises DecryptionFailed: it is for somebody else, or broken anywhere.
    """
    if answer.pki_status is not PKIStatus.SUCCESS:
        raise EncodingError("the message is not a CertRep with status SUCCESS")
    opened = read_envelope(answer, key, certificate, random, allow_des=allow_des)
    most = max(len(opened.content) // _OCTETS_PER_ELEMENT, 1000)
    return parse_certificates_only(opened.content, max_elements=most)


def own_certificate(certificates: Iterable[bytes], key: rsa.RSAPrivateKey) -> bytes:
    """
    Choose the certificate that was asked for, as some authorities send their own along.

    :param certificates: the DER of each.
    :param key: that was to be certified.
    :returns: the first certificate of that key; all its parts can be read.
    :raises EncodingError: there is none, or one can't be read.
    :raises UnsupportedAlgorithm: a certificate's key is of a type that is not known.
    """
    for certificate in certificates:
        with reading("the certificate"):
            is_own = load_certificate(certificate).public_key() == key.public_key()
        if is_own:
            summarize(certificate)
            return certificate
    raise EncodingError("the answer holds no certificate for the key that was to be certified")


def asked_certificate(certificates: Iterable[bytes], asked: IssuerAndSerial) -> bytes:
    """
    Choose the certificate that a GetCert asked for.

    :param certificates: the DER of each.
    :param asked: as it was asked for.
    :returns: the certificate; all its parts can be read.
    :raises EncodingError: there is none, or one can't be read.
    """
    for certificate in certificates:
        identity = identify(certificate)
        same_number = identity.serial_number == asked.serial_number
        if same_number and same_name(identity.issuer, asked.issuer):
            summarize(certificate)
            return certificate
    raise EncodingError("the answer does not hold the certificate that was asked for")
