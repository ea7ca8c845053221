"""
Tests for the provider token that goes with each push.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from scepd.apns.credentials import PushCredentials, load_provider_token
from scepd.apns.provider_token import LEAST_AGE
from scepd.tap.push_tokens import PushTokens
from tests.support.apns_certificates import PushAuthority

TOPIC = "com.apple.mgmt.External.1"


class PushTokensTests(SynchronousTestCase):
    """
    Tests with keys that are exchanged meanwhile.
    """

    def setUp(self) -> None:
        """
        Have a first key.
        """
        self.clock = Clock()
        self.clock.advance(1_780_000_000)
        self.in_use: PushCredentials | None = self.credentials("ABC123DEFG")
        self.tokens = PushTokens(lambda: self.in_use)

    def credentials(self, key_id: str) -> PushCredentials:
        """
        Credentials with a key of that name.
        """
        pem = PushAuthority().push(TOPIC).key
        return load_provider_token(pem, key_id, "TEAM567890", TOPIC, self.clock.seconds)

    def test_of_the_moment(self) -> None:
        """
        The token is always the one of the credentials in use.
        """
        first = self.tokens.authorization()
        self.assertIs(self.tokens.authorization(), first)
        self.in_use = self.credentials("ZZZ123DEFG")
        self.assertNotEqual(self.tokens.authorization(), first)
        self.in_use = None
        self.assertIsNone(self.tokens.authorization())

    def test_renewed(self) -> None:
        """
        An old token is replaced; that a young one has expired is a matter of the clock, and told.
        """
        first = self.tokens.authorization()
        with capturedLogs() as logs:
            self.tokens.renew()
        self.assertEqual([event["log_level"] for event in logs], [LogLevel.error])
        self.assertIs(self.tokens.authorization(), first)
        self.clock.advance(LEAST_AGE)
        with capturedLogs() as logs:
            self.tokens.renew()
        self.assertEqual(logs, [])
        self.assertNotEqual(self.tokens.authorization(), first)
