"""
What passed through the proxy: a bounded copy, and what its bytes say (RFC 8894 section 3).

Nothing is decrypted here and nothing is refused. Whatever the bytes are, there is a report.
"""

from __future__ import annotations

from dataclasses import dataclass

from scepd.errors import MessageError
from scepd.pki.verifying import examine_signed_data, verify_signed_data
from scepd.scep.answer_status import read_answer_status
from scepd.scep.attributes import MessageType
from scepd.scep.messages import (
    MAX_MESSAGE_SIZE,
    UnverifiedMessage,
    read_header,
    read_pki_message,
)

_LARGE_PIECE = 4096
# What is large does not stay in memory.
_LARGEST_PROVEN = 8192


class BoundedCopy:
    """
    The first octets of a stream, and how many there were in all.

    Pieces stay as they came, so that nothing is in memory twice, or for growth that may not come;
    only small ones are put together.

    :param limit: how many octets are kept at most.
    """

    __slots__ = ("_limit", "_pieces", "_room", "_small", "_total")

    def __init__(self, limit: int = MAX_MESSAGE_SIZE) -> None:
        self._pieces: list[bytes] = []
        self._small = bytearray()
        self._limit = self._room = limit
        self._total = 0

    def feed(self, data: bytes) -> None:
        """
        Take the next octets of the stream.

        :param data: any number of octets.
        """
        self._total += len(data)
        if self._room <= 0:
            return
        kept = data[: self._room]
        self._room -= len(kept)
        if len(kept) >= _LARGE_PIECE:
            self._join_small()
            self._pieces.append(kept)
            return
        self._small += kept
        if len(self._small) >= _LARGE_PIECE:
            self._join_small()

    @property
    def truncated(self) -> bool:
        """
        Whether more came than was kept.
        """
        return self._total > self._limit

    @property
    def over(self) -> int:
        """
        How many octets came that were not kept.
        """
        return max(0, self._total - self._limit)

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
        self._join_small()
        if len(self._pieces) > 1:
            self._pieces = [b"".join(self._pieces)]
        return self._pieces[0] if self._pieces else b""

    def _join_small(self) -> None:
        if self._small:
            self._pieces.append(bytes(self._small))
            self._small = bytearray()


class ProvenSigners:
    """
    The certificates with whose keys answers were signed right before: what an authority signs with
    such a key is not computed again, as the device does that itself. Digests are always compared.

    :param limit: how many are remembered at most.
    """

    __slots__ = ("_certificates", "_limit")

    def __init__(self, limit: int = 64) -> None:
        self._certificates: set[bytes] = set()
        self._limit = limit

    def check(self, message: UnverifiedMessage) -> None:
        """
        Verify the signature of an answer, if its signer is not proven.

        :param message: whose form is right.
        :raises MessageError: what ``verify_signed_data`` raises.
        """
        certificate = examine_signed_data(message.signed).identity.der
        if certificate in self._certificates:
            return
        verify_signed_data(message.signed)
        if len(certificate) > _LARGEST_PROVEN:
            return
        if len(self._certificates) >= self._limit:
            self._certificates.clear()
        self._certificates.add(certificate)


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
    :param fail_info_text: the authority's own words, at most 1 kB, with spaces where they can't be
        printed.
    :param transaction_id: opaque, 1 to 256 printable ASCII characters.
    :param fault: one sentence that says what is wrong, and holds nothing of the answer. With a
        ``pki_status`` beside it, the signature is wrong, or the form is not all that it should be.
    """

    pki_status: str | None
    fail_info: str | None
    fail_info_text: str | None
    transaction_id: str | None
    fault: str | None


def observe_request(data: bytes, *, max_size: int = MAX_MESSAGE_SIZE) -> RequestReport:
    """
    Describe a request that passed by.

    :param data: the body, whole or cut off.
    :param max_size: octets that are read at most.
    :returns: the report; never raises.
    """
    report = _observe_request(data, max_size, as_der=True)
    # Nearly all are DER to the bottom; what is in order without having looked there stays so.
    return report if report.fault is None else _observe_request(data, max_size, as_der=False)


def observe_answer(data: bytes, proven: ProvenSigners | None = None) -> AnswerReport:
    """
    Describe an answer that passed by.

    The status is reported even if the signature is wrong, or uses an algorithm that is not
    accepted, or there is something else that we refuse: it is what the device will go by.

    :param data: the body, whole or cut off.
    :param proven: whose signatures need not be verified; None: nobody's.
    :returns: the report; never raises.
    """
    proven = ProvenSigners() if proven is None else proven
    report = _observe_answer(data, proven, as_der=True)
    if report.fault is not None:
        report = _observe_answer(data, proven, as_der=False)
    return report if report.pki_status is not None else _leniently(data, report)


def _observe_request(data: bytes, max_size: int, *, as_der: bool) -> RequestReport:
    try:
        message = read_pki_message(data, max_size=max_size, as_der=as_der)
    except MessageError as error:
        return RequestReport(None, _transaction_id(data, max_size), None, _sentence(error))
    found = message.attributes
    word, transaction_id = found.message_type.word, found.transaction_id
    if found.message_type is MessageType.CERT_REP:
        fault = "The message is an answer where a request should be."
        return RequestReport(word, transaction_id, None, fault)
    try:
        signer = verify_signed_data(message.signed)
    except MessageError as error:
        return RequestReport(word, transaction_id, None, _sentence(error))
    return RequestReport(word, transaction_id, signer.identity.public_key_sha256, None)


def _observe_answer(data: bytes, proven: ProvenSigners, *, as_der: bool) -> AnswerReport:
    try:
        message = read_pki_message(data, as_der=as_der)
    except MessageError as error:
        return AnswerReport(None, None, None, _transaction_id(data), _sentence(error))
    found = message.attributes
    if found.pki_status is None or found.message_type is not MessageType.CERT_REP:
        fault = "The message is a request where an answer should be."
        return AnswerReport(None, None, None, found.transaction_id, fault)
    return AnswerReport(
        found.pki_status.word,
        None if found.fail_info is None else found.fail_info.word,
        _printable(found.fail_info_text),
        found.transaction_id,
        _signature_fault(message, proven),
    )


def _leniently(data: bytes, report: AnswerReport) -> AnswerReport:
    found = read_answer_status(data)
    if found is None:
        return report
    return AnswerReport(
        found.pki_status.word,
        None if found.fail_info is None else found.fail_info.word,
        _printable(found.fail_info_text),
        found.transaction_id,
        report.fault,
    )


def _signature_fault(message: UnverifiedMessage, proven: ProvenSigners) -> str | None:
    try:
        proven.check(message)
    except MessageError as error:
        return _sentence(error)
    return None


def _transaction_id(data: bytes, max_size: int = MAX_MESSAGE_SIZE) -> str | None:
    try:
        return read_header(data, max_size=max_size).transaction_id
    except MessageError:
        return None


def _printable(text: str | None) -> str | None:
    """
    An authority's words, fit for logs and for a database that takes no NUL.
    """
    if text is None or text.isprintable():
        return text
    return "".join(each if each.isprintable() else " " for each in text)


def _sentence(error: MessageError) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
