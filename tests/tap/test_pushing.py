"""
Tests for the change of push credentials while everything runs.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.apns.credentials import PushCredentials, load_credentials, load_provider_token
from scepd.apns.outcome import GatewayState
from scepd.config import parse
from scepd.errors import Conflict
from scepd.metrics import Metrics
from scepd.pki.keyring import Keyring
from scepd.tap.files import DeviceSecrets
from scepd.tap.pushing import Pushing
from scepd.tap.surroundings import Surroundings
from tests.support.apns_certificates import PushAuthority
from tests.support.fake_mdm import FakePushes
from tests.support.fake_push_gateway import FakePushTopics

TOPIC = "com.apple.mgmt.External.11111111-1111-4111-8111-111111111111"
OTHER = "com.apple.mgmt.External.22222222-2222-4222-8222-222222222222"
NOW = 1_780_000_000


class PushingTests(SynchronousTestCase):
    """
    Tests on a reactor in memory, which never gets a connection.
    """

    def setUp(self) -> None:
        """
        Let it be some day.
        """
        self.reactor = MemoryReactorClock()
        self.reactor.advance(NOW)
        self.metrics = Metrics()
        self.topics = FakePushTopics()
        self.authority = PushAuthority()

    def credentials(self, topic: str = TOPIC, days: float = 365) -> PushCredentials:
        """
        A certificate that expires so many days from the time of the reactor.
        """
        pair = self.authority.push(topic)
        loaded = load_credentials(pair.certificate, pair.key)
        return PushCredentials(
            loaded.certificates,
            loaded.private_key,
            topic,
            self.today + timedelta(days=days),
        )

    @property
    def today(self) -> datetime:
        """
        The time of the reactor.
        """
        return datetime.fromtimestamp(self.reactor.seconds(), UTC)

    def start(self, credentials: PushCredentials | None) -> Pushing:
        """
        Start, and stop in the end.
        """
        configuration = parse('[apns]\nhost = "127.0.0.1"', Path("/scepd.toml"))
        around = Surroundings(configuration, self.reactor, lambda: Keyring({"k1": bytes(32)}))
        secrets = DeviceSecrets(credentials, None, None, None)
        pushing = Pushing(around, FakePushes(), self.topics, self.metrics, secrets, lambda: True)
        pushing.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(pushing.stop()))
        self.reactor.advance(6)
        return pushing

    def value(self, name: str) -> float:
        """
        The value of a gauge.
        """
        value = self.metrics.registry.get_sample_value(name)
        assert value is not None
        return value

    def test_none(self) -> None:
        """
        Without credentials nothing is dialled, and the operator is told.
        """
        pushing = self.start(None)
        self.assertEqual(self.reactor.tcpClients, [])
        self.assertEqual(
            pushing.trouble(),
            "degraded: [apns] names no credentials, so that no device can be pushed to",
        )
        self.assertEqual((pushing.topic, pushing.state, pushing.waiting), (None, None, 0))
        self.assertTrue(math.isnan(self.value("scepd_push_certificate_expiry_seconds")))
        pushing.wake()

    def test_added(self) -> None:
        """
        A certificate that is added where none was at the start begins to push.
        """
        pushing = self.start(None)
        added = self.credentials()
        pushing.check(added, None)
        pushing.use(added)
        self.reactor.advance(6)
        self.assertEqual(len(self.reactor.tcpClients), 1)
        self.assertEqual((pushing.topic, pushing.state), (TOPIC, GatewayState.CONNECTING))
        self.assertIsNotNone(added.not_after)
        self.assertEqual(
            self.value("scepd_push_certificate_expiry_seconds"), NOW + 6 + 365 * 86_400
        )

    def test_unchanged(self) -> None:
        """
        The same certificate, read again, changes nothing.
        """
        first = self.credentials()
        pushing = self.start(first)
        with capturedLogs() as logs:
            again = PushCredentials(
                first.certificates, first.private_key, first.topic, first.not_after
            )
            pushing.use(again)
            self.reactor.advance(1)
        self.assertEqual(len(self.reactor.tcpClients), 1)
        self.assertEqual(logs, [])

    def test_another_topic(self) -> None:
        """
        Another topic is refused with both named, unless the operator names it himself.
        """
        pushing = self.start(self.credentials())
        other = self.credentials(OTHER)
        for accepted in (None, TOPIC):
            with self.assertRaises(Conflict) as caught:
                pushing.check(other, accepted)
            for word in (TOPIC, f'accept_new_topic = "{OTHER}"'):
                self.assertIn(word, str(caught.exception))
        pushing.check(other, OTHER)
        pushing.use(other)
        self.assertEqual(pushing.topic, OTHER)

    def test_another_kind(self) -> None:
        """
        A provider token in place of the certificate needs a restart; another key does not.
        """
        pushing = self.start(self.credentials())
        first, second = self.token("ABC123DEFG"), self.token("ZZZ123DEFG")
        with self.assertRaises(Conflict) as caught:
            pushing.check(first, None)
        self.assertIn("restart scepd", str(caught.exception))
        by_token = self.start(first)
        self.assertRaises(Conflict, by_token.check, self.credentials(), None)
        by_token.check(second, None)
        by_token.use(second)
        self.assertEqual((by_token.topic, by_token.not_after), (TOPIC, None))

    def token(self, key_id: str) -> PushCredentials:
        """
        Credentials by provider token.
        """
        pem = self.authority.push(TOPIC).key
        return load_provider_token(pem, key_id, "TEAM567890", TOPIC, self.reactor.seconds)

    def test_renewed(self) -> None:
        """
        A renewed certificate of the same topic needs no word of the operator.
        """
        pushing = self.start(self.credentials(days=3))
        renewed = self.credentials()
        pushing.check(renewed, None)
        with capturedLogs() as logs:
            pushing.use(renewed)
        self.assertIn("Pushing as", logs[-1]["log_format"])
        self.assertEqual(pushing.not_after, renewed.not_after)

    def test_enrolled_topics(self) -> None:
        """
        A certificate at the start that is not of the devices' topic is told, until it is.
        """
        self.topics.numbers = {TOPIC: 7, OTHER: 3}
        with capturedLogs() as logs:
            pushing = self.start(self.credentials())
            self.reactor.advance(7200)
        sentence = f"topic is {TOPIC}, but there are devices enrolled 3 with {OTHER}"
        self.assertIn(sentence, pushing.trouble())
        told = [event for event in logs if event["log_level"] is LogLevel.error]
        self.assertEqual(len(told), 1)
        self.topics.numbers = {OTHER: 3}
        pushing.use(self.credentials(OTHER))
        self.reactor.advance(1)
        self.assertNotIn("devices enrolled", pushing.trouble())

    def test_removed(self) -> None:
        """
        A certificate that is no longer named is used on: nobody is cut off by a slip.
        """
        pushing = self.start(self.credentials())
        pushing.check(None, None)
        with capturedLogs() as logs:
            pushing.use(None)
        self.assertEqual(pushing.topic, TOPIC)
        self.assertEqual([event["log_level"] for event in logs], [LogLevel.warn])

    def test_expiry(self) -> None:
        """
        In its last 30 days the certificate is a complaint, and an error once a day; another one
        ends that.
        """
        with capturedLogs() as logs:
            pushing = self.start(self.credentials(days=31))
            self.assertNotIn("expires", pushing.trouble())
            for _ in range(3 * 24 - 2):
                self.reactor.advance(3600)
            self.assertIn("degraded: ", pushing.trouble())
            self.assertIn("expires in 29 days, on", pushing.trouble())
            pushing.use(self.credentials())
            self.assertNotIn("expires", pushing.trouble())
            for _ in range(3 * 24):
                self.reactor.advance(3600)
        errors = [event for event in logs if event["log_level"] is LogLevel.error]
        self.assertEqual(len(errors), 2)
        self.assertIn("expires in 30 days", errors[0]["complaint"])
