"""
Requests to the embedded certificate authority: as they are read, and what they may be.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from scepd.errors import EncodingError, MessageError
from scepd.pki.issuing import Issuer
from scepd.pki.keyring import RandomBytes
from scepd.pki.requests import CertificationRequest
from scepd.scep.attributes import MessageType
from scepd.scep.messages import (
    MessageHeader,
    PKIMessage,
    open_request,
    parse_pki_message,
    read_header,
)


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """
    A request that is right in itself; whether its sender may have a certificate is not judged.

    :param cipher: the name of the content cipher that it came in.
    """

    message: PKIMessage
    request: CertificationRequest
    cipher: str

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
class FaultyRequest:
    """
    A SCEP message that can't be accepted, but can be answered.

    :param header: what is known of it.
    """

    header: MessageHeader | PKIMessage
    fault: MessageError


def receive_request(
    data: bytes, issuer: Issuer, random: RandomBytes, *, allow_single_des: bool, allow_sha1: bool
) -> ReceivedRequest | FaultyRequest:
    """
    Read, verify and open a message; takes milliseconds.

    :param data: what came as a pkiMessage.
    :param issuer: whom it must be for.
    :returns: the request, or what is wrong with it.
    :raises MessageError: it is no SCEP message, so that SCEP has no answer to it.
    """
    try:
        message = parse_pki_message(data, allow_sha1=allow_sha1)
    except MessageError as fault:
        return FaultyRequest(_header_of(data, fault), fault)
    try:
        # An allow-list: what is not named here is refused, whatever it is.
        if message.message_type is not MessageType.PKCS_REQ:
            raise EncodingError(f"a {message.message_type.word} is not accepted here")
        opened = open_request(
            message, issuer.key, issuer.certificate, random, allow_des=allow_single_des
        )
    except MessageError as fault:
        return FaultyRequest(message, fault)
    return ReceivedRequest(message, opened.request, opened.cipher)


def _header_of(data: bytes, fault: MessageError) -> MessageHeader:
    try:
        return read_header(data)
    except MessageError:
        raise fault from None
