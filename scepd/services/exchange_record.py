"""
The audit of a PKIOperation: from what was seen of it to its record and to what becomes of its
window.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from scepd.model import SCEPExchange, WindowOutcome
from scepd.ports import SignedBy, Subject
from scepd.scep.observer import AnswerReport, RequestReport


@dataclass(slots=True)
class ExchangeRecord:
    """
    What is known of an exchange while it runs.

    :param window_id: the window that let it through, or did not.
    :param request: what the observer read of the whole request; None while it did not.
    :param answer: likewise; None when not one byte of an answer came.
    """

    id: str
    subject: Subject
    started_at: datetime
    window_id: str | None = None
    request: RequestReport | None = None
    answer: AnswerReport | None = None

    @property
    def signed_by(self) -> SignedBy | None:
        """
        Key and transactionID of the request, if its signature was verified.
        """
        report = self.request
        if report is None or report.signer_key_sha256 is None or report.transaction_id is None:
            return None
        return SignedBy(report.signer_key_sha256, report.transaction_id)

    def outcome(self, *, sent_whole: bool, refused: bool = False) -> WindowOutcome:
        """
        What becomes of the window.

        Without an answer that was understood, a request that went out whole may have been
        processed: then only its own repetition is let through again. What is no SCEP message, or
        was answered as the client's fault, was not: else whoever knows the URL could shut the
        device out.

        :param refused: whether the answer's HTTP status was one of 400 to 499.
        """
        status = self.answer.pki_status if self.answer else None
        if status == "SUCCESS":
            return WindowOutcome.LOCK
        if status == "PENDING":
            return WindowOutcome.LOCK_PENDING
        is_junk = self.request is not None and self.request.message_type is None
        if status == "FAILURE" or not sent_whole or refused or is_junk:
            return WindowOutcome.REOPEN
        return WindowOutcome.LOCK

    def close(
        self, at: datetime, http_status: int, error: str, failure: str | None = None
    ) -> SCEPExchange:
        """
        The record as it is stored.

        :param error: what kept the device from its answer, in a sentence; empty: nothing did.
        :param failure: the kind of it, where it was the certificate authority or the way to it.
        """
        request, answer = self.request, self.answer
        return SCEPExchange(
            id=self.id,
            host_uuid=self.subject.host_uuid,
            profile_uuid=self.subject.profile_uuid,
            ca_name=self.subject.ca_name,
            window_id=self.window_id,
            message_type=request.message_type if request else None,
            transaction_id=request.transaction_id if request else None,
            pki_status=answer.pki_status if answer else None,
            fail_info=answer.fail_info if answer else None,
            http_status=http_status,
            detail=self._detail(error),
            started_at=self.started_at,
            milliseconds=max(0, round((at - self.started_at).total_seconds() * 1000)),
            failure=failure,
        )

    def _detail(self, error: str) -> str:
        request, answer = self.request, self.answer
        parts = [error or _failure_text(answer)]
        if request and request.fault:
            parts.append(f"request: {request.fault}")
        # Of an answer that was cut off it goes without saying.
        if answer and answer.fault and not error:
            parts.append(f"answer: {answer.fault}")
        return "; ".join(part for part in parts if part)


def _failure_text(answer: AnswerReport | None) -> str:
    if answer is None or answer.pki_status != "FAILURE":
        return ""
    sentence = f"the certificate authority refused: {answer.fail_info or 'no reason given'}"
    return sentence + (f" ({answer.fail_info_text})" if answer.fail_info_text else "")
