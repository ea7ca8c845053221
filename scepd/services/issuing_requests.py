"""
Messages to the embedded certificate authority: as they are read, and what they may be.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from scepd.errors import CertificateUnknown, DecryptionFailed, EncodingError, MessageError
from scepd.pki.issuing import Issuer
from scepd.pki.keyring import RandomBytes
from scepd.pki.requests import CertificationRequest
from scepd.scep.attributes import MessageType
from scepd.scep.messages import (
    MessageHeader,
    PKIMessage,
    open_request,
    parse_pki_message,
    read_envelope,
    read_header,
)
from scepd.scep.queries import (
    IssuerAndSerial,
    IssuerAndSubject,
    parse_issuer_and_serial,
    parse_issuer_and_subject,
)
from scepd.services.issuers import Issuers
from scepd.services.issuing_settings import IssuingSettings


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """
    A request that is right in itself; whether its sender may have a certificate is not judged.

    :param cipher: the name of the content cipher that it came in.
    :param issuer: whose certificate the client encrypted to; the answer is signed with it.
    :param signer_is_ours: whether the signer's certificate says that this authority issued it.
    """

    message: PKIMessage
    request: CertificationRequest
    cipher: str
    issuer: Issuer
    signer_is_ours: bool

    @property
    def is_renewal(self) -> bool:
        """
        Whether nothing but the signer's certificate can allow it.
        """
        return self.message.message_type is MessageType.RENEWAL_REQ

    @property
    def sha256(self) -> str:
        """
        What the same request has in common with itself, hex: messageType, transactionID, CSR and
        signer certificate.
        """
        message = self.message
        digest = sha256()
        for part in (
            message.message_type.word.encode("ascii"),
            message.transaction_id.encode("ascii"),
            self.request.der,
            message.signer_certificate,
        ):
            digest.update(len(part).to_bytes(4, "big") + part)
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class ReceivedPoll:
    """
    A CertPoll: a client asks what became of its request.

    :param asked: the names in it.
    """

    message: PKIMessage
    asked: IssuerAndSubject
    cipher: str
    issuer: Issuer


@dataclass(frozen=True, slots=True)
class ReceivedQuery:
    """
    A GetCert or GetCRL.

    :param asked: the certificate that is meant.
    """

    message: PKIMessage
    asked: IssuerAndSerial
    cipher: str
    issuer: Issuer


@dataclass(frozen=True, slots=True)
class FaultyRequest:
    """
    A SCEP message that can't be accepted, but can be answered.

    :param message: what is known of it.
    """

    message: MessageHeader | PKIMessage
    fault: MessageError
    issuer: Issuer


NO_SUCH_REQUEST = "there is no such request of this signer, or the envelope could not be opened"
NO_SUCH_CERTIFICATE = (
    "this authority issued no such certificate, or the envelope could not be opened"
)
# What a log says beside these; the sender must not learn it.
FOREIGN_ISSUER = "the issuer is not this authority"

Received = ReceivedRequest | ReceivedPoll | ReceivedQuery | FaultyRequest


def receive_message(
    data: bytes, issuers: Issuers, random: RandomBytes, settings: IssuingSettings
) -> Received:
    """
    Read, verify and open a message; takes milliseconds.

    :param data: what came as a pkiMessage.
    :param issuers: whom it may be for.
    :returns: the message, or what is wrong with it.
    :raises MessageError: it is no SCEP message, so that SCEP has no answer to it.
    """
    try:
        message = parse_pki_message(
            data, allow_sha1=settings.allow_sha1, minimum_key_bits=settings.minimum_key_bits
        )
    except MessageError as fault:
        return FaultyRequest(_header_of(data, fault), fault, issuers.current)
    issuer = issuers.addressed_by(message.content)
    try:
        return _opened(message, issuer, issuers, random, settings)
    except MessageError as fault:
        return FaultyRequest(message, fault, issuer)


def _opened(
    message: PKIMessage,
    issuer: Issuer,
    issuers: Issuers,
    random: RandomBytes,
    settings: IssuingSettings,
) -> ReceivedRequest | ReceivedPoll | ReceivedQuery:
    # An allow-list: what is not named here is refused, whatever it is.
    match message.message_type:
        case MessageType.PKCS_REQ | MessageType.RENEWAL_REQ:
            opened = open_request(
                message,
                issuer.key,
                issuer.certificate,
                random,
                allow_des=settings.allow_single_des,
                allow_3des=settings.allow_3des,
                minimum_key_bits=settings.minimum_key_bits,
                allow_sha1=settings.allow_sha1_requests,
            )
            ours = issuers.may_have_issued(message.signer_certificate)
            return ReceivedRequest(message, opened.request, opened.cipher, issuer, ours)
        case MessageType.CERT_POLL:
            with _as_unknown(NO_SUCH_REQUEST):
                content, cipher = _content(message, issuer, random, settings)
                return ReceivedPoll(message, parse_issuer_and_subject(content), cipher, issuer)
        case MessageType.GET_CERT | MessageType.GET_CRL:
            with _as_unknown(NO_SUCH_CERTIFICATE):
                content, cipher = _content(message, issuer, random, settings)
                return ReceivedQuery(message, parse_issuer_and_serial(content), cipher, issuer)
        case _:
            raise EncodingError(f"a {message.message_type.word} is not accepted here")


@contextlib.contextmanager
def _as_unknown(sentence: str) -> Iterator[None]:
    """
    Answer what does not open like what is not there: nobody signs the content of a query, so that
    any octets might be one, and by the difference between the two others' could be decrypted.
    """
    try:
        yield
    except DecryptionFailed as fault:
        raise CertificateUnknown(sentence) from fault


def _content(
    message: PKIMessage, issuer: Issuer, random: RandomBytes, settings: IssuingSettings
) -> tuple[bytes, str]:
    opened = read_envelope(
        message,
        issuer.key,
        issuer.certificate,
        random,
        allow_des=settings.allow_single_des,
        allow_3des=settings.allow_3des,
    )
    return opened.content, opened.cipher


def _header_of(data: bytes, fault: MessageError) -> MessageHeader:
    try:
        return read_header(data)
    except MessageError:
        raise fault from None
