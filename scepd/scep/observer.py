"""
What passed through the proxy: a bounded copy, and what its bytes say (RFC 8894 section 3).

Nothing is decrypted here and nothing is refused. Whatever the bytes are, there is a report.
"""

from __future__ import annotations

from dataclasses import dataclass

from scepd.errors import MessageError
from scepd.pki.verifying import verify_signed_data
from scepd.scep.attributes import MessageType
from scepd.scep.messages import (
    MAX_MESSAGE_SIZE,
    UnverifiedMessage,
    read_header,
    read_pki_message,
)


class BoundedCopy:
    """
    The first octets of a stream, and how many there were in all.

    :param limit: how many octets are kept at most.
    """

    __slots__ = ("_kept", "_limit", "_total")

    def __init__(self, limit: int = MAX_MESSAGE_SIZE) -> None:
        self._kept = bytearray()
        self._limit = limit
        self._total = 0

    def feed(self, data: bytes) -> None:
        """
        Take the next octets of the stream.

        :param data: any number of octets.
        """
        self._total += len(data)
        room = self._limit - len(self._kept)
        if room > 0:
            self._kept += data[:room]

    @property
    def truncated(self) -> bool:
        """
        Whether more came than was kept.
        """
        return self._total > len(self._kept)

    @property
    def total(self) -> int:
        """
        How many octets came in all.
        """
        return self._total

    def getvalue(self) -> bytes:
        """
        Return the octets that were kept.
        """
        return bytes(self._kept)


@dataclass(frozen=True, slots=True)
class RequestReport:
    """
    What a request's bytes say; what is None could not be read.

    :param message_type: in the RFC's spelling, such as ``PKCSReq``.
    :param transaction_id: opaque, 1 to 256 printable ASCII characters.
    :param signer_key_sha256: 64 lower-case hexadecimal digits; only when the signature is right.
    :param fault: one sentence that says what is wrong, and holds nothing of the request.
    """

    message_type: str | None
    transaction_id: str | None
    signer_key_sha256: str | None
    fault: str | None


@dataclass(frozen=True, slots=True)
class AnswerReport:
    """
    What an answer's bytes say; what is None could not be read.

    :param pki_status: in the RFC's spelling: ``SUCCESS``, ``FAILURE`` or ``PENDING``.
    :param fail_info: in the RFC's spelling, such as ``badRequest``.
    :param fail_info_text: the authority's own words, at most 1 kB.
    :param transaction_id: opaque, 1 to 256 printable ASCII characters.
    :param fault: one sentence that says what is wrong, and holds nothing of the answer. With a
        ``pki_status`` beside it, the form is right and the signature is not.
    """

    pki_status: str | None
    fail_info: str | None
    fail_info_text: str | None
    transaction_id: str | None
    fault: str | None


def observe_request(data: bytes) -> RequestReport:
    """
    Describe a request that passed by.

    :param data: the body, whole or cut off.
    :returns: the report; never raises.
    """
    try:
        message = read_pki_message(data)
    except MessageError as error:
        return RequestReport(None, _transaction_id(data), None, _sentence(error))
    found = message.attributes
    if found.message_type is MessageType.CERT_REP:
        fault = "The message is an answer where a request should be."
        return RequestReport(found.message_type.word, found.transaction_id, None, fault)
    key_sha256, fault_found = _signer(message)
    return RequestReport(found.message_type.word, found.transaction_id, key_sha256, fault_found)


def observe_answer(data: bytes) -> AnswerReport:
    """
    Describe an answer that passed by.

    The status is reported even if the signature is wrong or uses an algorithm that is not
    accepted: it is what the device will go by.

    :param data: the body, whole or cut off.
    :returns: the report; never raises.
    """
    try:
        message = read_pki_message(data)
    except MessageError as error:
        return AnswerReport(None, None, None, _transaction_id(data), _sentence(error))
    found = message.attributes
    if found.pki_status is None or found.message_type is not MessageType.CERT_REP:
        fault = "The message is a request where an answer should be."
        return AnswerReport(None, None, None, found.transaction_id, fault)
    return AnswerReport(
        found.pki_status.word,
        None if found.fail_info is None else found.fail_info.word,
        found.fail_info_text,
        found.transaction_id,
        _signer(message)[1],
    )


def _signer(message: UnverifiedMessage) -> tuple[str | None, str | None]:
    try:
        return verify_signed_data(message.signed).identity.public_key_sha256, None
    except MessageError as error:
        return None, _sentence(error)


def _transaction_id(data: bytes) -> str | None:
    try:
        return read_header(data).transaction_id
    except MessageError:
        return None


def _sentence(error: MessageError) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
