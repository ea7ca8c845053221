"""
Tests for the audit record of a PKIOperation.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from twisted.trial.unittest import SynchronousTestCase

from scepd.model import WindowOutcome
from scepd.ports import Subject
from scepd.scep.observer import AnswerReport, RequestReport
from scepd.services.exchange_record import ExchangeRecord

_AT = datetime(2026, 6, 1, tzinfo=UTC)
_REQUEST = RequestReport("PKCSReq", "transaction", "ab" * 32, None)
_SUCCESS = AnswerReport("SUCCESS", None, None, "transaction", None)
_FAILURE = AnswerReport("FAILURE", "badRequest", "wrong challenge", "transaction", None)


class ExchangeRecordTests(SynchronousTestCase):
    """
    Tests for records by what was seen.
    """

    def record(
        self, request: RequestReport | None = _REQUEST, answer: AnswerReport | None = None
    ) -> ExchangeRecord:
        """
        A record of an exchange in which this was seen.
        """
        subject = Subject("host", "profile", "CA")
        return ExchangeRecord("id", subject, _AT, "window", request, answer)

    def test_outcomes(self) -> None:
        """
        The answer that was seen decides; without one, whether the request went out whole.
        """
        unread = AnswerReport(None, None, None, None, "It is no message.")
        pending = replace(_SUCCESS, pki_status="PENDING")
        for answer, expected in (
            (_SUCCESS, (WindowOutcome.LOCK, WindowOutcome.LOCK)),
            (pending, (WindowOutcome.LOCK_PENDING, WindowOutcome.LOCK_PENDING)),
            (_FAILURE, (WindowOutcome.REOPEN, WindowOutcome.REOPEN)),
            (unread, (WindowOutcome.LOCK, WindowOutcome.REOPEN)),
            (None, (WindowOutcome.LOCK, WindowOutcome.REOPEN)),
        ):
            record = self.record(answer=answer)
            found = (record.outcome(sent_whole=True), record.outcome(sent_whole=False))
            self.assertEqual(found, expected)

    def test_not_processed(self) -> None:
        """
        What is no message, or was refused by HTTP status, can't have been processed.
        """
        junk = RequestReport(None, None, None, "It is no message.")
        self.assertEqual(self.record(junk).outcome(sent_whole=True), WindowOutcome.REOPEN)
        refused = self.record().outcome(sent_whole=True, refused=True)
        self.assertEqual(refused, WindowOutcome.REOPEN)
        issued = self.record(junk, _SUCCESS).outcome(sent_whole=True, refused=True)
        self.assertEqual(issued, WindowOutcome.LOCK)

    def test_signed_by(self) -> None:
        """
        Only a verified signer of a known transaction counts.
        """
        signer = self.record().signed_by
        assert signer is not None
        self.assertEqual(signer.signer_key_sha256, "ab" * 32)
        self.assertEqual(signer.transaction_id, "transaction")
        for request in (
            None,
            replace(_REQUEST, signer_key_sha256=None),
            replace(_REQUEST, transaction_id=None),
        ):
            self.assertIsNone(self.record(request).signed_by)

    def test_granted(self) -> None:
        """
        The record of a success has no detail.
        """
        exchange = self.record(answer=_SUCCESS).close(_AT + timedelta(seconds=1.5), 200, "")
        self.assertEqual((exchange.message_type, exchange.pki_status), ("PKCSReq", "SUCCESS"))
        self.assertEqual((exchange.detail, exchange.milliseconds), ("", 1500))
        self.assertEqual((exchange.window_id, exchange.transaction_id), ("window", "transaction"))

    def test_details(self) -> None:
        """
        The detail says what went wrong: the error, the CA's refusal, and what was wrong with the
        messages.
        """
        refused = "the certificate authority refused: "
        strange = replace(_REQUEST, fault="It is broken.")
        bare = replace(_FAILURE, fail_info=None, fail_info_text=None)
        unread = AnswerReport(None, None, None, None, "It is no message.")
        for request, answer, error, expected in (
            (_REQUEST, _FAILURE, "", refused + "badRequest (wrong challenge)"),
            (_REQUEST, bare, "", refused + "no reason given"),
            (
                strange,
                _FAILURE,
                "",
                refused + "badRequest (wrong challenge); request: It is broken.",
            ),
            (_REQUEST, unread, "", "answer: It is no message."),
            (_REQUEST, unread, "it died", "it died"),
            (strange, None, "it died", "it died; request: It is broken."),
        ):
            self.assertEqual(self.record(request, answer).close(_AT, 200, error).detail, expected)

    def test_nothing_seen(self) -> None:
        """
        Of a request that was refused unread only the circumstances are recorded.
        """
        exchange = self.record(None).close(_AT - timedelta(seconds=1), 403, "closed")
        self.assertEqual((exchange.http_status, exchange.detail), (403, "closed"))
        self.assertEqual((exchange.message_type, exchange.pki_status), (None, None))
        self.assertEqual(exchange.milliseconds, 0)
