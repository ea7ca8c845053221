"""
Requests, as a client makes them (RFC 8894 section 3.3).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from scepd.errors import EncodingError, SignatureInvalid
from scepd.pki.opening import build_envelope
from scepd.pki.signed_data import parse_signed_data
from scepd.pki.signing import build_signed_data
from scepd.scep.attributes import (
    NONCE_SIZE,
    MessageType,
    PKIStatus,
    SCEPAttributes,
    encode_scep_attributes,
)
from scepd.scep.messages import PKIMessage, read_envelope


@dataclass(frozen=True, slots=True)
class SentRequest:
    """
    A request that is ready to be sent, and what its answer must fit.

    :param message: the DER of the pkiMessage.
    :param transaction_id: must come back as it is.
    :param sender_nonce: 16 octets; must come back as the recipientNonce.
    """

    message: bytes = field(repr=False)
    transaction_id: str
    sender_nonce: bytes


def build_pki_request(
    message_type: MessageType,
    content: bytes,
    key: rsa.RSAPrivateKey,
    certificate: bytes,
    recipient: bytes,
    random: Callable[[int], bytes],
    *,
    transaction_id: str | None = None,
    cipher: str = "aes-128-cbc",
    digest: str = "sha256",
    allow_des: bool = False,
) -> SentRequest:
    """
    Encrypt and sign a request of any type.

    :param message_type: any but CertRep.
    :param content: what goes into the envelope: a certification request or a query.
    :param key: the client's.
    :param certificate: the client's, DER; self-signed, or one that it was issued.
    :param recipient: the authority's, DER, as ``choose_recipient`` chose it.
    :param random: gives that many unpredictable octets.
    :param transaction_id: None for the hexadecimal SHA-1 of the public key, as Apple's clients do.
    :param cipher: the name of a CBC content cipher.
    :param digest: to sign with.
    :param allow_des: whether the cipher may be single DES.
    :returns: the request.
    :raises UnsupportedAlgorithm: another cipher or digest, or a key that can't be encrypted to.
    :raises EncodingError: a certificate can't be read.
    """
    nonce = random(NONCE_SIZE)
    name = transaction_id if transaction_id is not None else transaction_id_for(key)
    attributes = SCEPAttributes(message_type, name, sender_nonce=nonce)
    envelope = build_envelope(content, recipient, random, cipher=cipher, allow_des=allow_des)
    encoded = encode_scep_attributes(attributes)
    message = build_signed_data(envelope, encoded, key, certificate, digest=digest)
    return SentRequest(message, name, nonce)


def build_pkcs_req(
    request: bytes,
    key: rsa.RSAPrivateKey,
    certificate: bytes,
    recipient: bytes,
    random: Callable[[int], bytes],
    *,
    message_type: MessageType = MessageType.PKCS_REQ,
    transaction_id: str | None = None,
    cipher: str = "aes-128-cbc",
    digest: str = "sha256",
    allow_des: bool = False,
) -> SentRequest:
    """
    Make a PKCSReq, or a RenewalReq by ``message_type`` (RFC 8894 sections 3.3.1 and 3.3.1.2).

    :param request: the DER of the certification request.
    :param key: the one that signs: of the request, or of the certificate that is renewed.
    :param certificate: that key's, DER.
    :param recipient: the authority's, DER.
    :param random: gives that many unpredictable octets.
    :param message_type: ``PKCS_REQ`` or ``RENEWAL_REQ``.
    :param transaction_id: None for the hexadecimal SHA-1 of the signing public key.
    :param cipher: the name of a CBC content cipher.
    :param digest: to sign with.
    :param allow_des: whether the cipher may be single DES.
    :returns: the request.
    :raises UnsupportedAlgorithm: another cipher or digest, or a key that can't be encrypted to.
    :raises EncodingError: a certificate can't be read.
    """
    return build_pki_request(
        message_type,
        request,
        key,
        certificate,
        recipient,
        random,
        transaction_id=transaction_id,
        cipher=cipher,
        digest=digest,
        allow_des=allow_des,
    )


def transaction_id_for(key: rsa.RSAPrivateKey) -> str:
    """
    Name a transaction by its key (RFC 8894 section 3.2.1.1).

    :param key: the key to be certified.
    :returns: the SHA-1 of its SubjectPublicKeyInfo as 40 upper-case hexadecimal digits.
    """
    encoded = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha1(encoded, usedforsecurity=False).hexdigest().upper()


def check_answer(answer: PKIMessage, sent: SentRequest) -> None:
    """
    Check that a CertRep answers a request (RFC 8894 section 3.3.2).

    :param answer: verified.
    :param sent: the request.
    :raises EncodingError: not a CertRep.
    :raises SignatureInvalid: another transactionID or recipientNonce.
    """
    if answer.message_type is not MessageType.CERT_REP:
        raise EncodingError("the answer is not a CertRep")
    same_nonce = answer.recipient_nonce == sent.sender_nonce
    if answer.transaction_id != sent.transaction_id or not same_nonce:
        raise SignatureInvalid("the answer is to another request")


def open_cert_rep(
    message: PKIMessage,
    key: rsa.RSAPrivateKey,
    certificate: bytes,
    random: Callable[[int], bytes],
    *,
    allow_des: bool = False,
) -> tuple[bytes, ...]:
    """
    Take the certificates out of a CertRep SUCCESS.

    :param message: verified.
    :param key: the one that signed the request.
    :param certificate: the one that signed the request, DER.
    :param random: gives that many unpredictable octets.
    :param allow_des: whether single DES will do.
    :returns: the DER of each certificate, in the order in which they came; may be empty.
    :raises EncodingError: not a CertRep SUCCESS, or without an envelope.
    :raises LimitExceeded: too much of something.
    :raises UnsupportedAlgorithm: a cipher or key transport that is not accepted.
    :raises DecryptionFailed: it is for somebody else, or broken anywhere.
    """
    if message.pki_status is not PKIStatus.SUCCESS:
        raise EncodingError("the message is not a CertRep with status SUCCESS")
    opened = read_envelope(message, key, certificate, random, allow_des=allow_des)
    return parse_signed_data(opened.content).certificates
