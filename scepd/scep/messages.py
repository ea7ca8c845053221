"""
pkiMessages: reading, verifying and opening them (RFC 8894 section 3).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import rsa

from scepd.errors import (
    DecryptionFailed,
    EncodingError,
    LimitExceeded,
    MessageError,
    SignatureInvalid,
)
from scepd.pki.ciphers import UNOPENED
from scepd.pki.opening import OpenedEnvelope, open_envelope
from scepd.pki.requests import CertificationRequest, SignedRequest, check_request, verify_request
from scepd.pki.signed_data import Attribute, SignedData, Signer, parse_signed_data
from scepd.pki.stand_in import verify_stand_in
from scepd.pki.verifying import the_signer, verify_signed_data
from scepd.scep.attributes import (
    SENDER_NONCE,
    FailInfo,
    MessageType,
    PKIStatus,
    SCEPAttributes,
    read_nonce,
    read_scep_attributes,
    read_transaction_id,
)

MAX_MESSAGE_SIZE = 262_144
_REQUESTS_WITH_CSR = (MessageType.PKCS_REQ, MessageType.RENEWAL_REQ)


@dataclass(frozen=True, slots=True)
class PKIMessage:
    """
    One message whose signature is right; who signed it is not judged.

    :param message_type: what kind of message it is.
    :param transaction_id: opaque, 1 to 256 printable ASCII characters.
    :param sender_nonce: 1 to 64 octets; only a CertRep may lack it.
    :param recipient_nonce: 1 to 64 octets, or None.
    :param pki_status: of a CertRep, else None.
    :param fail_info: of a CertRep, if it has one.
    :param fail_info_text: of a CertRep, if it has one.
    :param signer_certificate: the DER of the certificate that the signer names.
    :param signer_key_sha256: of that certificate's SubjectPublicKeyInfo, 64 lower-case
        hexadecimal digits.
    :param digest: that was signed: ``sha1``, ``sha256``, ``sha384`` or ``sha512``.
    :param content: the octets of the envelope, still closed; None when there is none.
    :param raw: the whole message as it came.
    """

    message_type: MessageType
    transaction_id: str
    sender_nonce: bytes | None
    recipient_nonce: bytes | None
    pki_status: PKIStatus | None
    fail_info: FailInfo | None
    fail_info_text: str | None
    signer_certificate: bytes
    signer_key_sha256: str
    digest: str
    content: bytes | None = field(repr=False)
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class MessageHeader:
    """
    What a refusal needs to know of a request that can't be accepted; nothing of it is verified.

    :param transaction_id: 1 to 256 printable ASCII characters.
    :param sender_nonce: 1 to 64 octets, or None.
    """

    transaction_id: str
    sender_nonce: bytes | None


@dataclass(frozen=True, slots=True)
class OpenedRequest:
    """
    The certification request that was in an envelope.

    :param request: checked by ``parse_request``.
    :param cipher: the name of the content cipher that the client used.
    """

    request: CertificationRequest
    cipher: str


@dataclass(frozen=True, slots=True)
class UnverifiedMessage:
    """
    A message whose form is right and whose signature nobody has looked at.

    :param signed: the SignedData.
    :param attributes: the SCEP attributes of its only signer.
    :param raw: the whole message as it came.
    """

    signed: SignedData
    attributes: SCEPAttributes
    raw: bytes


def parse_pki_message(
    data: bytes,
    *,
    max_size: int = MAX_MESSAGE_SIZE,
    allow_sha1: bool = True,
    minimum_key_bits: int = 1024,
) -> PKIMessage:
    """
    Read a pkiMessage and verify its signature.

    :param data: a ContentInfo with a SignedData, in DER or BER.
    :param max_size: octets.
    :param allow_sha1: whether the signature may use SHA-1.
    :param minimum_key_bits: the smallest key that may have signed.
    :returns: the message.
    :raises EncodingError: not a pkiMessage, or a messageType or attribute that is refused.
    :raises LimitExceeded: too large, too deep, too many of something.
    :raises SignatureInvalid: not exactly one signer, no signedAttrs, no certificate for the
        signer, or it did not sign.
    :raises UnsupportedAlgorithm: a digest, signature algorithm or key that is not accepted.
    """
    unverified = read_pki_message(data, max_size=max_size)
    return verify_pki_message(unverified, allow_sha1=allow_sha1, minimum_key_bits=minimum_key_bits)


def read_pki_message(
    data: bytes, *, max_size: int = MAX_MESSAGE_SIZE, as_der: bool = False
) -> UnverifiedMessage:
    """
    Read a pkiMessage without verifying it; the messageType is looked at before all else.

    :param data: a ContentInfo with a SignedData, in DER or BER.
    :param max_size: octets.
    :param as_der: as for ``parse_signed_data``.
    :returns: its form.
    :raises EncodingError: not a pkiMessage, or a messageType or attribute that is refused.
    :raises LimitExceeded: too large, too deep, too many of something.
    :raises SignatureInvalid: not exactly one signer, or no signedAttrs.
    """
    signed = _signed_data(data, max_size, as_der=as_der)
    attributes = _attributes_of(the_signer(signed))
    return UnverifiedMessage(signed, read_scep_attributes(attributes), data)


def verify_pki_message(
    message: UnverifiedMessage, *, allow_sha1: bool = True, minimum_key_bits: int = 1024
) -> PKIMessage:
    """
    Verify the signature of a message.

    :param message: what ``read_pki_message`` returned.
    :param allow_sha1: whether the signature may use SHA-1.
    :param minimum_key_bits: the smallest key that may have signed.
    :returns: the message.
    :raises SignatureInvalid: no certificate for the signer, or it did not sign this.
    :raises UnsupportedAlgorithm: a digest, signature algorithm or key that is not accepted.
    :raises EncodingError: a certificate or attribute that can't be read.
    """
    signer = verify_signed_data(
        message.signed, allow_sha1=allow_sha1, minimum_key_bits=minimum_key_bits
    )
    found = message.attributes
    return PKIMessage(
        found.message_type,
        found.transaction_id,
        found.sender_nonce,
        found.recipient_nonce,
        found.pki_status,
        found.fail_info,
        found.fail_info_text,
        signer.identity.der,
        signer.identity.public_key_sha256,
        signer.digest,
        # Some senders have an empty content where others have none.
        message.signed.content or None,
        message.raw,
    )


def read_header(data: bytes, *, max_size: int = MAX_MESSAGE_SIZE) -> MessageHeader:
    """
    Read as much of a refused request as a CertRep FAILURE needs; its messageType may be anything,
    and of several signers the first one counts.

    :param data: a ContentInfo with a SignedData, in DER or BER.
    :param max_size: octets.
    :returns: transactionID and senderNonce, of which nothing is verified.
    :raises MessageError: not even that much can be read.
    """
    signed = _signed_data(data, max_size)
    if not signed.signers:
        raise SignatureInvalid("the message has no signer")
    # Several may each have a transactionID; the refusal needs one that the sender knows.
    attributes = _attributes_of(signed.signers[0])
    return MessageHeader(read_transaction_id(attributes), read_nonce(attributes, SENDER_NONCE))


def read_envelope(
    message: PKIMessage,
    key: rsa.RSAPrivateKey,
    certificate: bytes,
    random: Callable[[int], bytes],
    *,
    allow_des: bool = False,
    allow_3des: bool = True,
) -> OpenedEnvelope:
    """
    Decrypt the content of a message (RFC 8894 section 3.1).

    :param message: verified.
    :param key: our private key.
    :param certificate: ours, DER; the envelope must name it.
    :param random: gives that many unpredictable octets.
    :param allow_des: whether single DES will do.
    :param allow_3des: whether triple DES will do.
    :returns: the content, and which cipher it was in.
    :raises EncodingError: no envelope.
    :raises LimitExceeded: more than 8 recipients, or too deep.
    :raises UnsupportedAlgorithm: an algorithm that is not accepted, or a password recipient.
    :raises DecryptionFailed: it is for somebody else, or broken anywhere.
    """
    if message.content is None:
        raise EncodingError("the message has no envelope")
    return open_envelope(
        message.content, key, certificate, random, allow_des=allow_des, allow_3des=allow_3des
    )


def open_request(
    message: PKIMessage,
    key: rsa.RSAPrivateKey,
    certificate: bytes,
    random: Callable[[int], bytes],
    *,
    allow_des: bool = False,
    allow_3des: bool = True,
    minimum_key_bits: int = 2048,
    allow_sha1: bool = False,
) -> OpenedRequest:
    """
    Decrypt a PKCSReq or RenewalReq and check the request in it.

    An envelope that opens to something else than a request which its own key signed gives the same
    error as one that does not open, in about the same time: by the difference others' messages
    could be decrypted. The cause of the error may say more; it is for logs only.

    :param message: verified.
    :param key: the authority's private key.
    :param certificate: the authority's, DER; the envelope must name it.
    :param random: gives that many unpredictable octets.
    :param allow_des: whether single DES will do.
    :param allow_3des: whether triple DES will do.
    :param minimum_key_bits: the smallest RSA key to be certified.
    :param allow_sha1: whether the request's own signature may use SHA-1.
    :returns: the request, and which cipher it came in.
    :raises EncodingError: a message of another type, no envelope, or a request with a fault.
    :raises LimitExceeded: too much of something.
    :raises UnsupportedAlgorithm: an algorithm or key that is not accepted.
    :raises DecryptionFailed: the envelope is for somebody else, or broken anywhere, or holds no
        request whose own signature is right.
    """
    if message.message_type not in _REQUESTS_WITH_CSR:
        raise EncodingError("the message is neither PKCSReq nor RenewalReq")
    try:
        opened = read_envelope(
            message, key, certificate, random, allow_des=allow_des, allow_3des=allow_3des
        )
    except DecryptionFailed:
        verify_stand_in(certificate)
        raise
    signed = _verified(opened.content, certificate)
    request = check_request(signed, minimum_key_bits=minimum_key_bits, allow_sha1=allow_sha1)
    return OpenedRequest(request, opened.cipher)


def _verified(content: bytes, certificate: bytes) -> SignedRequest:
    # A content that nobody has altered has a right signature, whatever else is wrong with it.
    try:
        return verify_request(content)
    except SignatureInvalid as fault:
        raise DecryptionFailed(UNOPENED) from fault
    except MessageError as fault:
        verify_stand_in(certificate)
        raise DecryptionFailed(UNOPENED) from fault


def _signed_data(data: bytes, max_size: int, *, as_der: bool = False) -> SignedData:
    if len(data) > max_size:
        raise LimitExceeded("the message is too large")
    return parse_signed_data(data, as_der=as_der)


def _attributes_of(signer: Signer) -> tuple[Attribute, ...]:
    if signer.signed_attributes is None:
        raise SignatureInvalid("the message has no signed attributes")
    return signer.attributes
