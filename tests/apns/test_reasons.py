"""
Tests for the meaning of answers.
"""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.apns.events import PushAnswered
from scepd.apns.outcome import OutcomeKind, answered, lost, unsent
from scepd.apns.reasons import Action, action_of, parse_body, suspends

TABLE = """
200 -                           DONE            DONE
410 Unregistered                TOKEN_DEAD      TOKEN_DEAD
410 ExpiredToken                TOKEN_DEAD      TOKEN_DEAD
410 -                           UNKNOWN         PERMANENT
400 BadDeviceToken              TOKEN_WRONG     PERMANENT
400 DeviceTokenNotForTopic      TOKEN_WRONG     PERMANENT
400 BadCollapseId               OUR_FAULT       PERMANENT
400 BadExpirationDate           OUR_FAULT       PERMANENT
400 BadMessageId                OUR_FAULT       PERMANENT
400 BadPriority                 OUR_FAULT       PERMANENT
400 BadTopic                    OUR_FAULT       PERMANENT
400 DuplicateHeaders            OUR_FAULT       PERMANENT
400 InvalidPushType             OUR_FAULT       PERMANENT
400 MissingDeviceToken          OUR_FAULT       PERMANENT
400 MissingTopic                OUR_FAULT       PERMANENT
400 PayloadEmpty                OUR_FAULT       PERMANENT
400 IdleTimeout                 RECONNECT       RETRY
400 TopicDisallowed             SUSPEND         SUSPENDED
403 BadCertificate              SUSPEND         SUSPENDED
403 BadCertificateEnvironment   SUSPEND         SUSPENDED
403 Forbidden                   SUSPEND         SUSPENDED
403 InvalidProviderToken        SUSPEND         SUSPENDED
403 MissingProviderToken        SUSPEND         SUSPENDED
403 SomethingNew                SUSPEND         SUSPENDED
403 -                           SUSPEND         SUSPENDED
403 ExpiredProviderToken        RENEW_TOKEN     SUSPENDED
404 BadPath                     OUR_FAULT       PERMANENT
405 MethodNotAllowed            OUR_FAULT       PERMANENT
413 PayloadTooLarge             OUR_FAULT       PERMANENT
429 TooManyRequests             DELAY_DEVICE    RETRY
429 TooManyProviderTokenUpdates BACK_OFF        RETRY
500 InternalServerError         BACK_OFF        RETRY
503 ServiceUnavailable          BACK_OFF        RETRY
503 Shutdown                    RECONNECT_LATER RETRY
599 SomethingNew                BACK_OFF        RETRY
400 SomethingNew                UNKNOWN         PERMANENT
418 -                           UNKNOWN         PERMANENT
302 -                           UNKNOWN         PERMANENT
"""


class ActionTests(SynchronousTestCase):
    """
    Tests for the table of reasons.
    """

    def test_table(self) -> None:
        """
        Each reason of Apple's documents, and the unknown ones, have their action and outcome.
        """
        for line in TABLE.strip().splitlines():
            status, reason, action, kind = line.split()
            word = None if reason == "-" else reason
            answer = PushAnswered(1, int(status), word, None, None)
            outcome = answered(answer, "id", 0, lambda: 0.5)
            self.assertIs(action_of(int(status), word), Action[action], line)
            self.assertIs(outcome.kind, OutcomeKind[kind], line)
            self.assertEqual(outcome.retry_after > 0, kind == "RETRY", line)

    def test_connection_reasons(self) -> None:
        """
        A GOAWAY suspends only with a reason that is about our certificate.
        """
        self.assertTrue(suspends("BadCertificate"))
        self.assertFalse(suspends("Shutdown"))
        self.assertFalse(suspends(None))

    def test_retry_grows(self) -> None:
        """
        Each attempt waits longer.
        """
        answer = PushAnswered(1, 503, "ServiceUnavailable", None, None)
        first, third = (answered(answer, "id", n, lambda: 0.5).retry_after for n in (0, 2))
        self.assertGreater(third, first)
        waits = [lost("why", "id", n, lambda: 0.5).retry_after for n in (0, 2)]
        self.assertGreater(waits[1], waits[0])

    def test_sent(self) -> None:
        """
        Outcomes tell whether Apple may have seen the push.
        """
        self.assertTrue(lost("why", "id", 0, lambda: 0.5).sent)
        self.assertFalse(unsent("why", lambda: 0.5).sent)


class BodyTests(SynchronousTestCase):
    """
    Tests for the bodies of answers.
    """

    def test_timestamp(self) -> None:
        """
        Timestamps are milliseconds.
        """
        body = b'{"reason":"Unregistered","timestamp":1700000000123}'
        when = datetime(2023, 11, 14, 22, 13, 20, 123000, UTC)
        self.assertEqual(parse_body(body), ("Unregistered", when))

    def test_nonsense(self) -> None:
        """
        Bodies that are something else mean nothing.
        """
        for body in (
            b"",
            b"[]",
            b"<html>",
            b"\xff\xfe",
            b"[" * 100_000,
            b'{"reason":1,"timestamp":true}',
            b'{"reason":"a\\nb","timestamp":1e400}',
            b'{"timestamp":99999999999999999999999}',
        ):
            self.assertEqual(parse_body(body), (None, None))

    @given(st.binary(max_size=100) | st.integers().map(lambda n: b'{"timestamp":%d}' % n))
    def test_anything(self, body: bytes) -> None:
        """
        No body raises.
        """
        parse_body(body)
