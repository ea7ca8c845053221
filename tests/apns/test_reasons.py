"""
Tests for the meaning of answers.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.apns.events import PushAnswered
from scepd.apns.outcome import answered, lost, unsent
from scepd.apns.reasons import (
    ROWS,
    Action,
    Alarm,
    Level,
    OutcomeKind,
    Row,
    action_of,
    parse_body,
    row_of,
    suspends,
)

TABLE = """
200 -                           DONE            DONE       NONE         debug
200 Anything                    DONE            DONE       NONE         debug
400 BadCollapseId               OUR_FAULT       PERMANENT  OUR_FAULT    critical
400 BadDeviceToken              TOKEN_WRONG     PERMANENT  WRONG_TOKENS warn
400 BadExpirationDate           OUR_FAULT       PERMANENT  OUR_FAULT    critical
400 BadMessageId                OUR_FAULT       PERMANENT  OUR_FAULT    critical
400 BadPriority                 OUR_FAULT       PERMANENT  OUR_FAULT    critical
400 BadTopic                    OUR_FAULT       PERMANENT  OUR_FAULT    critical
400 DeviceTokenNotForTopic      TOKEN_WRONG     PERMANENT  WRONG_TOKENS warn
400 DuplicateHeaders            OUR_FAULT       PERMANENT  OUR_FAULT    critical
400 IdleTimeout                 RECONNECT       RETRY      NONE         info
400 InvalidPushType             OUR_FAULT       PERMANENT  OUR_FAULT    critical
400 MissingDeviceToken          OUR_FAULT       PERMANENT  OUR_FAULT    critical
400 MissingTopic                OUR_FAULT       PERMANENT  OUR_FAULT    critical
400 PayloadEmpty                OUR_FAULT       PERMANENT  OUR_FAULT    critical
400 TopicDisallowed             SUSPEND         SUSPENDED  CREDENTIAL   error
403 BadCertificate              SUSPEND         SUSPENDED  CREDENTIAL   error
403 BadCertificateEnvironment   SUSPEND         SUSPENDED  CREDENTIAL   error
403 BadEnvironmentKeyIdInToken  SUSPEND         SUSPENDED  CREDENTIAL   error
403 ExpiredProviderToken        RENEW_TOKEN     SUSPENDED  NONE         warn
403 Forbidden                   SUSPEND         SUSPENDED  CREDENTIAL   error
403 InvalidProviderToken        SUSPEND         SUSPENDED  CREDENTIAL   error
403 MissingProviderToken        SUSPEND         SUSPENDED  CREDENTIAL   error
403 UnrelatedKeyIdInToken       RECONNECT       RETRY      NONE         info
404 BadPath                     OUR_FAULT       PERMANENT  OUR_FAULT    critical
405 MethodNotAllowed            OUR_FAULT       PERMANENT  OUR_FAULT    critical
410 ExpiredToken                TOKEN_DEAD      TOKEN_DEAD NONE         info
410 Unregistered                TOKEN_DEAD      TOKEN_DEAD NONE         info
413 PayloadTooLarge             OUR_FAULT       PERMANENT  OUR_FAULT    critical
429 TooManyProviderTokenUpdates BACK_OFF        RETRY      NONE         warn
429 TooManyRequests             DELAY_DEVICE    RETRY      NONE         warn
500 InternalServerError         BACK_OFF        RETRY      NONE         warn
503 ServiceUnavailable          BACK_OFF        RETRY      NONE         warn
503 Shutdown                    RECONNECT_LATER RETRY      NONE         info
302 -                           UNKNOWN         PERMANENT  NONE         error
400 -                           UNKNOWN         PERMANENT  NONE         error
400 SomethingNew                UNKNOWN         PERMANENT  NONE         error
400 BadSomethingNew             OUR_FAULT       PERMANENT  OUR_FAULT    critical
400 MissingSomethingNew         OUR_FAULT       PERMANENT  OUR_FAULT    critical
403 -                           SUSPEND         SUSPENDED  CREDENTIAL   error
403 SomethingNew                SUSPEND         SUSPENDED  CREDENTIAL   error
404 SomethingNew                OUR_FAULT       PERMANENT  OUR_FAULT    critical
405 -                           OUR_FAULT       PERMANENT  OUR_FAULT    critical
410 -                           UNKNOWN         PERMANENT  NONE         error
413 -                           OUR_FAULT       PERMANENT  OUR_FAULT    critical
418 -                           UNKNOWN         PERMANENT  NONE         error
429 -                           DELAY_DEVICE    RETRY      NONE         warn
429 SomethingNew                DELAY_DEVICE    RETRY      NONE         warn
500 -                           BACK_OFF        RETRY      NONE         warn
503 BadSomethingNew             BACK_OFF        RETRY      NONE         warn
599 SomethingNew                BACK_OFF        RETRY      NONE         warn
600 -                           UNKNOWN         PERMANENT  NONE         error
"""


class ActionTests(SynchronousTestCase):
    """
    Tests for the table of reasons.
    """

    def test_table(self) -> None:
        """
        Each reason of Apple's documents, and the unknown ones, have their action, outcome, alarm
        and log level.
        """
        for line in TABLE.strip().splitlines():
            status, reason, action, kind, alarm, level = line.split()
            word = None if reason == "-" else reason
            row = Row(Action[action], OutcomeKind[kind], Alarm[alarm], cast(Level, level))
            self.assertEqual(row_of(int(status), word), row, line)
            self.assertIs(action_of(int(status), word), Action[action], line)
            answer = PushAnswered(1, int(status), word, None, None)
            outcome = answered(answer, "id", 0, lambda: 0.5)
            self.assertIs(outcome.kind, OutcomeKind[kind], line)
            self.assertEqual(outcome.retry_after > 0, kind == "RETRY", line)

    def test_whole(self) -> None:
        """
        No row is in scepd's table alone.
        """
        lines = [line.split() for line in TABLE.strip().splitlines()]
        mine = {(int(line[0]), None if line[1] == "-" else line[1]) for line in lines}
        self.assertEqual({key for key in ROWS if key[1] is not None} - mine, set())
        self.assertEqual({status for status, _ in ROWS} - {status for status, _ in mine}, set())

    def test_connection_reasons(self) -> None:
        """
        A GOAWAY suspends only with a reason that is about our certificate or token.
        """
        for reason in ("BadCertificate", "Forbidden", "TopicDisallowed", "InvalidProviderToken"):
            self.assertTrue(suspends(reason))
        self.assertFalse(suspends("BadDeviceToken"))
        self.assertFalse(suspends("Shutdown"))
        self.assertFalse(suspends(None))

    def test_dead_token(self) -> None:
        """
        When the token died comes along: a TokenUpdate that is newer than that has replaced it.
        """
        when = datetime(2026, 5, 1, tzinfo=UTC)
        answer = PushAnswered(1, 410, "Unregistered", when, None)
        self.assertEqual(answered(answer, "id", 0, lambda: 0.5).timestamp, when)

    def test_delay_of_a_device(self) -> None:
        """
        A device with too many pushes waits for half a minute to a minute and a half, and
        twice as long with each attempt, up to an hour.
        """
        answer = PushAnswered(1, 429, "TooManyRequests", None, None)
        shortest = [answered(answer, "id", n, lambda: 0.0).retry_after for n in (0, 9)]
        longest = [answered(answer, "id", n, lambda: 1.0).retry_after for n in (0, 1, 9)]
        self.assertEqual((shortest, longest), ([30, 30], [90, 150, 3630]))

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
