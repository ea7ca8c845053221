"""
Tests for counting, remembering and telling what Apple answers.
"""

from __future__ import annotations

from enum import Enum

from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.metrics import Metrics
from scepd.services.apple_answers import MOST_REMEMBERED, AppleAnswers


class _Cause(Enum):
    """
    As the network has it.
    """

    GO_AWAY = "goaway"


class AnswersTests(SynchronousTestCase):
    """
    Tests at a time of our own.
    """

    def setUp(self) -> None:
        """
        Nothing was answered yet.
        """
        self.clock = Clock()
        self.clock.advance(1_780_000_000)
        self.metrics = Metrics()
        self.answers = AppleAnswers(self.metrics, self.clock)

    def value(self, name: str, **labels: str) -> float | None:
        """
        The value of a metric.
        """
        return self.metrics.registry.get_sample_value(name, labels)

    def test_counted(self) -> None:
        """
        Pushes are counted by status and reason, times in buckets, connections by cause.
        """
        self.answers.pushes_ended(200, "", 900)
        self.answers.pushes_ended(200, "", 1)
        self.answers.pushes_ended(410, "Unregistered", 2)
        self.answers.pushes_ended(None, "timed-out", 3)
        self.answers.push_seconds([0.005, 0.006, 100.0])
        self.answers.reconnecting(_Cause.GO_AWAY)
        self.assertEqual(self.value("scepd_push_total", status="200", reason=""), 901)
        self.assertEqual(self.value("scepd_push_total", status="410", reason="Unregistered"), 2)
        self.assertEqual(self.value("scepd_push_total", status="none", reason="timed-out"), 3)
        self.assertEqual(self.value("scepd_push_seconds_bucket", le="0.005"), 1)
        self.assertEqual(self.value("scepd_push_seconds_bucket", le="0.01"), 2)
        self.assertEqual(self.value("scepd_push_seconds_bucket", le="60.0"), 2)
        self.assertEqual(self.value("scepd_push_seconds_bucket", le="+Inf"), 3)
        self.assertEqual(self.value("scepd_push_seconds_count"), 3)
        self.assertAlmostEqual(self.value("scepd_push_seconds_sum") or 0, 100.011)
        self.assertEqual(self.value("scepd_push_reconnects_total", cause="goaway"), 1)
        self.assertIn(b"# TYPE scepd_push_seconds histogram", self.metrics.exposition())

    def test_labels_are_bounded(self) -> None:
        """
        Words and statuses that Apple does not document share one label.
        """
        for number in range(100):
            self.answers.pushes_ended(400, f"New{number}", 1)
            self.answers.pushes_ended(600 + number, "", 1)
        self.assertEqual(self.value("scepd_push_total", status="400", reason="other"), 100)
        self.assertEqual(self.value("scepd_push_total", status="other", reason=""), 100)

    def test_remembered(self) -> None:
        """
        What was not a plain 200 is remembered, the newest first, and not without end.
        """
        self.answers.pushes_ended(200, "", 1)
        self.answers.pushes_ended(503, "Shutdown", 1)
        self.clock.advance(1)
        self.answers.pushes_ended(None, "lost", 4)
        self.clock.advance(1)
        self.answers.pushes_ended(503, "Shutdown", 2)
        found = [(one.status, one.reason, one.count) for one in self.answers.refusals]
        self.assertEqual(found, [(503, "Shutdown", 3), (None, "lost", 4)])
        for number in range(MOST_REMEMBERED + 10):
            self.clock.advance(1)
            self.answers.pushes_ended(400, f"New{number}", 1)
        kept = self.answers.refusals
        self.assertEqual((len(kept), kept[0].reason), (MOST_REMEMBERED, "New59"))

    def test_told(self) -> None:
        """
        Each kind is one log line a minute, at the level of its row.
        """
        with capturedLogs() as logs:
            for _ in range(3):
                self.answers.pushes_ended(403, "BadCertificate", 5)
                self.answers.pushes_ended(400, "BadTopic", 5)
                self.answers.pushes_ended(200, "", 5)
            self.clock.advance(60)
            self.answers.pushes_ended(400, "BadTopic", 1)
        found = [(event["log_level"], event["reason"]) for event in logs]
        self.assertEqual(
            found,
            [
                (LogLevel.error, "BadCertificate"),
                (LogLevel.critical, "BadTopic"),
                (LogLevel.critical, "BadTopic"),
            ],
        )

    def test_wrong_tokens(self) -> None:
        """
        When many tokens are wrong at once that is a complaint, and an error once an hour.
        """
        self.answers.pushes_ended(200, "", 30)
        self.answers.pushes_ended(400, "BadDeviceToken", 19)
        self.assertEqual(self.answers.complaint, "")
        with capturedLogs() as logs:
            self.answers.pushes_ended(400, "DeviceTokenNotForTopic", 1)
            self.answers.pushes_ended(400, "BadDeviceToken", 1)
            self.assertIn("21 of the last 51 pushes", self.answers.complaint)
            self.clock.advance(3600)
            self.assertEqual(self.answers.complaint, "")
            self.answers.pushes_ended(400, "BadDeviceToken", 20)
        errors = [event for event in logs if event["log_level"] is LogLevel.error]
        self.assertEqual(len(errors), 2)
        self.assertIn("right environment", errors[0]["complaint"])
